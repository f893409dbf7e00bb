"""A house to test in: a real SQLite file, a clock that can be moved, a gateway that can be told."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.audit import Audit
from engine.book import adopt_chart
from engine.clock import MICROS, Clock
from engine.fire import Caller, Ledger
from engine.gateway import Gateways
from engine.merchants import Merchants
from engine.operations import Durations, Operations
from engine.orders import NewOrder
from engine.payments import Payments, decode
from engine.provider import (
    Account,
    Action,
    Approved,
    Capabilities,
    Charged,
    NotCharged,
    NotFound,
    Order,
    Outcome,
    Payment,
    Prepared,
    Refunded,
    RefundRequest,
    Unknown,
    Urls,
)
from engine.returns import Returns
from engine.store import Store
from engine.vault import DEVELOPMENT_KEY, Vault
from engine.worker import Worker
from web.links import links

START = 1_790_000_000 * MICROS


class MovableClock:
    """Time that stands still until it is moved; sleeping moves it."""

    def __init__(self) -> None:
        self.now = START

    def now_us(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return self.now / MICROS

    def advance(self, seconds: float) -> None:
        self.now += int(seconds * MICROS)

    def clock(self) -> Clock:
        return Clock(self.now_us, self.monotonic, lambda seconds: None)


@dataclass
class Charge:
    """One payment in the gateway's own books."""

    order: Order
    reference: str
    captured: int = 0
    refunded: int = 0
    tax_free: int = 0
    vat: int = 0
    authenticated: bool = True
    actions: list[Action] = field(default_factory=list)


class ToldGateway:
    """A gateway in memory that keeps books of its own; `script` replaces its next answers.

    A script maps a verb to outcomes or functions; a function gets the honest call and may make it.
    """

    name = "told"
    display_name = "Told"
    capabilities = Capabilities(
        currencies={"KRW": 0},
        settle_after_s=60,
        window_s=900,
        partial_refund=True,
        approve_idempotent=True,
        echoes_operation=True,
        charges_alone=False,
        scheme_redirect=False,
        url_limit=255,
        max_amount=10**12,
    )

    def __init__(self, clock: MovableClock) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)
        self.books: dict[str, Charge] = {}
        self.calls: list[str] = []
        self.script: dict[str, list[Any]] = {}
        self.last_urls = Urls("", "", "")
        self.garbled: set[str] = set()

    def account(self, credentials: Mapping[str, str]) -> Account:
        return Account(self.name, credentials["cid"], credentials)

    def _answer(self, verb: str, honest: Callable[[], Any]) -> Any:
        self.calls.append(verb)
        told = self.script.get(verb)
        if not told:
            return honest()
        step = told.pop(0)
        return step(honest) if callable(step) else step

    def prepare(self, account: Account, order: Order, urls: Urls, deadline_s: float) -> Any:
        self.last_urls = urls

        def honest() -> Outcome:
            reference = f"T{next(self._numbers):019d}"
            self.books[reference] = Charge(order, reference)
            pages = {"type": "redirect", "pc_url": "http://127.0.0.1/pay", "mobile_url": None}
            expires = self._clock.now + 900 * MICROS
            return Prepared(b"{}", reference, pages, expires)

        return self._answer("prepare", honest)

    def approve(
        self, account: Account, payment: Payment, credential: str, deadline_s: float
    ) -> Any:
        def honest() -> Outcome:
            charge = self.books[payment.reference]
            if charge.captured:
                return Unknown(b"{}", "conflict", "already paid", "-702")
            charge.captured = charge.order.amount
            charge.actions.append(Action("payment", charge.captured, payment.operation))
            return Approved(
                b"approved",
                payment.reference,
                charge.order.transaction,
                charge.order.user,
                charge.captured,
                "KRW",
                "MONEY",
                self._clock.now,
            )

        return self._answer("approve", honest)

    def refund(
        self, account: Account, payment: Payment, refund: RefundRequest, deadline_s: float
    ) -> Any:
        def honest() -> Outcome:
            charge = self.books[payment.reference]
            assert refund.expected_remaining == charge.captured - charge.refunded
            charge.refunded += refund.amount
            charge.tax_free += refund.tax_free
            charge.vat += refund.vat
            charge.actions.append(Action("refund", refund.amount, payment.operation))
            return Refunded(
                b"refunded",
                payment.reference,
                charge.refunded,
                charge.tax_free,
                charge.vat,
                charge.captured - charge.refunded,
            )

        return self._answer("refund", honest)

    def look_up(self, account: Account, payment: Payment, deadline_s: float) -> Any:
        if payment.reference in self.garbled:
            return Unknown(b"{}", "surprise", "no sense")
        return self._answer("look_up", lambda: self.truth(payment.reference))

    def truth(self, reference: str) -> Outcome:
        charge = self.books.get(reference)
        if charge is None:
            return NotFound(b"{}", "-721")
        order = charge.order
        if not charge.captured:
            return NotCharged(
                b"ready",
                reference,
                order.transaction,
                order.user,
                order.amount,
                "KRW",
                True,
                charge.authenticated,
            )
        return Charged(
            f"charged {charge.refunded}".encode(),
            reference,
            order.transaction,
            order.user,
            charge.captured,
            "KRW",
            charge.refunded,
            charge.tax_free,
            charge.vat,
            tuple(charge.actions),
            "MONEY",
        )

    def scrub(self, transcript: str) -> str:
        return transcript

    @property
    def captured(self) -> int:
        """All money ever taken, in minor units."""
        return sum(charge.captured for charge in self.books.values())

    @property
    def refunded(self) -> int:
        """All money ever given back, in minor units."""
        return sum(charge.refunded for charge in self.books.values())


LOST = Unknown(b"{}", "timeout", "no answer")


def lost_before(honest: Callable[[], Any]) -> Outcome:
    """The request never arrived, and we cannot know."""
    return LOST


def lost_after(honest: Callable[[], Any]) -> Outcome:
    """It was done, and its answer was lost."""
    honest()
    return LOST


class Overtaken:
    """The guard of a database on which somebody else commits just before we do."""

    def __init__(self, store: Store, act: Callable[[], object], times: int, after: int) -> None:
        self._store, self._guard = store, store.guard
        self._act, self._after = act, after
        self.left = times

    def before_write(self) -> None:
        self._guard.before_write()
        if self._after:
            self._after -= 1
        elif self.left:
            self.left -= 1
            self._store.guard = self._guard  # who is faster is not overtaken
            self._act()
            self._store.guard = self

    def before_new_work(self) -> None:
        self._guard.before_new_work()


class House:
    """The engine wired to a told gateway, with short words for what tests do all the time."""

    def __init__(
        self, path: Path, clock: Clock | None = None, *, before: House | None = None
    ) -> None:
        """`before`: the house whose gateway and state folder an older database comes back to."""
        self.time = before.time if before else MovableClock()
        self.gateway = before.gateway if before else ToldGateway(self.time)
        self.store = Store(f"sqlite:///{path}")
        self.store.migrate()
        clock = clock or self.time.clock()
        self.ledger = Ledger(self.store, clock)
        self.vault = Vault(DEVELOPMENT_KEY)
        self.merchants = Merchants(self.ledger, self.vault)
        self.durations = Durations()
        gateways = Gateways(
            {"told": self.gateway},
            {"told": {"cid": "TC0ONETIME"}},
            self.merchants,
            clock,
            self.durations,
        )
        operations = Operations(self.store, clock, self.vault, self.durations)
        self.tokens: list[str] = []
        self.payments = Payments(
            self.ledger,
            self.vault,
            self.merchants,
            gateways,
            operations,
            self.durations,
            self._links,
        )
        self.worker = Worker(self.payments)
        self.state = before.state if before else path.parent / "strada-state"
        self.audit = Audit(self.ledger, self.state)
        self.store.guard = self.audit.rollback
        self.returns = Returns(self.payments)
        adopt_chart(self.ledger)
        if before is None:
            self.merchants.ensure("shop", "operator:test")
        self._orders = before._orders if before else itertools.count(1)

    def _links(self, row: dict[str, Any], token: str) -> Urls:
        self.tokens.append(token)
        return links("http://127.0.0.1:8000")(row, token)

    def caller(self, key: str | None = None, if_match: int | None = None, body: str = "") -> Caller:
        mac = self.vault.key_mac("shop", key) if key else None
        return Caller(
            "key:test",
            merchant="shop",
            request_id="req_test",
            key=key,
            key_mac=mac,
            route="POST /test",
            fingerprint=body.encode(),
            if_match=if_match,
            render=lambda refusal: f'{{"code":"{refusal.code}"}}',
        )

    def order(self, **changes: Any) -> NewOrder:
        fields: dict[str, Any] = {
            "provider": "told",
            "order_id": f"order-{next(self._orders)}",
            "item_name": "초코파이 외 2건",
            "amount": 12_000,
            "currency": "KRW",
            "customer_id": "user-7",
        }
        return NewOrder(**(fields | changes))

    def create(self, **changes: Any) -> str:
        return self.payments.create(self.caller(), self.order(**changes)).txn

    def ready(self, **changes: Any) -> str:
        txn = self.create(**changes)
        self.payments.ready(self.caller(), txn)
        return txn

    def approved(self, **changes: Any) -> str:
        txn = self.ready(**changes)
        self.payments.approve(self.caller(), txn, "pg-token-1")
        return txn

    def at_gateway(self, txn: str, user: str = "user-7", amount: int = 12_000) -> str:
        """Prepare a payment at the gateway, as a client may by itself; its reference."""
        order = Order("", txn, user, "o", "item", 1, amount, "KRW", 0, 0)
        account = Account("told", "TC0ONETIME", {})
        outcome = self.gateway.prepare(account, order, Urls("", "", ""), 1)
        return str(outcome.reference)

    def get(self, txn: str) -> dict[str, Any]:
        return decode(self.payments.get(txn))

    def status(self, txn: str) -> str:
        return str(self.get(txn)["status"])

    def entries(self, txn: str) -> list[dict[str, Any]]:
        return self.store.rows(
            "SELECT seq, kind, event FROM entries WHERE stream = ? ORDER BY seq", (txn,)
        )

    def events(self, txn: str, kind: str = "transition") -> list[str]:
        return [entry["event"] for entry in self.entries(txn) if entry["kind"] == kind]

    def overtaken(self, act: Callable[[], object], times: int = 1, after: int = 0) -> Overtaken:
        """Let somebody else act just before each of the next `times` writes, `after` others."""
        self.store.guard = guard = Overtaken(self.store, act, times, after)
        return guard

    def work(self, seconds: float = 0, step: float = 5) -> None:
        """Let `seconds` pass, the worker running every `step` seconds."""
        self.worker.run_once()
        passed = 0.0
        while passed < seconds:
            self.time.advance(step)
            passed += step
            self.worker.run_once()
