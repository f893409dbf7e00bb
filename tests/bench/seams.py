"""Timers around the seams of one request: time is counted where it is spent, never twice.

They stand around functions of the running app, so they cost something themselves; a bench that uses
them also runs without. They change no argument and no result.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

FRAMING = "HTTP framing: waitress, our parser"
EDGE = "the edge between these"
AUTHENTICATE = "authenticate"
REQUEST = "read and validate the request"
DECIDE = "decide: chart, guards, fold"
SEAL = "seal: canonical JSON, SHA-256"
READS = "SQL: reads"
BEGIN = "SQL: BEGIN IMMEDIATE"
WRITES = "SQL: writes"
COMMIT = "SQL: COMMIT, fsync"
RENDER = "render and encode the answer"
ENGINE = "the engine between these"
ALL = (
    *(FRAMING, EDGE, AUTHENTICATE, REQUEST, DECIDE, SEAL),
    *(READS, BEGIN, WRITES, COMMIT, RENDER, ENGINE),
)
_VERBS = {"SELECT": READS, "BEGIN": BEGIN, "COMMIT": COMMIT}


class Stopwatch:
    """Time by seam; a seam inside another stops the outer one."""

    def __init__(self) -> None:
        self.spent: dict[str, int] = defaultdict(int)
        self._running: list[str] = []
        self._since = 0

    def __call__(self, seam: str, called: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, its time counted."""

        def timed(*args: Any, **named: Any) -> Any:
            self._turn(seam)
            try:
                return called(*args, **named)
            finally:
                self._turn(None)

        return timed

    def stand(self, seam: str, owner: Any, *names: str) -> None:
        """Stand around functions of a module or methods of an object."""
        for name in names:
            setattr(owner, name, self(seam, getattr(owner, name)))

    def lap(self) -> dict[str, float]:
        """Microseconds by seam since the last lap."""
        spent = {seam: self.spent[seam] / 1e3 for seam in ALL}
        self.spent.clear()
        return spent

    def _turn(self, seam: str | None) -> None:
        now = time.perf_counter_ns()
        if self._running:
            self.spent[self._running[-1]] += now - self._since
        if seam is None:
            self._running.pop()
        else:
            self._running.append(seam)
        self._since = now


class TimedConnection:
    """A database connection whose statements are counted by what they do."""

    def __init__(self, watch: Stopwatch, connection: Any) -> None:
        self._connection = connection
        self._execute = {
            seam: watch(seam, connection.execute) for seam in (READS, BEGIN, WRITES, COMMIT)
        }

    def execute(self, sql: str, *params: Any) -> Any:
        """Run a statement."""
        return self._execute[_VERBS.get(sql.split(None, 1)[0], WRITES)](sql, *params)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)
