"""Checkpoints as C2SP signed notes (tlog-checkpoint, Ed25519): their exact text, signing, opening.

It refuses to read a note that no known key has signed, and one that a known key signed wrongly.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
LONGEST_NOTE = 65_536
_DASH = "\u2014 "
_NAME = re.compile(r"[^\s+]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")


class BadNote(ValueError):
    """A note that says nothing; the message says why."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's name, how many entries it holds, and the root (32 bytes) over them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """What is signed: three lines."""
        return f"{self.origin}\n{self.size}\n{_encode(self.root)}\n"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that may sign for a log; `name` is the log's origin, `raw` the 32 bytes of the key."""

    name: str
    raw: bytes

    @property
    def id(self) -> bytes:
        """The first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.raw).digest()[:4]

    def text(self) -> str:
        """The key in one line, as tools for signed notes take it: `name+id+base64(0x01 ‖ key)`."""
        return f"{self.name}+{self.id.hex()}+{_encode(ED25519 + self.raw)}"

    @classmethod
    def parse(cls, line: str) -> PublicKey:
        """Read such a line; raises BadNote."""
        name, _, rest = line.strip().partition("+")
        shown, _, encoded = rest.partition("+")
        raw = _decode(encoded)
        key = cls(name, raw[1:])
        if raw[:1] != ED25519 or len(raw) != 33 or not _NAME.fullmatch(name):
            raise BadNote("a public key must look like name+id+base64, of type Ed25519")
        if key.id.hex() != shown:
            raise BadNote("the id of the public key is not that of its bytes")
        return key


def public_of(name: str, private: Ed25519PrivateKey) -> PublicKey:
    """The public half of a key, under the name it signs for."""
    return PublicKey(name, private.public_key().public_bytes_raw())


def sign(checkpoint: Checkpoint, private: Ed25519PrivateKey) -> str:
    """The signed note of a checkpoint. The same checkpoint and key give the same bytes."""
    text = checkpoint.text()
    signature = private.sign(text.encode())
    known = public_of(checkpoint.origin, private).id
    return f"{text}\n{_DASH}{checkpoint.origin} {_encode(known + signature)}\n"


def open_note(note: str, keys: Iterable[PublicKey]) -> Checkpoint:
    """The checkpoint of a note that one of these keys signed; raises BadNote."""
    text, signatures = _split(note)
    checkpoint = _checkpoint(text)
    known = {(key.name, key.id): key for key in keys if key.name == checkpoint.origin}
    signed = False
    for name, encoded in signatures:
        raw = _decode(encoded)
        key = known.get((name, raw[:4]))
        if key is None:
            continue  # a witness, or a key that we do not know
        try:
            Ed25519PublicKey.from_public_bytes(key.raw).verify(raw[4:], text.encode())
        except InvalidSignature as error:
            raise BadNote("a known key did not sign this text") from error
        signed = True
    if not signed:
        raise BadNote("no known key has signed it")
    return checkpoint


def _split(note: str) -> tuple[str, list[tuple[str, str]]]:
    """The text with its last newline, and (name, signature) of each signature line."""
    if len(note) > LONGEST_NOTE or re.search(r"[\x00-\x09\x0b-\x1f]", note):
        raise BadNote("it is too long, or has control characters")
    text, blank, block = note.rpartition("\n\n")
    if not blank or not block.endswith("\n"):
        raise BadNote("it is not a text, a blank line and signatures")
    signatures = []
    for line in block[:-1].split("\n"):
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not space or not _NAME.fullmatch(name):
            raise BadNote("a signature line is malformed")
        signatures.append((name, encoded))
    return text + "\n", signatures


def _checkpoint(text: str) -> Checkpoint:
    """The first three lines; what witnesses or later versions add after them is signed as well."""
    lines = text.split("\n")
    if len(lines) < 4 or not all(lines[:-1]) or not _SIZE.fullmatch(lines[1]):
        raise BadNote("it is not origin, size and root")
    root = _decode(lines[2])
    if len(root) != 32:
        raise BadNote("its root is not 32 bytes")
    return Checkpoint(lines[0], int(lines[1]), root)


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decode(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadNote("it holds what is not base64") from error
    if _encode(raw) != text:
        raise BadNote("it holds base64 in a second spelling")
    return raw
