"""`/healthz` and `/readyz`: liveness, and readiness of this process's own roles, nothing more."""

from __future__ import annotations

from flask import Blueprint, Response, current_app

from engine import chart
from engine.errors import LogBehind, StorageTrouble
from web.responses import json_response
from web.wiring import Strada

health = Blueprint("health", __name__)
WORKER_SILENT_S = 60
"""A worker inside this process that finished no round for so long is not ready."""


@health.get("/healthz")
def healthz() -> Response:
    """The process answers."""
    return json_response({"status": "ok"})


@health.get("/readyz")
def readyz() -> Response:
    """The database answers and is migrated, its log is the newest, the worker inside lives."""
    strada: Strada = current_app.extensions["strada"]
    checks = {"database": _database(strada), "worker": _worker(strada), "log": _log(strada)}
    ready = all(said == "ok" for said in checks.values())
    body = {"status": "ok" if ready else "unready", "checks": checks, "chart": chart.VERSION}
    return json_response(body, 200 if ready else 503)


def _database(strada: Strada) -> str:
    if strada.store.poisoned:
        return "restart needed after an I/O error"
    try:
        pending = strada.store.pending_migrations()
    except StorageTrouble:
        return "unavailable"
    return "migrations pending" if pending else "ok"


def _log(strada: Strada) -> str:
    try:
        strada.store.guard.before_new_work()
    except LogBehind as behind:
        return str(behind.extra["reason"])
    except StorageTrouble:
        return "unavailable"
    return "ok"


def _worker(strada: Strada) -> str:
    if not current_app.config["WORKER_INSIDE"]:
        return "ok"
    last = strada.worker.last_round_at
    silent = last is not None and strada.clock.now_us() - last > WORKER_SILENT_S * 1_000_000
    return "silent" if silent else "ok"
