"""What callers do with payments: create, prepare, approve, complete, cancel, fail, refund.

Each is decide → one commit; those that move money are an intent, a call and evidence. This module
refuses to call a gateway inside a database transaction, and to say "failed" because time passed.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from engine import chart
from engine.clock import Clock
from engine.decision import Decisions, present
from engine.errors import (
    Conflict,
    EngineError,
    GatewayTrouble,
    Invalid,
    StorageTrouble,
)
from engine.fire import Caller, Committed, Ledger, LostRace, commit_to, folded_of
from engine.fold import Folded
from engine.gateway import Gateways
from engine.guards import Given
from engine.idempotency import Answer, Keys
from engine.journal import Journal
from engine.merchants import Merchants
from engine.money import Tax, TaxRefusal, split_refund
from engine.operations import Durations, Operations, intent
from engine.orders import NewOrder, Orders
from engine.provider import Outcome, Urls
from engine.resource import render
from engine.settlement import Settlement
from engine.store import Row, Store
from engine.vault import Vault, token_hash

_LOG = logging.getLogger("strada.payments")
LinkMaker = Callable[[Row, str], Urls]
"""Given a row and a fresh return token: the URLs a gateway sends the customer back to."""


class Payments:
    """The engine's front door. Every method takes the Caller first and returns an Answer."""

    def __init__(
        self,
        ledger: Ledger,
        vault: Vault,
        merchants: Merchants,
        gateways: Gateways,
        operations: Operations,
        durations: Durations,
        links: LinkMaker,
    ) -> None:
        self.ledger = ledger
        self.store: Store = ledger.store
        self.clock: Clock = ledger.clock
        self.vault = vault
        self.merchants = merchants
        self.gateways = gateways
        self.operations = operations
        self.durations = durations
        self.keys = Keys(ledger.store)
        self.decisions = Decisions(ledger, self.keys, durations)
        self.journal = Journal(ledger)
        self._orders = Orders(ledger, gateways, self.keys, self.decisions, vault.erased_slot)
        self.settlement = Settlement(ledger, gateways, operations, self.keys)
        self._links = links

    # ---- reading

    def get(self, transaction: str, merchant: str | None = None) -> Answer:
        """A transaction as it stands; raises Missing."""
        return self.decisions.answer("ok", self.ledger.load(transaction, merchant))

    def create(self, caller: Caller, order: NewOrder) -> Answer:
        """Register an order; no gateway is asked."""
        return self._orders.create(caller, order)

    # ---- events that move no money

    def fire(
        self,
        caller: Caller,
        transaction: str,
        event: str,
        reason: str | None,
        seen: Row | None = None,
    ) -> Answer:
        """Fire `complete`, `cancel` or `fail`; `seen` is its row where it has just been loaded."""
        personal = commit_to({"reason": reason})
        data = {"commitments": personal.commitments} if personal.values else {}

        def attempt() -> Answer:
            nonlocal seen
            loaded, seen = seen, None  # who loses a race looks again
            known, row = self.decisions.begin(caller, transaction, loaded)
            if known is not None:
                return known
            folded = folded_of(row)
            entry = self.decisions.transition(caller, row, folded, event, data)
            columns = self.settlement.watch(folded, entry)
            step = self.ledger.step(folded, [entry], columns, personal)
            answer = self.decisions.answer("ok", row | step.columns)
            with self.store.write():
                self.ledger.commit(step)
                self.keys.put(caller, self.clock.now_us(), txn=transaction, answer=answer)
            return answer

        return self.decisions.settled(caller, transaction, event, attempt)

    def dry_run(
        self, transaction: str, merchant: str | None, event: str, amount: int | None = None
    ) -> dict[str, Any]:
        """What an event would lead to. Nothing is written."""
        row = self.ledger.load(transaction, merchant)
        folded = folded_of(row)
        wanted = folded.refundable if amount is None else amount
        target = chart.decide(
            event,
            row["status"],
            folded.facts(),
            Given(now=self.clock.now_us(), amount=wanted),
        )
        answer: dict[str, Any] = {"object": "dry_run", "event": chart.HTTP_NAMES[event]}
        answer |= {"accepted": False, "target": None, "guard": None, "reason": None}
        match target:
            case chart.Illegal():
                return answer | {"reason": "illegal_transition"}
            case chart.GuardRefused():
                return answer | {"guard": target.guard, "reason": target.reason}
            case _:
                return answer | {"accepted": True, "target": target}

    # ---- prepare

    def ready(self, caller: Caller, transaction: str) -> Answer:
        """Ask the gateway to prepare the payment; moves no money."""
        token = secrets.token_urlsafe(24)

        def attempt() -> Answer | tuple[Row, str]:
            running = self.operations.open_of(transaction)  # before the key: it may be our own
            known, row = self.decisions.begin(caller, transaction)
            if known is not None:
                return known
            folded = folded_of(row)
            self.decisions.check(caller, row, folded, "make_ready", Given())
            if running is not None and running["call_deadline"] > self.clock.now_us():
                raise Conflict("operation_in_flight", retry_after=1, extra=present(row))
            op = self.operations.new_id("prepare")
            with self.store.write():
                if running is not None:
                    self.settlement.abandon(running)
                whole = Tax(row["amount"], row["tax_free_amount"], row["vat_amount"])
                self.operations.open(op, "prepare", row, whole, row["amount"], 0, caller)
                touched = self.store.execute(
                    "UPDATE transactions SET return_token = ? WHERE id = ? AND head_seq = ?",
                    (token_hash(token), transaction, folded.head_seq),
                )
                if touched != 1:  # closed, or made ready, since we looked: nothing to ask for
                    raise LostRace
                self.keys.put(caller, self.clock.now_us(), txn=transaction, operation=op)
            return row, op

        begun = self.decisions.settled(caller, transaction, "make_ready", attempt)
        if isinstance(begun, Answer):
            return begun
        row, op = begun
        outcome = self.gateways.prepare(row, op, self._links(row, token))
        self.settlement.apply_evidence(transaction, op, outcome, "live")
        return self._after(caller, transaction, op)

    # ---- money

    def approve(self, caller: Caller, transaction: str, credential: str) -> Answer:
        """Take the money: intent, call, evidence."""

        def attempt() -> Answer | tuple[Row, str]:
            known, row = self.decisions.begin(caller, transaction)
            if known is not None:
                return known
            self.decisions.not_in_flight(row, "approve")
            folded = folded_of(row)
            op = self.operations.new_id("approve")
            whole = Tax(row["amount"], row["tax_free_amount"], row["vat_amount"])
            data = intent(op, whole, row["amount"])
            entry = self.decisions.transition(caller, row, folded, "approve", data)
            settle_s = self.gateways.settle_s(row["provider"])
            with self.store.write():
                self.ledger.advance(folded, [entry])
                self.operations.open(
                    op,
                    "approve",
                    row,
                    whole,
                    row["amount"],
                    settle_s,
                    caller,
                    credential=credential,
                )
                self.keys.put(caller, self.clock.now_us(), txn=transaction, operation=op)
            return row, op

        begun = self.decisions.settled(caller, transaction, "approve", attempt)
        if isinstance(begun, Answer):
            return begun
        row, op = begun
        ends = self.clock.monotonic() + self.gateways.deadline_s()
        outcome = self.gateways.approve(row, op, credential)
        self._conclude(transaction, op, outcome, ends)
        return self._after(caller, transaction, op)

    def refund(
        self,
        caller: Caller,
        transaction: str,
        amount: int | None,
        tax_free: int | None = None,
        vat: int | None = None,
        reason: str | None = None,
    ) -> Answer:
        """Give money back, all that is left when `amount` is None."""
        personal = commit_to({"reason": reason})

        def attempt() -> Answer | tuple[Row, Row]:
            known, row = self.decisions.begin(caller, transaction)
            if known is not None:
                return known
            self.decisions.not_in_flight(row, "refund")
            folded = folded_of(row)
            wanted = folded.refundable if amount is None else amount
            self.decisions.check(caller, row, folded, "refund", Given(amount=wanted))
            part = self._refund_part(caller, row, folded, wanted, tax_free, vat)
            return row, self._intend_refund(caller, row, folded, part, reason, personal)

        begun = self.decisions.settled(caller, transaction, "refund", attempt)
        if isinstance(begun, Answer):
            return begun
        row, op = begun
        ends = self.clock.monotonic() + self.gateways.deadline_s()
        outcome = self.gateways.refund(row, op)
        self._conclude(transaction, op["id"], outcome, ends)
        return self._after(caller, transaction, op["id"])

    def _refund_part(
        self,
        caller: Caller,
        row: Row,
        folded: Folded,
        amount: int,
        tax_free: int | None,
        vat: int | None,
    ) -> Tax:
        remaining = Tax(
            folded.refundable,
            folded.tax_free_amount - folded.refunded_tax_free,
            folded.vat_amount - folded.refunded_vat,
        )
        able = self.gateways.provider(row["provider"]).capabilities
        if amount < remaining.amount and not able.partial_refund:
            raise Invalid("unsupported_by_provider", extra={"reason": "partial_refund"})
        try:
            return split_refund(remaining, amount, tax_free, vat)
        except TaxRefusal as refusal:
            if refusal.code == "tax_free_amount_required":
                raise Invalid(refusal.code) from refusal
            extra = {"guard": None, "reason": refusal.code}
            unfit = Invalid("guard_refused", extra=extra)
            self.decisions.refuse(caller, row, folded, "refund", unfit, amount)

    def _intend_refund(
        self,
        caller: Caller,
        row: Row,
        folded: Folded,
        part: Tax,
        reason: str | None,
        personal: Committed,
    ) -> Row:
        op = self.operations.new_id("refund")
        total = folded.refunded_amount + part.amount
        data = intent(op, part, total)
        if personal.values:
            data["commitments"] = personal.commitments
        entry = self.decisions.transition(caller, row, folded, "refund", data)
        settle_s = self.gateways.settle_s(row["provider"])
        with self.store.write():
            self.ledger.advance(folded, [entry], None, personal)
            self.operations.open(op, "refund", row, part, total, settle_s, caller, reason=reason)
            self.keys.put(caller, self.clock.now_us(), txn=row["id"], operation=op)
        opened = self.operations.get(op)
        assert opened is not None
        return opened

    # ---- answering

    def _conclude(self, transaction: str, op_id: str, outcome: Outcome, ends: float) -> None:
        """Apply a live answer. Where it cannot be written it stays unknown: the call was made."""
        try:
            self.settlement.conclude(transaction, op_id, outcome, "live", ends)
        except StorageTrouble as trouble:
            _LOG.error("the outcome of %s is for the worker to find: %s", op_id, trouble.detail)

    def _after(self, caller: Caller, transaction: str, op_id: str) -> Answer:
        """The answer of a call whose live part has ended."""
        row = self.ledger.load(transaction)
        op = self.operations.get(op_id)
        assert op is not None
        if op["state"] == "open":
            return self.decisions.answer("unknown", row)
        if caller.key_mac is not None:
            known = self.keys.find(caller, self.clock.now_us())
            if isinstance(known, Answer):
                return Answer(known.code, known.body, known.version, known.txn)
        if op["kind"] == "prepare" and op["state"] != "settled":
            raise self._not_prepared(row, op)
        if op["kind"] == "approve" and op["state"] == "rejected" and not is_decline(op):
            extra = {**present(row), "transaction": render(self.store, row)}
            raise Conflict("approval_not_taken", extra=extra | {"reason": op["last_evidence"]})
        return self.decisions.answer("ok", row)

    def _not_prepared(self, row: Row, op: Row) -> EngineError:
        said = op["last_evidence"] or ""
        if said == "late" or row["status"] != "created":
            return self.decisions.illegal(row, "make_ready")
        if said in ("timeout", "lease_passed"):  # the worker may see the deadline pass before we do
            return GatewayTrouble("gateway_timeout", retry_after=2)
        if said in ("not_sent", "unavailable", "conflict"):
            return GatewayTrouble("gateway_unavailable", retry_after=5)
        reason = said.removeprefix("refused:")
        return GatewayTrouble("gateway_surprise", retry_after=5, extra={"reason": reason})


def is_decline(op: Mapping[str, Any]) -> bool:
    """Whether a rejected approve was declined for good (else the customer may act again)."""
    return str(op["last_evidence"] or "").startswith("refused:")


def decode(answer: Answer) -> dict[str, Any]:
    """An answer's body, parsed."""
    parsed: dict[str, Any] = json.loads(answer.body)
    return parsed
