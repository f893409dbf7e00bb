"""`strada demo`: database, keys, simulated gateway, worker and shop in one process."""

from __future__ import annotations

import secrets
import tempfile
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import requests
from flask import Flask

from engine.clock import Clock
from engine.sweep import audit
from engine.verify import replay
from providers.kakaopay import simulator
from web import assets, wiring
from web import demo as shop
from web.app import create_app
from web.cli.audit import show_report
from web.cli.shared import Context, Fail, failing
from web.cli.timeline import lines
from web.demo_calls import Calls, listen_to_gateway, listen_to_strada
from web.demo_phone import hand_over
from web.redaction import configure_logging
from web.server import Unservable, listen, run, start_roles
from web.settings import DEVELOPMENT_GATEWAY_KEY, Settings
from web.wiring import Strada

HOST = "127.0.0.1"
TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class Town:
    """A running demo: the engine, its app with the shop, and the gateway beside it."""

    strada: Strada
    app: Flask
    gateway_url: str
    key: str


@click.command("demo")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--once", is_flag=True, help="One payment end to end, then exit.")
@click.option("--dir", "folder", type=Path, default=None, help="Keep the database and ledger here.")
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@click.pass_obj
@failing
def demo(obj: Context, port: int, once: bool, folder: Path | None, no_browser: bool) -> None:
    """A shop, a simulated KakaoPay and the engine in one process. No money moves.

    \b
    Examples:
      strada demo                      then buy something in the browser
      strada demo --once               see one payment's timeline and the verifier's verdict
    """
    settings = obj.settings
    if settings.production:
        raise Fail("the demo runs a simulator; it does not start with STRADA_ENV=production", 2)
    configure_logging("WARNING" if once else settings.log_level)
    with tempfile.TemporaryDirectory(prefix="strada-demo-") as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        try:
            with town(settings, place, port) as built:
                _once(built) if once else _stay(built, port, no_browser)
        except Unservable as error:
            raise Fail(f"{error}; try another --port") from error


@contextmanager
def town(settings: Settings, place: Path, port: int, clock: Clock | None = None) -> Iterator[Town]:
    """Build a demo in a folder; the gateway and the worker end with the block."""
    calls = Calls()
    pay = simulator.create_app(
        ledger=place / "kakaopay-ledger.jsonl", time_scale=settings.time_scale
    )
    listen_to_gateway(pay, calls)
    gateway = simulator.serve(pay, HOST, 0)
    gateway_url = f"http://{HOST}:{gateway.port}"
    threading.Thread(
        target=gateway.serve_forever, args=(0.05,), name="gateway", daemon=True
    ).start()
    base_url = f"http://{HOST}:{port}"
    strada = wiring.build(
        replace(
            settings,
            database_url=f"sqlite:///{place.absolute() / 'strada.db'}",
            base_url=base_url,
            secret_key=secrets.token_urlsafe(32),
            kakaopay_secret_key=DEVELOPMENT_GATEWAY_KEY,
            kakaopay_base_url=gateway_url,
            state_dir="",
            audit_signing_key="",
        ),
        clock or Clock(scale=settings.time_scale),
    )
    wiring.prepare(strada)
    _, key = strada.merchants.create_key("demo-shop", ("payments", "audit"), False, "operator:demo")
    app = create_app(strada, worker_inside=True)
    app.extensions["strada-demo"] = shop.Shop(
        base_url, key, gateway_url, DEVELOPMENT_GATEWAY_KEY, strada.settings.kakaopay_cid, calls
    )
    app.register_blueprint(shop.demo)
    app.after_request(hand_over)
    listen_to_strada(app, calls)
    strada.merchants.change("demo-shop", (), (shop.SCHEME,), "operator:demo")
    stop = threading.Event()
    roles = start_roles(strada, stop)
    try:
        yield Town(strada, app, gateway_url, key)
    finally:
        stop.set()
        for role in roles:
            role.join(5)
        gateway.shutdown()
        strada.store.close()


def _stay(built: Town, port: int, no_browser: bool) -> None:
    url = f"http://{HOST}:{port}/demo"
    with built.app.app_context():
        shown = assets.is_built()
    if not shown:
        click.echo("The web UI is not built, so there is no shop to see. Run: make ui", err=True)
    click.echo(f"Shop      {url}")
    click.echo(f"App       {url}/app (a phone that is come back to by its app scheme)")
    click.echo(f"Console   http://{HOST}:{port}/console (sign in with the API key below)")
    click.echo(
        f"Gateway   {built.gateway_url} (simulated; every movement of money is in its ledger)"
    )
    click.echo(f"API key   {built.key}")
    click.echo("Ctrl-C ends it.")
    if not no_browser:
        threading.Timer(1, webbrowser.open, (url,)).start()
    run(built.app, HOST, port, built.strada.settings.threads)


def _once(built: Town) -> None:
    """Create → ready → the customer pays → approve → complete → partial refund, over real HTTP."""
    settings = built.strada.settings
    port = int(settings.base_url.rpartition(":")[2])
    server = listen(built.app, HOST, port, settings.threads)
    threading.Thread(target=server.run, name="http", daemon=True).start()
    try:
        transaction = _walk(built)
    finally:
        server.task_dispatcher.shutdown()  # first the threads: one may still wake the closed socket
        server.close()
    for line in lines(replay(built.strada.store, transaction)):
        click.echo(line)
    built.strada.audit.checkpoints.head()
    report = audit(built.strada.store)
    show_report(report)
    if not report.whole:
        raise SystemExit(1)


def _walk(built: Town) -> str:
    with requests.Session() as session:
        session.trust_env = False

        def call(path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
            headers = {"Authorization": f"Bearer {built.key}"}
            headers["Idempotency-Key"] = secrets.token_hex(16)
            url = f"{built.strada.settings.base_url}/v1/transactions{path}"
            answer = session.post(url, json=body or {}, headers=headers, timeout=TIMEOUT_S)
            parsed: dict[str, Any] = answer.json()
            if answer.status_code >= 400:
                raise Fail(f"{path or '/'}: {parsed['code']}: {parsed['detail']}")
            return parsed

        made = call(
            "",
            {
                "provider": "kakaopay",
                "order_id": "order-1001",
                "customer_id": "user-7",
                "item_name": "초코파이 외 2건",
                "quantity": 3,
                "amount": 12_000,
                "currency": "KRW",
                "return_url": f"{built.strada.settings.base_url}/demo/receipt",
            },
        )
        path = f"/{made['id']}"
        action = call(f"{path}/ready")["next_action"]
        paid = session.post(
            f"{built.gateway_url}/_simulator/pay",
            json={"url": action["mobile_url"], "action": "approve"},
            timeout=TIMEOUT_S,
        ).json()
        session.get(paid["redirect"], timeout=TIMEOUT_S, allow_redirects=False)
        call(f"{path}/complete")
        call(f"{path}/refund", {"amount": 3_000, "reason": "하나가 부서졌어요"})
    return str(made["id"])
