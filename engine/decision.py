"""Deciding: is this a repeat, is it stale, is it legal; and logging a refusal before raising it.

It refuses to give a caller a raw conflict: who lost a race is decided again, on what is now true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

import peewee

from engine import chart
from engine.entry import Entry
from engine.errors import Conflict, EngineError, Invalid
from engine.fire import Caller, Draft, Ledger, LostRace
from engine.fold import Folded
from engine.guards import Given
from engine.idempotency import Answer, Keys
from engine.operations import Durations
from engine.resource import encode, render
from engine.store import Row

DECISIONS = 3
"""How often a caller who lost a race is decided again."""
T = TypeVar("T")

IN_FLIGHT = {"approving": ("approve",), "refunding": ("refund", "complete")}
"""Events that come back once the operation of this state has ended, rather than being illegal."""


class Decisions:
    """Decides for callers. Nothing here calls a gateway."""

    def __init__(self, ledger: Ledger, keys: Keys, durations: Durations) -> None:
        self._ledger = ledger
        self._store = ledger.store
        self._clock = ledger.clock
        self._keys = keys
        self._durations = durations

    def begin(
        self, caller: Caller, transaction: str, seen: Row | None = None
    ) -> tuple[Answer | None, Row]:
        """The stored answer of a repeat, or None, and the row; raises Missing or 412.

        seen: the row, from a caller who has just loaded it; if it is stale, the commit fails.
        """
        row = seen or self._ledger.load(transaction, caller.merchant)
        known = self.replay(caller)  # after the row: a repeat then never meets its own first call
        if known is None and caller.if_match is not None and caller.if_match != row["version"]:
            raise Conflict("version_mismatch", extra=present(row))
        return known, row

    def replay(self, caller: Caller) -> Answer | None:
        """What an idempotent repeat is answered with, or None when the request is new."""
        self._store.guard.before_new_work()
        found = self._keys.find(caller, self._clock.now_us())
        if found is None or isinstance(found, Answer):
            return found
        row = self._ledger.load(found["txn"])
        return self.answer("unknown" if row["intent_op"] else "ok", row)

    def settled(self, caller: Caller, transaction: str, event: str, attempt: Callable[[], T]) -> T:
        """Run a decision until its commit wins; a loser is told the state that it lost to."""
        for _ in range(DECISIONS):
            try:
                return attempt()
            except LostRace:
                continue
            except peewee.IntegrityError as error:
                if "UNIQUE" not in str(error):
                    raise
        row = self._ledger.load(transaction, caller.merchant)
        if caller.if_match is not None:
            raise Conflict("version_mismatch", extra=present(row))
        self.not_in_flight(row, event)
        raise self.illegal(row, event)

    def not_in_flight(self, row: Row, event: str) -> None:
        """Raise 409 `operation_in_flight` for an event that waits for the open operation."""
        if event in IN_FLIGHT.get(row["status"], ()):
            raise Conflict("operation_in_flight", retry_after=1, extra=present(row))

    def transition(
        self, caller: Caller, row: Row, folded: Folded, event: str, data: Mapping[str, Any]
    ) -> Entry:
        """The entry of a legal transition; an illegal one is logged and raised."""
        self.not_in_flight(row, event)
        entry = self._ledger.transition(folded, event, data, caller)
        if isinstance(entry, Entry):
            return entry
        self.refuse(caller, row, folded, event, self._reason(row, event, entry), data.get("amount"))

    def check(self, caller: Caller, row: Row, folded: Folded, event: str, given: Given) -> None:
        """Raise, and log, when the event is not legal now: for calls that must not begin."""
        target = chart.decide(event, row["status"], folded.facts(), given)
        if not isinstance(target, str):
            amount = given.amount if event == "refund" else None
            self.refuse(caller, row, folded, event, self._reason(row, event, target), amount)

    def _reason(self, row: Row, event: str, why: chart.Illegal | chart.GuardRefused) -> EngineError:
        if isinstance(why, chart.GuardRefused):
            return Invalid("guard_refused", extra={"guard": why.guard, "reason": why.reason})
        return self.illegal(row, event)

    def illegal(self, row: Row, event: str) -> Conflict:
        """The 409 of an event that has no transition from the present state."""
        return Conflict(
            "illegal_transition",
            extra={**present(row), "event": chart.HTTP_NAMES.get(event, event)},
        )

    def refuse(
        self,
        caller: Caller,
        row: Row,
        folded: Folded,
        event: str,
        refusal: EngineError,
        amount: int | None,
    ) -> NoReturn:
        """Log a refusal in a commit of its own and raise it; beyond the cap, 429."""
        recent = self._ledger.recent(row["id"], ("refusal", "note"), self._clock.seconds(3600))
        refused = [entry for entry in recent if entry["kind"] == "refusal"]
        if len(refused) >= self._durations.refusals_per_hour:
            if recent[0]["event"] != "refusals_suppressed":
                note = Draft("note", "refusals_suppressed", folded.status, {})
                with self._store.write():
                    self._ledger.advance(folded, [self._ledger.entry(folded, note, caller)])
            raise Conflict("rate_limited", retry_after=int(self._clock.seconds(3600)) or 1)
        data: dict[str, Any] = {"code": refusal.code, "guard": refusal.extra.get("guard")}
        if amount is not None:
            data["amount"] = amount
        draft = Draft("refusal", event, folded.status, data)
        entry = self._ledger.entry(folded, draft, caller)
        refusal.extra = {**refusal.extra, "log_seq": folded.head_seq + 1}
        with self._store.write():
            self._ledger.advance(folded, [entry])
            if caller.render is not None:
                answer = Answer(refusal.code, caller.render(refusal), row["version"], row["id"])
                self._keys.put(caller, self._clock.now_us(), txn=row["id"], answer=answer)
        raise refusal

    def answer(self, code: str, row: Row) -> Answer:
        """An Answer showing a row as it stands."""
        return Answer(code, encode(render(self._store, row)), row["version"], row["id"])


def present(row: Row) -> dict[str, Any]:
    """What a conflict tells about the transaction it met."""
    return {
        "current_status": row["status"],
        "version": row["version"],
        "allowed_events": list(chart.allowed_events(row["status"])),
        "chart": row["chart"],
        "log_seq": row["head_seq"],
        "transaction_id": row["id"],
    }
