"""The four verbs: ready, approve, order, cancel.

Each is planned first (all checks, no effect) and then done (books first, answer after), so that a
fault can come between the two. It knows nothing of HTTP or of faults.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from providers.kakaopay.simulator import answers
from providers.kakaopay.simulator.books import Books, digest, new_id
from providers.kakaopay.simulator.payment import Amount, Payment, default_vat
from providers.kakaopay.simulator.protocol import METHODS, Call, redirect_url
from providers.kakaopay.simulator.refusals import Refusal, invalid

Body = dict[str, Any]
Step = Callable[[], Body]
NOT_APPROVABLE = {"READY": -701, "OPEN_PAYMENT": -701, "FAIL_PAYMENT": -783, "QUIT_PAYMENT": -783}
"""Status → the refusal of an approve, where no money has moved."""


@dataclass
class Desk:
    """Answers calls out of the books."""

    books: Books
    domains: frozenset[str] | None
    window_s: float
    send_app_schemes: bool
    guard_code: int
    """Code for a wrong `cancel_available_amount`; the real one is not documented."""
    _busy: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, call: Call, base: str, lag_s: float = 0, wait: Step | None = None) -> Body:
        """Plan and do, with the tid marked as busy; `wait` runs between the two."""
        with self._alone(call):
            step = self.plan(call, base, lag_s)
            if wait:
                wait()
            return step()

    def plan(self, call: Call, base: str, lag_s: float = 0) -> Step:
        """Every check of a call; the step returned has the effect and gives the answer."""
        if call.fields.text("cid", 10) != call.cid:
            raise Refusal(-731)
        call.fields.maybe_text("cid_secret", 24)
        match call.verb:
            case "ready":
                return self._ready(call, base)
            case "approve":
                return self._approve(call)
            case "cancel":
                return self._cancel(call)
        return self._order(call, lag_s)

    @contextmanager
    def _alone(self, call: Call) -> Iterator[None]:
        tid = call.fields.peek("tid") if call.verb in ("approve", "cancel") else None
        if tid is None:
            yield
            return
        with self._lock:
            if tid in self._busy:
                raise Refusal(-785)
            self._busy.add(tid)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(tid)

    # ready

    def _ready(self, call: Call, base: str) -> Step:
        payment = self._new_payment(call)

        def step() -> Body:
            self.books.prepare(payment)
            return answers.ready(payment, base, self.send_app_schemes)

        return step

    def _new_payment(self, call: Call) -> Payment:
        fields, now = call.fields, self.books.clock.now()
        return Payment(
            tid="T" + new_id(),
            cid=call.cid,
            page=secrets.token_hex(32),
            partner_order_id=fields.text("partner_order_id", 100),
            partner_user_id=fields.text("partner_user_id", 100),
            item_name=fields.text("item_name", 100),
            item_code=fields.maybe_text("item_code", 100) or "",
            quantity=_at_least_one(call, "quantity"),
            amount=_asked_amount(call),
            approval_url=redirect_url(fields, "approval_url", self.domains),
            cancel_url=redirect_url(fields, "cancel_url", self.domains),
            fail_url=redirect_url(fields, "fail_url", self.domains),
            wanted_method=_wanted_method(call),
            install_month=_install_month(call),
            created_at=now,
            expires_at=now + self.books.clock.scaled(self.window_s),
        )

    # approve

    def _approve(self, call: Call) -> Step:
        payment = self._payment(call)
        fields = call.fields
        order, user = fields.text("partner_order_id", 100), fields.text("partner_user_id", 100)
        token, payload = fields.text("pg_token", 100), fields.maybe_text("payload", 200)
        total = fields.maybe_whole("total_amount")
        if order != payment.partner_order_id:
            raise Refusal(-706)
        if user != payment.partner_user_id:
            raise Refusal(-707)
        self._refuse_unless_approvable(payment)
        if not hmac.compare_digest(digest(token), payment.handed_out):
            raise Refusal(-708)
        if total not in (None, payment.amount.total):
            raise Refusal(-725)
        return lambda: answers.approve(*self.books.charge(payment.tid, payload))

    def _refuse_unless_approvable(self, payment: Payment) -> None:
        now = self.books.clock.now()
        if payment.actions:
            raise Refusal(-702)
        if not payment.ended and payment.expired(now):
            raise Refusal(-723)
        code = NOT_APPROVABLE.get(payment.status(now))
        if code:
            raise Refusal(code)

    # cancel

    def _cancel(self, call: Call) -> Step:
        payment = self._payment(call)
        asked = call.fields.whole("cancel_amount")
        tax_free = call.fields.whole("cancel_tax_free_amount")
        vat = call.fields.maybe_whole("cancel_vat_amount")
        guard = call.fields.maybe_whole("cancel_available_amount")
        payload = call.fields.maybe_text("payload", 200)
        if not payment.charge:
            raise Refusal(-784)
        if guard is not None and guard != payment.remaining.total:
            raise Refusal(self.guard_code)
        amount = _cancelled_amount(payment, asked, tax_free, vat)

        def step() -> Body:
            after, action = self.books.refund(payment.tid, amount, payload)
            return answers.cancel(after, action, self.books.clock.now())

        return step

    # order

    def _order(self, call: Call, lag_s: float) -> Step:
        tid = self._payment(call).tid

        def step() -> Body:
            seen = self.books.seen(tid, self.books.clock.scaled(lag_s))
            if seen is None:
                raise Refusal(-721)
            return answers.order(seen, self.books.clock.now())

        return step

    def _payment(self, call: Call) -> Payment:
        payment = self.books.find(call.fields.text("tid", 20))
        if payment is None or payment.cid != call.cid:
            raise Refusal(-721)
        return payment


def _at_least_one(call: Call, name: str) -> int:
    number = call.fields.whole(name)
    if number < 1:
        raise invalid(name)
    return number


def _asked_amount(call: Call) -> Amount:
    total, tax_free = call.fields.whole("total_amount"), call.fields.whole("tax_free_amount")
    vat = call.fields.maybe_whole("vat_amount")
    deposit = call.fields.maybe_whole("green_deposit") or 0
    if total < 1:
        raise Refusal(-725)
    if tax_free > total or deposit > total:
        raise Refusal(-722)
    vat = default_vat(total, tax_free) if vat is None else vat
    if tax_free + vat > total:
        raise Refusal(-722)
    return Amount(total, tax_free, vat, deposit)


def _wanted_method(call: Call) -> str | None:
    method = call.fields.maybe_text("payment_method_type", 20)
    if method is not None and method not in METHODS:
        raise Refusal(-705)
    return method


def _install_month(call: Call) -> int:
    months = call.fields.maybe_whole("install_month") or 0
    if months > 12:
        raise invalid("install_month")
    return months


def _cancelled_amount(payment: Payment, asked: int, tax_free: int, vat: int | None) -> Amount:
    left = payment.remaining
    if asked < 1:
        raise invalid("cancel_amount")
    if asked > left.total:
        raise Refusal(-710)
    if payment.amount.green_deposit and asked != left.total:
        raise Refusal(-784)
    if vat is None:
        last = asked == left.total and tax_free == left.tax_free
        vat = left.vat if last else min(left.vat, default_vat(asked, min(tax_free, asked)))
    if tax_free > left.tax_free or vat > left.vat or tax_free + vat > asked:
        raise Refusal(-722)
    deposit = left.green_deposit if asked == left.total else 0
    return Amount(asked, tax_free, vat, deposit)
