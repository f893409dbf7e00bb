"""What a large book costs: p50 and p99 of each call at 10³, 10⁵ and 10⁶ transactions.

A file and a `strada serve` process for each size: honest payments are inserted in bulk, put in the
tree and verified. Then the sizes are measured in turn, call by call, so that an hour in which the
machine is slow is an hour for all of them. One caller; `list, top` and `list, deep` are pages of
the same honest payments, at the newest of them and nine tenths down.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1]), str(HERE.parents[2])]

import load
from books import Mould, fill_payments, moulds
from e2e.town import Town
from process import resident_mb, restart
from raw import Raw
from results import Table, options, report

from engine.clock import MICROS, Clock
from engine.ids import new_id
from engine.sequencer import Sequencer
from engine.store import Store
from engine.sweep import audit

SIZES = (1_000, 100_000, 1_000_000)
QUICK = (1_000, 10_000)
MONTH_S = 30 * 86_400


class Growth:
    """A town with a book of some size."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        self.calls = 60 if quick else 400
        folder.mkdir()
        self.town = Town(folder)
        self.path = folder / "strada.db"
        self.dice = random.Random(7)
        self._at = Clock().now_us() - MONTH_S * MICROS
        self._orders = 0
        self._created: list[str] = []
        self._ids: list[str] = []
        self._top = self._deep = ""

    def close(self) -> None:
        """End what was started."""
        self.town.close()

    def grow(self, honest: list[Mould], size: int) -> tuple[float, ...]:
        """Let the book be of this size; entries, filled and verified a second, MB, start in s."""
        self.town.server.stop()
        store = Store(f"sqlite:///{self.path}")
        before = self._count(store, "entries")
        begun = time.monotonic()
        missing = size - self._count(store, "transactions")
        fill_payments(store, honest, missing, self._new_id, self.dice)
        entries = self._count(store, "entries")
        filled = (entries - before) / (time.monotonic() - begun)
        Sequencer(store, Clock()).drain(3_600)
        begun = time.monotonic()
        found = audit(store)
        verified = entries / (time.monotonic() - begun)
        assert found.whole, found.findings
        store.db.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        self._choose(store)
        store.close()
        size_mb = self.path.stat().st_size / 1e6
        return entries, filled, verified, size_mb, restart(self.town)

    def _new_id(self, prefix: str) -> str:
        """An id a moment after the last one, as they come to be in a month of traffic."""
        self._at += MICROS // 2
        return new_id(prefix, self._at)

    def _count(self, store: Store, table: str) -> int:
        return int(store.rows(f"SELECT COUNT(*) AS n FROM {table}")[0]["n"])

    def _choose(self, store: Store) -> None:
        """Payments to read, from all over the book, and the cursors of two pages of them."""
        query = "SELECT id FROM transactions WHERE provider = ? ORDER BY id"
        ids = [txn for (txn,) in store.iterate(query, ("told",))]
        self._ids = self.dice.sample(ids, self.calls)
        self._top, self._deep = ids[-1], ids[len(ids) // 10]

    # ---- the calls

    def create(self) -> load.Load:
        """Create transactions, to be cancelled next."""
        asked = []
        for _ in range(self.calls):
            self._orders += 1
            order = {"provider": "kakaopay", "order_id": f"growth-{self._orders}", "amount": 12_000}
            order |= {
                "currency": "KRW",
                "item_name": "초코파이",
                "return_url": "http://127.0.0.1:1/",
            }
            body, key = json.dumps(order).encode(), f"create-{self._orders}"
            asked.append(self._request("POST", "", body, Idempotency_Key=key))
        return self._load(asked, "201")

    def cancel(self) -> load.Load:
        """Cancel what was just created."""
        store = Store(f"sqlite:///{self.path}")
        found = store.rows("SELECT id FROM transactions WHERE status = 'created'")
        store.close()
        asked = [
            self._request("POST", f"/{row['id']}/cancel", Idempotency_Key=f"cancel-{row['id']}")
            for row in found
        ]
        return self._load(asked, "200")

    def get(self) -> load.Load:
        """Read payments from all over the book."""
        return self._load([self._request("GET", f"/{txn}") for txn in self._ids], "200")

    def log(self) -> load.Load:
        """Read the logs of payments from all over the book."""
        return self._load([self._request("GET", f"/{txn}/transitions") for txn in self._ids], "200")

    def top(self) -> load.Load:
        """List the newest of the book."""
        return self._load([self._request("GET", f"?cursor={self._top}")] * self.calls, "200")

    def deep(self) -> load.Load:
        """List a page far from the newest."""
        return self._load([self._request("GET", f"?cursor={self._deep}")] * self.calls, "200")

    def _request(self, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
        target, key = f"/v1/transactions{path}", self.town.key
        return load.request(self.town.port, method, target, key, body, **headers)

    def _load(self, asked: list[bytes], expected: str) -> load.Load:
        done = load.run(self.town.port, 1, asked)
        if done.statuses != {expected: len(asked)}:
            raise SystemExit(f"expected {len(asked)} x {expected}, got {done.statuses}")
        return done


CALLS: dict[str, Callable[[Growth], load.Load]] = {
    "create": Growth.create,
    "cancel": Growth.cancel,
    "get": Growth.get,
    "log of one": Growth.log,
    "list, top": Growth.top,
    "list, deep": Growth.deep,
}
Figures = tuple[float, float, float]
"""p50 and p99 in ms, and p50 in raw commits."""


def measure(
    books: dict[int, Growth], raw: Raw, rounds: int, commits: int
) -> dict[tuple[str, int], Figures]:
    """What each call takes at each size: medians of rounds."""
    seen: dict[tuple[str, int], list[Figures]] = {(c, size): [] for c in CALLS for size in books}
    for _ in range(rounds):
        for call, once in CALLS.items():
            commit_ms = 1e3 / raw.commits_per_s(commits)
            for size, book in books.items():
                done = once(book)
                p50, p99 = done.percentile_ms(50), done.percentile_ms(99)
                seen[call, size].append((p50, p99, p50 / commit_ms))
    return {
        at: tuple(map(statistics.median, zip(*runs, strict=True)))  # type: ignore[misc]
        for at, runs in seen.items()
    }


def main() -> None:
    """Run the bench."""
    asked = options(str(__doc__), numbers="sizes of the book, in transactions, ascending")
    sizes = asked.numbers or (QUICK if asked.quick else SIZES)
    calls = Table(
        "Calls as the book grows (one caller)",
        ("call", "transactions"),
        ("p50 ms", "p99 ms", "p50 in raw commits", "p50 x the smallest"),
    )
    book = Table(
        "The book",
        ("transactions",),
        ("entries", "filled per s", "verified per s", "file MB", "ready after s", "memory MB"),
    )
    honest = [mould for mould in moulds() if not mould.waits]
    with tempfile.TemporaryDirectory(prefix="strada-bench-") as folder, ExitStack() as stack:
        books = {}
        for size in sizes:
            books[size] = growth = Growth(Path(folder) / str(size), quick=asked.quick)
            stack.callback(growth.close)
        grown = {size: growth.grow(honest, size) for size, growth in books.items()}
        raw = Raw(Path(folder) / "raw.db")
        stack.callback(raw.close)
        found = measure(books, raw, *((2, 100) if asked.quick else (7, 600)))
        for size, growth in books.items():
            book.put((f"{size:,}",), (*grown[size], resident_mb(growth.town)))
    for (call, size), figures in found.items():
        calls.put((call, f"{size:,}"), (*figures, figures[0] / found[call, sizes[0]][0]))
    report("growth", [calls, book], asked)


if __name__ == "__main__":
    main()
