"""The database as the engine uses it: reads, one short write transaction, and honest failures.

It refuses to hide a storage error: any failure that is not a broken constraint becomes
StorageTrouble, and after an I/O error on a write nothing is written until the process restarts.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import apsw
import peewee
from playhouse.migrations import Runner

from engine.dialect import DurableSqlite, exclusive
from engine.errors import StorageTrouble

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
        self._writer = threading.RLock()
        self.guard: Guard = Unguarded()

    def close(self) -> None:
        """Close this thread's connection."""
        if not self.db.is_closed():
            self.db.close()

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query, as dicts."""
        with _storage_errors():
            cursor = self.db.execute_sql(sql, params)
            try:
                names = [column[0] for column in cursor.getdescription()]
            except apsw.ExecutionCompleteError:  # apsw's way to say that there is no row
                return []
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def row(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        """The first row of a query as a dict, or None."""
        found = self.rows(sql, params)
        return found[0] if found else None

    def iterate(self, sql: str, params: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows one by one, in constant memory; close it, or no write follows on this thread."""
        with _storage_errors():
            cursor = self.db.execute_sql(sql, params)
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
        cursor = self.db.execute_sql(sql, params)
        return int(self.db.rows_affected(cursor))

    @contextmanager
    def write(self) -> Iterator[None]:
        """One short write transaction, durable when the block is left without an exception.

        Raises StorageTrouble when the database cannot take it; constraint violations pass as
        peewee.IntegrityError.
        """
        if self._poisoned:
            raise StorageTrouble(self._poisoned)
        self.guard.before_write()
        with self._writer, _storage_errors():
            try:
                with self.db.atomic("IMMEDIATE"):
                    yield
            except (peewee.OperationalError, apsw.IOError) as error:
                if isinstance(error.__cause__ or error, apsw.IOError):
                    self._poisoned = "an I/O error on a write; restart after checking the disk"
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read in the block is of one moment; writers go on meanwhile."""
        with _storage_errors(), self.db.atomic("DEFERRED"):
            yield

    @property
    def poisoned(self) -> str | None:
        """Why this process no longer writes, or None."""
        return self._poisoned

    def migrate(self) -> list[str]:
        """Bring the schema up to date; returns the names of the migrations that ran."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = self.path.with_name(self.path.name + "-migrate.lock")
        with exclusive(lock, "another process is migrating this database"), _storage_errors():
            return list(Runner(self.db, str(MIGRATIONS)).up())

    def pending_migrations(self) -> list[str]:
        """Names of migrations that have not run on this database."""
        with _storage_errors():
            return [m.name for m in Runner(self.db, str(MIGRATIONS)).status() if not m.applied]


def sqlite_path(url: str) -> Path:
    """The file of a `sqlite:///…` URL; `sqlite:////abs/path` is absolute. Raises ValueError."""
    prefix = "sqlite:///"
    if not url.startswith(prefix) or len(url) == len(prefix):
        raise ValueError(
            "STRADA_DATABASE_URL must look like sqlite:///strada.db or sqlite:////var/lib/strada.db"
        )
    return Path(url[len(prefix) :])


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except peewee.IntegrityError:
        raise
    except (peewee.DatabaseError, peewee.InterfaceError, apsw.Error) as error:
        raise StorageTrouble(type(error).__name__) from error
