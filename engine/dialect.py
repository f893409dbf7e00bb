"""Everything SQL that only SQLite understands: DDL, pragmas, locks, error classes.

The rest of the engine speaks the SQL that SQLite and PostgreSQL share. It refuses a connection that
is not durable (`synchronous=FULL`, WAL) and an SQLite with the WAL-reset bug.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import apsw
from playhouse.apsw_ext import APSWDatabase

from engine.errors import causes

OLDEST_SQLITE = (3, 52, 0)
"""3.7.0 to 3.51.2 can lose a WAL that is reset at the wrong moment."""

LOCK_WAIT_S = 5.0

_NOTHING_WRITTEN = frozenset(
    {
        apsw.SQLITE_IOERR_ACCESS,
        apsw.SQLITE_IOERR_CHECKRESERVEDLOCK,
        apsw.SQLITE_IOERR_FSTAT,
        apsw.SQLITE_IOERR_LOCK,
        apsw.SQLITE_IOERR_NOMEM,
        apsw.SQLITE_IOERR_RDLOCK,
        apsw.SQLITE_IOERR_READ,
        apsw.SQLITE_IOERR_SHMLOCK,
        apsw.SQLITE_IOERR_SHMMAP,
        apsw.SQLITE_IOERR_SHMOPEN,
        apsw.SQLITE_IOERR_SHMSIZE,
        apsw.SQLITE_IOERR_SHORT_READ,
        apsw.SQLITE_IOERR_UNLOCK,
    }
)
"""I/O errors that lose no page that was written. The shared memory of the WAL holds nothing that a
restart needs, and finds no room on a full disk."""

_REFUSED = frozenset(
    {errno.EACCES, errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EPERM, errno.EROFS}
)
"""Why the system takes no write in the first place, as from a full disk; SQLite calls these I/O
errors. EBADF: the file was opened while it could only be read."""

_PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
CHECKPOINT_PAGES = 4000
"""A write-ahead log of 16 MB is moved into the file, off the hot path."""
BACKSTOP_PAGES = 4 * CHECKPOINT_PAGES
"""The commit that makes it so long moves it itself: nobody else did."""

_TABLES = """
CREATE TABLE merchants (
  name TEXT NOT NULL PRIMARY KEY,
  origins TEXT NOT NULL,
  schemes TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
  id TEXT NOT NULL PRIMARY KEY,
  prefix TEXT NOT NULL UNIQUE,
  hash BLOB NOT NULL,
  merchant TEXT NOT NULL REFERENCES merchants(name),
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  revoked_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
  merchant TEXT NOT NULL REFERENCES merchants(name),
  provider TEXT NOT NULL,
  account TEXT NOT NULL,
  sealed BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (merchant, provider)
) STRICT, WITHOUT ROWID;

CREATE TABLE transactions (
  id TEXT NOT NULL PRIMARY KEY,
  merchant TEXT NOT NULL REFERENCES merchants(name),
  provider TEXT NOT NULL,
  account TEXT NOT NULL,
  flow TEXT NOT NULL CHECK (flow IN ('server', 'client', 'reported')),
  amount INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
  currency TEXT NOT NULL,
  tax_free_amount INTEGER NOT NULL CHECK (tax_free_amount >= 0),
  vat_amount INTEGER NOT NULL CHECK (vat_amount >= 0),
  status TEXT NOT NULL,
  chart TEXT NOT NULL,
  version INTEGER NOT NULL CHECK (version >= 1),
  head_seq INTEGER NOT NULL CHECK (head_seq >= 1),
  head_hash TEXT NOT NULL,
  last_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  captured_amount INTEGER NOT NULL,
  refunded_amount INTEGER NOT NULL,
  refunded_tax_free INTEGER NOT NULL,
  refunded_vat INTEGER NOT NULL,
  attempts INTEGER NOT NULL CHECK (attempts BETWEEN 0 AND 5),
  provider_ref TEXT,
  approved_at INTEGER,
  completed_at INTEGER,
  closed_at INTEGER,
  failure_code TEXT,
  needs_review TEXT,
  intent_op TEXT,
  intent_source TEXT,
  intent_amount INTEGER,
  intent_tax_free INTEGER,
  intent_vat INTEGER,
  intent_total INTEGER,
  order_id TEXT,
  order_slot TEXT,
  customer_id TEXT,
  item_name TEXT,
  quantity INTEGER NOT NULL CHECK (quantity >= 1),
  metadata TEXT NOT NULL,
  urls TEXT NOT NULL,
  next_action TEXT,
  return_token BLOB UNIQUE,
  method TEXT,
  failure_message TEXT,
  failure_provider_code TEXT,
  look_at INTEGER,
  CHECK (0 <= refunded_amount AND refunded_amount <= captured_amount
         AND captured_amount <= amount),
  CHECK (tax_free_amount + vat_amount <= amount),
  CHECK (0 <= refunded_tax_free AND refunded_tax_free <= tax_free_amount),
  CHECK (0 <= refunded_vat AND refunded_vat <= vat_amount),
  CHECK ((status IN ('approving', 'refunding')) = (intent_op IS NOT NULL)),
  UNIQUE (merchant, order_slot),
  UNIQUE (provider, account, provider_ref)
) STRICT, WITHOUT ROWID;
CREATE INDEX transactions_by_merchant ON transactions (merchant, id);
CREATE INDEX transactions_by_order ON transactions (merchant, order_id, id);
CREATE INDEX transactions_expiring ON transactions (expires_at)
  WHERE status IN ('created', 'ready');
CREATE INDEX transactions_to_look_at ON transactions (look_at) WHERE look_at IS NOT NULL;

CREATE TABLE entries (
  stream TEXT NOT NULL,
  seq INTEGER NOT NULL CHECK (seq >= 1),
  kind TEXT NOT NULL,
  event TEXT NOT NULL,
  occurred_at INTEGER NOT NULL,
  hash TEXT NOT NULL,
  entry TEXT NOT NULL,
  PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER entries_never_updated BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER entries_never_deleted BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER entries_in_order BEFORE INSERT ON entries
WHEN NEW.seq <> 1 + COALESCE((SELECT MAX(seq) FROM entries WHERE stream = NEW.stream), 0)
BEGIN SELECT RAISE(ABORT, 'the log has no gap and no second entry of one seq'); END;

CREATE TABLE personal (
  stream TEXT NOT NULL,
  seq INTEGER NOT NULL,
  fields TEXT NOT NULL,
  PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE operations (
  id TEXT NOT NULL PRIMARY KEY,
  txn TEXT NOT NULL REFERENCES transactions(id),
  provider TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('prepare', 'approve', 'refund')),
  state TEXT NOT NULL CHECK (state IN ('open', 'settled', 'rejected', 'abandoned')),
  amount INTEGER NOT NULL,
  tax_free INTEGER NOT NULL,
  vat INTEGER NOT NULL,
  expected_total INTEGER NOT NULL,
  reason TEXT,
  credential BLOB,
  call_deadline INTEGER NOT NULL,
  settle_after INTEGER NOT NULL,
  sends INTEGER NOT NULL,
  looks INTEGER NOT NULL,
  next_check_at INTEGER NOT NULL,
  last_evidence TEXT,
  last_sha256 TEXT,
  idem_route TEXT,
  idem_key TEXT,
  created_at INTEGER NOT NULL,
  settled_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX operations_of ON operations (txn, created_at);
CREATE INDEX operations_due ON operations (next_check_at) WHERE state = 'open';
CREATE UNIQUE INDEX operations_one_open ON operations (txn) WHERE state = 'open';

CREATE TABLE gateways (
  provider TEXT NOT NULL PRIMARY KEY,
  down_since INTEGER,
  canary_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
  merchant TEXT NOT NULL,
  route TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint BLOB NOT NULL,
  txn TEXT,
  operation TEXT,
  code TEXT,
  body TEXT,
  version INTEGER,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (merchant, route, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
  stream TEXT NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

_TREE_TABLES = """
CREATE TABLE tree (
  position INTEGER NOT NULL PRIMARY KEY CHECK (position >= 0),
  stream TEXT NOT NULL,
  seq INTEGER NOT NULL CHECK (seq >= 1),
  hash TEXT NOT NULL,
  UNIQUE (stream, seq)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER tree_never_updated BEFORE UPDATE ON tree
BEGIN SELECT RAISE(ABORT, 'the tree is append-only'); END;
CREATE TRIGGER tree_never_deleted BEFORE DELETE ON tree
BEGIN SELECT RAISE(ABORT, 'the tree is append-only'); END;
CREATE TRIGGER tree_in_order BEFORE INSERT ON tree
WHEN NEW.position <> 1 + COALESCE((SELECT MAX(position) FROM tree), -1)
  OR NEW.seq <> 1 + COALESCE((SELECT MAX(seq) FROM tree WHERE stream = NEW.stream), 0)
BEGIN SELECT RAISE(ABORT, 'the tree has no gap and keeps the order of each stream'); END;

CREATE TABLE tree_nodes (
  level INTEGER NOT NULL CHECK (level >= 1),
  place INTEGER NOT NULL CHECK (place >= 0),
  hash BLOB NOT NULL CHECK (LENGTH(hash) = 32),
  PRIMARY KEY (level, place)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER tree_nodes_never_updated BEFORE UPDATE ON tree_nodes
BEGIN SELECT RAISE(ABORT, 'the tree is append-only'); END;
CREATE TRIGGER tree_nodes_never_deleted BEFORE DELETE ON tree_nodes
BEGIN SELECT RAISE(ABORT, 'the tree is append-only'); END;
CREATE TRIGGER tree_nodes_in_order BEFORE INSERT ON tree_nodes
WHEN NEW.place <> 1 + COALESCE((SELECT MAX(place) FROM tree_nodes WHERE level = NEW.level), -1)
BEGIN SELECT RAISE(ABORT, 'the tree has no gap'); END;

CREATE TABLE checkpoints (
  size INTEGER NOT NULL PRIMARY KEY CHECK (size >= 0),
  root TEXT NOT NULL,
  note TEXT NOT NULL,
  made_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE leases (
  name TEXT NOT NULL PRIMARY KEY,
  holder TEXT NOT NULL,
  until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE rechecks (
  txn TEXT NOT NULL PRIMARY KEY REFERENCES transactions(id)
) STRICT, WITHOUT ROWID;

INSERT INTO settings (name, value) VALUES ('log', 'log_' || LOWER(HEX(RANDOMBLOB(16))));
"""
"""Names the log as well: what is signed says which log it is of."""


class DurableSqlite(APSWDatabase):  # type: ignore[misc]
    """SQLite through apsw, one connection a thread, each checked to be durable before its use."""

    def __init__(self, path: str) -> None:
        if sqlite_version() < OLDEST_SQLITE:
            raise RuntimeError(
                f"SQLite {apsw.sqlitelibversion()} can lose data; install apsw >= 3.54"
            )
        super().__init__(path, pragmas=_PRAGMAS, timeout=LOCK_WAIT_S)

    def _add_conn_hooks(self, conn: Any) -> None:
        super()._add_conn_hooks(conn)
        conn.convert_binding = _as_text
        found = {name: conn.pragma(name) for name in _PRAGMAS}
        if found != _PRAGMAS:
            raise RuntimeError(f"SQLite did not take the pragmas {_PRAGMAS}: it says {found}")

    def open_writer(self) -> apsw.Connection:
        """A connection that belongs to no thread; whoever opened it closes it."""
        connection: apsw.Connection = self._connect()
        connection.wal_autocheckpoint(BACKSTOP_PAGES)
        return connection


def may_have_lost_pages(connection: apsw.Connection, error: BaseException) -> bool:
    """Whether the system may have dropped what it had taken to write: a later fsync would lie."""
    found = [cause for cause in causes(error) if isinstance(cause, apsw.IOError)]
    codes = {getattr(cause, "extendedresult", None) for cause in found} - _NOTHING_WRITTEN
    if codes == {apsw.SQLITE_IOERR_WRITE}:
        return connection.system_errno not in _REFUSED
    return bool(codes)


def needs_a_new_connection(connection: apsw.Connection, error: BaseException) -> bool:
    """Whether a connection stays useless although the cause of its failure goes.

    One opened while the file was read-only never writes; one left inside a transaction begins none.
    """
    stuck = any(isinstance(cause, apsw.ReadOnlyError | apsw.IOError) for cause in causes(error))
    return stuck or connection.in_transaction


def pages_written(connection: apsw.Connection) -> int:
    """How many pages a connection has written since this was last asked."""
    return int(connection.status(apsw.SQLITE_DBSTATUS_CACHE_WRITE, True)[0])


def _as_text(cursor: Any, number: int, value: Any) -> str:
    """Bind a date as text: the migration runner records one, apsw knows none."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be stored")


def sqlite_version() -> tuple[int, ...]:
    """The version of the SQLite inside apsw."""
    return tuple(int(part) for part in apsw.sqlitelibversion().split("."))


def pragmas(db: DurableSqlite) -> dict[str, Any]:
    """What this connection really runs with, for `strada doctor`."""
    return {name: db.connection().pragma(name) for name in _PRAGMAS}


def create_schema(db: Any) -> None:
    """Create the tables, indexes and triggers of the first version."""
    db.execute_sql(_TABLES)


def create_tree(db: Any) -> None:
    """Create what the tree over the log needs, and give the log its name."""
    db.execute_sql(_TREE_TABLES)


@contextmanager
def exclusive(path: Path, why: str) -> Iterator[None]:
    """Hold a file lock for the block; raises BlockingIOError naming `why` when it is taken."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(why) from error
        yield
    finally:
        os.close(handle)
