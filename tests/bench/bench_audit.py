"""What the tree costs: how fast the sequencer empties a long queue, and what a proof takes.

SQLite with synchronous=FULL, one process, the real clock. The queue is filled beforehand.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1]), str(HERE.parents[2])]

from house import House
from results import Table, options, report

from engine.book import record
from engine.clock import Clock
from engine.verify_tree import verify_tree

STREAM = 4
PROOFS = 200


def main() -> None:
    """Run the bench."""
    asked = options(str(__doc__))
    table = Table("The tree", ("",), ("measured",))
    with tempfile.TemporaryDirectory(prefix="strada-bench-") as folder:
        house = House(Path(folder) / "strada.db", Clock())
        try:
            _fill(house, 8_000 if asked.quick else 40_000)
            for name, value in {**_sequencer(house), **_proofs(house)}.items():
                table.put((name,), (value,))
        finally:
            house.store.close()
    report("audit", [table], asked)


def _fill(house: House, entries: int) -> None:
    """Entries of many streams, as payments make them; their bytes do not matter to the tree."""
    with house.store.write():
        for number in range(entries // STREAM):
            for seq in range(1, STREAM + 1):
                values = (f"txn_{number:026d}", seq, "note", "bench", 0, f"{number:064x}", "{}")
                marks = "(?, ?, ?, ?, ?, ?, ?)"
                house.store.execute(f"INSERT INTO entries VALUES {marks}", values)
                house.store.execute("INSERT INTO outbox VALUES (?, ?)", values[:2])
        record(house.ledger, "key_revoked", {"key": "bench"}, "operator:bench")


def _sequencer(house: House) -> dict[str, float]:
    begun = time.monotonic()
    busy = time.process_time()
    size = house.audit.sequencer.drain(1_000)
    taken, worked = time.monotonic() - begun, time.process_time() - busy
    begun = time.monotonic()
    assert verify_tree(house.store) == []
    return {
        "sequenced entries/s": size / taken,
        "the same a second of CPU": size / worked,
        "tree verified, entries/s": size / (time.monotonic() - begun),
    }


def _proofs(house: House) -> dict[str, float]:
    taken = []
    for number in range(PROOFS):
        begun = time.monotonic()
        house.audit.inclusion(f"txn_{number * 7:026d}", 1 + number % STREAM)
        taken.append((time.monotonic() - begun) * 1_000)
    return {"signed inclusion proof, ms (median)": statistics.median(taken)}


if __name__ == "__main__":
    main()
