"""What verifying costs: entries a second of one core, what a second process adds, peak memory.

Books of honest payments (two in three with a refund), every check on: hashes, chain, schemas,
legality, amounts, rows, commitments; then the same with the tree. Wall and processor time are both
shown: on a busy machine only the latter says something. Each figure comes from its own process.
"""

from __future__ import annotations

import itertools
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
from engine.entry import commitment, hash_of
from engine.sequencer import Sequencer
from engine.store import Store
from engine.sweep import _ENTRIES, _PERSONAL, _ROWS, audit, sweep

SIZES = (10_000, 100_000, 1_000_000)
PARTS = {
    "read": "rows from SQLite, three tables",
    "hash": "hashes of entries",
    "open": "hashes of personal values",
}
"""What no verifier can leave out, measured alone; the rest is form, legality, fold, comparing."""


def main() -> None:
    """Make the books and print the table."""
    asked = options(str(__doc__), numbers="sizes of books, in entries")
    sizes = asked.numbers or (SIZES[:1] if asked.quick else SIZES)
    columns = ("per s of one core", "per s", "x with 2 jobs", "with the tree", "peak MB")
    table = Table("Verifying, entries a second", ("entries",), columns)
    parts = Table(
        "What no verifier can leave out", ("entries", "part"), ("µs an entry", "% of all")
    )
    honest = moulds()
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="strada-bench-") as folder:
            path = prepared(Path(folder) / "book.db")
            store = Store(f"sqlite:///{path}")
            fill(store, honest, size, random.Random(7))
            Sequencer(store, Clock()).drain(3_600)
            store.close()
            one, two, tree = (_apart(path, what) for what in ("log", "two", "tree"))
            spent = {what: _apart(path, what)["cpu_s"] for what in PARTS}
        values = (
            one["entries"] / one["cpu_s"],
            one["entries"] / one["wall_s"],
            one["wall_s"] / two["wall_s"],
            tree["entries"] / tree["cpu_s"],
            one["peak_mb"],
        )
        table.put((f"{size:,}",), values)
        for what, meant in PARTS.items():
            cost = 1e6 * spent[what] / one["entries"], 100 * spent[what] / one["cpu_s"]
            parts.put((f"{size:,}", meant), cost)
    report("verify", [table, parts], asked)


def _apart(path: Path, what: str) -> dict[str, float]:
    command = [sys.executable, __file__, "measure", str(path), what]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def measure(path: str, what: str) -> dict[str, float]:
    """Verify once; what it took."""
    store = Store(f"sqlite:///{path}")
    wall, cpu = time.perf_counter(), time.process_time()
    if what in PARTS:
        return _part(store, what)
    found = audit(store) if what == "tree" else sweep(store, 2 if what == "two" else 1)
    took = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    assert found.whole, found.findings
    assert found.slow == 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"entries": found.entries, "peak_mb": peak} | took


def _part(store: Store, what: str) -> dict[str, float]:
    """What one part costs on this book, with what it works on read beforehand, batch by batch."""
    spent = 0.0
    with store.snapshot():
        if what == "read":
            begun = time.process_time()
            for sql in (_ENTRIES, _ROWS, _PERSONAL):
                for _ in store.cursor(sql.format(range="1")):
                    pass
            return {"cpu_s": time.process_time() - begun}
        rows = store.cursor((_ENTRIES if what == "hash" else _PERSONAL).format(range="1"))
        while batch := [row[-1] for row in itertools.islice(rows, 1_000)]:
            if what == "hash":
                begun = time.process_time()
                for raw in batch:
                    hash_of(raw)
            else:
                values = [one for raw in batch for one in json.loads(raw).items()]
                ready = [(name, bytes.fromhex(salt), value) for name, (salt, value) in values]
                begun = time.process_time()
                for name, salt, value in ready:
                    commitment(name, salt, value)
            spent += time.process_time() - begun
    return {"cpu_s": spent}


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        print(json.dumps(measure(*sys.argv[2:4])))
    else:
        main()
