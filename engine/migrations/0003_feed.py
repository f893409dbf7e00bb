"""The feed: which places of the tree are a merchant's."""

from typing import Any

from engine.schema import create_feed


def up(migrator: Any, db: Any) -> None:
    """Create it and fill it from the tree."""
    create_feed(db)
