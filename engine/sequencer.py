"""The sequencer: moves what waits in the outbox to the tree, in batches, off the hot path.

It refuses to hold anything in memory between batches: a batch is one commit, or it did not happen.
One sequencer works at a time, by lease; should two ever meet, the tree's own size decides.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from engine import tree
from engine.clock import Clock
from engine.errors import StorageTrouble
from engine.proofs import Tree
from engine.store import Row, Store

BATCH = 250
"""Entries a commit: some milliseconds of the one write lock, a few times a second under load."""
BATCHES_A_ROUND = 200
REST_S = 0.005
"""Between the batches of a round: requests under way go first."""
LEASE_S = 10
"""A sequencer that died in the middle of a long queue is replaced after so long."""
DRAIN_S = 30
_ROWS_A_STATEMENT = 100
_BUSY_S = 0.01
_LOG = logging.getLogger("strada.sequencer")
_QUEUE = (
    "SELECT o.stream, o.seq, e.hash, "
    "(SELECT MAX(t.seq) FROM tree t WHERE t.stream = o.stream) AS head "
    "FROM outbox o LEFT JOIN entries e ON e.stream = o.stream AND e.seq = o.seq "
    "WHERE (o.stream, o.seq) > (?, ?) ORDER BY o.stream, o.seq LIMIT ?"
)
_LEASE = (
    "INSERT INTO leases (name, holder, until) VALUES ('sequencer', ?, ?) "
    "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until "
    "WHERE leases.holder = excluded.holder OR leases.until <= ?"
)
_DONE = (
    "DELETE FROM outbox WHERE (stream, seq) > (?, ?) AND (stream, seq) <= (?, ?) AND EXISTS "
    "(SELECT 1 FROM tree t WHERE t.stream = outbox.stream AND t.seq = outbox.seq)"
)
_FEED = (
    "INSERT INTO feed (merchant, position) SELECT x.merchant, t.position FROM tree t "
    "JOIN transactions x ON x.id = t.stream WHERE t.position >= ? ORDER BY t.position"
)
Step = Literal["end", "more", "busy"]
Key = tuple[str, int]
_BEGIN: Key = ("", 0)


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one commit will write, and the range of the outbox that it answers for."""

    size: int
    leaves: list[tuple[int, str, int, str]]
    nodes: list[tuple[int, int, bytes]]
    last: Key


class Sequencer:
    """One sequencer of a database; others may exist, the lease says whose turn it is."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._tree = Tree(store)
        self._holder = secrets.token_hex(8)

    def run_once(self) -> int:
        """Move what waits, at most a round's worth; returns how many entries were moved."""
        before, after = self._tree.size(), _BEGIN
        for _ in range(BATCHES_A_ROUND):
            step, after = self._step(after)
            if step != "more":
                break
            self._clock.sleep(REST_S)
        return self._tree.size() - before

    def drain(self, within_s: float = DRAIN_S) -> int:
        """Move all that waited when this was called; returns the size of the tree.

        Raises StorageTrouble when another sequencer holds the lease for too long.
        """
        ends = self._clock.monotonic() + self._clock.seconds(within_s)
        after, naps = _BEGIN, int(within_s / _BUSY_S)
        while naps and self._clock.monotonic() < ends:
            step, after = self._step(after)
            if step == "end":
                return self._tree.size()
            if step == "busy":
                naps -= 1
                self._clock.sleep(_BUSY_S)
        raise StorageTrouble("the queue of the tree is not getting empty")

    def _step(self, after: Key) -> tuple[Step, Key]:
        """One batch beyond `after`: whether the queue has ended there, and where it stopped."""
        if self._store.row("SELECT 1 AS one FROM outbox LIMIT 1") is None:
            return "end", after
        now = self._clock.now_us()
        held = self._store.row("SELECT holder, until FROM leases WHERE name = 'sequencer'")
        if held is not None and held["holder"] != self._holder and held["until"] > now:
            return "busy", after
        with self._store.snapshot():  # heads and size of two moments would place an entry twice
            rows = self._store.rows(_QUEUE, (*after, BATCH))
            if not rows:
                return "end", after
            batch = self._plan(rows)
        full = len(rows) == BATCH
        if not self._commit(batch, after, full):
            return "busy", after
        return ("more" if full else "end"), batch.last

    # ---- planning, without a lock

    def _plan(self, rows: Sequence[Row]) -> _Batch:
        size = self._tree.size()
        placed = [(position, *entry) for position, entry in enumerate(self._next(rows), start=size)]
        hashes = (tree.leaf_hash(bytes.fromhex(row[3])) for row in placed)
        nodes, _ = tree.append(size, hashes, self._tree.node)
        return _Batch(size, placed, nodes, (rows[-1]["stream"], rows[-1]["seq"]))

    def _next(self, rows: Sequence[Row]) -> Iterator[tuple[str, int, str]]:
        """(stream, seq, hash) of what follows the tree's head of each stream, without a gap."""
        heads: dict[str, int] = {}
        for row in rows:
            stream, seq = row["stream"], row["seq"]
            head = heads.setdefault(stream, row["head"] or 0)
            if seq <= head:
                continue
            found = self._between(stream, head, row)
            if found is None:
                _LOG.error("%s %s cannot follow %s in the tree: verify the log", stream, seq, head)
                continue
            yield from found
            heads[stream] = seq

    def _between(self, stream: str, head: int, row: Row) -> list[tuple[str, int, str]] | None:
        """Entries head+1 … seq: the outbox is a doorbell, the log is what counts."""
        if row["seq"] == head + 1 and row["hash"] is not None:
            return [(stream, row["seq"], row["hash"])]
        found = self._store.rows(
            "SELECT seq, hash FROM entries WHERE stream = ? AND seq > ? AND seq <= ? ORDER BY seq",
            (stream, head, row["seq"]),
        )
        if [one["seq"] for one in found] != list(range(head + 1, row["seq"] + 1)):
            return None
        return [(stream, one["seq"], one["hash"]) for one in found]

    # ---- one commit

    def _commit(self, batch: _Batch, after: Key, full: bool) -> bool:
        """Write a batch; False when another sequencer has the lease or moved the tree's end."""
        now = self._clock.now_us()
        until = now + self._clock.micros(LEASE_S) if full else 0
        with self._store.write():
            if not self._store.execute(_LEASE, (self._holder, until, now)):
                return False
            if self._tree.size() != batch.size:
                return False
            self._insert("tree (position, stream, seq, hash)", batch.leaves)
            self._insert("tree_nodes (level, place, hash)", batch.nodes)
            self._store.execute(_FEED, (batch.size,))
            self._store.execute(_DONE, (*after, *batch.last))
        return True

    def _insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        for start in range(0, len(rows), _ROWS_A_STATEMENT):
            part = rows[start : start + _ROWS_A_STATEMENT]
            marks = ", ".join(["(" + ", ".join("?" * len(part[0])) + ")"] * len(part))
            self._store.execute(f"INSERT INTO {table} VALUES {marks}", list(chain(*part)))
