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

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from bench.books import fill, moulds, prepared

from engine.clock import Clock
from engine.sequencer import Sequencer
from engine.store import Store
from engine.sweep import audit, sweep

SIZES = (10_000, 100_000, 1_000_000)


def main() -> None:
    """Make the books and print the table; arguments are other sizes, `--json` for JSON."""
    sizes = [int(word) for word in sys.argv[1:] if word.isdigit()] or SIZES
    found = {}
    honest = moulds()
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="strada-bench-") as folder:
            path = prepared(Path(folder) / "book.db")
            store = Store(f"sqlite:///{path}")
            fill(store, honest, size, random.Random(7))
            Sequencer(store, Clock()).drain(3_600)
            store.close()
            found[size] = {what: _apart(path, what) for what in ("log", "two", "tree")}
    if "--json" in sys.argv:
        print(json.dumps(found, indent=2))
        return
    for size, by in found.items():
        _show(size, by)


def _show(size: int, by: dict[str, dict[str, float]]) -> None:
    one, two, tree = by["log"], by["two"], by["tree"]
    print(f"{size} entries")
    print(f"  entries/s of one core      {one['entries'] / one['cpu_s']:>12,.0f}")
    print(f"  entries/s by the clock     {one['entries'] / one['wall_s']:>12,.0f}")
    print(f"  with --jobs 2, times       {one['wall_s'] / two['wall_s']:>12.2f}")
    print(f"  with the tree, entries/s   {tree['entries'] / tree['cpu_s']:>12,.0f}")
    print(f"  peak memory, MB            {one['peak_mb']:>12.0f}")


def _apart(path: Path, what: str) -> dict[str, float]:
    command = [sys.executable, __file__, "measure", str(path), what]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def measure(path: str, what: str) -> dict[str, float]:
    """Verify once; what it took."""
    store = Store(f"sqlite:///{path}")
    wall, cpu = time.perf_counter(), time.process_time()
    report = audit(store) if what == "tree" else sweep(store, 2 if what == "two" else 1)
    took = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    assert report.whole, report.findings
    assert report.slow == 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"entries": report.entries, "peak_mb": peak} | took


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        print(json.dumps(measure(*sys.argv[2:4])))
    else:
        main()
