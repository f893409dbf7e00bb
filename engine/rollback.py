"""Noticing that the database was set back: its log must extend the newest checkpoint outside.

It refuses every write while it does not, until an operator accepts the older log with a reason; and
new work until each payment that may have moved meanwhile was looked up at its gateway.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from engine.book import record
from engine.clock import MICROS
from engine.errors import LogBehind
from engine.fire import Ledger, commit_to
from engine.note import BadNote, Checkpoint
from engine.outside import Kept, SigningKeys
from engine.proofs import Tree, TreeDamaged
from engine.sequencer import Sequencer

RECENT_US = 86_400 * MICROS
"""Payments that changed so shortly before the older log ends are looked up, open or not."""
_LOG = logging.getLogger("strada.rollback")
_RECHECKS = (
    "INSERT INTO rechecks (txn) SELECT id FROM transactions WHERE status IN "
    "('created', 'ready', 'approving', 'refunding', 'captured_unwanted') OR updated_at >= "
    "(SELECT MAX(updated_at) FROM transactions) - ? ON CONFLICT (txn) DO NOTHING"
)
_LOOKS = (
    "UPDATE transactions SET look_at = ? WHERE intent_op IS NULL AND provider_ref IS NOT NULL "
    "AND status IN ('approved', 'completed', 'partially_refunded') "
    "AND NOT EXISTS (SELECT 1 FROM rechecks r WHERE r.txn = transactions.id)"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the log is not what was signed: a word of `LogBehind`, and a sentence."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What an operator accepted: how long the log is, and the checkpoint that it does not reach."""

    size: int
    lost: Checkpoint | None
    rechecks: int


class Rollback:
    """The guard of a database: what is kept outside decides whether it may be written."""

    def __init__(
        self,
        ledger: Ledger,
        sequencer: Sequencer,
        keys: SigningKeys,
        kept: Kept,
        *,
        strict: bool = True,
    ) -> None:
        self._ledger = ledger
        self._store = ledger.store
        self._sequencer = sequencer
        self._tree = Tree(ledger.store)
        self._keys = keys
        self._kept = kept
        self._strict = strict
        self._sound = False
        self._caught_up = False
        self._lifted = threading.local()

    def before_write(self) -> None:
        """Raise LogBehind unless the log extends what is kept outside."""
        if self._sound or getattr(self._lifted, "on", False):
            return
        problem = self.problem()
        if problem is not None:
            raise LogBehind(problem.reason, problem.detail)
        self._sound = True

    def before_new_work(self) -> None:
        """Raise LogBehind also while payments are being looked up after a rollback."""
        self.before_write()
        if self._caught_up:
            return
        waiting = self.waiting()
        if waiting:
            raise LogBehind("looking_up", f"{waiting} payments are being looked up first")
        self._caught_up = True

    def waiting(self) -> int:
        """How many payments are still to be looked up after a rollback."""
        row = self._store.row("SELECT COUNT(*) AS n FROM rechecks")
        return int(row["n"]) if row else 0

    def trip(self) -> None:
        """Judge again before the next write: somebody saw that something is wrong."""
        self._sound = self._caught_up = False

    def problem(self) -> Problem | None:
        """Hold the log against the newest checkpoint outside; None when it extends it."""
        try:
            kept = self._read()
        except BadNote as error:
            return Problem("untrusted", f"the checkpoint in {self._kept.path}: {error}")
        if kept is None:
            return None
        if kept.origin != self._keys.origin:
            return self._other(kept)
        return self._compare(kept)

    def _other(self, kept: Checkpoint) -> Problem | None:
        detail = f"{self._kept.path} is of another log, {kept.origin}: was the database replaced?"
        if self._strict:
            return Problem("other_log", detail)
        _LOG.warning("%s", detail)
        self._kept.set_aside("other-log")
        return None

    def _compare(self, kept: Checkpoint) -> Problem | None:
        size = self._tree.size()
        if size < kept.size:
            short = f"the log has {size} entries, and {kept.size} were signed: an older database"
            return Problem("behind", f"{short} was restored, or the log was cut")
        try:
            same = self._tree.root(kept.size) == kept.root
        except TreeDamaged as error:
            return Problem("differs", str(error))
        if same:
            return None
        return Problem("differs", f"the first {kept.size} entries are not those that were signed")

    # ---- accepting

    def accept(self, reason: str, actor: str) -> Accepted:
        """Go on with the log as it is. Raises ValueError when nothing has to be accepted.

        Noted in the book together with the list of payments to look up; what was kept outside is
        renamed, not removed. The caller signs and keeps a new checkpoint next.
        """
        if self.problem() is None:
            raise ValueError("the log extends its newest checkpoint: there is nothing to accept")
        lost = self._lost()
        with self.lifted():
            size = self._sequencer.drain()
            personal = commit_to({"reason": reason})
            data: dict[str, Any] = {"size": size, "root": self._tree.root(size).hex()}
            data["commitments"] = personal.commitments
            if lost is not None:
                data |= {"checkpoint_size": lost.size, "checkpoint_root": lost.root.hex()}
            with self._store.write():
                self._store.execute(_RECHECKS, (RECENT_US,))
                self._store.execute(_LOOKS, (self._ledger.clock.now_us(),))
                record(self._ledger, "rollback_accepted", data, actor, personal)
            self._sequencer.drain()
        return Accepted(size, lost, self.waiting())

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Let this thread write for the block."""
        self._lifted.on = True
        try:
            yield
        finally:
            self._lifted.on = False

    def _read(self) -> Checkpoint | None:
        if not self._kept.path.exists():
            return None
        return self._kept.read((*self._keys.known(), *self._keys.remembered()))

    def _lost(self) -> Checkpoint | None:
        try:
            return self._read()
        except BadNote:
            return None
