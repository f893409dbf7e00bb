"""Open event streams: counted, so that they leave the server's threads to requests, and ended.

It refuses one more than fit instead of letting it wait: each stream holds a thread as it lives.
"""

from __future__ import annotations

import threading
from collections import Counter

MOST = 8
"""Streams at once, whoever's."""
SHARE = 6
"""At most one thread in so many serves a stream."""
MOST_OF_ONE = 4
"""Streams of one merchant: the others get theirs, too."""


class Streams:
    """The streams of one server; `end()` lets all of them finish."""

    def __init__(self, threads: int) -> None:
        self._most = min(MOST, threads // SHARE)
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._ending = threading.Event()

    def take(self, merchant: str) -> bool:
        """Count one more of this merchant; False when it does not fit."""
        with self._lock:
            full = self._open.total() >= self._most or self._open[merchant] >= MOST_OF_ONE
            if full or self._ending.is_set():
                return False
            self._open[merchant] += 1
            return True

    def release(self, merchant: str) -> None:
        """One of this merchant's is over."""
        with self._lock:
            self._open[merchant] -= 1

    def end(self) -> None:
        """Let every stream finish now, and take no other."""
        self._ending.set()

    def wait(self, seconds: float) -> bool:
        """Sleep so long, or until the streams must end; returns whether they must."""
        return self._ending.wait(seconds)
