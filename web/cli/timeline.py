"""A transaction's log as lines a person can read. It shows entries as they are and adds nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click

from engine.clock import rfc3339
from engine.verify import Step

_COLOURS = {"transition": "green", "refusal": "red", "evidence": "yellow", "note": "cyan"}
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
