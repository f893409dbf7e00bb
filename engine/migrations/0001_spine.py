"""The first schema: merchants, transactions, the log, operations, idempotency, outbox."""

from typing import Any

from engine.dialect import create_schema, drop_schema


def up(migrator: Any, db: Any) -> None:
    """Create every table, index and trigger."""
    create_schema(db)


def down(migrator: Any, db: Any) -> None:
    """Drop them all. Loses the log; for development only."""
    drop_schema(db)
