"""Sessions of the console: random names in a browser's cookie, each standing for one secret key.

They lie in the database, as hashes, so that they outlast a restart and hold in every process. Not
in a signed cookie: signing out must end a session everywhere, which takes a row all the same, and
a stolen master key must not be one that opens consoles. It refuses to hold the key itself.
"""

from __future__ import annotations

import hashlib
import secrets

from engine.clock import Clock
from engine.store import Store

LIFE_S = 12 * 3600.0
MOST = 100
"""Sessions of one key; beyond this its oldest ends. Another key's never do."""


class Sessions:
    """Cookie → id of the key that opened it, for LIFE_S."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def open(self, key_id: str) -> str:
        """A new session's cookie; raises StorageTrouble."""
        cookie = secrets.token_urlsafe(32)
        now = self._clock.now_us()
        with self._store.write():
            self._store.execute("DELETE FROM sessions WHERE ends_at <= ?", (now,))
            self._store.execute(
                "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE key = ? "
                "ORDER BY ends_at DESC LIMIT -1 OFFSET ?)",
                (key_id, MOST - 1),
            )
            self._store.execute(
                "INSERT INTO sessions (hash, key, ends_at) VALUES (?, ?, ?)",
                (_hash(cookie), key_id, now + self._clock.micros(LIFE_S)),
            )
        return cookie

    def find(self, cookie: str) -> str | None:
        """The key's id, or None for a session that ended or never was."""
        row = self._store.row(
            "SELECT key FROM sessions WHERE hash = ? AND ends_at > ?",
            (_hash(cookie), self._clock.now_us()),
        )
        return row["key"] if row else None

    def close(self, cookie: str) -> None:
        """End a session, in every process; raises StorageTrouble."""
        if self.find(cookie) is not None:  # else a stranger's request would cost a write
            with self._store.write():
                self._store.execute("DELETE FROM sessions WHERE hash = ?", (_hash(cookie),))


def _hash(cookie: str) -> bytes:
    """Of 256 random bits: no salt and no slow hash could add to that."""
    return hashlib.sha256(b"strada/session/1\n" + cookie.encode()).digest()
