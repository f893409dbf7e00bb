"""Verifying a million entries: the rules of `verify.py`, fast, in constant memory, on every core.

It only ever accepts: a stream that the fast path does not certainly accept is verified again by
`verify.py`, which is the definition and the one to name what is wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import groupby
from multiprocessing import get_context
from operator import itemgetter
from types import ModuleType

from engine.entry import BOOK
from engine.fold import COLUMNS
from engine.note import Checkpoint
from engine.reading import COPIES, Book, Payment, Row
from engine.store import Store
from engine.verify import TEXT_COLUMNS, Finding, Report, text_of, verify_stream
from engine.verify_erasures import verify_erasures
from engine.verify_tree import verify_tree

Progress = Callable[[int], None]

_ENTRIES = (
    "SELECT CAST(stream AS BLOB), seq, CAST(kind AS BLOB), CAST(event AS BLOB), occurred_at, "
    "CAST(hash AS BLOB), CAST(entry AS BLOB) FROM entries WHERE {range} ORDER BY stream, seq"
)
_PERSONAL = (
    "SELECT CAST(stream AS BLOB), seq, CAST(fields AS BLOB) FROM personal WHERE {range} "
    "ORDER BY stream, seq"
)
_PLAIN = ", ".join(f"CAST({n} AS BLOB)" if n in TEXT_COLUMNS else n for n in COLUMNS)
_BLOBS = ", ".join(f"CAST({name} AS BLOB)" for name in COPIES)
_ROWS = f"SELECT {_PLAIN}, {_BLOBS} FROM transactions WHERE {{range}} ORDER BY id"
_BOOK = BOOK.encode()
WORTH_SHARING = 10_000
"""Payments from which starting a process costs less than it saves (some 50 000 entries)."""
STEP = 5_000
"""Entries between two words of progress."""
RANGES_PER_JOB = 32
"""More ranges than processes: none waits long for the slowest."""


@dataclass
class Swept:
    """What one range of streams came to; the fields add up."""

    entries: int = 0
    streams: int = 0
    slow: int = 0
    """Streams that the fast path left to the definition."""
    findings: list[Finding] = field(default_factory=list)
    rows: list[Finding] = field(default_factory=list)
    personal: list[Finding] = field(default_factory=list)


def audit(
    store: Store,
    checkpoint: Checkpoint | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Report:
    """Verify log, rows, erasures and tree, and that they extend a checkpoint.

    A book that one process has read before others are up is read by one.
    """
    if jobs == 1 or not _worth_sharing(store):
        report = sweep(store, 1, progress)
        found = (*verify_tree(store, checkpoint), *verify_erasures(store))
        return replace(report, findings=(*report.findings, *found))
    with _pool(jobs) as pool:
        tree = pool.submit(_tree_elsewhere, str(store.path), checkpoint)
        report = _added_up(_shared(store, pool, jobs, progress))
        found = (*tree.result(), *verify_erasures(store))
        return replace(report, findings=(*report.findings, *found))


def sweep(store: Store, jobs: int = 1, progress: Progress | None = None) -> Report:
    """Verify the whole log and every row, in `jobs` processes; the report is that of `verify`."""
    if jobs == 1:
        return _added_up([_Range(store, None, None, progress).run()])
    with _pool(jobs) as pool:
        return _added_up(_shared(store, pool, jobs, progress))


def _worth_sharing(store: Store) -> bool:
    sql = "SELECT COUNT(*) AS n FROM (SELECT 1 FROM transactions LIMIT ?)"
    return bool(store.rows(sql, (WORTH_SHARING,))[0]["n"] >= WORTH_SHARING)


def _added_up(ranges: Iterable[Swept]) -> Report:
    parts = list(ranges)
    return Report(
        sum(part.entries for part in parts),
        sum(part.streams for part in parts),
        tuple(
            found
            for kind in ("findings", "rows", "personal")
            for part in parts
            for found in getattr(part, kind)
        ),
        sum(part.slow for part in parts),
    )


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """The processes beside this one; fresh, for a connection must not be carried into a fork.

    They would import the program that this one runs, which takes longer than all that they need.
    """
    program = sys.modules["__main__"]
    with ProcessPoolExecutor(jobs - 1, mp_context=get_context("spawn")) as pool:
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield pool
        finally:
            sys.modules["__main__"] = program


def _shared(
    store: Store, pool: ProcessPoolExecutor, jobs: int, progress: Progress | None
) -> list[Swept]:
    """Each range of streams, here or in a process of the pool: whoever is free takes the next.

    The processes take from the front; this one, which need not start, takes from the back.
    """
    ends = _bounds(store, jobs * RANGES_PER_JOB)
    ranges = zip([None, *ends], [*ends, None], strict=True)
    begun = {pool.submit(_elsewhere, str(store.path), *one): one for one in ranges}
    here: dict[Future[Swept], Swept] = {}
    for taken in reversed(begun):
        if taken.cancel():
            here[taken] = _Range(store, *begun[taken], progress).run()
    for taken in as_completed(begun.keys() - here.keys()):
        if progress is not None:
            progress(taken.result().entries)
    return [here.get(one) or one.result() for one in begun]


@cache
def _opened(path: str) -> Store:
    """The book, in a process of the pool."""
    return Store(f"sqlite:///{path}")


def _tree_elsewhere(path: str, checkpoint: Checkpoint | None) -> list[Finding]:
    return verify_tree(_opened(path), checkpoint)


def _elsewhere(path: str, low: str | None, high: str | None) -> Swept:
    return _Range(_opened(path), low, high, None).run()


def _bounds(store: Store, wanted: int) -> list[str]:
    """Ids that divide the payments into about `wanted` ranges."""
    count = store.rows("SELECT COUNT(*) AS n FROM transactions")[0]["n"]
    every = max(1, -(-count // wanted))
    sql = "SELECT id FROM transactions WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?"
    ends: list[str] = []
    while found := store.row(sql, (ends[-1] if ends else "", every)):
        ends.append(found["id"])
    return ends


class _Range:
    """The streams from `low` to before `high`, with the rows and personal values beside them."""

    def __init__(
        self, store: Store, low: str | None, high: str | None, progress: Progress | None
    ) -> None:
        self.store = store
        self.low, self.high = low, high
        self.progress = progress
        self.swept = Swept()
        self._said = 0
        self._book, self._payment = Book(), Payment()

    def _select(self, sql: str, key: str) -> Iterator[Row]:
        limits = {f"{key} >= ?": self.low, f"{key} < ?": self.high}
        given = {text: value for text, value in limits.items() if value is not None}
        whole = sql.format(range=" AND ".join(given) or "1")
        return self.store.cursor(whole, list(given.values()))

    def run(self) -> Swept:
        """Read the three tables side by side, in the order of streams."""
        with self.store.snapshot():
            rows, kept = (
                _Beside(self._select(_ROWS, "id")),
                _Beside(self._select(_PERSONAL, "stream")),
            )
            for stream, entries in groupby(self._select(_ENTRIES, "stream"), itemgetter(0)):
                found, values = rows.at(stream), kept.at(stream)
                if not (found and values):  # the next of a table may be of a stream before this one
                    self._orphans(rows.before(stream), kept.before(stream))
                    found, values = found or rows.at(stream), values or kept.at(stream)
                self._stream(stream, entries, found, values)
                if self.swept.entries - self._said > STEP:
                    self._say()
            self._orphans(rows.rest(), kept.rest())
        self._say()
        return self.swept

    def _stream(
        self, stream: bytes, entries: Iterator[Row], rows: list[Row], kept: list[Row]
    ) -> None:
        read = self._book if stream == _BOOK else self._payment
        whole = read.whole(stream, entries, rows, kept)
        self.swept.entries += read.entries
        self.swept.streams += 1
        if whole:
            return
        self.swept.entries += sum(1 for _ in entries)
        self.swept.slow += 1
        found = verify_stream(self.store, stream)
        if found is not None:
            self.swept.findings.append(found)
        if rows and not self._begun(stream):
            self._orphans(rows, [])

    def _begun(self, stream: bytes) -> bool:
        sql = "SELECT 1 FROM entries WHERE stream = CAST(? AS TEXT) AND seq = 1"
        return next(self.store.iterate(sql, (stream,)), None) is not None

    def _orphans(self, rows: list[Row], kept: list[Row]) -> None:
        for row in rows:
            self.swept.rows.append(Finding(text_of(row[0]), 1, "a log for this transaction"))
        for one in kept:
            self.swept.personal.append(
                Finding(text_of(one[0]), one[1], "an entry that commits to these personal values")
            )

    def _say(self) -> None:
        news, self._said = self.swept.entries - self._said, self.swept.entries
        if self.progress is not None and news:
            self.progress(news)


class _Beside:
    """A table in the order of streams, read alongside the entries."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def before(self, stream: bytes) -> list[Row]:
        """The rows of streams before this one: they have no entry."""
        taken: list[Row] = []
        while self._next is not None and self._next[0] < stream:
            taken.append(self._next)
            self._next = next(self._rows, None)
        return taken

    def at(self, stream: bytes) -> list[Row]:
        """The rows of this stream, when none of those before it is left."""
        taken: list[Row] = []
        one = self._next
        while one is not None and one[0] == stream:
            taken.append(one)
            self._next = one = next(self._rows, None)
        return taken

    def rest(self) -> list[Row]:
        """What is left."""
        return [] if self._next is None else [self._next, *self._rows]
