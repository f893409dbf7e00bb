"""Verifying the tree: it holds exactly the log's entries, in order, and extends a checkpoint.

It refuses to trust a stored node: every one is computed again from the leaves. Memory is constant.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, TypeAlias

from engine import tree
from engine.note import Checkpoint
from engine.store import Store
from engine.verify import Finding

TREE = "tree"
"""The stream of a finding that no entry can be blamed for; its `seq` is a position."""
_LEAVES = (
    "SELECT t.position, CAST(t.stream AS BLOB), t.seq, CAST(t.hash AS BLOB), "
    "CAST(e.hash AS BLOB) FROM tree t "
    "LEFT JOIN entries e ON e.stream = t.stream AND e.seq = t.seq ORDER BY t.position"
)
_OUT_OF_ORDER = (
    "SELECT CAST(t.stream AS BLOB), t.seq FROM tree t "
    "LEFT JOIN tree u ON u.stream = t.stream AND u.seq = t.seq - 1 "
    "WHERE t.seq > 1 AND (u.position IS NULL OR u.position > t.position) "
    "ORDER BY t.position LIMIT 1"
)
_UNPLACED = (
    "SELECT CAST(e.stream AS BLOB), e.seq FROM entries e WHERE NOT EXISTS "
    "(SELECT 1 FROM tree t WHERE t.stream = e.stream AND t.seq = e.seq) AND NOT EXISTS "
    "(SELECT 1 FROM outbox o WHERE o.stream = e.stream AND o.seq = e.seq) "
    "ORDER BY e.stream, e.seq LIMIT 1"
)
_UNFED = (
    "SELECT CAST(t.stream AS BLOB), t.seq FROM tree t JOIN transactions x ON x.id = t.stream "
    "LEFT JOIN feed f ON f.merchant = x.merchant AND f.position = t.position "
    "WHERE f.position IS NULL ORDER BY t.position LIMIT 1"
)
_FED_WRONG = (
    "SELECT CAST(COALESCE(t.stream, 'tree') AS BLOB), COALESCE(t.seq, f.position) FROM feed f "
    "LEFT JOIN tree t ON t.position = f.position LEFT JOIN transactions x ON x.id = t.stream "
    "WHERE x.merchant IS NULL OR x.merchant <> f.merchant ORDER BY f.position LIMIT 1"
)
_HASH, _HEX = 64, b"0123456789abcdef"
BATCH = 1_000
"""Leaves held at a time."""

Row: TypeAlias = tuple[Any, ...]


class _Grown:
    """The tree computed anew, held against the stored nodes as it grows."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stored: dict[int, Iterator[tuple[int, bytes]]] = {}
        self.frontier = tree.Frontier(0, lambda level, place: b"")

    def take(self, leaves: Sequence[bytes]) -> tuple[int, str] | None:
        """Take leaves; the position of the first whose stored nodes are wrong, and what is."""
        wrong = []
        for level, first, found in self.frontier.extend(leaves):
            if level not in self._stored:
                self._stored[level] = self._nodes(level)
            expected = list(enumerate(found, first))
            stored = list(islice(self._stored[level], len(expected)))
            if stored != expected:
                place, node = next(
                    one for n, one in enumerate(expected) if stored[n : n + 1] != [one]
                )
                what = f"node {place} of level {level} to be {node.hex()}"
                wrong.append((((place + 1) << level) - 1, what))
        return min(wrong, key=itemgetter(0), default=None)

    def _nodes(self, level: int) -> Iterator[tuple[int, bytes]]:
        sql = "SELECT place, hash FROM tree_nodes WHERE level = ? ORDER BY place"
        return self._store.iterate(sql, (level,))

    def surplus(self) -> bool:
        """Whether there are stored nodes that no leaf completed. Reads each level to its end."""
        left = [sum(1 for _ in rows) for rows in self._stored.values()]
        top = self._store.row("SELECT MAX(level) AS level FROM tree_nodes")
        return any(left) or bool(top and top["level"] not in (None, *self._stored))


def verify_tree(store: Store, checkpoint: Checkpoint | None = None) -> list[Finding]:
    """What is wrong with the tree, and whether the log extends the checkpoint; [] when whole.

    Each finding names the first entry of its kind; where only the checkpoint shows that something
    is wrong, `tree` and a position. Entries that wait in the outbox are not missing.
    """
    grown, signed = _Grown(store), 0 if checkpoint is None else checkpoint.size
    bad: Finding | None = None
    reached = tree.EMPTY_ROOT
    for batch in _batches(store.iterate(_LEAVES), signed):
        found = _misplaced_in(batch, grown)
        bad = bad or found  # what follows from the first would only bury it
        if grown.frontier.size == signed:
            reached = grown.frontier.root()
    surplus = grown.surplus()
    if bad is None and surplus:
        bad = Finding(TREE, grown.frontier.size, "no stored nodes beyond those of the leaves")
    findings = [] if bad is None else [bad]
    for sql, expected in (
        (_OUT_OF_ORDER, "to follow the entry before it in the tree"),
        (_UNPLACED, "a place in the tree"),
        (_UNFED, "a place in its merchant's feed"),
        (_FED_WRONG, "no place in the feed of another"),
    ):
        findings.extend(Finding(_text(name), seq, expected) for name, seq in store.iterate(sql))
    if checkpoint is not None:
        findings.extend(_against(checkpoint, grown.frontier.size, reached))
    return findings


def _batches(rows: Iterator[Row], signed: int) -> Iterator[list[Row]]:
    """The rows in batches; one of these ends where the checkpoint does."""
    size = signed % BATCH or BATCH
    while batch := list(islice(rows, size)):
        yield batch
        size = BATCH


def _misplaced_in(rows: Sequence[Row], grown: _Grown) -> Finding | None:
    """The first of these rows that does not stand where it must."""
    size = grown.frontier.size
    wrong = grown.take([tree.leaf_hash(_raw(row[3])) for row in rows])
    for position, row in enumerate(rows, size):
        expected = _misplaced(position, row)
        if expected is None and wrong is not None and wrong[0] == position:
            expected = wrong[1]
        if expected is not None:
            return Finding(_text(row[1]), row[2], expected)
    return None


def _misplaced(place: int, row: Row) -> str | None:
    position, _, _, copied, held = row
    if position != place:
        return f"position {place} in the tree, not {position}"
    if held is None:
        return f"the entry that stands at position {position} of the tree"
    return (
        None if held == copied else f"hash {_text(copied)}, as at position {position} of the tree"
    )


def _raw(digest: bytes) -> bytes:
    """The bytes of a hash in hex; none of what is no hash."""
    return unhexlify(digest) if len(digest) == _HASH and not digest.translate(None, _HEX) else b""


def _against(checkpoint: Checkpoint, size: int, reached: bytes) -> Iterator[Finding]:
    if size < checkpoint.size:
        yield Finding(TREE, size, f"{checkpoint.size} entries, as the checkpoint says")
    elif reached != checkpoint.root:
        said = f"root {checkpoint.root.hex()} over the first {checkpoint.size} entries"
        yield Finding(TREE, checkpoint.size, f"{said}, as the checkpoint says")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
