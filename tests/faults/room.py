"""Real trouble for a real file: a disk without room, a folder that may not be written, a lock.

Each takes the strongest means that this machine allows, and says which in `means`.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from faults.disk import inserted, read_only

MIB = 1 << 20
HELD_S = 30
_HOLDER = """
import apsw, select, sys
connection = apsw.Connection(sys.argv[1])
connection.setbusytimeout(5000)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
select.select([sys.stdin], [], [], float(sys.argv[2]))
connection.execute("ROLLBACK")
connection.close()
"""


def _mount(*arguments: str) -> bool:
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, timeout=20, check=False)
    except OSError:
        return False
    return done.returncode == 0


def _unmount(folder: Path) -> None:
    """Lazily: SQLite keeps a file open while another connection of the process has a lock on it."""
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, timeout=20, check=True)


class Room:
    """A folder that can be filled to the last page, for this process or a child of it."""

    def __init__(self, folder: Path, *, mount: bool) -> None:
        folder.mkdir()
        self.folder = folder
        size = f"size={2 * MIB}"
        self._mounted = mount and _mount("-t", "tmpfs", "-o", size, "tmpfs", str(folder))
        self.means = "a full tmpfs" if self._mounted else "a limit on the size of files"
        self._limited: dict[int, tuple[int, int]] = {}

    def fill(self, pid: int | None = None) -> None:
        """From now on no file of the database grows."""
        if not self._mounted:
            self._limit(os.getpid() if pid is None else pid)
            return
        with (self.folder / "filler").open("ab", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                return

    def _limit(self, pid: int) -> None:
        largest = max(path.stat().st_size for path in self.folder.glob("*.db-wal"))
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        self._limited[pid] = before
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, before[1]))

    def free(self) -> None:
        """Give the room back."""
        (self.folder / "filler").unlink(missing_ok=True)
        for pid, before in self._limited.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        self._limited.clear()

    def close(self) -> None:
        """Free and unmount."""
        self.free()
        if self._mounted:
            _unmount(self.folder)


@contextmanager
def may_only_be_read(folder: Path) -> Iterator[str]:
    """Whoever opens a file of the folder in this block may only read it; yields the means."""
    with ExitStack() as undo:
        yield _made_read_only(folder, undo)


def _made_read_only(folder: Path, undo: ExitStack) -> str:
    place = str(folder)
    if _mount("--bind", place, place):
        undo.callback(_unmount, folder)
        if _mount("-o", "remount,bind,ro", place):
            return "a read-only mount"
    if os.geteuid() != 0:
        for path in folder.iterdir():
            undo.callback(path.chmod, path.stat().st_mode)
            path.chmod(0o444)
        return "file modes"
    undo.enter_context(inserted()).fail("open_to_write", read_only())
    return "the test's own disk"  # root may write whatever it likes, and here may not mount


@contextmanager
def locked(path: Path, seconds: float = HELD_S) -> Iterator[None]:
    """Another process holds the write lock, until the block or the time is over."""
    command = [sys.executable, "-c", _HOLDER, str(path), str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        try:
            yield
        finally:
            holder.stdin.close()
            assert holder.wait(20) == 0
