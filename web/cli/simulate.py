"""`strada simulate`: a gateway to pay against offline. It listens on loopback addresses only."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import click

from providers.kakaopay import simulator
from web.cli.shared import Context, Fail, failing
from web.settings import LOOPBACK


@click.group()
def simulate() -> None:
    """Run a gateway's simulator, wire-compatible with the real one."""


@simulate.command("kakaopay")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=9000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--ledger", default="kakaopay-ledger.jsonl", show_default=True, type=Path)
@click.option("--secret-key", default=None, help="Accept only this key (else any DEV… key).")
@click.option("--cid", default="TC0ONETIME", show_default=True)
@click.pass_obj
@failing
def simulate_kakaopay(
    obj: Context, host: str, port: int, ledger: Path, secret_key: str | None, cid: str
) -> None:
    """Speak KakaoPay's protocol and write what really happens to money to a ledger (JSON lines).

    \b
    Example:
      strada simulate kakaopay --port 9000 --ledger ledger.jsonl
      STRADA_KAKAOPAY_BASE_URL=http://127.0.0.1:9000 strada serve
    """
    if host not in LOOPBACK:
        raise Fail("a simulator listens on a loopback address only", 2)
    keys = {secret_key: cid} if secret_key else None
    scale = obj.settings.time_scale
    app = simulator.create_app(ledger=ledger, secret_keys=keys, time_scale=scale)
    try:
        server = simulator.serve(app, host, port)
    except (OSError, SystemExit) as error:
        raise Fail(f"cannot listen on {host}:{port}") from error
    signal.signal(signal.SIGTERM, _stop)
    click.echo(f"KakaoPay simulator on http://{host}:{server.port}, ledger {ledger}")
    try:
        server.serve_forever(0.05)
    except (KeyboardInterrupt, SystemExit):
        return


def _stop(number: int, frame: Any) -> None:
    raise SystemExit(0)
