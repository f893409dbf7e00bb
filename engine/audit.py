"""The audit role: moves entries to the tree, keeps the newest checkpoint outside, notes some.

It refuses to work inside a request: `run_once()` is called by a loop of its own, beside the worker.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import tree
from engine.book import setting
from engine.checkpoint import Checkpoints, Signed
from engine.entry import BOOK
from engine.errors import LogBehind, Missing, StorageTrouble
from engine.fire import Ledger
from engine.note import PublicKey
from engine.outside import Kept, SigningKeys
from engine.proofs import Tree
from engine.rollback import Rollback
from engine.sequencer import Sequencer

EVERY_S = 0.5
"""How long an entry may wait for its place in the tree, before scaling."""
RECORD_S = 3600
"""How often a checkpoint is noted in the book, if anything happened: it must not grow idly."""
ORIGIN = "strada/"
_LOG = logging.getLogger("strada.audit")


class OutOfTree(ValueError):
    """A size or position that this log has not reached."""


class Audit:
    """Everything about the tree of one database, put together.

    folder: where key and checkpoint live, outside the database. checkpoint_s: how often the
    checkpoint there is renewed. strict: a checkpoint of another log is a rollback too.
    """

    def __init__(
        self,
        ledger: Ledger,
        folder: Path,
        signing_key: str = "",
        checkpoint_s: float = 10.0,
        *,
        strict: bool = True,
    ) -> None:
        self._ledger = ledger
        self._clock = ledger.clock
        self._every_s = checkpoint_s
        self.tree = Tree(ledger.store)
        self.sequencer = Sequencer(ledger.store, ledger.clock)
        self.keys = SigningKeys(folder, self._name, signing_key)
        self.kept = Kept(folder / f"{ledger.store.path.name}.checkpoint")
        self.rollback = Rollback(ledger, self.sequencer, self.keys, self.kept, strict=strict)
        self.checkpoints = Checkpoints(ledger, self.sequencer, self.keys, self.kept, self.rollback)
        self._keep_at = 0.0
        self._kept_size = -1

    def _name(self) -> str:
        log = setting(self._ledger, "log")
        if log is None:
            raise StorageTrouble("the log has no name; run: strada migrate")
        return ORIGIN + log

    # ---- what auditors ask for

    def known_keys(self) -> list[PublicKey]:
        """Every key that ever signed for this log: those outside, and those the book names."""
        rows = self._ledger.store.iterate(
            "SELECT entry FROM entries WHERE stream = ? AND event = 'signing_key_adopted' "
            "ORDER BY seq",
            (BOOK,),
        )
        noted = [json.loads(row[0])["data"]["public_key"] for row in rows]
        named = [PublicKey(self.keys.origin, bytes.fromhex(raw)) for raw in noted]
        return list(dict.fromkeys((*self.keys.known(), *named)))

    def shown(self, signed: Signed) -> dict[str, Any]:
        """A signed head as JSON."""
        checkpoint = signed.checkpoint
        return {
            "object": "checkpoint",
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "note": signed.note,
            "public_key": self.keys.current().text(),
        }

    def inclusion(self, stream: str, seq: int, size: int | None = None) -> dict[str, Any]:
        """The proof that an entry is in the tree of `size` (by default: of all there is).

        Raises Missing for no such entry, OutOfTree when it came later than that.
        """
        largest = self.sequencer.drain()
        size = largest if size is None else size
        place = self.tree.place(stream, seq)
        if place is None:
            raise Missing("not_found")
        if not place.position < size <= largest:
            raise OutOfTree(f"entry {place.position} is in no tree of {size} of {largest}")
        signed = self.checkpoints.at(size)
        return {
            "object": "inclusion_proof",
            "stream": stream,
            "seq": seq,
            "hash": place.hash,
            "leaf": tree.leaf_hash(bytes.fromhex(place.hash)).hex(),
            "position": place.position,
            "size": size,
            "root": signed.checkpoint.root.hex(),
            "path": [one.hex() for one in self.tree.inclusion(place.position, size)],
            "checkpoint": signed.note,
        }

    def consistency(self, first: int, second: int | None = None) -> dict[str, Any]:
        """The proof that the tree of `second` entries (by default: all) extends that of `first`."""
        largest = self.sequencer.drain()
        second = largest if second is None else second
        if not 0 <= first <= second <= largest:
            raise OutOfTree(f"{first} to {second} is not within {largest}")
        signed = self.checkpoints.at(second)
        return {
            "object": "consistency_proof",
            "from": first,
            "to": second,
            "from_root": self.tree.root(first).hex(),
            "to_root": signed.checkpoint.root.hex(),
            "path": [one.hex() for one in self.tree.consistency(first, second)],
            "checkpoint": signed.note,
        }

    # ---- the loop

    def run_once(self) -> int:
        """Move what waits to the tree, and renew the checkpoint if it is due; how many moved."""
        moved = self.sequencer.run_once()
        if self._clock.monotonic() >= self._keep_at:
            self._keep_at = self._clock.monotonic() + self._clock.seconds(self._every_s)
            self._keep()
        return moved

    def _keep(self) -> None:
        self.checkpoints.note_key("worker")
        due = self.checkpoints.recorded_at() + self._clock.micros(RECORD_S)
        if self._clock.now_us() >= due and self.tree.size() != self._kept_size:
            self.checkpoints.record("worker")
        size = self.tree.size()
        if size != self._kept_size:
            self.checkpoints.keep(self.checkpoints.at(size))
            self._kept_size = size

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; then leave a last checkpoint."""
        while not stop.is_set():
            self._safely(self.run_once)
            self._safely(self._ledger.store.backfill)
            stop.wait(max(self._clock.seconds(EVERY_S), 0.01))
        self._safely(self.close)
        self._ledger.store.close()

    def close(self) -> int:
        """Move what waits and keep a checkpoint over it; returns its size."""
        signed = self.checkpoints.head()
        self.checkpoints.keep(signed)
        return signed.checkpoint.size

    def _safely(self, work: Callable[[], object]) -> None:
        try:
            work()
        except LogBehind as behind:
            _LOG.error("nothing is written: %s", behind.detail)
        except StorageTrouble as trouble:
            _LOG.warning("the tree waits for the database: %s", trouble.detail)
        except Exception:
            _LOG.exception("a round of the audit role failed")
