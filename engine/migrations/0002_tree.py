"""The tree over the log: its leaves and nodes, checkpoints, leases, and the name of the log."""

from typing import Any

from engine.dialect import create_tree


def up(migrator: Any, db: Any) -> None:
    """Create the tables; the outbox of the first version already queues every entry."""
    create_tree(db)
