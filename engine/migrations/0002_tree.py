"""The tree over the log: its leaves and nodes, checkpoints, leases, and the name of the log."""

from typing import Any

from engine.dialect import create_tree, drop_tree


def up(migrator: Any, db: Any) -> None:
    """Create the tables; the outbox of the first version already queues every entry."""
    create_tree(db)


def down(migrator: Any, db: Any) -> None:
    """Drop them. Checkpoints that were signed cannot be extended after that."""
    drop_tree(db)
