"""The fold for a million entries: the rules of `fold.py` on bytes, in place, saying only yes or no.

It refuses to say what is wrong: whatever it does not accept is folded again by `fold.py`, which
is the definition; a test holds the two against each other.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from engine import chart
from engine.fold import COLUMNS

Groups: TypeAlias = tuple[Any, ...]
"""What a pattern takes of an entry."""
_CONTRADICTING = b"contradicting_evidence"


class Running:
    """A payment while its log is read: columns as bytes and integers, and what guards may see."""

    __slots__ = COLUMNS

    amount: int
    tax_free_amount: int
    vat_amount: int
    captured_amount: int
    refunded_amount: int
    refunded_tax_free: int
    refunded_vat: int
    attempts: int
    version: int
    expires_at: int
    id: bytes
    merchant: bytes
    provider: bytes
    account: bytes
    flow: bytes
    currency: bytes
    created_at: int
    status: bytes | None
    chart: bytes
    provider_ref: bytes | None
    needs_review: bytes | None
    intent_op: bytes | None
    intent_source: bytes | None
    intent_amount: int | None
    intent_tax_free: int | None
    intent_vat: int | None
    intent_total: int | None
    head_seq: int
    head_hash: bytes
    last_at: int
    updated_at: int
    approved_at: int | None
    completed_at: int | None
    closed_at: int | None
    failure_code: bytes | None

    @property
    def captured(self) -> int:
        """What guards call it."""
        return self.captured_amount

    @property
    def refunded(self) -> int:
        """What guards call it."""
        return self.refunded_amount


def row_of(now: Running) -> tuple[Any, ...]:
    """The row that a payment must have, in the order of `fold.COLUMNS`."""
    return (
        now.id,
        now.merchant,
        now.provider,
        now.account,
        now.flow,
        now.amount,
        now.currency,
        now.tax_free_amount,
        now.vat_amount,
        now.status,
        now.chart,
        now.version,
        now.head_seq,
        now.head_hash,
        now.last_at,
        now.expires_at,
        now.created_at,
        now.updated_at,
        now.captured_amount,
        now.refunded_amount,
        now.refunded_tax_free,
        now.refunded_vat,
        now.attempts,
        now.provider_ref,
        now.approved_at,
        now.completed_at,
        now.closed_at,
        now.failure_code,
        now.needs_review,
        now.intent_op,
        now.intent_source,
        now.intent_amount,
        now.intent_tax_free,
        now.intent_vat,
        now.intent_total,
    )


# Spelt out, for it is far faster than attrgetter.
assert row_of.__code__.co_names == COLUMNS, "row_of does not follow fold.COLUMNS"


def released(version: bytes) -> bool:
    """Whether a chart of this version was ever released."""
    return version in _RELEASED or _look_up(version)


_RELEASED: set[bytes] = set()


def _look_up(version: bytes) -> bool:
    if chart.edges_of(version.decode("ascii", "replace")) is None:
        return False
    _RELEASED.add(version)
    return True


def beside(now: Running, kind: bytes, event: bytes, groups: Groups, at: int) -> bool:
    """Fold a refusal, evidence or note in place; False when it is not certainly whole."""
    if not (groups[-3] == groups[-1] == now.status and released(groups[0])):
        return False
    before = now.needs_review
    if kind == b"evidence":
        if before is None and groups[3] == b"contradicts":
            now.needs_review = _CONTRADICTING
    elif event == b"review_opened":
        now.needs_review = groups[1]
    elif event == b"review_closed":
        now.needs_review = None
    if now.needs_review != before:
        now.version += 1
        now.updated_at = at
    return True
