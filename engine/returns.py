"""The customer's browser coming back from a gateway, found by a one-time token and nothing else.

It refuses to believe the URL: `/approved` only brings a credential to approve with, `/cancelled`
and `/failed` act only where a look-up says that nothing was charged.
"""

from __future__ import annotations

import logging

import peewee

from engine import chart
from engine.entry import Entry
from engine.errors import EngineError, Missing, Refusal, StorageTrouble
from engine.fire import Caller, Draft, LostRace, folded_of
from engine.journal import Seen, why_of
from engine.payments import Payments
from engine.provider import Charged, Closed, NotCharged, NotFound
from engine.store import Row
from engine.vault import token_hash

_LOG = logging.getLogger("strada.returns")
_EVENTS = {"cancelled": "cancel", "failed": "fail"}


class Returns:
    """What a hit on a return URL leads to."""

    def __init__(self, payments: Payments) -> None:
        self._payments = payments
        self._ledger = payments.ledger
        self._clock = payments.clock

    def find(self, token: str) -> Row:
        """The transaction of a token; raises Missing, or Refusal `gone` a day after its closing."""
        row = self._payments.store.row(
            "SELECT * FROM transactions WHERE return_token = ?", (token_hash(token),)
        )
        if row is None:
            raise Missing("not_found")
        life = self._clock.micros(self._payments.durations.page_life_s)
        if row["closed_at"] is not None and row["closed_at"] + life < self._clock.now_us():
            raise Refusal("gone", extra={"transaction_id": row["id"]})
        return row

    def hit(self, token: str, leg: str, credential: str | None, request_id: str) -> Row:
        """Act on a return (`leg`: approved, cancelled, failed); returns the row as it is then."""
        row = self.find(token)
        came = _came(leg, credential)
        with self._payments.journal.watch("return", row["id"], came, request_id) as seen:
            return self._act(row, leg, credential, Caller("customer", request_id=request_id), seen)

    def _act(self, row: Row, leg: str, credential: str | None, caller: Caller, seen: Seen) -> Row:
        if row["status"] != "ready":
            self._log_late(row, leg, caller)
            seen.say("late" if row["status"] in chart.CLOSED else "duplicate", row["status"])
            return row
        try:
            if leg == "approved" and credential is not None:
                self._payments.approve(caller, row["id"], credential)
            elif leg in _EVENTS:
                self._give_up(row, _EVENTS[leg], caller)
            else:
                seen.say("ignored", "no_credential")
        except StorageTrouble:
            raise  # nothing was begun: the customer may come back with the same link
        except EngineError as error:
            seen.say("ignored", why_of(error))
            _LOG.info("a return to %s ended in %s", row["id"], error.code)
        return self._ledger.load(row["id"])

    def passed_over(
        self, transaction: str | None, leg: str, credential: str | None, why: str
    ) -> None:
        """Write down a hit that was not acted on, and why."""
        seen = Seen("late" if why == "gone" else "ignored", why)
        self._payments.journal.note("return", transaction, _came(leg, credential), seen)

    def _give_up(self, row: Row, event: str, caller: Caller) -> None:
        settlement = self._payments.settlement
        asked = settlement.asking(row)
        truth = self._payments.gateways.look_up(row)
        if isinstance(truth, Charged):
            settlement.apply_evidence(row["id"], None, truth, "return", asked)
        elif isinstance(truth, NotCharged | Closed | NotFound):
            self._payments.fire(caller, row["id"], event, None)

    def _log_late(self, row: Row, leg: str, caller: Caller) -> None:
        """A hit on a closed payment is logged, as often as refusals are; it calls nobody."""
        cap = self._payments.durations.refusals_per_hour
        if row["status"] not in chart.CLOSED:
            return
        if len(self._ledger.recent(row["id"], ("note",), self._clock.seconds(3600))) >= cap:
            return
        folded = folded_of(row)
        draft = Draft("note", "late_return", folded.status, {"outcome": leg})
        entry: Entry = self._ledger.entry(folded, draft, caller)
        try:
            with self._payments.store.write():
                self._ledger.advance(folded, [entry])
        except (LostRace, peewee.IntegrityError):
            _LOG.info("a late return to %s raced with another step", row["id"])


def _came(leg: str, credential: str | None) -> dict[str, str | None]:
    """What a hit brought, as the journal hashes it."""
    return {"leg": leg, "pg_token": credential}
