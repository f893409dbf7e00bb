"""Strada and the gateway simulator in one process, with one clock that only tests move.

Nothing is patched: the network between the two is replaced, and the simulator's time. A call that
hangs moves the clock by as long as its caller would have waited.
"""

from __future__ import annotations

import http.client
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import requests
from contract import HonestClient
from flask import Flask
from house import MovableClock
from werkzeug.test import EnvironBuilder, TestResponse, run_wsgi_app

from engine.clock import MICROS
from providers.bounded import CALL
from providers.kakaopay.simulator.app import create_app as create_gateway
from providers.kakaopay.simulator.books import Books
from providers.kakaopay.simulator.clock import Clock
from providers.kakaopay.simulator.desk import Desk
from providers.kakaopay.simulator.faults import Faults
from providers.kakaopay.simulator.gateway import EXTENSION, Gateway
from providers.kakaopay.simulator.refusals import Refusal
from web import wiring
from web.app import create_app
from web.settings import Settings

BASE, GATEWAY = "http://127.0.0.1:8000", "http://127.0.0.1:9000"
GATEWAY_KEY = "DEV" + "A" * 37
WINDOW_S = 900.0
DEADLINE_S = 10.0


class GatewayClock(Clock):
    """The simulator's time: the house's, and whatever a test adds to it."""

    def __init__(self, house: MovableClock) -> None:
        super().__init__()
        self.house = house
        self.waited_s = 0.0

    def now(self) -> float:
        return self.house.now / MICROS + self.offset_s

    def monotonic(self) -> float:
        return self.house.now / MICROS

    def pause(self, seconds: float) -> None:
        self.waited_s += seconds


@dataclass
class PatientGateway(Gateway):
    """A gateway whose late effects land when the test's clock reaches them."""

    held: list[tuple[float, Callable[[], object]]] = field(default_factory=list)

    def later(self, delay_s: float, step: Callable[[], object]) -> None:
        self.held.append((self.clock.monotonic() + delay_s, step))

    def land(self) -> None:
        """Let every effect happen whose time has come."""
        now = self.clock.monotonic()
        due = [step for at, step in self.held if at <= now]
        self.held = [(at, step) for at, step in self.held if at > now]
        for step in due:
            try:
                step()
            except Refusal:
                continue  # What it would have done was done meanwhile.


class Wire:
    """In the place of requests' adapter: a call goes straight into the simulator's app."""

    def __init__(self, app: Flask, gateway: PatientGateway, time: MovableClock) -> None:
        self._app, self._gateway, self._time = app, gateway, time
        self.calls: list[str] = []

    def send(self, request: Any, stream: bool, limits: Any, verify: Any) -> Any:
        """What the client's HTTP library would return or raise."""
        CALL.get().sent = True
        path = urlsplit(request.url).path
        self.calls.append(path.rpartition("/")[2])
        clock = self._gateway.clock
        assert isinstance(clock, GatewayClock)
        clock.waited_s = 0.0
        asked = EnvironBuilder(
            path, GATEWAY, method="POST", headers=dict(request.headers), data=request.body
        )
        asked.environ_base = {"REMOTE_ADDR": "127.0.0.1"}
        try:
            chunks, status, headers = run_wsgi_app(self._app.wsgi_app, asked.get_environ())
            body = b"".join(chunks)
        except ConnectionAbortedError as silence:
            self._wait(clock.waited_s)
            raise requests.ConnectionError("no byte") from silence
        self._wait(clock.waited_s)
        if headers.get("Content-Length", str(len(body))) != str(len(body)):
            raise http.client.IncompleteRead(body)
        raw = io.BytesIO(body)
        return SimpleNamespace(
            status_code=int(status.split()[0]),
            headers=headers,
            raw=SimpleNamespace(read=lambda n, decode_content: raw.read(n)),
            close=raw.close,
        )

    def _wait(self, seconds: float) -> None:
        """Time passes for who waits, and no longer than the caller's deadline."""
        self._time.advance(min(seconds, DEADLINE_S))
        if seconds >= DEADLINE_S:
            raise TimeoutError("the deadline has passed")

    def close(self) -> None:
        """Nothing is open."""


class World:
    """A Strada on a file of its own, its gateway, a merchant's key, and words for both."""

    def __init__(self, folder: Path) -> None:
        self.time = MovableClock()
        self._settings = Settings(
            database_url=f"sqlite:///{folder / 'strada.db'}",
            base_url=BASE,
            kakaopay_base_url=GATEWAY,
            kakaopay_secret_key=GATEWAY_KEY,
        )
        clock = GatewayClock(self.time)
        self.books = Books(folder / "ledger.jsonl", clock)
        desk = Desk(self.books, None, WINDOW_S, False, -722)
        self.gateway = PatientGateway(clock, self.books, desk, None, GATEWAY)
        simulated = create_gateway(ledger=folder / "ledger.jsonl")
        simulated.extensions[EXTENSION] = self.gateway
        self.wire = Wire(simulated, self.gateway, self.time)
        self.strada = self._open()
        app = create_app(self.strada)
        wiring.prepare(self.strada)
        self.merchants = self.strada.merchants
        self.merchants.ensure("shop", "operator:test")
        self.merchants.change("shop", ["https://shop.example"], ["strada-shop"], "operator:test")
        self.key = self.merchants.create_key("shop", ["payments"], False, "operator:test")[1]
        app.test_client_class = HonestClient
        self.client = app.test_client()
        self._simulated = simulated.test_client()

    def _open(self) -> wiring.Strada:
        strada = wiring.build(self._settings, self.time.clock())
        strada.payments.gateways.providers["kakaopay"]._http._adapter = self.wire  # type: ignore[attr-defined]
        return strada

    def close(self) -> None:
        """Close the database; the folder is the caller's."""
        self.strada.store.close()

    # ---- Strada

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """Call `/v1` + path with the merchant's key, or with the one given as `key`."""
        token = headers.pop("bearer", self.key)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.open(
            f"/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", **sent},
            content_type="application/json",
        )

    def browse(self, url: str, method: str = "GET", **headers: str) -> TestResponse:
        """A browser follows a link of the gateway's to us, and no further."""
        parts = urlsplit(url)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.open(f"{parts.path}?{parts.query}", method=method, headers=sent)

    # ---- the gateway

    def control(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Call the simulator's test API; the answer with its `status_code`."""
        answer = self._simulated.post(f"/_simulator/{path}", json=body, base_url=GATEWAY)
        return {**json.loads(answer.data), "status_code": answer.status_code}

    def direct(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        """Call the gateway as an app of the merchant would, past Strada and past the faults."""
        headers = {"Authorization": f"SECRET_KEY {GATEWAY_KEY}"}
        script, down = self.gateway.faults, self.gateway.down
        self.gateway.faults, self.gateway.down = Faults(), False
        try:
            answer = self._simulated.post(
                f"/online/v1/payment/{verb}", json=body, headers=headers, base_url=GATEWAY
            )
        finally:
            self.gateway.faults, self.gateway.down = script, down
        return {**json.loads(answer.data), "status_code": answer.status_code}

    def pass_time(self, seconds: float) -> None:
        """Move both clocks, and let what was late land."""
        self.time.advance(seconds)
        self.gateway.land()
