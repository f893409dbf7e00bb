"""The feed: every entry of a merchant's payments, once, in the order of the tree.

It refuses to go on after a place that this log no longer has: a cursor names the entry it stands
at, so one from before a restored backup is refused instead of skipping what came since.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from engine.errors import StorageTrouble
from engine.store import Store
from engine.vault import Vault, same

PAGE = 100
"""Entries a page, at most."""
_POSITION_BYTES = 8
_PAGE = (
    "SELECT f.position, e.hash, e.entry FROM feed f "
    "LEFT JOIN tree t ON t.position = f.position "
    "LEFT JOIN entries e ON e.stream = t.stream AND e.seq = t.seq AND e.hash = t.hash "
    "WHERE f.merchant = ? AND f.position > ? ORDER BY f.position LIMIT ?"
)
_PAGE_OF_ONE = (
    "SELECT t.position, e.hash, e.entry FROM tree t "
    "JOIN feed f ON f.merchant = ? AND f.position = t.position "
    "LEFT JOIN entries e ON e.stream = t.stream AND e.seq = t.seq AND e.hash = t.hash "
    "WHERE t.position > ? AND t.stream = ? ORDER BY t.seq LIMIT ?"
)
"""By the transaction's own places: what others wrote meanwhile is not walked through."""
_AT = (
    "SELECT t.hash FROM feed f JOIN tree t ON t.position = f.position "
    "WHERE f.merchant = ? AND f.position = ?"
)


class BadCursor(ValueError):
    """A cursor that we did not give this merchant, or of an entry that this log does not have."""


@dataclass(frozen=True, slots=True)
class Item:
    """An entry's keys with `hash` and `position`, and the cursor that stands right after it."""

    shown: dict[str, Any]
    cursor: str


@dataclass(frozen=True, slots=True)
class Page:
    """Items in order; `more` says that others wait already, `cursor` where the next page begins."""

    items: tuple[Item, ...]
    more: bool
    cursor: str | None


class Feed:
    """Reads the table `feed`, which the sequencer fills together with the tree."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault

    def page(
        self, merchant: str, after: str | None, limit: int = PAGE, transaction: str | None = None
    ) -> Page:
        """What follows a cursor (None: from the first entry on), of one transaction if one is told.

        Raises BadCursor.
        """
        start = -1 if after is None else self._position(merchant, after)
        if transaction is None:
            rows = self._store.rows(_PAGE, (merchant, start, limit + 1))
        else:
            rows = self._store.rows(_PAGE_OF_ONE, (merchant, start, transaction, limit + 1))
        items = tuple(self._item(merchant, **row) for row in rows[:limit])
        return Page(items, len(rows) > limit, items[-1].cursor if items else after)

    def _item(self, merchant: str, position: int, hash: str | None, entry: str | None) -> Item:
        if hash is None or entry is None:
            raise StorageTrouble("the log lacks an entry of the tree: verify it")
        shown = json.loads(entry) | {"hash": hash, "position": position}
        return Item(shown, self._cursor(merchant, position, hash))

    def _cursor(self, merchant: str, position: int, digest: str) -> str:
        raw = position.to_bytes(_POSITION_BYTES, "big")
        raw += self._vault.feed_mac(merchant, position, digest)
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def _position(self, merchant: str, cursor: str) -> int:
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise BadCursor("not a cursor") from None
        position = int.from_bytes(raw[:_POSITION_BYTES], "big")
        if position >= 1 << 63:
            raise BadCursor("not a cursor")
        row = self._store.row(_AT, (merchant, position))
        if row is None:
            raise BadCursor("no such entry")
        expected = self._cursor(merchant, position, row["hash"])
        if not same(expected.encode(), cursor.encode()):
            raise BadCursor("not of this entry")
        return position
