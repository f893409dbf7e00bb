"""`strada audit diff`, `strada transactions list --tree-size`: the book as it was.

It refuses a checkpoint that this log does not extend: what it signed is not what would be shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from engine.clock import rfc3339
from engine.entry import MalformedEntry
from engine.errors import StorageTrouble
from engine.fold import Broken, Folded
from engine.travel import Change, Totals, book_at, changes
from web.cli.heads import checkpoint_of
from web.cli.shared import Context, Fail, failing, show_json, show_table, with_json
from web.wiring import Strada

_MONEY = ("amount", "captured_amount", "refunded_amount")
_SHOWN = ("id", "merchant", "provider", "status", *_MONEY, "currency", "needs_review")


def size_of(strada: Strada, given: str) -> int:
    """The size that a number or a checkpoint's file names; fails where this log cannot show it."""
    largest = _largest(strada)
    if given.isascii() and given.isdecimal():
        size = int(given)
        if size > largest:
            raise Fail(f"the tree has {largest} entries, not {size}", 2)
        return size
    held = checkpoint_of(strada, Path(given), None)
    assert held is not None
    if held.size > largest or strada.audit.tree.root(held.size) != held.root:
        raise Fail(f"this log does not extend {given}; try: strada audit verify --checkpoint")
    return held.size


def _largest(strada: Strada) -> int:
    try:
        return strada.audit.sequencer.drain()
    except StorageTrouble:  # such as a log that was set back: what it holds is still read
        return strada.audit.tree.size()


def book(strada: Strada, size: int, merchant: str | None, status: str | None) -> Iterator[Any]:
    """The payments of the book then, newest first, as they are shown."""
    try:
        for found in book_at(strada.store, size):
            if merchant in (None, found.merchant) and status in (None, found.status):
                yield _shown(found)
    except (Broken, MalformedEntry) as error:
        raise Fail(
            f"the log cannot be folded, expected {error}; try: strada audit verify"
        ) from None


def _shown(found: Folded) -> dict[str, Any]:
    shown = {name: getattr(found, name) for name in _SHOWN}
    return shown | {"head_seq": found.head_seq, "created_at": rfc3339(found.created_at)}


@click.command("diff")
@click.argument("first")
@click.argument("second")
@with_json
@click.pass_obj
@failing
def diff(obj: Context, first: str, second: str, as_json: bool) -> None:
    """Show what changed between two heads: each a size of the tree, or a checkpoint's file.

    \b
    Examples:
      strada audit diff 2026-11-25.checkpoint 2026-11-26.checkpoint
      strada audit diff 1042 1100
    """
    sizes = size_of(obj.strada, first), size_of(obj.strada, second)
    if sizes[0] > sizes[1]:
        raise Fail(f"{first} is the larger of the two: give the older one first", 2)
    try:
        touched = list(changes(obj.strada.store, *sizes))
    except (Broken, MalformedEntry) as error:
        raise Fail(
            f"the log cannot be folded, expected {error}; try: strada audit verify"
        ) from None
    moved = [change for change in touched if change.differs]
    totals = _totals(moved)
    if as_json:
        return show_json(
            {
                "from": sizes[0],
                "to": sizes[1],
                "changed": [_as_dict(change) for change in moved],
                "log_only": len(touched) - len(moved),
                "totals": {
                    name: {"captured": t.captured, "refunded": t.refunded}
                    for name, t in totals.items()
                },
            }
        )
    show_table(
        ("id", "merchant", "status", "captured", "refunded", "review"), list(map(_row, moved))
    )
    for name, total in totals.items():
        click.echo(f"{name}: captured {total.captured:+,}, refunded {total.refunded:+,}")
    rest = len(touched) - len(moved)
    return click.echo(
        f"{len(moved)} payments changed, {rest} more only in their log, "
        f"by {sizes[1] - sizes[0]} entries"
    )


def _totals(moved: list[Change]) -> dict[str, Totals]:
    totals: dict[str, Totals] = {}
    for change in moved:
        name = change.after.currency
        totals[name] = totals.get(name, Totals()).grown(change)
    return totals


def _as_dict(change: Change) -> dict[str, Any]:
    before = None if change.before is None else _shown(change.before)
    return {"id": change.after.id, "before": before, "after": _shown(change.after)}


def _row(change: Change) -> dict[str, Any]:
    after = _texts(change.after)
    before = dict.fromkeys(after, "·") if change.before is None else _texts(change.before)
    steps = {name: _step(before[name], after[name]) for name in after}
    return {"id": change.after.id, "merchant": change.after.merchant, **steps}


def _texts(found: Folded) -> dict[str, str]:
    return {
        "status": found.status,
        "captured": f"{found.captured_amount:,}",
        "refunded": f"{found.refunded_amount:,}",
        "review": found.needs_review or "-",
    }


def _step(before: str, after: str) -> str:
    return after if before == after else f"{before} → {after}"
