"""The janitor: expires what nobody paid, and asks gateways about every outcome that is not known.

It is crash-only: rows with a due time are the truth, a claim is a lease, and `run_once` may die
anywhere. It refuses to sleep inside its work: `run_once()` returns counts, `run()` loops.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from engine.entry import Entry
from engine.errors import StorageTrouble
from engine.fire import WORKER, LostRace, folded_of
from engine.fold import OUTCOME_UNKNOWN
from engine.payments import Payments
from engine.provider import Outcome, Unknown
from engine.recheck import Recheck
from engine.store import Row

BATCH = 50
"""How many rows of a kind one round takes, so that no kind starves another."""
IDLE_S = 0.5
"""How long an idle worker sleeps between rounds, before scaling."""
STORAGE_WAIT_S = 5.0
"""How long it leaves a failing database alone, before scaling."""
WATCH_AGAIN_S = 300
"""When a watchful look-up got no answer: the next one."""
_LOG = logging.getLogger("strada.worker")


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did."""

    expired: int = 0
    looked: int = 0
    watched: int = 0
    reviewed: int = 0
    rechecked: int = 0

    @property
    def busy(self) -> bool:
        """Whether anything was done, so that more may be due."""
        return any((self.expired, self.looked, self.watched, self.reviewed, self.rechecked))


class Worker:
    """One worker; any number may run on one database."""

    def __init__(self, payments: Payments) -> None:
        self._payments = payments
        self._ledger = payments.ledger
        self._store = payments.store
        self._clock = payments.clock
        self._operations = payments.operations
        self._settlement = payments.settlement
        self._gateways = payments.gateways
        self._recheck = Recheck(payments, self._may_ask, self._heard)
        self.last_round_at: int | None = None

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; a failing database is waited for, never given up on."""
        while not stop.is_set():
            rest_s = IDLE_S
            try:
                busy = self.run_once().busy
                self.last_round_at = self._clock.now_us()
            except StorageTrouble as trouble:
                _LOG.warning("the worker waits for the database: %s", trouble.detail)
                busy, rest_s = False, STORAGE_WAIT_S
            except Exception:
                _LOG.exception("a round of the worker failed")
                busy = False
            if not busy:
                stop.wait(max(self._clock.seconds(rest_s), 0.01))
        self._store.close()

    def run_once(self) -> Round:
        """Do what is due now, at most a batch of each kind."""
        rechecked = self._recheck.run_once()
        return Round(self._expire(), self._look(), self._watch(), self._review(), rechecked)

    # ---- expiry

    def _expire(self) -> int:
        now = self._clock.now_us()
        due = self._store.rows(
            "SELECT * FROM transactions WHERE status IN ('created', 'ready') "
            "AND expires_at <= ? AND NOT EXISTS "
            "(SELECT 1 FROM rechecks r WHERE r.txn = transactions.id) ORDER BY expires_at LIMIT ?",
            (now, BATCH),
        )
        return sum(self._expire_one(row, now) for row in due)

    def _expire_one(self, row: Row, now: int) -> bool:
        running = self._operations.open_of(row["id"])
        if running is not None and running["call_deadline"] > now:
            return False
        if row["flow"] == "reported" and row["provider_ref"] and not self._not_charged(row):
            return False
        folded = folded_of(row)
        entry = self._ledger.transition(folded, "expire", {"expires_at": row["expires_at"]}, WORKER)
        if not isinstance(entry, Entry):
            return False
        try:
            with self._store.write():
                if running is not None:
                    self._settlement.abandon(running)
                columns = self._settlement.watch(folded, entry)
                self._ledger.advance(folded, [entry], columns)
        except LostRace:
            return False
        return True

    def _not_charged(self, row: Row) -> bool:
        if not self._may_ask(row["provider"]):
            return False
        asked = self._settlement.asking(row)
        truth = self._gateways.look_up(row)
        self._heard(row["provider"], truth)
        if isinstance(truth, Unknown):
            return False
        said = self._settlement.apply_evidence(row["id"], None, truth, "worker", asked).said
        return said == "nothing_new"

    # ---- open operations

    def _look(self) -> int:
        due = self._store.rows(
            "SELECT * FROM operations o WHERE state = 'open' AND next_check_at <= ? "
            "AND (kind = 'prepare' OR NOT EXISTS (SELECT 1 FROM gateways g "
            "WHERE g.provider = o.provider AND g.down_since IS NOT NULL)) "
            "ORDER BY next_check_at LIMIT ?",
            (self._clock.now_us(), BATCH),
        )
        return sum(self._look_at(op) for op in (*self._canaries(), *due))

    def _look_at(self, op: Row) -> bool:
        if not self._operations.claim(op):
            return False
        if op["kind"] == "prepare":
            with self._store.write():
                self._settlement.abandon(op)
            return True
        row = self._ledger.load(op["txn"])
        asked = self._settlement.asking(row)
        truth = self._gateways.look_up(row, op["id"])
        self._heard(op["provider"], truth)
        verdict = self._settlement.apply_evidence(row["id"], op["id"], truth, "worker", asked)
        if verdict.next == "resend":
            self._resend(row, op["id"])
        return True

    def _resend(self, row: Row, op_id: str) -> None:
        op = self._operations.get(op_id)
        if op is None or not self._operations.resend(op, self._gateways.settle_s(row["provider"])):
            return
        ends = self._clock.monotonic() + self._gateways.deadline_s()
        outcome: Outcome
        if op["kind"] == "approve":
            outcome = self._gateways.approve(row, op_id, self._operations.credential(op))
        else:
            outcome = self._gateways.refund(row, op)
        self._settlement.conclude(row["id"], op_id, outcome, "worker", ends)

    # ---- payments to look at once more

    def _watch(self) -> int:
        due = self._store.rows(
            "SELECT * FROM transactions WHERE look_at <= ? ORDER BY look_at LIMIT ?",
            (self._clock.now_us(), BATCH),
        )
        return sum(self._watch_one(row) for row in due)

    def _watch_one(self, row: Row) -> bool:
        if row["provider_ref"] is None or row["intent_op"] is not None:
            self._look_again(row, None)
            return True
        if not self._may_ask(row["provider"]):
            return False
        again = self._clock.now_us() + self._clock.micros(WATCH_AGAIN_S)
        if not self._look_again(row, again):
            return False
        asked = self._settlement.asking(row)
        truth = self._gateways.look_up(row)
        self._heard(row["provider"], truth)
        if isinstance(truth, Unknown):
            return True
        verdict = self._settlement.apply_evidence(row["id"], None, truth, "worker", asked)
        if verdict.next != "look":
            self._look_again(row | {"look_at": again}, None)
        return True

    def _look_again(self, row: Row, at: int | None) -> bool:
        with self._store.write():
            touched = self._store.execute(
                "UPDATE transactions SET look_at = ? WHERE id = ? AND look_at = ?",
                (at, row["id"], row["look_at"]),
            )
        return touched == 1

    # ---- reviews

    def _review(self) -> int:
        since = self._clock.now_us() - self._clock.micros(self._payments.durations.review_after_s)
        due = self._store.rows(
            "SELECT t.* FROM operations o JOIN transactions t ON t.id = o.txn "
            "WHERE o.state = 'open' AND o.kind <> 'prepare' AND o.created_at <= ? "
            "AND t.needs_review IS NULL LIMIT ?",
            (since, BATCH),
        )
        return sum(self._settlement.open_review(row, OUTCOME_UNKNOWN) for row in due)

    # ---- the canary

    def _may_ask(self, provider: str) -> bool:
        """Whether a gateway answers, as far as we know."""
        row = self._store.row("SELECT down_since FROM gateways WHERE provider = ?", (provider,))
        return row is None or row["down_since"] is None

    def _canaries(self) -> list[Row]:
        """One open operation of every silent gateway whose turn it is to be asked again."""
        now = self._clock.now_us()
        silent = self._store.rows(
            "SELECT provider FROM gateways WHERE down_since IS NOT NULL AND canary_at <= ?", (now,)
        )
        found = [self._canary(row["provider"], now) for row in silent]
        return [op for op in found if op is not None]

    def _canary(self, provider: str, now: int) -> Row | None:
        following = now + self._clock.micros(self._payments.durations.canary_s)
        with self._store.write():
            taken = self._store.execute(
                "UPDATE gateways SET canary_at = ? WHERE provider = ? AND canary_at <= ?",
                (following, provider, now),
            )
        if not taken:
            return None
        op = self._store.row(
            "SELECT * FROM operations WHERE provider = ? AND state = 'open' "
            "AND kind <> 'prepare' AND call_deadline <= ? ORDER BY next_check_at LIMIT 1",
            (provider, now),
        )  # in turn: one payment that never gets sense must not speak for the whole gateway
        if op is None:  # nothing is owed: whoever asks next finds out for itself
            self._wake(provider, now)
        return op

    def _heard(self, provider: str, outcome: Outcome) -> None:
        """Remember whether a gateway answers; its first answer makes all it owes us due now."""
        now = self._clock.now_us()
        known = self._store.row("SELECT * FROM gateways WHERE provider = ?", (provider,))
        down = known is not None and known["down_since"] is not None
        if isinstance(outcome, Unknown) and outcome.kind != "conflict":
            canary = now + self._clock.micros(self._payments.durations.canary_s)
            with self._store.write():
                self._store.execute(
                    "INSERT INTO gateways (provider, down_since, canary_at) VALUES (?, ?, ?) "
                    "ON CONFLICT (provider) DO UPDATE SET canary_at = excluded.canary_at, "
                    "down_since = COALESCE(gateways.down_since, excluded.down_since)",
                    (provider, now, canary),
                )
        elif down:
            self._wake(provider, now)

    def _wake(self, provider: str, now: int) -> None:
        with self._store.write():
            self._store.execute(
                "UPDATE gateways SET down_since = NULL WHERE provider = ?", (provider,)
            )
            self._store.execute(
                "UPDATE operations SET next_check_at = ? WHERE provider = ? AND state = 'open' "
                "AND next_check_at > ? AND call_deadline <= ?",
                (now, provider, now, now),
            )
