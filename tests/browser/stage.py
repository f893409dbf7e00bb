"""The stage of the browser tests: a whole demo in this process, whose time the tests move.

What really happened to money is read from the gateway's own ledger.
"""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests

from engine.clock import Clock, wall_us
from engine.verify import verify
from web.cli.demo import HOST, Town, town
from web.server import listen
from web.settings import Settings
from web.streams import Streams

ROOT = Path(__file__).resolve().parents[2]
UI = ROOT / "web" / "ui"
CHROMIUM = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
        if (found := shutil.which(name))
    ),
    None,
)
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
CALL_DEADLINE_S = 1.0


class Stage:
    """A running demo, and what its gateway did."""

    def __init__(self, built: Town, folder: Path, moved: list[int]) -> None:
        self.url = built.strada.settings.base_url
        self.key = built.key
        self.strada = built.strada
        self.gateway_url = built.gateway_url
        self._ledger = folder / "kakaopay-ledger.jsonl"
        self._moved = moved
        self._orders = 0
        self._streams: Streams = built.app.extensions["streams"]

    def has_room(self) -> bool:
        """Whether one more page can hold a stream: those of closed pages end by and by."""
        taken = self._streams.take("demo-shop")
        if taken:
            self._streams.release("demo-shop")
        return taken

    def advance(self, by_s: float) -> None:
        """Move everybody's time; the worker, which never sleeps long, then does what is due."""
        self.gateway("clock", advance_s=by_s)
        self._moved[0] += int(by_s * 1_000_000)

    def gateway(self, control: str, **body: Any) -> Any:
        """Ask the simulator's test API."""
        url = f"{self.gateway_url}/_simulator/{control}"
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(url, json=body, timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    def faults_fired(self, transaction: str) -> int:
        """How many staged faults hit this payment."""
        with requests.Session() as session:
            session.trust_env = False
            listed = session.get(f"{self.gateway_url}/_simulator/faults", timeout=10).json()
        tid = self.strada.ledger.load(transaction, "demo-shop")["provider_ref"]
        return sum(one["fired"] for one in listed["faults"] if one["tid"] == tid)

    def call(self, path: str, body: dict[str, Any] | None = None, key: str = "") -> dict[str, Any]:
        """Call Strada as the shop's server: to change something, or to read."""
        headers = {"Authorization": f"Bearer {self.key}"} | (
            {"Idempotency-Key": key} if key else {}
        )
        method = "GET" if body is None else "POST"
        url = f"{self.url}/v1/transactions{path}"
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(method, url, json=body, headers=headers, timeout=20)
        assert answer.ok, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def paid(self, **order: Any) -> str:
        """A payment that was never seen in the shop, paid."""
        self._orders += 1
        usual = {"provider": "kakaopay", "order_id": f"order-2026-{self._orders:04}"}
        usual |= {"item_name": "유기농 현미 5kg", "amount": 12_000, "currency": "KRW"}
        made = self.call(f"/{self.call('', usual | order)['id']}/ready", {})
        url = made["next_action"]["mobile_url"]
        back = self.gateway("pay", url=url, action="approve")["redirect"]
        with requests.Session() as session:
            session.trust_env = False
            session.get(back, timeout=20, allow_redirects=False)
        return str(made["id"])

    def money(self, transaction: str) -> tuple[int, int]:
        """What the gateway charged and gave back for a payment, by its own ledger."""
        lines = self._ledger.read_text().splitlines() if self._ledger.exists() else []
        own = [line for line in map(json.loads, lines) if line["partner_order_id"] == transaction]
        total = {"charge": 0, "refund": 0}
        for line in own:
            if line["event"] in total:
                total[line["event"]] += line["amount"]
        return total["charge"], total["refund"]

    def charges(self, transaction: str) -> int:
        """How often the gateway charged for a payment."""
        lines = self._ledger.read_text().splitlines() if self._ledger.exists() else []
        own = [line for line in map(json.loads, lines) if line["partner_order_id"] == transaction]
        return sum(line["event"] == "charge" for line in own)


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Build a demo and serve it; afterwards its whole log must verify."""
    moved = [0]
    clock = Clock(now_us=lambda: wall_us() + moved[0])
    settings = replace(Settings(), call_deadline_s=CALL_DEADLINE_S)
    port = _free_port()
    with town(settings, folder, port, clock) as built:
        server = listen(built.app, HOST, port, 24)
        thread = threading.Thread(target=server.run, name="http", daemon=True)
        thread.start()
        try:
            yield Stage(built, folder, moved)
        finally:
            built.app.extensions["streams"].end()  # else their threads would meet closed sockets
            server.task_dispatcher.shutdown()
            server.close()
            thread.join(5)
        report = verify(built.strada.store)
        assert report.whole, report.findings


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def wait_for(condition: Any, within_s: float = 20) -> None:
    """Wait until a condition holds."""
    ends = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)
