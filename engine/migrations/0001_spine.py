"""The first schema: merchants, transactions, the log, operations, idempotency, outbox."""

from typing import Any

from engine.dialect import create_schema


def up(migrator: Any, db: Any) -> None:
    """Create every table, index and trigger."""
    create_schema(db)
