"""The fold for a million entries: the rules of `fold.py` on bytes, in place, saying only yes or no.

It refuses to say what is wrong: whatever it does not accept is folded again by `fold.py`, which
is the definition; a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, TypeAlias

from engine import chart
from engine.fold import COLUMNS
from engine.guards import GUARDS, Guard
from engine.layout import DATA, NAMES, NUMBERS, STREAM, Layout, Pieces, digest, instant, token
from engine.patterns import PAYMENT

Groups: TypeAlias = tuple[Any, ...]
"""What a pattern takes of an entry."""
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


row_of: Callable[[Running], tuple[Any, ...]] = attrgetter(*COLUMNS)
"""The row that a payment must have, in the order of `fold.COLUMNS`."""


class Given:
    """What guards may see of an entry; each guard of an edge fills one over and over."""

    __slots__ = ("amount", "captured", "now", "refunded_total")

    def __init__(self) -> None:
        self.now = self.amount = self.captured = self.refunded_total = 0


Handler: TypeAlias = Callable[[Running, Pieces, int], bool]
"""(payment, pieces of the entry, time) → whether it is legal; every piece is read or compared."""


def begin(now: Running, pieces: Pieces, at: int) -> bool:
    """Fill in the payment from its first entry; its commitments are its reader's to read."""
    account, amount, _, currency, expires, flow, merchant, provider, tax_free, vat = pieces[DATA]
    now.amount, now.tax_free_amount, now.vat_amount = whole = (
        NUMBERS[amount],
        NUMBERS[tax_free],
        NUMBERS[vat],
    )
    if whole[0] < 1 or whole[1] + whole[2] > whole[0]:
        return False
    now.id, now.created_at = token(pieces[STREAM]), at
    now.merchant, now.provider, now.account = NAMES[merchant], NAMES[provider], NAMES[account]
    now.flow, now.currency = NAMES[flow], NAMES[currency]
    now.version, now.updated_at = 1, at
    now.expires_at = instant(expires)
    now.captured_amount = now.refunded_amount = now.refunded_tax_free = now.refunded_vat = 0
    now.attempts = 0
    now.provider_ref = now.approved_at = now.completed_at = now.closed_at = None
    now.failure_code = now.needs_review = now.intent_op = now.intent_source = None
    now.intent_amount = now.intent_tax_free = now.intent_vat = now.intent_total = None
    return True


def _make_ready(now: Running, pieces: Pieces, at: int) -> bool:
    expires, op, reference = pieces[DATA]
    now.expires_at, now.provider_ref = instant(expires), token(reference)
    token(op)
    return True


def _approve(now: Running, pieces: Pieces, at: int) -> bool:
    amount, total, op, tax_free, vat = pieces[DATA]
    whole = now.amount
    if NUMBERS[amount] != whole or NUMBERS[total] != whole:
        return False
    if NUMBERS[tax_free] != now.tax_free_amount or NUMBERS[vat] != now.vat_amount:
        return False
    now.attempts += 1
    now.intent_op, now.intent_source = token(op), now.status
    now.intent_amount = now.intent_total = whole
    now.intent_tax_free, now.intent_vat = now.tax_free_amount, now.vat_amount
    return True


def _refund(now: Running, pieces: Pieces, at: int) -> bool:
    amount, _, total, op, tax_free, vat = pieces[DATA]
    now.intent_amount, now.intent_total = NUMBERS[amount], NUMBERS[total]
    if now.intent_total != now.refunded_amount + now.intent_amount:
        return False
    now.intent_op, now.intent_source = token(op), now.status
    now.intent_tax_free, now.intent_vat = NUMBERS[tax_free], NUMBERS[vat]
    return True


def _capture(now: Running, captured: bytes, evidence: bytes, reference: bytes, at: int) -> bool:
    now.captured_amount = NUMBERS[captured]
    if not 0 < now.captured_amount <= now.amount:
        return False
    if now.provider_ref is None:
        now.provider_ref = token(reference)
    digest(evidence)
    now.approved_at = at
    return now.provider_ref == reference


def _approval_confirmed(now: Running, pieces: Pieces, at: int) -> bool:
    captured, evidence, op, reference = pieces[DATA]
    return _capture(now, captured, evidence, reference, at) and _settle(now, op)


def _charge_found(now: Running, pieces: Pieces, at: int) -> bool:
    captured, evidence, op, reference = pieces[DATA]
    token(op)
    return _capture(now, captured, evidence, reference, at)


def _declined(now: Running, pieces: Pieces, at: int) -> bool:
    code, op = pieces[DATA]
    now.failure_code = token(code)
    return _settle(now, op)


def _no_effect(now: Running, pieces: Pieces, at: int) -> bool:
    code, op = pieces[DATA]
    token(code)
    return _settle(now, op)


def _complete(now: Running, pieces: Pieces, at: int) -> bool:
    now.completed_at = at
    return True


def _close(now: Running, pieces: Pieces, at: int) -> bool:
    return True


def _expire(now: Running, pieces: Pieces, at: int) -> bool:
    (expires,) = pieces[DATA]
    return instant(expires) == now.expires_at


def _refund_settled(now: Running, pieces: Pieces, at: int) -> bool:
    evidence, op, refunded, tax_free, vat = pieces[DATA]
    told = (
        now.intent_total,
        now.refunded_tax_free + (now.intent_tax_free or 0),
        now.refunded_vat + (now.intent_vat or 0),
    )
    if (NUMBERS[refunded], NUMBERS[tax_free], NUMBERS[vat]) != told:
        return False
    return _give_back(now, evidence, *told) and _settle(now, op)


def _refund_found(now: Running, pieces: Pieces, at: int) -> bool:
    evidence, op, refunded, tax_free, vat = pieces[DATA]
    token(op)
    return _give_back(now, evidence, NUMBERS[refunded], NUMBERS[tax_free], NUMBERS[vat])


def _give_back(now: Running, evidence: bytes, refunded: Any, tax_free: int, vat: int) -> bool:
    digest(evidence)
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
_FINDS = b"charge_found"


def meaning(layout: Layout) -> Handler | None:
    """What the transitions of a layout do to a payment; None where their chart has no such edge."""
    source, event, target = layout.source, layout.event, layout.target
    if not released(layout.chart):
        return None
    if event == b"create":
        whole = source is None and target == b"created"
        return _step(layout, None, begin) if whole else None
    edges = chart.edges_of(layout.chart.decode())
    edge = ((source or b"").decode(), event.decode(), (target or b"").decode())
    if edges is None or edge not in edges or edge[1] not in _HANDLERS:
        return None
    guard = edges[edge]
    if guard is not None and guard not in GUARDS:
        return None
    asked = _guard(GUARDS[guard], layout) if guard else None
    return _step(layout, asked, _HANDLERS[edge[1]])


def _step(layout: Layout, guard: Handler | None, handler: Handler) -> Handler:
    source, target, version = layout.source, layout.target or b"", layout.chart
    closes, finds = target.decode() in chart.CLOSED, layout.event == _FINDS
    refunded = target == b"refunded"

    def step(now: Running, pieces: Pieces, at: int) -> bool:
        if now.status != source or (guard is not None and not guard(now, pieces, at)):
            return False
        if not handler(now, pieces, at):
            return False
        now.status, now.chart = target, version
        if source is not None:
            now.version += 1
            now.updated_at = at
        if closes:
            now.closed_at = at
        if finds:
            now.needs_review, now.closed_at = _UNWANTED, None
        elif refunded and now.needs_review == _UNWANTED:
            now.needs_review = None
        return True

    return step


def _guard(guard: Guard, layout: Layout) -> Handler:
    """Ask the guard itself: a payment and an entry have the names that it looks at."""
    names = PAYMENT[b"transition", layout.event].names
    named = [name for name in _GIVEN if name in names]
    target, seen = layout.target, Given()
    place = DATA.start + 2 * names.index(named[0]) if named else 0
    holds: Callable[[Any, Any, Any], bool] = guard.holds

    def ask(now: Running, pieces: Pieces, at: int) -> bool:
        seen.now = at
        return holds(now, seen, target)

    def ask_amount(now: Running, pieces: Pieces, at: int) -> bool:
        seen.now, seen.amount = at, NUMBERS[pieces[place]]
        return holds(now, seen, target)

    def ask_captured(now: Running, pieces: Pieces, at: int) -> bool:
        seen.now, seen.captured = at, NUMBERS[pieces[place]]
        return holds(now, seen, target)

    def ask_total(now: Running, pieces: Pieces, at: int) -> bool:
        seen.now, seen.refunded_total = at, NUMBERS[pieces[place]]
        return holds(now, seen, target)

    return dict(zip(_GIVEN, (ask_amount, ask_captured, ask_total), strict=True))[named[0]] if named else ask


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
