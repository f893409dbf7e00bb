"""The gateway's truth: every payment, and a ledger line on the disk before any answer.

Two files: the ledger (one line for each real movement of money) and `<ledger>.state` (what else
has to survive a kill: prepared payments, what customers did, the moved clock). Neither holds a
secret key or a pg_token. It checks no request; it refuses only what would falsify the books.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from providers.kakaopay.simulator.clock import Clock, seconds, utc
from providers.kakaopay.simulator.journal import Journal
from providers.kakaopay.simulator.payment import (
    CHARGE,
    FAILED,
    QUIT,
    REFUND,
    Action,
    Amount,
    Payment,
    default_vat,
)
from providers.kakaopay.simulator.refusals import Refusal


class Books:
    """Payments by tid and by page; every change goes to a file first, then to memory."""

    def __init__(self, ledger: Path, clock: Clock) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.ledger = Journal(ledger, durable=True)
        self.state = Journal(ledger.with_name(ledger.name + ".state"), durable=False)
        self._payments: dict[str, Payment] = {}
        self._pages: dict[str, str] = {}
        self._earlier: dict[str, tuple[Payment, float]] = {}
        self._hidden_until: dict[str, float] = {}
        self._replay()

    # Reading.

    def find(self, tid: str) -> Payment | None:
        """The payment with this tid."""
        return self._payments.get(tid)

    def at_page(self, page: str) -> Payment | None:
        """The payment whose pay pages have this hash."""
        tid = self._pages.get(page)
        return self._payments[tid] if tid else None

    def all(self) -> list[Payment]:
        """Every payment, oldest first."""
        with self.lock:
            return list(self._payments.values())

    def seen(self, tid: str, lag_s: float = 0) -> Payment | None:
        """The payment as queries see it: before its last movement while that is hidden."""
        with self.lock:
            earlier, moved_at = self._earlier.get(tid, (None, 0.0))
            now = self.clock.monotonic()
            hidden = now < self._hidden_until.get(tid, 0) or now < moved_at + lag_s
            return earlier if earlier and hidden else self._payments.get(tid)

    def hide(self, tid: str, lag_s: float) -> None:
        """Let queries miss the last movement of this payment for `lag_s`."""
        with self.lock:
            self._hidden_until[tid] = self.clock.monotonic() + lag_s

    # What the merchant and the customer do before any money moves.

    def prepare(self, payment: Payment) -> None:
        """Take in a new payment."""
        with self.lock:
            self.state.append({"event": "prepared", **asdict(payment)})
            self._put(payment)

    def open(self, payment: Payment) -> None:
        """A pay page was opened."""
        with self.lock:
            current = self._payments[payment.tid]
            if current.status(self.clock.now()) == "READY":
                self._change(current, opened=True)

    def authenticate(self, payment: Payment, method: str) -> bool:
        """The customer agreed; False when it was too late or already decided."""
        return self._decide(payment, method=method)

    def quit(self, payment: Payment) -> bool:
        """The customer gave up."""
        return self._decide(payment, ended=QUIT)

    def fail(self, payment: Payment) -> bool:
        """The customer's authentication failed."""
        return self._decide(payment, ended=FAILED)

    def expire(self, payment: Payment) -> bool:
        """Move this payment's window to its end."""
        return self._decide(payment, expires_at=self.clock.now())

    def hand_out(self, payment: Payment) -> str | None:
        """Where the customer's browser goes now; the pg_token travels exactly once.

        None while the customer has not decided, and after the token was taken.
        """
        with self.lock:
            current = self._payments[payment.tid]
            if current.handed_out or current.actions:
                return None
            match current.status(self.clock.now()):
                case "AUTH_PASSWORD":
                    return self._with_new_token(current)
                case "QUIT_PAYMENT" if current.ended:
                    return current.cancel_url
                case "QUIT_PAYMENT" | "FAIL_PAYMENT":
                    return current.fail_url
            return None

    def move_clock(self, by_s: float) -> None:
        """Advance the gateway's time; a restart remembers it."""
        with self.lock:
            self.clock.offset_s += by_s
            self.state.append({"event": "clock", "offset_s": self.clock.offset_s})

    # Money.

    def charge(self, tid: str, payload: str | None) -> tuple[Payment, Action]:
        """Take the money, once."""
        with self.lock:
            payment = self._payments[tid]
            if payment.charge:
                raise Refusal(-702)
            return self._move(payment, CHARGE, payment.amount, payload)

    def refund(self, tid: str, amount: Amount, payload: str | None) -> tuple[Payment, Action]:
        """Give money back, never more than was taken."""
        with self.lock:
            payment = self._payments[tid]
            if not payment.charge:
                raise Refusal(-784)
            if not 0 < amount.total <= payment.remaining.total:
                raise Refusal(-710)
            return self._move(payment, REFUND, amount, payload)

    def refund_by_hand(self, tid: str, total: int) -> tuple[Payment, Action]:
        """A refund made in the gateway's own console: no request, hence no payload."""
        with self.lock:
            left = self._payments[tid].remaining
            tax_free = max(0, total - (left.total - left.tax_free))
            vat = min(left.vat, default_vat(total, tax_free))
            last = left if total == left.total else Amount(total, tax_free, vat)
            return self.refund(tid, last, None)

    # Inside.

    def _move(
        self, payment: Payment, kind: str, amount: Amount, payload: str | None
    ) -> tuple[Payment, Action]:
        action = Action("A" + new_id(), kind, self.clock.now(), amount, payload)
        after = replace(payment, actions=(*payment.actions, action))
        self.ledger.append(_ledger_line(after, action))
        if self.clock.monotonic() >= self._hidden_until.get(payment.tid, 0):
            self._earlier[payment.tid] = (payment, self.clock.monotonic())
        self._put(after)
        return after, action

    def _decide(self, payment: Payment, **change: Any) -> bool:
        with self.lock:
            current = self._payments[payment.tid]
            open_still = current.status(self.clock.now()) in ("READY", "OPEN_PAYMENT")
            if open_still:
                self._change(current, **change)
            return open_still

    def _with_new_token(self, payment: Payment) -> str:
        token = secrets.token_hex(10)
        self._change(payment, handed_out=digest(token))
        parts = urlsplit(payment.approval_url)
        query = "&".join(filter(None, (parts.query, f"pg_token={token}")))
        return urlunsplit(parts._replace(query=query))

    def _change(self, payment: Payment, **change: Any) -> None:
        self.state.append({"event": "changed", "tid": payment.tid, **change})
        self._put(replace(payment, **change))

    def _put(self, payment: Payment) -> None:
        self._payments[payment.tid] = payment
        self._pages[payment.page] = payment.tid

    def _replay(self) -> None:
        for line in self.state.lines():
            self._replay_state(line)
        for line in self.ledger.lines():
            payment = self._payments.get(line["tid"])
            if payment:
                action = _action(line, payment)
                self._put(replace(payment, actions=(*payment.actions, action)))

    def _replay_state(self, line: dict[str, Any]) -> None:
        match line.pop("event"):
            case "prepared":
                line["amount"] = Amount(**line["amount"])
                line["actions"] = ()
                self._put(Payment(**line))
            case "changed":
                self._put(replace(self._payments[line.pop("tid")], **line))
            case "clock":
                self.clock.offset_s = line["offset_s"]


def new_id() -> str:
    """19 hex digits: what follows the letter in a tid or an aid."""
    return secrets.token_hex(10)[:19]


def digest(token: str) -> str:
    """What is kept of a pg_token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _ledger_line(payment: Payment, action: Action) -> dict[str, Any]:
    return {
        "at": utc(action.at),
        "event": action.kind,
        "cid": payment.cid,
        "tid": payment.tid,
        "aid": action.aid,
        "partner_order_id": payment.partner_order_id,
        "partner_user_id": payment.partner_user_id,
        "amount": action.amount.total,
        "tax_free": action.amount.tax_free,
        "vat": action.amount.vat,
        "payload": action.payload,
        "charged_total": payment.charged.total,
        "refunded_total": payment.refunded.total,
    }


def _action(line: dict[str, Any], payment: Payment) -> Action:
    whole = line["amount"] == payment.amount.total
    deposit = payment.amount.green_deposit if whole else 0
    amount = Amount(line["amount"], line["tax_free"], line["vat"], deposit)
    return Action(line["aid"], line["event"], seconds(line["at"]), amount, line["payload"])
