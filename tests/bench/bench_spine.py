"""What the spine costs: start-up, memory, and transitions over HTTP as a ratio to raw commits.

A real `strada serve` process, SQLite with synchronous=FULL, everything on, one caller, `cancel` as
the event (no gateway in it). Rounds of both alternate in one run and medians are compared: the
ratio holds better than the figures, for machines are noisy.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import apsw

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from e2e.town import Town

ROUNDS = 5
STEPS = 150


def main() -> None:
    """Run the bench and print its table; `--json` prints it as JSON."""
    with tempfile.TemporaryDirectory(prefix="strada-bench-") as folder:
        town = Town(Path(folder))
        try:
            result = _measure(town, Path(folder) / "raw.db")
        finally:
            town.close()
    if "--json" in sys.argv:
        print(json.dumps(result, indent=2))
        return
    for name, value in result.items():
        print(f"{name:<34} {value:>10.2f}")


def _measure(town: Town, raw_path: Path) -> dict[str, float]:
    ready_s = _restart(town)
    raw = apsw.Connection(str(raw_path))
    raw.pragma("journal_mode", "wal")
    raw.pragma("synchronous", 2)
    raw.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, n INTEGER) STRICT")
    raw.execute("CREATE TABLE log (n INTEGER PRIMARY KEY, entry TEXT) STRICT")
    raw.execute("INSERT INTO row VALUES (1, 0)")
    commits: list[float] = []
    fired: list[float] = []
    for number in range(ROUNDS):
        commits.append(_commits(raw, number * STEPS))
        fired.append(_cancels(town))
    raw.close()
    return {
        "ready after (s)": ready_s,
        "resident after load (MB)": _resident_mb(town),
        "raw commits/s": statistics.median(commits),
        "transitions/s over HTTP, 1 caller": statistics.median(fired),
        "ratio": statistics.median(f / c for f, c in zip(fired, commits, strict=True)),
    }


def _restart(town: Town) -> float:
    town.server.stop()
    begun = time.monotonic()
    town.server = town.start_server()
    return time.monotonic() - begun


def _commits(raw: apsw.Connection, start: int) -> float:
    entry = "x" * 400
    begun = time.monotonic()
    for number in range(start, start + STEPS):
        with raw:
            raw.execute("UPDATE row SET n = ? WHERE id = 1", (number,))
            raw.execute("INSERT INTO log VALUES (?, ?)", (number, entry))
    return STEPS / (time.monotonic() - begun)


def _cancels(town: Town) -> float:
    made = [town.create()["id"] for _ in range(STEPS)]
    begun = time.monotonic()
    for txn in made:
        town.call("POST", f"/transactions/{txn}/cancel")
    return STEPS / (time.monotonic() - begun)


def _resident_mb(town: Town) -> float:
    status = Path(f"/proc/{town.server.popen.pid}/status")
    if not status.exists():
        return float("nan")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
