"""A shop on a disk that can be made to fail, and what holds while it does.

It refuses to believe our own database: whether a step began at the gateway is the gateway's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
from faults.disk import Disk, Fault, full, inserted, io_error, read_only
from house import House
from storefront import Site
from werkzeug.test import TestResponse

from engine.verify import verify

STEPS: dict[str, Callable[[House], str | None]] = {
    "create": lambda house: None,
    "ready": House.create,
    "approve": House.ready,
    "complete": House.approved,
    "cancel": House.ready,
    "fail": House.ready,
    "refund": House.approved,
}
"""Event → how to make a payment that it can be fired at."""


class Counter:
    """A site over a house on a failing disk, all in this thread."""

    def __init__(self, path: Path, disk: Disk | None = None) -> None:
        self.path = path
        if disk is not None:
            self.disk = disk
        self.house = House(path)
        self.site = Site(self.house)
        self._another = self._thread_of_the_server()

    def _thread_of_the_server(self) -> apsw.Connection:
        """A connection beside ours keeps the log of the WAL where it is, as other threads do."""
        another = apsw.Connection(str(self.path))
        another.execute("SELECT count(*) FROM settings").fetchall()
        return another

    def close(self) -> None:
        """Close every connection."""
        self.house.store.close()
        self._another.close()

    def restart(self) -> None:
        """The process dies and starts again; the gateway and the time are what they were."""
        before = self.house
        self.close()
        self.house = House(self.path)
        self.house.gateway.books = before.gateway.books
        self.house.time.now = before.time.now
        self.site = Site(self.house)
        self._another = self._thread_of_the_server()

    def fire(self, txn: str | None, event: str) -> TestResponse:
        """One step over HTTP, always with the same key: a repeat is the same request."""
        if txn is None:
            body = self.site.order(order_id="one-order")
            return self.site.call("POST", "/transactions", body, Idempotency_Key="same-key")
        return self.site.fire(txn, event, Idempotency_Key="same-key")

    def begun(self) -> int:
        """How many calls that do something arrived at the gateway; looking up does nothing."""
        return sum(verb != "look_up" for verb in self.house.gateway.calls)


@contextmanager
def opened(folder: Path) -> Iterator[Counter]:
    """A counter on a disk that can be told to fail; at its end the whole log is verified."""
    with inserted() as disk:
        counter = Counter(folder / "strada.db", disk)
        yield counter
        disk.heal()
        _verified(counter)


@contextmanager
def on_the_real_disk(folder: Path) -> Iterator[Counter]:
    """A counter with nothing between SQLite and the system; its log is verified too."""
    counter = Counter(folder / "strada.db")
    yield counter
    _verified(counter)


def _verified(counter: Counter) -> None:
    report = verify(counter.house.store)
    counter.close()
    assert report.whole, report.findings


def disk_full(counter: Counter) -> Fault:
    """No byte can be written."""
    return counter.disk.fail("write", full())


def wal_full(counter: Counter) -> Fault:
    """The write-ahead log cannot grow."""
    return counter.disk.fail("write", full(), "-wal")


def unreadable(counter: Counter) -> Fault:
    """A connection that has nothing in its cache reads, and cannot."""
    counter.house.store.close()
    return counter.disk.fail("read", io_error(apsw.SQLITE_IOERR_READ))


def not_writable(counter: Counter) -> Fault:
    """Writing is not allowed any more."""
    return counter.disk.fail("write", read_only())


def opened_read_only(counter: Counter) -> Fault:
    """The connection was made while the file was not writable."""
    counter.house.store.close()
    return counter.disk.fail("open_to_write", read_only())


def no_shared_memory(counter: Counter) -> Fault:
    """What a full disk says when SQLite needs more shared memory."""
    return counter.disk.fail("write", io_error(apsw.SQLITE_IOERR_SHMSIZE))


def failed_sync(counter: Counter, **more: Any) -> Fault:
    """The disk took the commit and then could not keep it."""
    return counter.disk.fail("sync", io_error(apsw.SQLITE_IOERR_FSYNC), "-wal", times=1, **more)


def failed_write(counter: Counter) -> Fault:
    """The disk failed while it took the commit."""
    return counter.disk.fail("write", io_error(apsw.SQLITE_IOERR_WRITE), "-wal", times=1)


PASSING: dict[str, Callable[[Counter], Fault]] = {
    fault.__name__: fault  # type: ignore[attr-defined]
    for fault in (disk_full, wal_full, unreadable, not_writable, opened_read_only, no_shared_memory)
}
"""What is over when its cause is over."""
LASTING: dict[str, Callable[[Counter], Fault]] = {
    fault.__name__: fault  # type: ignore[attr-defined]
    for fault in (failed_sync, failed_write)
}
"""After these the system may have dropped what it had taken."""
