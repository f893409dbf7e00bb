"""SQLite from the third migration on: what is derived from the log, or stands beside it; scrubbing.

It refuses to alter what an earlier migration made in a way that an older release could not read.
"""

from __future__ import annotations

from typing import Any

import apsw

from engine.dialect import DurableSqlite

_FEED = """
CREATE TABLE feed (
  merchant TEXT NOT NULL,
  position INTEGER NOT NULL CHECK (position >= 0),
  PRIMARY KEY (merchant, position)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER feed_never_updated BEFORE UPDATE ON feed
BEGIN SELECT RAISE(ABORT, 'the feed is append-only'); END;
CREATE TRIGGER feed_never_deleted BEFORE DELETE ON feed
BEGIN SELECT RAISE(ABORT, 'the feed is append-only'); END;
CREATE TRIGGER feed_in_order BEFORE INSERT ON feed
WHEN NEW.position <= COALESCE((SELECT MAX(position) FROM feed WHERE merchant = NEW.merchant), -1)
BEGIN SELECT RAISE(ABORT, 'the feed keeps the order of the tree'); END;

INSERT INTO feed (merchant, position)
SELECT x.merchant, t.position FROM tree t JOIN transactions x ON x.id = t.stream
ORDER BY t.position;
"""

_ERASURES = """
CREATE TABLE erasures (
  stream TEXT NOT NULL,
  seq INTEGER NOT NULL CHECK (seq >= 1),
  book_seq INTEGER NOT NULL CHECK (book_seq >= 1),
  PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX erasures_by_book ON erasures (book_seq, stream, seq);
CREATE TRIGGER erasures_never_updated BEFORE UPDATE ON erasures
BEGIN SELECT RAISE(ABORT, 'what was erased stays erased'); END;
CREATE TRIGGER erasures_never_deleted BEFORE DELETE ON erasures
BEGIN SELECT RAISE(ABORT, 'what was erased stays erased'); END;
ALTER TABLE transactions ADD COLUMN erased_at INTEGER;
"""

_JOURNAL = """
CREATE TABLE journal (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('return', 'report', 'notice')),
  txn TEXT,
  request_id TEXT,
  digest TEXT,
  verdict TEXT NOT NULL CHECK (verdict IN ('applied', 'duplicate', 'late', 'ignored')),
  why TEXT NOT NULL,
  seq INTEGER,
  operation TEXT
) STRICT;
CREATE INDEX journal_of ON journal (txn, id);
"""

_SESSIONS = """
CREATE TABLE sessions (
  hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
  key TEXT NOT NULL REFERENCES api_keys (id),
  ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of ON sessions (key, ends_at);
CREATE INDEX sessions_due ON sessions (ends_at);
"""


def create_feed(db: Any) -> None:
    """Create the index of each merchant's places in the tree, over what the tree holds already."""
    db.execute_sql(_FEED)


def create_erasures(db: Any) -> None:
    """Create the record of what was erased."""
    db.execute_sql(_ERASURES)


def create_journal(db: Any) -> None:
    """Create the record of what came from outside."""
    db.execute_sql(_JOURNAL)


def create_sessions(db: Any) -> None:
    """Create the console's sessions."""
    db.execute_sql(_SESSIONS)


def scrub(db: DurableSqlite, vacuum: bool) -> bool:
    """Empty the write-ahead log, whose frames hold what was deleted; False when others read on.

    Freed bytes of the file itself are zeros already (`secure_delete`). vacuum: write the file anew,
    for what was deleted before that was so; nobody else can write meanwhile.
    """
    connection = db.connection()
    try:
        if vacuum:
            connection.execute("VACUUM")
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.BusyError:
        return False
    return True
