"""The fold for a million entries: the rules of `fold.py` on bytes, in place, saying only yes or no.

It refuses to say what is wrong: whatever it does not accept is folded again by `fold.py`, which
is the definition; a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeAlias

from engine import chart
from engine.fold import COLUMNS
from engine.guards import GUARDS, Guard
from engine.patterns import PAYMENT

Groups: TypeAlias = tuple[Any, ...]
_UNKNOWN, _CONTRADICTING, _UNWANTED = (
    b"outcome_unknown",
    b"contradicting_evidence",
    b"captured_unwanted",
)


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
    status: bytes
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


row_of: Callable[[Running], tuple[Any, ...]] = attrgetter(*COLUMNS)
"""The row that a payment must have, in the order of `fold.COLUMNS`."""


class Given:
    """What guards may see of an entry; one is used over and over."""

    __slots__ = ("amount", "captured", "now", "refunded_total")

    def __init__(self) -> None:
        self.now = self.amount = self.captured = self.refunded_total = 0


Handler: TypeAlias = Callable[[Running, Groups, int], bool]
Guarded: TypeAlias = Callable[[Running, Groups, int], bool]


def begin(stream: bytes, groups: Groups, at: int) -> Running | None:
    """The payment after its first entry, or None."""
    account, amount, _, currency, expires, flow, merchant, provider, tax_free, vat = groups[1:11]
    now = Running()
    now.amount, now.tax_free_amount, now.vat_amount = int(amount), int(tax_free), int(vat)
    legal = groups[-3] is None and groups[-1] == b"created" and now.amount >= 1
    if not legal or now.tax_free_amount + now.vat_amount > now.amount:
        return None
    set_id(now, stream, merchant, provider, account, flow, currency)
    now.status, now.chart, now.version = b"created", groups[0], 1
    now.created_at = now.updated_at = at  # type: ignore[attr-defined]
    now.expires_at = int(expires)
    now.captured_amount = now.refunded_amount = now.refunded_tax_free = now.refunded_vat = 0
    now.attempts = 0
    now.provider_ref = now.approved_at = now.completed_at = now.closed_at = None
    now.failure_code = now.needs_review = now.intent_op = now.intent_source = None
    now.intent_amount = now.intent_tax_free = now.intent_vat = now.intent_total = None
    return now


def set_id(now: Any, stream: bytes, *names: bytes) -> None:
    """Fill the columns that never change."""
    now.id = stream
    now.merchant, now.provider, now.account, now.flow, now.currency = names


def _make_ready(now: Running, groups: Groups, at: int) -> bool:
    now.expires_at, now.provider_ref = int(groups[1]), groups[3]
    return True


def _approve(now: Running, groups: Groups, at: int) -> bool:
    amount, total, op, tax_free, vat = groups[1:6]
    whole = now.amount
    if int(amount) != whole or int(total) != whole:
        return False
    if int(tax_free) != now.tax_free_amount or int(vat) != now.vat_amount:
        return False
    now.attempts += 1
    now.intent_op, now.intent_source = op, now.status
    now.intent_amount = now.intent_total = whole
    now.intent_tax_free, now.intent_vat = now.tax_free_amount, now.vat_amount
    return True


def _refund(now: Running, groups: Groups, at: int) -> bool:
    amount, _, total, op, tax_free, vat = groups[1:7]
    now.intent_amount, now.intent_total = int(amount), int(total)
    if now.intent_total != now.refunded_amount + now.intent_amount:
        return False
    now.intent_op, now.intent_source = op, now.status
    now.intent_tax_free, now.intent_vat = int(tax_free), int(vat)
    return True


def _capture(now: Running, captured: bytes, reference: bytes, at: int) -> bool:
    now.captured_amount = int(captured)
    if not 0 < now.captured_amount <= now.amount:
        return False
    if now.provider_ref is not None and now.provider_ref != reference:
        return False
    now.provider_ref, now.approved_at = reference, at
    return True


def _approval_confirmed(now: Running, groups: Groups, at: int) -> bool:
    return _capture(now, groups[1], groups[3], at) and _settle(now, groups[2])


def _charge_found(now: Running, groups: Groups, at: int) -> bool:
    return _capture(now, groups[1], groups[3], at)


def _declined(now: Running, groups: Groups, at: int) -> bool:
    now.failure_code = groups[1]
    return _settle(now, groups[2])


def _no_effect(now: Running, groups: Groups, at: int) -> bool:
    return _settle(now, groups[2])


def _complete(now: Running, groups: Groups, at: int) -> bool:
    now.completed_at = at
    return True


def _close(now: Running, groups: Groups, at: int) -> bool:
    return True


def _expire(now: Running, groups: Groups, at: int) -> bool:
    return int(groups[1]) == now.expires_at


def _refund_settled(now: Running, groups: Groups, at: int) -> bool:
    op, refunded, tax_free, vat = groups[1:5]
    told = (
        now.intent_total,
        now.refunded_tax_free + (now.intent_tax_free or 0),
        now.refunded_vat + (now.intent_vat or 0),
    )
    if (int(refunded), int(tax_free), int(vat)) != told:
        return False
    return _refund_found(now, groups, at) and _settle(now, op)


def _refund_found(now: Running, groups: Groups, at: int) -> bool:
    refunded, tax_free, vat = int(groups[2]), int(groups[3]), int(groups[4])
    if not now.refunded_amount < refunded <= now.captured_amount:
        return False
    if not now.refunded_tax_free <= tax_free <= now.tax_free_amount:
        return False
    if not now.refunded_vat <= vat <= now.vat_amount:
        return False
    now.refunded_amount, now.refunded_tax_free, now.refunded_vat = refunded, tax_free, vat
    return True


def _settle(now: Running, op: bytes) -> bool:
    if op != now.intent_op:
        return False
    now.intent_op = now.intent_source = now.intent_amount = now.intent_total = None
    now.intent_tax_free = now.intent_vat = None
    if now.needs_review == _UNKNOWN:
        now.needs_review = None
    return True


_HANDLERS: Mapping[str, Handler] = {
    "make_ready": _make_ready,
    "approve": _approve,
    "refund": _refund,
    "approval_confirmed": _approval_confirmed,
    "approval_declined": _declined,
    "approval_not_taken": _no_effect,
    "refund_rejected": _no_effect,
    "charge_found": _charge_found,
    "complete": _complete,
    "cancel": _close,
    "fail": _close,
    "expire": _expire,
    "refund_settled": _refund_settled,
    "refund_found": _refund_found,
}
_GIVEN = ("amount", "captured", "refunded_total")
_SEEN = Given()
_UNGUARDED: Guarded = lambda now, groups, at: True  # noqa: E731


@dataclass(frozen=True, slots=True)
class Step:
    """One edge of a chart: its guard, and what its event does to a payment."""

    guard: Guarded
    handler: Handler
    closes: bool
    charge_found: bool
    refunded: bool


class Steps(dict[tuple[bytes, bytes, bytes | None, bytes | None], Step | None]):
    """(chart, event, source, target) → its step, or None when that chart has no such edge."""

    def __missing__(self, key: tuple[bytes, bytes, bytes | None, bytes | None]) -> Step | None:
        """Look the edge up in the chart; only edges that exist are kept."""
        found = _step(*(part.decode("ascii", "replace") if part else "" for part in key))
        if found is not None:
            self[key] = found
        return found


STEPS = Steps()


def _step(version: str, event: str, source: str, target: str) -> Step | None:
    edges = chart.edges_of(version)
    if edges is None or (source, event, target) not in edges or event not in _HANDLERS:
        return None
    guard = edges[source, event, target]
    if guard is not None and guard not in GUARDS:
        return None
    return Step(
        _guard(GUARDS[guard], event, target.encode()) if guard else _UNGUARDED,
        _HANDLERS[event],
        target in chart.CLOSED,
        event == "charge_found",
        target == "refunded",
    )


def _guard(guard: Guard, event: str, target: bytes) -> Guarded:
    """Ask the guard itself: a payment and an entry have the names that it looks at."""
    fields = PAYMENT[b"transition", event.encode()].fields
    named = [name for name in _GIVEN if name in fields]
    place = 1 + fields.index(named[0]) if named else 0
    holds: Callable[[Any, Any, Any], bool] = guard.holds

    def ask(now: Running, groups: Groups, at: int) -> bool:
        _SEEN.now, _SEEN.amount, _SEEN.captured, _SEEN.refunded_total = at, 0, 0, 0
        if place:
            setattr(_SEEN, named[0], int(groups[place]))
        return holds(now, _SEEN, target)

    return ask


def released(version: bytes) -> bool:
    """Whether a chart of this version was ever released."""
    return version in _RELEASED or _look_up(version)


_RELEASED: set[bytes] = set()


def _look_up(version: bytes) -> bool:
    if chart.edges_of(version.decode("ascii", "replace")) is None:
        return False
    _RELEASED.add(version)
    return True


def transition(now: Running, event: bytes, groups: Groups, at: int) -> bool:
    """Fold one transition in place; False when it is not certainly legal and whole."""
    version, target = groups[0], groups[-1]
    step = STEPS[version, event, groups[-3], target]
    if step is None or groups[-3] != now.status:
        return False
    if not (step.guard(now, groups, at) and step.handler(now, groups, at)):
        return False
    now.status, now.chart = target, version
    now.version += 1
    now.updated_at = at
    if step.closes:
        now.closed_at = at
    if step.charge_found:
        now.needs_review, now.closed_at = _UNWANTED, None
    elif step.refunded and now.needs_review == _UNWANTED:
        now.needs_review = None
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
