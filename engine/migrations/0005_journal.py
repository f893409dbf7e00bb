"""The journal: what came from outside, and what became of it."""

from typing import Any

from engine.schema import create_journal


def up(migrator: Any, db: Any) -> None:
    """Create it."""
    create_journal(db)
