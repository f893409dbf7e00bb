"""The yardstick: durable commits of one UPDATE and one INSERT, by apsw alone, on the same disk.

Machines are noisy; figures are compared as ratios to this, measured in turn in the same run.
"""

from __future__ import annotations

import time
from pathlib import Path

import apsw

ENTRY = "x" * 400


class Raw:
    """A database that does nothing but commit."""

    def __init__(self, path: Path) -> None:
        self._db = apsw.Connection(str(path))
        self._db.pragma("journal_mode", "wal")
        self._db.pragma("synchronous", 2)
        self._db.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, n INTEGER) STRICT")
        self._db.execute("CREATE TABLE log (n INTEGER PRIMARY KEY, entry TEXT) STRICT")
        self._db.execute("INSERT INTO row VALUES (1, 0)")
        self._done = 0

    def commits_per_s(self, commits: int) -> float:
        """How many commits a second this disk takes from one writer."""
        begun = time.perf_counter()
        for number in range(self._done, self._done + commits):
            with self._db:
                self._db.execute("UPDATE row SET n = ? WHERE id = 1", (number,))
                self._db.execute("INSERT INTO log VALUES (?, ?)", (number, ENTRY))
        self._done += commits
        return commits / (time.perf_counter() - begun)

    def close(self) -> None:
        """Close the database."""
        self._db.close()
