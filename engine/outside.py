"""What lives outside the database: the signing key, the public keys, the newest checkpoint.

It refuses to leave a file half written: a new one is complete on disk before it takes its name.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from engine.errors import StorageTrouble
from engine.note import BadNote, Checkpoint, PublicKey, open_note, public_of, sign

KEY_FILE = "audit-signing-key.pem"
PUBLIC_FILE = "audit-public-keys.txt"


class SigningKeys:
    """The key that signs a log's checkpoints, and every key that ever did.

    given: the text of a PEM (PKCS#8) key, or the path of one; empty for a key in `folder`, which is
    made when it is first needed. The file is read for each use, so that every process follows a
    rotation at once.
    """

    def __init__(self, folder: Path, name: Callable[[], str], given: str = "") -> None:
        self.folder = folder
        self._name = name
        self._given = given

    @cached_property
    def origin(self) -> str:
        """The name of the log that is signed for."""
        return self._name()

    @property
    def path(self) -> Path | None:
        """The file of the key; None when the setting holds the key itself."""
        if self._given.lstrip().startswith("-----BEGIN"):
            return None
        return Path(self._given) if self._given else self.folder / KEY_FILE

    def sign(self, checkpoint: Checkpoint) -> str:
        """The signed note of a checkpoint; raises StorageTrouble when there is no usable key."""
        self.current()
        return sign(checkpoint, self._private())

    def current(self) -> PublicKey:
        """The public half of the key in use; it is remembered before anything is signed with it."""
        path = self.path
        if path is not None and not self._given and not path.exists():
            _storing(lambda: create_file(path, _pem(Ed25519PrivateKey.generate())))
        key = public_of(self.origin, self._private())
        self._remember(key)
        return key

    def known(self) -> list[PublicKey]:
        """Every public key that signed for this log, as far as the folder remembers, and now's."""
        try:
            current = [public_of(self.origin, self._private())]
        except StorageTrouble:  # a lost key does not make older checkpoints worthless
            current = []
        ours = [key for key in self.remembered() if key.name == self.origin]
        return list(dict.fromkeys((*ours, *current)))

    def rotate(self) -> tuple[PublicKey, PublicKey]:
        """Put a new key in the place of the present one; returns both public halves.

        Raises ValueError for a key that a setting gives: whoever gave it changes it.
        """
        if self._given:
            raise ValueError(
                "the key is given by STRADA_AUDIT_SIGNING_KEY: change that setting and restart"
            )
        before, private = self.current(), Ed25519PrivateKey.generate()
        after = public_of(self.origin, private)
        self._remember(after)  # first: nothing may be signed by a key that nobody knows
        _storing(lambda: replace_file(self.folder / KEY_FILE, _pem(private)))
        return before, after

    def _private(self) -> Ed25519PrivateKey:
        try:
            raw = self._given.encode() if self.path is None else self.path.read_bytes()
            private = load_pem_private_key(raw, None)
        except (OSError, ValueError, TypeError) as error:
            raise StorageTrouble(f"the signing key cannot be used: {error}") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise StorageTrouble("the signing key is not an Ed25519 key")
        return private

    def remembered(self) -> list[PublicKey]:
        """Every public key of the folder, those of other logs too."""
        try:
            lines = (self.folder / PUBLIC_FILE).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise StorageTrouble(f"the public keys cannot be read: {error}") from error
        try:
            return [PublicKey.parse(line) for line in lines if line]
        except BadNote as error:
            raise StorageTrouble(f"{self.folder / PUBLIC_FILE}: {error}") from error

    def _remember(self, key: PublicKey) -> None:
        if key in self.remembered():
            return
        path = self.folder / PUBLIC_FILE
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        _storing(lambda: replace_file(path, f"{before}{key.text()}\n".encode()))


class Kept:
    """The newest checkpoint of a database, outside of it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, keys: Iterable[PublicKey]) -> Checkpoint | None:
        """What is kept, or None when nothing is; raises BadNote for what cannot be trusted."""
        try:
            note = self.path.read_bytes().decode()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise BadNote(f"it cannot be read ({type(error).__name__})") from error
        return open_note(note, keys)

    def write(self, note: str) -> None:
        """Put a note in the place of the one before."""
        _storing(lambda: replace_file(self.path, note.encode()))

    def set_aside(self, why: str) -> None:
        """Rename what is kept, so that it stays for whoever looks into it later."""
        aside = self.path.with_name(f"{self.path.name}.{why}-{secrets.token_hex(4)}")
        _storing(lambda: _rename(self.path, aside))


def replace_file(path: Path, data: bytes) -> None:
    """Write a file of mode 0600: complete and on disk under its name, or not at all."""
    temporary = _written(path, data)
    try:
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def create_file(path: Path, data: bytes) -> None:
    """The same for a file that is not there yet; of two who try, the first one's stays."""
    temporary = _written(path, data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink()
    _sync_folder(path.parent)


def _written(path: Path, data: bytes) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _rename(path: Path, aside: Path) -> None:
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _storing(write: Callable[[], None]) -> None:
    try:
        write()
    except OSError as error:
        raise StorageTrouble(f"nothing can be kept outside the database: {error}") from error


def _pem(private: Ed25519PrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
