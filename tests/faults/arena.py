"""A place to race in: the real server over real HTTP, with every boundary made unsteady.

The server runs here with threads, the KakaoPay simulator in a process of its own; the truth is the
simulator's ledger file.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from e2e.town import GATEWAY_KEY, ROOT, Process, free_port
from faults.appends import Call, History
from faults.unsteady import Shaker, UnsteadyHttp, UnsteadyStore
from waitress import wasyncore

from engine.book import adopt_chart
from engine.clock import MICROS, Clock, wall_us
from engine.fire import Ledger
from engine.gateway import Gateways
from engine.merchants import Merchants
from engine.operations import Durations, Operations
from engine.payments import Payments
from engine.provider import Approved, Prepared, Urls
from engine.reports import Reports
from engine.returns import Returns
from engine.store import Store
from engine.vault import Vault
from engine.worker import Worker
from providers.kakaopay.client import KakaoPay
from web.app import create_app
from web.links import links
from web.server import listen
from web.settings import Settings
from web.threads import Threads
from web.wiring import Strada, default_accounts, guarded

CROWD = 40
"""Threads of clients, and of the server."""
DEADLINE_S = 60.0
SWITCH_S = 1e-4
"""How often threads take turns while they race; Python's own is 5 ms."""
LONGEST_WAIT_S = 0.004
"""At every unsteady boundary."""
T = TypeVar("T")


class Arena:
    """A gateway, a server, a merchant, and a crowd of clients whose every call is recorded."""

    def __init__(self, folder: Path, seed: int = 20_260_728, *, grouped: bool = False) -> None:
        """grouped: the server's loop serves what is quick; else all calls race in threads."""
        self.shaker = Shaker(seed)
        self.offset_s = 0.0
        self.ledger_path = folder / "ledger.jsonl"
        self.ports = {"gateway": free_port(), "strada": free_port()}
        self._gateway = _gateway(folder, self.ports["gateway"], self.ledger_path)
        url = f"sqlite:///{folder / 'strada.db'}"
        self.wire = UnsteadyHttp(self.shaker)
        self.strada = self._wired(url)
        self.reader = Store(url)
        self.history = History(self.reader)
        self._key = self.strada.merchants.create_key("shop", ["payments"], False, "operator:test")[
            1
        ]
        self._server = listen(create_app(self.strada), "127.0.0.1", self.ports["strada"], CROWD)
        if not grouped:  # the loop would take what is quick one after another
            self._server.task_dispatcher = Threads(CROWD)
        self._serving = threading.Thread(target=self._server.run, name="server")
        self._serving.start()
        self._crowd = ThreadPoolExecutor(CROWD)
        self._idle: dict[str, queue.LifoQueue[Any]] = {
            name: queue.LifoQueue() for name in self.ports
        }
        self._numbers = itertools.count(1)
        self._await_gateway()

    def _wired(self, url: str) -> Strada:
        settings = Settings(
            database_url=url,
            base_url=f"http://127.0.0.1:{self.ports['strada']}",
            kakaopay_secret_key=GATEWAY_KEY,
            kakaopay_base_url=f"http://127.0.0.1:{self.ports['gateway']}",
        )
        clock, durations = Clock(self.now_us), Durations()
        self.store = store = UnsteadyStore(url, self.shaker)
        store.migrate()
        ledger, vault = Ledger(store, clock), Vault(settings.secret_key)
        merchants = Merchants(ledger, vault)
        kakaopay = KakaoPay(settings.kakaopay_base_url, self.wire, now_us=self.now_us)
        gateways = Gateways(
            {"kakaopay": kakaopay}, default_accounts(settings), merchants, clock, durations
        )
        operations = Operations(store, clock, vault, durations)
        payments = Payments(
            ledger, vault, merchants, gateways, operations, durations, links(settings.base_url)
        )
        adopt_chart(ledger)
        merchants.ensure("shop", "operator:test")
        returns, reports = Returns(payments), Reports(payments)
        worker = Worker(payments)
        return Strada(
            settings,
            store,
            clock,
            ledger,
            vault,
            merchants,
            payments,
            returns,
            reports,
            worker,
            guarded(settings, ledger),
        )

    def now_us(self) -> int:
        """The engine's wall clock, which tests move forwards and backwards."""
        return wall_us() + int(self.offset_s * MICROS)

    def close(self) -> None:
        """End the crowd, the server and the simulator; every thread closes its connection."""
        gate = threading.Barrier(CROWD)

        def leave() -> None:
            gate.wait(DEADLINE_S)
            self.strada.store.close()
            self.reader.close()

        for leaving in [self._crowd.submit(leave) for _ in range(CROWD)]:
            leaving.result(DEADLINE_S)
        self._crowd.shutdown()
        for idle in self._idle.values():
            while not idle.empty():
                idle.get_nowait().close()
        self._server.trigger.pull_trigger(partial(wasyncore.close_all, self._server._map))
        self._serving.join(DEADLINE_S)
        self._server.task_dispatcher.shutdown()
        self.wire.close()
        self.strada.store.close()
        self.reader.close()
        self._gateway.kill()

    def _await_gateway(self) -> None:
        ends = time.monotonic() + DEADLINE_S
        while True:
            try:
                return self.control("GET", "healthz") and None
            except OSError:
                assert time.monotonic() < ends, self._gateway.log.read_text()
                time.sleep(0.05)

    # ---- racing

    def together(self, *acts: Callable[[], T], ahead: int | None = None) -> list[T]:
        """Run acts at one moment, each in a thread of its own; what each returned, in order.

        The one whose place is `ahead` (counted around) starts a little before the others, so that
        over many rounds each comes first now and then.
        """
        gate = threading.Barrier(len(acts))

        def run(place: int, act: Callable[[], T]) -> T:
            gate.wait(DEADLINE_S)
            for _ in range(1 if ahead is None else 0 if place == ahead % len(acts) else 2):
                self.shaker.wait()
            return act()

        with self.shaken():
            running = [self._crowd.submit(run, place, act) for place, act in enumerate(acts)]
            return [one.result(DEADLINE_S) for one in running]

    @contextmanager
    def shaken(self) -> Iterator[None]:
        """Make every boundary unsteady for a while."""
        before = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        self.shaker.longest_s = LONGEST_WAIT_S
        try:
            yield
        finally:
            self.shaker.longest_s = 0.0
            sys.setswitchinterval(before)

    # ---- HTTP

    def exchange(
        self, whom: str, method: str, path: str, body: Any, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One request over a connection that is kept."""
        try:
            connection = self._idle[whom].get_nowait()
        except queue.Empty:
            connection = http.client.HTTPConnection(
                "127.0.0.1", self.ports[whom], timeout=DEADLINE_S
            )
        data = None if body is None else json.dumps(body)
        try:
            connection.request(method, path, data, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            raw = answer.read()
        except OSError:
            connection.close()
            raise
        self._idle[whom].put(connection)
        return answer.status, answer.headers, raw

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the simulator's own API."""
        status, _, raw = self.exchange("gateway", method, f"/_simulator/{path}", body, {})
        assert status < 300, raw
        return json.loads(raw)

    # ---- clients of Strada; each call is recorded

    def create(self, order: str | None = None, key: str | None = None, **changes: Any) -> Call:
        """Register an order."""
        body = {
            "provider": "kakaopay",
            "order_id": order or f"order-{next(self._numbers)}",
            "item_name": "초코파이 외 2건",
            "amount": 12_000,
            "currency": "KRW",
            "customer_id": "user-7",
            "return_url": "http://127.0.0.1:1/done",
        }
        return self._recorded("", "create", "POST", "/v1/transactions", body | changes, key, None)

    def fire(
        self,
        txn: str,
        event: str,
        body: Any = None,
        *,
        key: str | None = None,
        if_match: int | None = None,
    ) -> Call:
        """Fire an event; a refund without a key gets one of its own."""
        if event == "refund" and key is None:
            key = self.new_key()
        path = f"/v1/transactions/{txn}/{event}"
        return self._recorded(txn, event, "POST", path, body, key, if_match)

    def get(self, txn: str) -> Call:
        """Read a transaction."""
        return self._recorded(txn, "get", "GET", f"/v1/transactions/{txn}", None, None, None)

    def browse(self, txn: str, url: str) -> Call:
        """The customer's browser at a return URL."""
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return self._recorded(txn, "return", "GET", path, None, None, None)

    def new_key(self) -> str:
        """An idempotency key that nobody has used."""
        return f"key-{next(self._numbers):08d}"

    def _recorded(
        self,
        txn: str,
        event: str,
        method: str,
        path: str,
        body: Any,
        key: str | None,
        if_match: int | None,
    ) -> Call:
        headers = {} if event == "return" else {"Authorization": f"Bearer {self._key}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        if if_match is not None:
            headers["If-Match"] = f'"{if_match}"'
        call = self.history.begin(txn, event, body, key, if_match)
        self.history.end(call, *self.exchange("strada", method, path, body, headers))
        return call

    # ---- a payment's way to a state

    def ready(self, **changes: Any) -> str:
        """A payment that the customer may pay."""
        txn = self.create(**changes).txn
        assert self.fire(txn, "ready").status == 200
        return txn

    def pay(self, txn: str, action: str = "approve") -> str:
        """The customer decides at the gateway; returns the URL that the browser goes to."""
        url = self.get(txn).answer["next_action"]["mobile_url"]
        return str(self.control("POST", "pay", {"url": url, "action": action})["redirect"])

    def paid(self) -> tuple[str, str, str]:
        """A payment that waits for its approve: id, return URL, pg_token."""
        txn = self.ready()
        url = self.pay(txn)
        return txn, url, parse_qs(urlsplit(url).query)["pg_token"][0]

    def approved(self) -> str:
        """A payment whose money was taken."""
        txn, _, token = self.paid()
        assert self.approve(txn, token).answer["status"] == "approved"
        return txn

    def approve(self, txn: str, token: str, key: str | None = None) -> Call:
        """Approve with the customer's token."""
        return self.fire(txn, "approve", {"pg_token": token}, key=key)

    def refund(self, txn: str, amount: int | None = None, key: str | None = None) -> Call:
        """Refund an amount, or all that is left."""
        return self.fire(txn, "refund", {} if amount is None else {"amount": amount}, key=key)

    def charged_elsewhere(self) -> tuple[str, str]:
        """A payment of flow `reported` whose client has paid and says nothing yet; its reference.

        What a client does by itself goes to the gateway through the adapter: prepare, approve.
        """
        txn = self.create(flow="reported").txn
        row = self.strada.ledger.load(txn)
        gateways = self.strada.payments.gateways
        pages = Urls(*(f"http://127.0.0.1:1/{leg}" for leg in ("approved", "cancelled", "failed")))
        prepared = gateways.prepare(row, "", pages)
        assert isinstance(prepared, Prepared)
        reference = prepared.reference
        assert self.fire(txn, "ready", {"provider_ref": reference}).status == 200
        paying = {"url": prepared.next_action["mobile_url"], "action": "approve"}
        url = self.control("POST", "pay", paying)["redirect"]
        token = parse_qs(urlsplit(url).query)["pg_token"][0]
        charged = gateways.approve(self.strada.ledger.load(txn), "", token)
        assert isinstance(charged, Approved)
        return txn, reference

    def work(self) -> None:
        """One round of a worker of its own."""
        Worker(self.strada.payments).run_once()

    # ---- the truth

    def moved(self, txn: str) -> tuple[int, int]:
        """What the gateway took and gave back for a payment, by its own ledger."""
        lines = [json.loads(line) for line in self._lines()]
        ours = [line for line in lines if line["partner_order_id"] == txn]
        sums = Counter[str]()
        for line in ours:
            sums[line["event"]] += line["amount"]
        return sums["charge"], sums["refund"]

    def _lines(self) -> list[str]:
        return self.ledger_path.read_text().splitlines() if self.ledger_path.exists() else []


def _gateway(folder: Path, port: int, ledger: Path) -> Process:
    arguments = ["simulate", "kakaopay", "--port", str(port), "--ledger", str(ledger)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    return Process(arguments, environment, folder / "gateway.log")
