"""Sessions of the console: random names in a browser's cookie, each standing for one secret key.

They live in memory, as hashes: a restart signs everybody out. It refuses to hold the key itself.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable

LIFE_S = 12 * 3600.0
MOST = 1_000
"""Beyond this the oldest session ends."""


class Sessions:
    """Cookie → id of the key that opened it, for LIFE_S."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._open: dict[bytes, tuple[str, float]] = {}

    def open(self, key_id: str) -> str:
        """A new session's cookie."""
        cookie = secrets.token_urlsafe(32)
        with self._lock:
            while len(self._open) >= MOST:
                del self._open[next(iter(self._open))]
            self._open[_name(cookie)] = (key_id, self._monotonic() + LIFE_S)
        return cookie

    def find(self, cookie: str) -> str | None:
        """The key's id, or None for a session that ended or never was."""
        with self._lock:
            key_id, ends_at = self._open.get(_name(cookie), (None, 0.0))
        return key_id if self._monotonic() < ends_at else None

    def close(self, cookie: str) -> None:
        """End a session."""
        with self._lock:
            self._open.pop(_name(cookie), None)


def _name(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
