"""The stored tree: its size, its roots at every size it ever had, and proofs from it.

It refuses to hash what is stored already: a proof reads O(log n) nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine import tree
from engine.store import Store


class TreeDamaged(Exception):
    """A leaf or node that must be there is not: the tree was tampered with."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands in the tree; `hash` is the entry's, lower-case hex."""

    position: int
    stream: str
    seq: int
    hash: str


class Tree:
    """Reads the tables `tree` and `tree_nodes`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def size(self) -> int:
        """How many entries the tree holds."""
        row = self._store.row("SELECT MAX(position) AS last FROM tree")
        return 0 if row is None or row["last"] is None else int(row["last"]) + 1

    def place(self, stream: str, seq: int) -> Place | None:
        """Where an entry stands, or None while it waits for the sequencer."""
        row = self._store.row(
            "SELECT position, stream, seq, hash FROM tree WHERE stream = ? AND seq = ?",
            (stream, seq),
        )
        return None if row is None else Place(**row)

    def root(self, size: int) -> bytes:
        """The root over the first `size` entries."""
        return tree.root(size, self.node)

    def inclusion(self, position: int, size: int) -> list[bytes]:
        """The audit path of an entry in the tree of the first `size` entries."""
        return tree.inclusion(position, size, self.node)

    def consistency(self, first: int, second: int) -> list[bytes]:
        """The proof that the tree of `second` entries extends that of `first`."""
        return tree.consistency(first, second, self.node)

    def node(self, level: int, place: int) -> bytes:
        """The hash of a complete subtree; raises TreeDamaged when it is not there."""
        if level == 0:
            row = self._store.row("SELECT hash FROM tree WHERE position = ?", (place,))
            if row is not None:
                return tree.leaf_hash(bytes.fromhex(row["hash"]))
        else:
            row = self._store.row(
                "SELECT hash FROM tree_nodes WHERE level = ? AND place = ?", (level, place)
            )
            if row is not None:
                return bytes(row["hash"])
        raise TreeDamaged(f"node {place} of level {level} is missing")
