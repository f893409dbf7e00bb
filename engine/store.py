"""The database as the engine uses it: reads, one short write transaction, and honest failures.

It refuses to hide a storage error: any failure that is not a broken constraint becomes
StorageTrouble, and after an I/O error that may have lost written pages nothing is written until the
process restarts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import apsw
import peewee
from playhouse.migrations import Runner

from engine.dialect import (
    CHECKPOINT_PAGES,
    LOCK_WAIT_S,
    DurableSqlite,
    exclusive,
    may_have_lost_pages,
    needs_a_new_connection,
    pages_written,
)
from engine.errors import StorageTrouble
from engine.schema import scrub

MIGRATIONS = Path(__file__).with_name("migrations")
Row = dict[str, Any]


class Guard(Protocol):
    """Who may refuse to let anything be written; raises StorageTrouble."""

    def before_write(self) -> None:
        """Called before each write transaction."""

    def before_new_work(self) -> None:
        """Called before a caller's request is decided on."""


class Unguarded:
    """The guard of a database that nothing outside vouches for."""

    def before_write(self) -> None:
        """Let it be written."""

    def before_new_work(self) -> None:
        """Let it be decided."""


class Store:
    """One database. Threads share it; each has its own connection."""

    def __init__(self, url: str) -> None:
        self.path = sqlite_path(url)
        self.db = DurableSqlite(str(self.path))
        self._poisoned: str | None = None
        self._turns = threading.Lock()
        self._writer: apsw.Connection | None = None
        self._written = 0
        self._names: dict[str, tuple[str, ...]] = {}
        self._mine = _Mine()
        self.guard: Guard = Unguarded()

    def close(self) -> None:
        """Close this thread's connection, and the one that writes."""
        if not self.db.is_closed():
            self.db.close()
        with self._turns:
            self._close_writer()

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query, as dicts."""
        with _storage_errors:
            cursor = self._connection().execute(sql, params)
            names = self._names.get(sql)
            if names is None:
                try:
                    names = tuple(column[0] for column in cursor.getdescription())
                except apsw.ExecutionCompleteError:  # apsw's way to say that there is no row
                    return []
                if len(self._names) < _NAMED:
                    self._names[sql] = names
            try:
                return [dict(zip(names, row, strict=True)) for row in cursor]
            except ValueError:  # somebody has added a column
                self._names.clear()
                cursor.close()
                return self.rows(sql, params)

    def row(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        """The first row of a query as a dict, or None."""
        found = self.rows(sql, params)
        return found[0] if found else None

    def iterate(self, sql: str, params: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows one by one, in constant memory; close it, or no write follows on this thread."""
        with _storage_errors:
            cursor = self._connection().execute(sql, params)
            try:
                yield from cursor
            finally:
                cursor.close()

    def cursor(self, sql: str, params: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows one by one as fast as the driver gives them; to be used inside `snapshot()`."""
        rows: Iterator[tuple[Any, ...]] = self.db.execute_sql(sql, params)
        return rows

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Run a write inside `write()`; returns how many rows it touched."""
        connection = self._connection()
        with _storage_errors:
            connection.execute(sql, params)
            return int(connection.changes())

    @contextmanager
    def write(self) -> Iterator[None]:
        """One short write transaction, durable when the block is left without an exception.

        There is none inside another: what belongs together is one block. Raises StorageTrouble when
        the database cannot take it; constraint violations pass as peewee.IntegrityError. Inside
        `together()` it is durable when that block is left.
        """
        if self._mine.group is not None:
            with _storage_errors, self._mine.group.part():
                yield
            return
        self.guard.before_write()
        with _storage_errors, self._transaction(LOCK_WAIT_S):
            yield

    @contextmanager
    def together(self, patience_s: float) -> Iterator[None]:
        """Group commit: what this thread writes in the block is durable when it is left, or lost.

        Each `write()` in it is a part that can fail alone, by an exception of its caller's or a
        broken constraint; after any other failure nothing of the group is kept. Raises
        StorageTrouble then, and before the block when its turn does not come within patience_s.
        What the block reads is what stands in the group so far.
        """
        self.guard.before_write()
        with _storage_errors, self._transaction(patience_s) as connection:
            group = self._mine.group = _Group(connection)
            try:
                yield
                group.close()
            finally:
                self._mine.group = None

    @property
    def is_grouped(self) -> bool:
        """Whether this thread is inside `together()`: what it writes may yet be lost."""
        return self._mine.group is not None

    @contextmanager
    def _transaction(self, patience_s: float) -> Iterator[apsw.Connection]:
        with self._turn(patience_s) as connection:
            try:
                self._mine.connection = connection
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    if not connection.in_transaction:
                        raise StorageTrouble("SQLite gave the transaction up")
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            except (StorageTrouble, apsw.Error) as error:
                self._weigh_failure(connection, error)
                raise
            finally:
                self._mine.connection = None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read in the block is of one moment; writers go on meanwhile."""
        with _storage_errors:
            connection = self._connection()
            ours = not connection.in_transaction  # else the transaction around is a moment already
            if ours:
                connection.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                if ours and connection.in_transaction:
                    connection.execute("COMMIT")

    @contextmanager
    def _turn(self, patience_s: float) -> Iterator[apsw.Connection]:
        """One writer of this process at a time, on one connection, whose cache is then always true.

        All waiting together, for our own and for other processes, lasts patience_s at most.
        """
        if self._connection().in_transaction:
            raise RuntimeError(_INSIDE)
        ends = time.monotonic() + patience_s
        if not self._turns.acquire(timeout=patience_s):
            raise StorageTrouble("the database is locked")
        try:
            if self._poisoned:  # looked at in our turn: the writer before us may have met it
                raise StorageTrouble(self._poisoned)
            self.writer.setbusytimeout(int(max(ends - time.monotonic(), 0) * 1000))
            yield self.writer
        finally:
            self._turns.release()

    @property
    def writer(self) -> apsw.Connection:
        """The connection that all writes of this process go through."""
        if self._writer is None:
            self._writer = self.db.open_writer()
        return self._writer

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _weigh_failure(self, connection: apsw.Connection, error: BaseException) -> None:
        if may_have_lost_pages(connection, error):
            self._poisoned = "an I/O error on a write; restart after checking the disk"
        elif needs_a_new_connection(connection, error):
            self._close_writer()

    def _connection(self) -> apsw.Connection:
        """The connection that writes, inside `write()`; else this thread's, which Peewee opened."""
        if self._mine.connection is not None:
            return self._mine.connection
        connection: apsw.Connection = self.db.connection()
        return connection

    @property
    def poisoned(self) -> str | None:
        """Why this process no longer writes, or None."""
        return self._poisoned

    def backfill(self) -> None:
        """Move a long write-ahead log into the file, so that no commit has to.

        Most of it is moved while writers go on; they wait for the rest. Then the log begins anew.
        """
        with self._turns:
            if self._writer is not None:
                self._written += pages_written(self._writer)
        if self._written < CHECKPOINT_PAGES:
            return
        self._written = 0
        with _storage_errors:
            connection = self._connection()
            connection.wal_checkpoint()
            with self._turns:
                connection.wal_checkpoint()

    def scrub(self, vacuum: bool = False) -> bool:
        """Make deleted bytes unreadable in the files, too; False when a reader hindered it."""
        with self._turns, _storage_errors:
            return scrub(self.db, vacuum)

    def migrate(self) -> list[str]:
        """Bring the schema up to date; returns the names of the migrations that ran."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = self.path.with_name(self.path.name + "-migrate.lock")
        with exclusive(lock, "another process is migrating this database"), _storage_errors:
            return list(Runner(self.db, str(MIGRATIONS)).up())

    def pending_migrations(self) -> list[str]:
        """Names of migrations that have not run on this database."""
        with _storage_errors:
            return [m.name for m in Runner(self.db, str(MIGRATIONS)).status() if not m.applied]


def sqlite_path(url: str) -> Path:
    """The file of a `sqlite:///…` URL; `sqlite:////abs/path` is absolute. Raises ValueError."""
    prefix = "sqlite:///"
    if not url.startswith(prefix) or len(url) == len(prefix):
        raise ValueError(
            "STRADA_DATABASE_URL must look like sqlite:///strada.db or sqlite:////var/lib/strada.db"
        )
    return Path(url[len(prefix) :])


class _Mine(threading.local):
    """What a thread is in the middle of: the connection that it writes on, and its group."""

    connection: apsw.Connection | None = None
    group: _Group | None = None


class _Group:
    """The parts of one transaction: each may fail alone, unless the database failed it."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._inside = False
        self._broken: BaseException | None = None

    @contextmanager
    def part(self) -> Iterator[None]:
        """A write of the group; raises StorageTrouble once one was failed by the database."""
        if self._inside:
            raise RuntimeError(_INSIDE)
        self.close()
        self._inside = True
        try:
            self._connection.execute("SAVEPOINT part")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK TO part")
                raise
            finally:
                self._connection.execute("RELEASE part")
        except (StorageTrouble, apsw.Error) as error:
            self._broken = error
            raise
        finally:
            self._inside = False

    def close(self) -> None:
        """Raise StorageTrouble unless all parts so far can be kept."""
        if self._broken is not None or not self._connection.in_transaction:
            raise StorageTrouble("another write of the group failed") from self._broken


_NAMED = 500
"""Statements whose columns are remembered, at most."""
_INSIDE = "a write inside a write would wait for itself"


class _StorageErrors:
    """What SQLite could not do, as the engine says it."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, apsw.ConstraintError):
            raise peewee.IntegrityError(str(error)) from error
        if isinstance(error, peewee.IntegrityError):
            return
        if isinstance(error, peewee.DatabaseError | peewee.InterfaceError | apsw.Error):
            raise StorageTrouble(type(error).__name__) from error


_storage_errors = _StorageErrors()
