"""A disk between SQLite and the real one: it tapes every change, and fails when it is told to.

It refuses to invent behaviour: what it does not fail goes to the system's own VFS unchanged.
"""

from __future__ import annotations

import errno
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

SYSTEM = "unix"
_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the tape: what SQLite asked of the disk, or a `mark` of the test's own.

    kind: create, write, truncate, sync, failed_sync, unlink, sync_folder or mark. data: the bytes
    written; of a mark, whatever the test wants to find again.
    """

    kind: str
    inode: int = 0
    name: str = ""
    offset: int = 0
    data: Any = b""


@dataclass(slots=True)
class Fault:
    """A failure of `on` at files whose name ends so; counts its firings.

    on: read, write, sync, open; open_to_write, after which the file may only be read; lie, a sync
    that is answered as if it had been done.
    skip: how many such calls pass first. times: None until it is lifted.
    """

    on: str
    error: Exception
    file: str = ""
    skip: int = 0
    times: int | None = None
    fired: int = 0

    def hits(self, on: str, name: str) -> bool:
        """Whether this call fails; counted when it does."""
        left = self.times is None or self.fired < self.times
        if on != self.on or not name.endswith(self.file) or not left:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.fired += 1
        return True


def full() -> Exception:
    """ENOSPC, as the system's VFS reports it."""
    return apsw.FullError("no space left on device")


def read_only() -> Exception:
    """The file may not be written any more."""
    return apsw.ReadOnlyError("the file is read-only")


def io_error(code: int) -> Exception:
    """EIO, by its extended SQLite code."""
    error = apsw.IOError("input/output error")
    error.extendedresult = code  # type: ignore[attr-defined]
    return error


class Disk(apsw.VFS):
    """While it is in (see `inserted`), every new connection of this process goes through it.

    fired: how often its faults did, up to the last `heal`.
    """

    def __init__(self, *, tape: bool = False) -> None:
        self.name = f"disk-{next(_NUMBERS)}"
        self.tape: list[Event] = []
        self.faults: list[Fault] = []
        self.fired = 0
        self._taping = tape
        self._inodes: dict[str, int] = {}
        super().__init__(self.name, SYSTEM, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> File:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self.meet("open", path or "")
        if path is not None and path not in self._inodes:
            self._inodes[path] = next(_NUMBERS)
            self.record("create", path)
        if self.hit("open_to_write", path or ""):
            # as the system's VFS does where it may only read
            flags[0] &= ~(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
            flags[0] |= apsw.SQLITE_OPEN_READONLY
        return File(self, name, path or "", flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self.record("unlink", filename)
        self._inodes.pop(filename, None)
        if syncdir:
            self.record("sync_folder", filename)

    def xGetLastError(self) -> tuple[int, str]:
        """What SQLite asks after an error; ours are all the disk's."""
        return errno.EIO, "input/output error"

    def meet(self, on: str, name: str) -> None:
        """Raise what a fault says."""
        for fault in self.faults:
            if fault.hits(on, name):
                raise fault.error

    def hit(self, on: str, name: str) -> bool:
        """Whether a fault changes this call without failing it."""
        return any(fault.hits(on, name) for fault in self.faults)

    def record(self, kind: str, name: str, offset: int = 0, data: Any = b"") -> None:
        """Write a line of the tape; files without a name are gone at a crash anyway."""
        if self._taping and name in self._inodes:
            self.tape.append(Event(kind, self._inodes[name], Path(name).name, offset, data))

    def mark(self, data: Any) -> None:
        """Note on the tape that the test saw something."""
        self.tape.append(Event("mark", data=data))

    def fail(self, on: str, error: Exception, file: str = "", **more: Any) -> Fault:
        """Fail from now on."""
        self.faults.append(Fault(on, error, file, **more))
        return self.faults[-1]

    def heal(self) -> None:
        """Fail no more."""
        self.fired += sum(fault.fired for fault in self.faults)
        self.faults.clear()


class File(apsw.VFSFile):
    """An open file of a Disk."""

    def __init__(self, disk: Disk, name: Any, path: str, flags: list[int]) -> None:
        self._disk = disk
        self._path = path
        journal = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
        self._folder_unsynced = bool(flags[0] & journal)
        super().__init__(SYSTEM, name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:
        self._disk.meet("read", self._path)
        return bytes(super().xRead(amount, offset))

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.meet("write", self._path)
        super().xWrite(data, offset)
        self._disk.record("write", self._path, offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:
        self._disk.meet("write", self._path)
        super().xTruncate(newsize)
        self._disk.record("truncate", self._path, newsize)

    def xSync(self, flags: int) -> None:
        """The system's VFS also syncs the folder when it first syncs a journal."""
        try:
            self._disk.meet("sync", self._path)
        except apsw.Error:
            self._disk.record("failed_sync", self._path)
            raise
        if self._disk.hit("lie", self._path):
            self._disk.record("failed_sync", self._path)
            return
        super().xSync(flags)
        self._disk.record("sync", self._path)
        if self._folder_unsynced:
            self._folder_unsynced = False
            self._disk.record("sync_folder", self._path)


@contextmanager
def inserted(*, tape: bool = False) -> Iterator[Disk]:
    """A disk for the block; close what was opened through it before the block ends."""
    disk = Disk(tape=tape)
    try:
        yield disk
    finally:
        disk.unregister()
