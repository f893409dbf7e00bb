"""One payment's whole world: a Strada and a gateway of its own, over real HTTP, in this process.

Each world has its own database, worker, circuit breaker and simulator, so that what one fault does
to a gateway cannot make another fault miss. The truth about money is the simulator's ledger file.
"""

from __future__ import annotations

import itertools
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import requests
from faults.watch import Reader, Sample, Watch
from waitress import wasyncore

from engine.verify import verify
from providers.kakaopay import simulator
from web import wiring
from web.app import create_app
from web.server import listen, start_roles
from web.settings import Settings

HOST = "127.0.0.1"
AMOUNT = 12_000
GATEWAY_KEY = "DEV" + "A" * 37
ORDER = {
    "provider": "kakaopay",
    "order_id": "order-1",
    "item_name": "초코파이 외 2건",
    "amount": AMOUNT,
    "currency": "KRW",
    "customer_id": "user-7",
    "return_url": "http://127.0.0.1:1/done",
}
LONGEST_CALL_S = 60.0
THREADS = 10
WINDOW_S = 900.0
SETTLED_S = 60.0
HONEST_TRIES = 3
PORT_TRIES = 100
SAMPLED_EVERY_S = 3.0
BUILDING = threading.Lock()
"""Flask compiles its routes, and CPython 3.11 cannot parse in two threads at once."""
T = TypeVar("T")


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that no connection takes as its own end while nobody listens at it.

    Linux lets a second socket bind it, to listen; elsewhere the reservation ends with the finding.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((HOST, 0))
        port = int(holder.getsockname()[1])
        if sys.platform == "linux":
            yield port
            return
    yield port


def when_free(bind: Callable[[], T]) -> T:
    """Bind a port whose last listener has just been closed: the kernel may be a moment behind."""
    for _ in range(PORT_TRIES - 1):
        with suppress(OSError, SystemExit):  # werkzeug's servers exit
            return bind()
        time.sleep(0.05)
    return bind()


@dataclass(frozen=True, slots=True)
class Made:
    """One call of the client: when it began, how long it took, what came back."""

    event: str
    began: float
    took_s: float
    status: int
    body: dict[str, Any]


class World:
    """A merchant with one payment, its customer, Strada, and a gateway that can be told to fail.

    `scale` divides every duration of both sides; `deadline_s` is the call deadline before that.
    """

    def __init__(self, folder: Path, scale: float, deadline_s: float = 10.0) -> None:
        folder.mkdir(parents=True)
        self.scale = scale
        self.deadline_s = deadline_s / scale
        self.txn = self.page = self.token = self.tid = ""
        self.calls: list[Made] = []
        self.scripted = self.unreached = self._banked = self._followed = 0
        self.back_at = 0.0
        self._sure: set[str] = set()
        self.watch: Watch | None = None
        self._numbers = itertools.count(1)
        self._stack = ExitStack()
        self._ledger = folder / "ledger.jsonl"
        self.gateway: Any = None
        self._port = self._stack.enter_context(reserved_port())
        self.gateway_url = f"http://{HOST}:{self._port}"
        self.start_gateway()
        self._start_strada(folder, deadline_s)

    # ---- the two servers

    def start_gateway(self) -> None:
        """Start the simulator, on the books of before if it ran before."""
        with BUILDING:
            app = simulator.create_app(ledger=self._ledger, time_scale=self.scale)
        self.gateway = when_free(lambda: simulator.serve(app, HOST, self._port))
        threading.Thread(target=self.gateway.serve_forever, args=(0.02,), daemon=True).start()

    def stop_gateway(self) -> None:
        """End the simulator: from now on its port refuses connections. Its record is kept.

        Its script ends with it and not before: until then no look-up may be answered as usual.
        """
        self._bank()
        self._followed = self.elsewhere()
        self.gateway.shutdown()
        self.gateway.server_close()
        self.gateway = None

    def hole(self) -> list[socket.socket]:
        """Stop the simulator and swallow connections at its port; close these to end it."""
        self.stop_gateway()
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        when_free(lambda: listener.bind((HOST, self._port)))
        listener.listen(0)
        held = [listener]
        for _ in range(4):
            waiting = socket.socket()
            waiting.settimeout(0.1)
            held.append(waiting)
            try:
                waiting.connect((HOST, self._port))
            except TimeoutError:
                return held
        raise AssertionError("connections are still taken: this is no black hole")

    def _start_strada(self, folder: Path, deadline_s: float) -> None:
        settings = Settings(
            database_url=f"sqlite:///{folder / 'strada.db'}",
            kakaopay_secret_key=GATEWAY_KEY,
            kakaopay_base_url=self.gateway_url,
            call_deadline_s=deadline_s,
            time_scale=self.scale,
        )
        self.strada = wiring.build(settings)
        wiring.prepare(self.strada)
        self.key = self.strada.merchants.create_key("shop", ("payments",), False, "operator:test")[
            1
        ]
        with BUILDING:
            app = create_app(self.strada, worker_inside=True)
        server = listen(app, HOST, 0, THREADS)
        self.url = f"http://{HOST}:{server.effective_port}"
        stop = threading.Event()
        roles = start_roles(self.strada, stop)

        def loop() -> None:
            while not stop.is_set():
                wasyncore.loop(0.05, use_poll=True, map=server._map, count=1)

        web = threading.Thread(target=loop)
        web.start()

        def end() -> None:
            stop.set()
            web.join(LONGEST_CALL_S)
            for role in roles:
                role.join(LONGEST_CALL_S)
            server.task_dispatcher.shutdown(timeout=LONGEST_CALL_S)
            wasyncore.close_all(server._map)
            self.strada.store.close()

        self._stack.callback(end)

    def close(self) -> None:
        """End the watch, both servers and the worker."""
        if self.watch is not None:
            self.watch.stop()
        if self.gateway is not None:
            self.stop_gateway()
        self._stack.close()

    # ---- the merchant

    def http(self, method: str, url: str, body: Any = None, **headers: str) -> requests.Response:
        """One request on a connection of its own, from whichever thread."""
        with requests.Session() as session:
            session.trust_env = False
            sent = {"Authorization": f"Bearer {self.key}", **headers}
            return session.request(method, url, json=body, headers=sent, timeout=LONGEST_CALL_S)

    def fire(self, event: str, body: Any = None, key: str | None = None) -> Made:
        """Fire an event of the payment, with an Idempotency-Key (a new one unless given)."""
        headers = {"Idempotency-Key": key or f"key-{event}-{next(self._numbers):04d}"}
        began = time.monotonic()
        answer = self.http(
            "POST", f"{self.url}/v1/transactions/{self.txn}/{event}", body, **headers
        )
        took_s = time.monotonic() - began
        made = Made(event, began, took_s, answer.status_code, answer.json())
        self.calls.append(made)
        return made

    def create(self) -> None:
        """Register the order and begin to watch it."""
        made = self.http("POST", f"{self.url}/v1/transactions", ORDER)
        assert made.status_code == 201, made.text
        self.txn = made.json()["id"]
        reader = Reader(f"{self.url}/v1/transactions/{self.txn}", self.key)
        self.watch = Watch(reader, self.ledger, SAMPLED_EVERY_S / self.scale)

    def ready(self, key: str | None = None) -> Made:
        """Prepare the payment at the gateway."""
        made = self.fire("ready", key=key)
        if made.status == 200:
            self.page = made.body["next_action"]["mobile_url"]
            self.tid = made.body["provider_ref"]
        return made

    def paid(self) -> None:
        """Create and prepare it, and have the customer agree: approve may be called."""
        self.create()
        self.prepared_and_paid()

    def prepared_and_paid(self) -> None:
        """By honest calls only; a machine under load may need another one."""
        assert any(self.ready().status == 200 for _ in range(HONEST_TRIES)), self.calls
        self.pay()

    def charged(self) -> None:
        """An honest approve. On a machine under load it too may stay unknown for a while."""
        assert self.approve().status in (200, 202), self.calls
        self.shown("approved", 2 * SETTLED_S)

    def approved(self) -> None:
        """An approved payment, by honest calls only."""
        self.paid()
        self.charged()

    def approve(self, key: str | None = None) -> Made:
        """Take the money."""
        return self.fire("approve", {"pg_token": self.token}, key)

    def refund(self, amount: int | None = 5_000, key: str | None = None) -> Made:
        """Give money back, all of it for None."""
        return self.fire("refund", {} if amount is None else {"amount": amount}, key)

    def get(self) -> dict[str, Any]:
        """The payment as a caller sees it."""
        found: dict[str, Any] = self.http("GET", f"{self.url}/v1/transactions/{self.txn}").json()
        return found

    def history(self) -> list[dict[str, Any]]:
        """The log of the payment, oldest first."""
        url = f"{self.url}/v1/transactions/{self.txn}/transitions"
        entries: list[dict[str, Any]] = self.http("GET", url).json()["data"]
        return entries

    def honest(self) -> None:
        """An order that nobody follows up: what any call of ours costs at least."""
        self.http(
            "POST",
            f"{self.url}/v1/transactions",
            ORDER | {"order_id": f"order-{next(self._numbers)}"},
        )

    # ---- the customer and the gateway

    def control(self, path: str, **body: Any) -> dict[str, Any]:
        """Use the simulator's test API."""
        answer = self.http("POST", f"{self.gateway_url}/_simulator/{path}", body)
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said

    def pay(self, action: str = "approve") -> None:
        """The customer acts on the gateway's page; the browser brings a pg_token back."""
        redirect = self.control("pay", url=self.page, action=action)["redirect"]
        self.token = parse_qs(urlsplit(redirect).query).get("pg_token", [""])[0]

    def fault(self, on: str, kind: str, *, times: int = 1, sure: bool = True, **more: Any) -> None:
        """Script the gateway's next answers; the sure ones must have fired when the world ends."""
        made = self.control("faults", on=on, kind=kind, times=times, **more)
        if sure:
            self.scripted += times
            self._sure.add(made["id"])

    def fired(self) -> int:
        """How many scripted faults have fired, by the simulator's own record."""
        listed = self.http("GET", f"{self.gateway_url}/_simulator/faults").json()["faults"]
        return self._banked + sum(one["fired"] for one in listed if one["id"] in self._sure)

    def forget_faults(self) -> None:
        """Let the gateway forget its script; what has fired of it still counts."""
        self._bank()
        self.http("DELETE", f"{self.gateway_url}/_simulator/faults")

    def _bank(self) -> None:
        self._banked = self.fired()
        self._sure.clear()

    def elsewhere(self) -> int:
        """How many requests followed the gateway's redirects."""
        answer = self.http("GET", f"{self.gateway_url}/_simulator/healthz").json()
        return self._followed + int(answer["elsewhere"])

    def ledger(self) -> list[dict[str, Any]]:
        """What really happened to money; only whole lines."""
        raw = self._ledger.read_bytes() if self._ledger.exists() else b""
        return [json.loads(line) for line in raw[: raw.rfind(b"\n") + 1].splitlines()]

    # ---- time

    def close_window(self) -> None:
        """The gateway's clock moves past the end of the payment window."""
        self.control("clock", advance_s=2 * WINDOW_S / self.scale)

    def pass_time(self, seconds: float) -> None:
        """Wait that long in the protocol's seconds."""
        time.sleep(seconds / self.scale)

    def back(self) -> None:
        """Note that the gateway answers again from now on."""
        self.back_at = time.monotonic()

    def until_fired(self, within_s: float = 600.0) -> None:
        """Wait until every scripted fault has fired: the gateway is then back."""
        ends = time.monotonic() + within_s / self.scale
        while self.fired() < self.scripted:
            assert time.monotonic() < ends, f"{self.fired()} of {self.scripted} faults fired"
            time.sleep(2.0 / self.scale)
        self.back()

    def samples(self) -> list[Sample]:
        """What the watch has seen so far."""
        assert self.watch is not None
        assert self.watch.trouble is None, self.watch.trouble
        return self.watch.samples

    def shown(self, status: str, within_s: float = 60.0) -> None:
        """Wait, calling nobody, until the payment is shown in a state."""
        assert self.watch is not None
        seen = self.watch.until(lambda s: s.shown["status"] == status, within_s / self.scale)
        assert seen, f"{self.samples()[-1].shown['status']}, not {status}, {within_s} s later"

    def verified(self) -> bool:
        """Whether the log is whole and every row is what it folds to."""
        return verify(self.strada.store).whole
