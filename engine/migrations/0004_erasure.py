"""Erasure: which entries' personal values were erased, and by which entry of the book."""

from typing import Any

from engine.schema import create_erasures


def up(migrator: Any, db: Any) -> None:
    """Create the table, and the column that says it of a payment."""
    create_erasures(db)
