"""A transaction's log as lines a person can read. It shows entries as they are and adds nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click
from rich.text import Text

from engine.clock import rfc3339
from engine.fold import Folded
from engine.verify import Step

_COLOURS = {"transition": "green", "refusal": "red", "evidence": "yellow", "note": "cyan"}
_BOOKKEEPING = frozenset("head_seq head_hash last_at updated_at version chart id".split())
"""Facts that change with every entry, and what the entry's own line says already."""
_AMOUNTS = ("amount", "captured", "refunded_total")


def lines(steps: Iterable[Step]) -> Iterator[str]:
    """One line an entry: seq, time, what happened, who did it, the amount, the hash's head."""
    for step in steps:
        fields = step.entry.fields
        what = click.style(f"{fields['event']:<20}", fg=_COLOURS[fields["kind"]])
        yield (
            f"{fields['seq']:>4}  {rfc3339(fields['occurred_at'])}  {what} {_path(fields):<34} "
            f"{fields['actor'][:24]:<24} {_amount(fields['data']):>12}  {step.entry.hash[:12]}"
        )


def _path(fields: Mapping[str, Any]) -> str:
    if fields["kind"] != "transition":
        said = fields["data"].get("code") or fields["data"].get("verdict") or ""
        return f"{fields['kind']} {said}".strip()
    return f"{fields['source'] or '·'} → {fields['target']}"


def _amount(data: Mapping[str, Any]) -> str:
    for name in _AMOUNTS:
        if name in data:
            return f"{data[name]:,}"
    return ""


def walk(steps: Iterable[Step]) -> Iterator[Text]:
    """Each entry as text for a terminal, with the facts of the payment that it changed."""
    before: Folded | None = None
    for step in steps:
        said = Text.from_ansi(next(lines([step])))
        for name, was, now in _changed(before, step.after):
            said.append(f"\n      {name:<18} ", style="dim")
            said.append(f"{_fact(was)} → ", style="dim")
            said.append(_fact(now), style="bold")
        before = step.after
        yield said


def _changed(before: Folded | None, after: Folded | None) -> Iterator[tuple[str, Any, Any]]:
    for name in after.__slots__ if after is not None else ():
        was, now = getattr(before, name, None), getattr(after, name)
        if was != now and name not in _BOOKKEEPING:
            moment = name.endswith("_at")
            yield name, *((rfc3339(was), rfc3339(now)) if moment else (was, now))


def _fact(value: Any) -> str:
    if value is None:
        return "·"
    return f"{value:,}" if isinstance(value, int) else str(value)
