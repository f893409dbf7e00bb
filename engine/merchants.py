"""Merchants, their secret keys, where their customers may be sent, and their gateway accounts.

It refuses to store a key: only its SHA-256, found by a public prefix, compared in constant time.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.book import record
from engine.errors import Missing
from engine.fire import Ledger
from engine.ids import new_id
from engine.store import Row
from engine.vault import Vault, same

SCOPES = ("payments", "audit", "admin")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY = re.compile(r"sk_(test|live)_[A-Za-z0-9]{52}")
_ALPHABET = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789"
_PREFIX = 12


@dataclass(frozen=True, slots=True)
class Merchant:
    """A merchant: exact return origins (`https://shop.example`) and app schemes (`strada-shop`)."""

    name: str
    origins: tuple[str, ...]
    schemes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """An authenticated secret key."""

    id: str
    merchant: str
    scopes: frozenset[str]


class Merchants:
    """Reads and writes merchants; every change is an entry of the book."""

    def __init__(self, ledger: Ledger, vault: Vault) -> None:
        self._ledger = ledger
        self.store = ledger.store
        self._vault = vault

    def get(self, name: str) -> Merchant:
        """A merchant by name; raises Missing."""
        row = self.store.row("SELECT * FROM merchants WHERE name = ?", (name,))
        if row is None:
            raise Missing("not_found")
        return _merchant(row)

    def all(self) -> list[Merchant]:
        """Every merchant, by name."""
        return [_merchant(row) for row in self.store.rows("SELECT * FROM merchants ORDER BY name")]

    def ensure(self, name: str, actor: str) -> Merchant:
        """A merchant by name, made when absent; raises ValueError for an impossible name."""
        if not _NAME.fullmatch(name):
            raise ValueError("a merchant's name is 1 to 64 of A-Z a-z 0-9 . _ - (not first)")
        with self.store.write():
            if not self.store.row("SELECT 1 FROM merchants WHERE name = ?", (name,)):
                self.store.execute(
                    "INSERT INTO merchants (name, origins, schemes, created_at) "
                    "VALUES (?, '[]', '[]', ?)",
                    (name, self._ledger.clock.now_us()),
                )
                record(self._ledger, "merchant_created", {"merchant": name}, actor)
        return self.get(name)

    def change(
        self, name: str, origins: Sequence[str], schemes: Sequence[str], actor: str
    ) -> Merchant:
        """Replace a merchant's return origins and app schemes (already normalised)."""
        settings = json.dumps([sorted(set(origins)), sorted(set(schemes))])
        with self.store.write():
            touched = self.store.execute(
                "UPDATE merchants SET origins = ?, schemes = ? WHERE name = ?",
                (json.dumps(sorted(set(origins))), json.dumps(sorted(set(schemes))), name),
            )
            if not touched:
                raise Missing("not_found")
            digest = hashlib.sha256(settings.encode()).hexdigest()
            data = {"merchant": name, "settings_sha256": digest}
            record(self._ledger, "merchant_changed", data, actor)
        return self.get(name)

    def create_key(
        self, name: str, scopes: Sequence[str], live: bool, actor: str
    ) -> tuple[Key, str]:
        """Make a secret key; returns it and its text, which is never seen again."""
        if not scopes or set(scopes) - set(SCOPES):
            raise ValueError(f"scopes are one or more of {', '.join(SCOPES)}")
        self.ensure(name, actor)
        body = "".join(secrets.choice(_ALPHABET) for _ in range(52))
        text = f"sk_{'live' if live else 'test'}_{body}"
        now = self._ledger.clock.now_us()
        key = Key(new_id("key", now), name, frozenset(scopes))
        with self.store.write():
            self.store.execute(
                "INSERT INTO api_keys (id, prefix, hash, merchant, scopes, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (key.id, _prefix(text), _hash(text), name, " ".join(sorted(key.scopes)), now),
            )
            data = {"key": key.id, "merchant": name, "scopes": sorted(key.scopes)}
            record(self._ledger, "key_created", data, actor)
        return key, text

    def revoke_key(self, key_id: str, actor: str) -> None:
        """Make a key useless from now on; raises Missing."""
        with self.store.write():
            touched = self.store.execute(
                "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
                (self._ledger.clock.now_us(), key_id),
            )
            if not touched:
                raise Missing("not_found")
            record(self._ledger, "key_revoked", {"key": key_id}, actor)

    def list_keys(self) -> list[Row]:
        """Every key that is not revoked: id, prefix, merchant, scopes."""
        rows = self.store.rows(
            "SELECT id, prefix, merchant, scopes FROM api_keys WHERE revoked_at IS NULL ORDER BY id"
        )
        return [row | {"scopes": row["scopes"].split()} for row in rows]

    def authenticate(self, text: str) -> Key | None:
        """The key of this text, or None; the comparison takes constant time."""
        if not _KEY.fullmatch(text):
            return None
        row = self.store.row(
            "SELECT id, hash, merchant, scopes FROM api_keys "
            "WHERE prefix = ? AND revoked_at IS NULL",
            (_prefix(text),),
        )
        if row is None or not same(bytes(row["hash"]), _hash(text)):
            return None
        return Key(row["id"], row["merchant"], frozenset(row["scopes"].split()))

    def key(self, key_id: str) -> Key | None:
        """A key by its id, unless it was revoked."""
        row = self.store.row(
            "SELECT id, merchant, scopes FROM api_keys WHERE id = ? AND revoked_at IS NULL",
            (key_id,),
        )
        if row is None:
            return None
        return Key(row["id"], row["merchant"], frozenset(row["scopes"].split()))

    def set_account(
        self, name: str, provider: str, account: str, credentials: Mapping[str, str], actor: str
    ) -> None:
        """Store a merchant's own gateway account, its credentials sealed."""
        self.ensure(name, actor)
        sealed = self._vault.seal_map(credentials, _about(name, provider))
        with self.store.write():
            self.store.execute(
                "DELETE FROM accounts WHERE merchant = ? AND provider = ?", (name, provider)
            )
            self.store.execute(
                "INSERT INTO accounts (merchant, provider, account, sealed, created_at) "
                "VALUES (?, ?, ?, ?, ?)",
                (name, provider, account, sealed, self._ledger.clock.now_us()),
            )
            data = {"merchant": name, "provider": provider, "account": account}
            record(self._ledger, "account_set", data, actor)

    def accounts(self) -> list[Row]:
        """Every merchant's own account: merchant, provider, account."""
        return self.store.rows(
            "SELECT merchant, provider, account FROM accounts ORDER BY merchant, provider"
        )

    def credentials(self, name: str, provider: str) -> dict[str, str] | None:
        """A merchant's own credentials at a gateway, or None where the default account serves."""
        row = self.store.row(
            "SELECT sealed FROM accounts WHERE merchant = ? AND provider = ?", (name, provider)
        )
        if row is None:
            return None
        return self._vault.unseal_map(bytes(row["sealed"]), _about(name, provider))


def _merchant(row: Mapping[str, Any]) -> Merchant:
    return Merchant(
        row["name"], tuple(json.loads(row["origins"])), tuple(json.loads(row["schemes"]))
    )


def _prefix(text: str) -> str:
    kind, body = text[:8], text[8:]
    return kind + body[:_PREFIX]


def _hash(text: str) -> bytes:
    return hashlib.sha256(b"strada/key/1\n" + text.encode()).digest()


def _about(merchant: str, provider: str) -> str:
    return f"account\0{merchant}\0{provider}"
