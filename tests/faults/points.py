"""Fault points inside a process: SIGKILL just before its n-th step at the disk or the network.

Nothing of the product knows of them. A shim over SQLite's file layer counts what is written and
synced, and Python's sockets count what they send. It refuses to tidy up: the process is dead at
once, as by the machine's hand.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

import apsw

STEPS = ("xWrite", "xSync", "send")
"""What can be counted: SQLite's writes and syncs of its files, and sends of any socket."""
_shim: list[apsw.VFS] = []
"""The registered file layer; it must live as long as the process."""


class _Fuse:
    """Counts steps; at the n-th of those that matter the process is dead."""

    def __init__(self, steps: Collection[str], at: int) -> None:
        self._steps = frozenset(steps)
        self._left = at
        self._lock = threading.Lock()

    def burn(self, step: str) -> None:
        if step not in self._steps:
            return
        with self._lock:
            self._left -= 1
            if self._left:
                return
            os.kill(os.getpid(), signal.SIGKILL)
            while True:  # the signal may take a moment, and no step may slip through
                time.sleep(1)


def arm(steps: Collection[str], at: int) -> None:
    """Die before the `at`-th of these steps from now on."""
    fuse = _Fuse(steps, at)
    _shim.append(_Files(fuse))
    for name in ("send", "sendall"):
        setattr(socket.socket, name, _counted(getattr(socket.socket, name), fuse))


def _counted(send: Callable[..., Any], fuse: _Fuse) -> Callable[..., Any]:
    def counted(self: socket.socket, *args: Any) -> Any:
        fuse.burn("send")
        return send(self, *args)

    return counted


class _Files(apsw.VFS):
    def __init__(self, fuse: _Fuse) -> None:
        self._fuse = fuse
        super().__init__("mortal", "unix", makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _File(self._fuse, name, flags)


class _File(apsw.VFSFile):
    def __init__(self, fuse: _Fuse, name: Any, flags: list[int]) -> None:
        self._fuse = fuse
        super().__init__("unix", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._fuse.burn("xWrite")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._fuse.burn("xSync")
        super().xSync(flags)
