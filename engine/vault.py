"""Secrets: what is derived, sealed or hashed under the one master key.

It refuses to hand out the master key, and never stores anything that can be derived again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

DEVELOPMENT_KEY = "strada development key, never for production"
_NONCE = 12


class Unsealable(ValueError):
    """A sealed value that this key does not open: wrong master key, or an altered row."""


class Vault:
    """Derives, seals and compares. Every purpose has a key of its own (HMAC-SHA256 of its name)."""

    __slots__ = ("_master", "_sealer")

    def __init__(self, master: str) -> None:
        if len(master) < 16:
            raise ValueError("STRADA_SECRET_KEY needs 16 characters at least")
        self._master = hashlib.sha256(b"strada/master/1\n" + master.encode()).digest()
        self._sealer = AESGCM(self._mac("seal", b""))

    def __repr__(self) -> str:
        return "Vault(…)"

    def _mac(self, purpose: str, text: bytes) -> bytes:
        return hmac.digest(self._master, purpose.encode() + b"\0" + text, "sha256")

    def client_secret(self, transaction: str) -> str:
        """The client secret of a transaction: `txn_…_secret_…`, derived, never stored."""
        mac = self._mac("client-secret", transaction.encode())
        return f"{transaction}_secret_{base64.urlsafe_b64encode(mac[:24]).decode()}"

    def owns(self, secret: str) -> str | None:
        """The transaction that a client secret belongs to, or None when it is forged."""
        transaction, found, _ = secret.partition("_secret_")
        if not found or not secret.isascii():
            return None
        expected = self.client_secret(transaction)
        return transaction if hmac.compare_digest(secret.encode(), expected.encode()) else None

    def key_mac(self, merchant: str, key: str) -> str:
        """What the log and the database hold of an idempotency key: HMAC, lower-case hex."""
        return self._mac("idempotency", merchant.encode() + b"\0" + key.encode()).hex()

    def feed_mac(self, merchant: str, position: int, digest: str) -> bytes:
        """What makes a cursor of the feed ours: bound to merchant, place and entry; 16 bytes."""
        return self._mac("feed", f"{merchant}\0{position}\0{digest}".encode())[:16]

    def customer_mac(self, merchant: str, customer: str) -> str:
        """What the book holds of a customer whose values were erased; lower-case hex."""
        return self._mac("erased-customer", f"{merchant}\0{customer}".encode()).hex()

    def erased_slot(self, merchant: str, order: str) -> str:
        """What still keeps an order from being paid twice; no order id has a space."""
        return "erased " + self._mac("erased-order", f"{merchant}\0{order}".encode()).hex()

    def seal(self, text: str, about: str) -> bytes:
        """Encrypt `text` (AES-256-GCM), bound to the row it is `about`."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._sealer.encrypt(nonce, text.encode(), about.encode())

    def unseal(self, sealed: bytes, about: str) -> str:
        """Decrypt what `seal` made for the same row; raises Unsealable."""
        try:
            plain = self._sealer.decrypt(sealed[:_NONCE], sealed[_NONCE:], about.encode())
        except (InvalidTag, ValueError) as error:
            raise Unsealable(f"cannot open the sealed value of {about}") from error
        return plain.decode()

    def seal_map(self, values: Mapping[str, str], about: str) -> bytes:
        """Encrypt a map of strings, such as a gateway account's credentials."""
        return self.seal(json.dumps(dict(values), sort_keys=True), about)

    def unseal_map(self, sealed: bytes, about: str) -> dict[str, str]:
        """Decrypt what `seal_map` made."""
        opened: dict[str, str] = json.loads(self.unseal(sealed, about))
        return opened


def token_hash(token: str) -> bytes:
    """How a random token of 128 bits or more is stored: its SHA-256."""
    return hashlib.sha256(b"strada/token/1\n" + token.encode()).digest()


def same(left: bytes, right: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(left, right)
