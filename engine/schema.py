"""DDL of SQLite from the third migration on: what is derived from the log, or stands beside it.

It refuses to alter what an earlier migration made in a way that an older release could not read.
"""

from __future__ import annotations

from typing import Any

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


def create_feed(db: Any) -> None:
    """Create the index of each merchant's places in the tree, over what the tree holds already."""
    db.execute_sql(_FEED)


def drop_feed(db: Any) -> None:
    """Drop it; it can be made again from the tree."""
    db.execute_sql("DROP TABLE feed")
