"""Sessions of the console, as hashes."""

from typing import Any

from engine.schema import create_sessions


def up(migrator: Any, db: Any) -> None:
    """Create the table."""
    create_sessions(db)
