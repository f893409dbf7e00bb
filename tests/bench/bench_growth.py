"""What a large book costs: p50 and p99 of each call at 10³, 10⁵ and 10⁶ transactions.

One `strada serve` process over one file that grows: between the sizes honest payments are inserted
in bulk, put in the tree and verified. One caller; `list, top` and `list, deep` are pages of the
same honest payments, at the newest of them and nine tenths down.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
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
    """A town whose book grows."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        self.rounds, self.calls, self.commits = (2, 60, 100) if quick else (5, 400, 600)
        self.town = Town(folder)
        self.raw = Raw(folder / "raw.db")
        self.path = folder / "strada.db"
        self.dice = random.Random(7)
        self._at = Clock().now_us() - MONTH_S * MICROS
        self._orders = 0
        self._created: list[str] = []
        self._ids: list[str] = []
        self._top = self._deep = ""

    def close(self) -> None:
        """End what was started."""
        self.raw.close()
        self.town.close()

    def grow(self, honest: list[Mould], size: int) -> tuple[float, ...]:
        """Let the book be of this size; entries filled and verified a second, entries, MB."""
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
        return entries, filled, verified, self.path.stat().st_size / 1e6

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

    def measure(self) -> dict[str, tuple[float, float, float]]:
        """p50 and p99 of each call, in ms, and its p50 in raw commits: medians of rounds."""
        calls: dict[str, Callable[[], load.Load]] = {
            "create": self.create,
            "cancel": self.cancel,
            "get": self.get,
            "log of one": self.log,
            "list, top": self.top,
            "list, deep": self.deep,
        }
        seen: dict[str, list[tuple[float, float, float]]] = {call: [] for call in calls}
        for _ in range(self.rounds):
            commit_ms = 1e3 / self.raw.commits_per_s(self.commits)
            for call, once in calls.items():
                done = once()
                p50, p99 = done.percentile_ms(50), done.percentile_ms(99)
                seen[call].append((p50, p99, p50 / commit_ms))
        return {
            call: tuple(map(statistics.median, zip(*runs, strict=True)))  # type: ignore[misc]
            for call, runs in seen.items()
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
    found: dict[int, dict[str, tuple[float, float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="strada-bench-") as folder:
        growth = Growth(Path(folder), quick=asked.quick)
        try:
            for size in sizes:
                grown = growth.grow(honest, size)
                ready = restart(growth.town)
                found[size] = growth.measure()
                book.put((f"{size:,}",), (*grown, ready, resident_mb(growth.town)))
        finally:
            growth.close()
    for call, least in found[sizes[0]].items():
        for size, measured in found.items():
            figures = measured[call]
            calls.put((call, f"{size:,}"), (*figures, figures[0] / least[0]))
    report("growth", [calls, book], asked)


if __name__ == "__main__":
    main()
