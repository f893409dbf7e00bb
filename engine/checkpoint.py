"""Checkpoints: signing the head of the log, keeping the newest outside, noting some in the book.

It refuses to sign a log that does not extend what it signed before, and to note a checkpoint over
nothing but notes of checkpoints: one would call for the next without end.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.book import record, set_setting, setting
from engine.dialect import exclusive
from engine.entry import BOOK
from engine.fire import Ledger
from engine.note import Checkpoint, PublicKey
from engine.outside import Kept, SigningKeys
from engine.proofs import Tree
from engine.rollback import Accepted, Rollback
from engine.sequencer import Sequencer

_KEY = "signing_key"
_NEW_SINCE = (
    "SELECT 1 AS one FROM tree t JOIN entries e ON e.stream = t.stream AND e.seq = t.seq "
    "WHERE t.position >= ? AND NOT (e.stream = ? AND e.event = 'checkpoint_made') LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint and its signed note."""

    checkpoint: Checkpoint
    note: str


class Checkpoints:
    """Signs for one log."""

    def __init__(
        self,
        ledger: Ledger,
        sequencer: Sequencer,
        keys: SigningKeys,
        kept: Kept,
        rollback: Rollback,
    ) -> None:
        self._ledger = ledger
        self._store = ledger.store
        self._sequencer = sequencer
        self._tree = Tree(ledger.store)
        self._rollback = rollback
        self.keys = keys
        self.kept = kept

    def head(self) -> Signed:
        """The signed head over every entry that is in the log now."""
        return self.at(self._sequencer.drain())

    def at(self, size: int) -> Signed:
        """The signed head over the first `size` entries; the same bytes whenever it is asked."""
        self._rollback.before_write()
        checkpoint = Checkpoint(self.keys.origin, size, self._tree.root(size))
        return Signed(checkpoint, self.keys.sign(checkpoint))

    def record(self, actor: str) -> Signed:
        """The signed head, noted in the book and kept in the table when it says something new."""
        self.note_key(actor)
        signed = self.head()
        size, root = signed.checkpoint.size, signed.checkpoint.root.hex()
        data = {"size": size, "root": root, "key": self.keys.current().id.hex()}
        with self._store.write():
            if self._says_something_new(size):
                self._store.execute(
                    "INSERT INTO checkpoints (size, root, note, made_at) VALUES (?, ?, ?, ?)",
                    (size, root, signed.note, self._ledger.clock.now_us()),
                )
                record(self._ledger, "checkpoint_made", data, actor)
        self.keep(signed)
        return signed

    def _says_something_new(self, size: int) -> bool:
        last = self._store.row("SELECT MAX(size) AS size FROM checkpoints")
        before = last["size"] if last and last["size"] is not None else 0
        if size <= before:
            return False
        return self._store.row(_NEW_SINCE, (before, BOOK)) is not None

    def recorded_at(self) -> int:
        """When a checkpoint was last noted in the book (UTC microseconds), 0 for never."""
        row = self._store.row("SELECT MAX(made_at) AS at FROM checkpoints")
        return int(row["at"]) if row and row["at"] is not None else 0

    def keep(self, signed: Signed) -> bool:
        """Put it outside the database unless a newer one is there; returns whether it was put.

        What is there and does not belong to this log's past trips the guard, and stays.
        """
        lock = self.kept.path.with_name(self.kept.path.name + ".lock")
        lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with exclusive(lock, "another process keeps a checkpoint"):
                if self._rollback.problem() is not None:
                    self._rollback.trip()
                    return False
                there = self.kept.read(self.keys.known())
                if there is not None and there.size >= signed.checkpoint.size:
                    return False
                self.kept.write(signed.note)
        except BlockingIOError:
            return False
        return True

    def note_key(self, actor: str) -> None:
        """Note in the book which key signs, when it is not the one noted last."""
        key = self.keys.current()
        before = setting(self._ledger, _KEY)
        if before == key.id.hex():
            return
        data = {"key": key.id.hex(), "public_key": key.raw.hex()}
        if before is not None:
            data["replaces"] = before
        with self._store.write():
            set_setting(self._ledger, _KEY, key.id.hex())
            record(self._ledger, "signing_key_adopted", data, actor)

    def rotate_key(self, actor: str) -> tuple[PublicKey, PublicKey]:
        """Sign with a new key from now on; returns the old public key and the new one."""
        self.note_key(actor)
        before, after = self.keys.rotate()
        self.note_key(actor)
        self.keep(self.head())
        return before, after

    def accept_rollback(self, reason: str, actor: str) -> Accepted:
        """Accept an older log: noted, payments listed for look-ups, and its head signed anew."""
        accepted = self._rollback.accept(reason, actor)
        with self._rollback.lifted():
            signed = self.head()
        self.kept.set_aside("lost")
        self.kept.write(signed.note)
        return accepted

    def kept_checkpoint(self) -> Checkpoint | None:
        """What is kept outside, or None; raises BadNote for what cannot be trusted."""
        if not self.kept.path.exists():
            return None
        return self.kept.read(self.keys.known())
