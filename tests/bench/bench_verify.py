"""What verifying costs: entries a second of one core, what a second process adds, peak memory.

Books of honest payments (two in three with a refund), every check on: hashes, chain, schemas,
legality, amounts, rows, commitments; then the same with the tree. Wall and processor time are both
shown: on a busy machine only the latter says something. Each figure comes from its own process.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1]), str(HERE.parents[2])]

from books import fill, moulds, prepared
from results import Table, options, report

from engine.clock import Clock
from engine.sequencer import Sequencer
from engine.store import Store
from engine.sweep import audit, sweep

SIZES = (10_000, 100_000, 1_000_000)


def main() -> None:
    """Make the books and print the table."""
    asked = options(str(__doc__), numbers="sizes of books, in entries")
    sizes = asked.numbers or (SIZES[:1] if asked.quick else SIZES)
    columns = ("per s of one core", "per s", "x with 2 jobs", "with the tree", "peak MB")
    table = Table("Verifying, entries a second", ("entries",), columns)
    honest = moulds()
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="strada-bench-") as folder:
            path = prepared(Path(folder) / "book.db")
            store = Store(f"sqlite:///{path}")
            fill(store, honest, size, random.Random(7))
            Sequencer(store, Clock()).drain(3_600)
            store.close()
            one, two, tree = (_apart(path, what) for what in ("log", "two", "tree"))
        values = (
            one["entries"] / one["cpu_s"],
            one["entries"] / one["wall_s"],
            one["wall_s"] / two["wall_s"],
            tree["entries"] / tree["cpu_s"],
            one["peak_mb"],
        )
        table.put((f"{size:,}",), values)
    report("verify", [table], asked)


def _apart(path: Path, what: str) -> dict[str, float]:
    command = [sys.executable, __file__, "measure", str(path), what]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def measure(path: str, what: str) -> dict[str, float]:
    """Verify once; what it took."""
    store = Store(f"sqlite:///{path}")
    wall, cpu = time.perf_counter(), time.process_time()
    found = audit(store) if what == "tree" else sweep(store, 2 if what == "two" else 1)
    took = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    assert found.whole, found.findings
    assert found.slow == 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"entries": found.entries, "peak_mb": peak} | took


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        print(json.dumps(measure(*sys.argv[2:4])))
    else:
        main()
