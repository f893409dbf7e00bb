"""Applying evidence: from an answer of a gateway to one commit, whoever brought the answer.

It refuses to drop evidence: a lost race is decided again, a contradiction is logged and reviewed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine import chart
from engine.case import Case, Verdict
from engine.entry import Entry, MalformedEntry
from engine.errors import StorageTrouble
from engine.evidence import weigh
from engine.fire import GATEWAY, WORKER, Caller, Draft, Ledger, LostRace, folded_of
from engine.fold import Broken, Folded, apply
from engine.gateway import Gateways
from engine.idempotency import Answer, Keys
from engine.money import Tax
from engine.operations import Operations, as_operation, intent
from engine.provider import Outcome
from engine.resource import encode, render, user_of
from engine.store import Row

EVIDENCE_TRIES = 50
"""Evidence is never dropped; a race lost this often counts as a storage failure."""
_BETWEEN_TRIES_S = 0.002
_SHORTEST_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Asked:
    """When a look-up was begun, and what was known then: it may have seen no more than that.

    money: captured, refunded, and the open intent.
    """

    at: int
    money: tuple[int, int, str | None]


class Settlement:
    """Weighs outcomes and writes what they mean."""

    def __init__(
        self, ledger: Ledger, gateways: Gateways, operations: Operations, keys: Keys
    ) -> None:
        self.ledger = ledger
        self._store = ledger.store
        self._clock = ledger.clock
        self._gateways = gateways
        self._operations = operations
        self._keys = keys

    def conclude(
        self, transaction: str, op_id: str, outcome: Outcome, channel: str, ends: float
    ) -> None:
        """Apply a live answer; when it says "ask me", ask once within the call's own deadline."""
        verdict = self.apply_evidence(transaction, op_id, outcome, channel)
        left = ends - self._clock.monotonic()
        if verdict.next == "look" and left > self._clock.seconds(_SHORTEST_LOOK_S):
            row = self.ledger.load(transaction)
            asked = self.asking(row)
            truth = self._gateways.look_up(row, op_id, left)
            self.apply_evidence(transaction, op_id, truth, channel, asked)

    def asking(self, row: Row) -> Asked:
        """What is known as a look-up begins: take it before the call, give it to the evidence."""
        return Asked(self._clock.now_us(), _money(row))

    def apply_evidence(
        self,
        transaction: str,
        op_id: str | None,
        outcome: Outcome,
        channel: str,
        asked: Asked | None = None,
    ) -> Verdict:
        """Weigh an outcome against the present row and commit what it means.

        Live answers, return URLs, reports, notices and look-ups all come through here; a look-up
        with what was known when it was asked.
        """
        for _ in range(EVIDENCE_TRIES):
            row = self.ledger.load(transaction)
            op = self._concerned(row, op_id, asked)
            verdict = weigh(self._case(row, op, asked), outcome)
            try:
                if verdict.said == "charged_while_open":
                    op_id = self._adopt(row)
                    if op_id is not None:
                        continue
                    verdict = Verdict(evidence="contradicts", said="contradicts")
                self._commit(row, op, verdict, outcome, channel)
            except LostRace:
                self._clock.sleep(_BETWEEN_TRIES_S)
                continue
            return verdict
        raise StorageTrouble("evidence lost every race")

    def abandon(self, op: Row) -> None:
        """Give up a prepare whose lease has passed. Call inside `store.write()`."""
        self._operations.conclude(op, Verdict(state="abandoned", said="lease_passed"), None)
        self._fill_key(op, None)

    def watch(self, folded: Folded, entry: Entry) -> dict[str, Any]:
        """When to look once more at a payment that closes although an approve was ever sent."""
        closes = entry.fields["target"] in chart.CLOSED and not folded.captured_amount
        if not closes or not (folded.attempts or folded.flow == "reported"):
            return {}
        settle = self._clock.micros(self._gateways.settle_s(folded.provider))
        return {"look_at": max(self._clock.now_us(), folded.expires_at) + settle}

    def open_review(self, row: Row, reason: str) -> bool:
        """Log that a person must look at a payment; False when it changed meanwhile."""
        folded = folded_of(row)
        draft = Draft("note", "review_opened", folded.status, {"reason": reason})
        try:
            with self._store.write():
                self.ledger.advance(folded, [self.ledger.entry(folded, draft, WORKER)])
        except LostRace:
            return False
        return True

    def _concerned(self, row: Row, op_id: str | None, asked: Asked | None) -> Row | None:
        """The operation that evidence is about: a look-up's is the one that is open by now."""
        op = self._operations.get(op_id) if op_id else None
        settled = op is None or (op["state"] != "open" and asked is not None)
        if settled and row["intent_op"] is not None:
            return self._operations.get(row["intent_op"])
        return op

    def _case(self, row: Row, op: Row | None, asked: Asked | None) -> Case:
        now = self._clock.now_us()
        return Case(
            folded=folded_of(row),
            user=None if row["erased_at"] is not None else user_of(row),
            operation=as_operation(op),
            now=now,
            capabilities=self._gateways.provider(row["provider"]).capabilities,
            settle_us=self._clock.micros(self._gateways.settle_s(row["provider"])),
            asked_at=now if asked is None else asked.at,
            outdated=asked is not None and asked.money != _money(row),
        )

    def _adopt(self, row: Row) -> str | None:
        """Open an approve intent for a charge found on a `ready` payment that nobody asked for.

        None when the chart allows no further attempt: the charge is then reviewed, and refunded as
        unwanted once the payment has closed.
        """
        folded = folded_of(row)
        op = self._operations.new_id("approve")
        whole = Tax(row["amount"], row["tax_free_amount"], row["vat_amount"])
        data = intent(op, whole, whole.amount)
        entry = self.ledger.transition(folded, "approve", data, WORKER)
        if not isinstance(entry, Entry):
            return None
        with self._store.write():
            self.ledger.advance(folded, [entry])
            self._operations.open(op, "approve", row, whole, whole.amount, 0, WORKER, sends=0)
        return op

    def _commit(
        self, row: Row, op: Row | None, verdict: Verdict, outcome: Outcome, channel: str
    ) -> None:
        folded = folded_of(row)
        caller = WORKER if channel == "worker" else GATEWAY
        entries, verdict = self._entries(folded, op, verdict, outcome, channel, caller)
        if not entries and op is None:
            return
        columns = self._columns(folded, entries, verdict)
        with self._store.write():
            if entries:
                self.ledger.advance(folded, entries, columns)
            if op is not None and op["state"] == "open":
                if not self._operations.conclude(op, verdict, outcome.evidence_sha256):
                    raise LostRace  # given up or settled meanwhile, without a step in the log
                if verdict.state is not None:
                    self._fill_key(op, self._final_answer(row["id"], op, verdict))

    def _entries(
        self,
        folded: Folded,
        op: Row | None,
        verdict: Verdict,
        outcome: Outcome,
        channel: str,
        caller: Caller,
    ) -> tuple[list[Entry], Verdict]:
        entries: list[Entry] = []
        reached = folded
        try:
            for event, data in verdict.transitions:
                entry = self.ledger.transition(reached, event, data, caller)
                if not isinstance(entry, Entry):
                    raise Broken(f"{event} is not legal in {reached.status}")
                reached = apply(reached, entry)
                entries.append(entry)
        except (Broken, MalformedEntry):
            verdict = Verdict(evidence="contradicts", next="wait", said="contradicts")
            entries = []
        if verdict.note is not None:
            event, data = verdict.note
            draft = Draft("note", event, folded.status, data)
            entries.append(self.ledger.entry(folded, draft, caller))
        if verdict.evidence and not self._already_logged(folded, op, verdict, outcome, channel):
            entries.append(self._evidence(folded, op, verdict.evidence, outcome, channel, caller))
        return entries, verdict

    def _already_logged(
        self, folded: Folded, op: Row | None, verdict: Verdict, outcome: Outcome, channel: str
    ) -> bool:
        """The worker asks often; what it hears again unchanged is not logged again."""
        if channel != "worker":
            return False
        if op is not None:
            return bool(op["last_sha256"] == outcome.evidence_sha256)
        return verdict.evidence == "duplicate" or folded.needs_review is not None

    def _evidence(
        self,
        folded: Folded,
        op: Row | None,
        verdict: str,
        outcome: Outcome,
        channel: str,
        caller: Caller,
    ) -> Entry:
        data = {"channel": channel, "sha256": outcome.evidence_sha256, "verdict": verdict}
        if op is not None:
            data["op"] = op["id"]
        event = op["kind"] if op is not None else "look_up"
        return self.ledger.entry(folded, Draft("evidence", event, folded.status, data), caller)

    def _columns(self, folded: Folded, entries: list[Entry], verdict: Verdict) -> dict[str, Any]:
        columns = dict(verdict.columns)
        if "next_action" in columns:
            columns["next_action"] = encode(columns["next_action"])
        for entry in entries:
            if entry.fields["kind"] == "transition":
                columns |= self.watch(folded, entry)
        return columns

    def _final_answer(self, transaction: str, op: Row, verdict: Verdict) -> Answer | None:
        """What the operation's idempotency key is answered with from now on; None forgets it."""
        declined = verdict.said.startswith("refused:")
        forget = verdict.state == "abandoned" or (
            verdict.state == "rejected"
            and (op["kind"] == "prepare" or (op["kind"] == "approve" and not declined))
        )
        if op["idem_key"] is None or forget:
            return None
        row = self.ledger.load(transaction)
        return Answer("ok", encode(render(self._store, row)), row["version"], transaction)

    def _fill_key(self, op: Row, answer: Answer | None) -> None:
        if op["idem_key"] is not None:
            self._keys.fill(op["idem_route"], op["idem_key"], op["id"], answer)


def _money(row: Row) -> tuple[int, int, str | None]:
    """What a look-up is outdated by: money that moves, an intent that begins or ends."""
    return row["captured_amount"], row["refunded_amount"], row["intent_op"]
