"""Transitions written again from what they must say: the fold as a comparison of bytes.

A payment folded so far predicts most of its next entry; the rest is cut out, judged and put in, and
an entry is taken when these are its bytes. It refuses to say what is wrong with any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from engine import chart
from engine.guards import GUARDS, Guard
from engine.layout import ACTORS, LIMIT, NAMES, Layout, Pieces, digest, token
from engine.patterns import PAYMENT
from engine.swift import Running, released

_UNKNOWN, _UNWANTED = b"outcome_unknown", b"captured_unwanted"
_DEEPEST = 40
"""Entries later in their stream are matched each time."""
_LAYOUTS, _CUTS = 10_000, 8
"""Lengths that are kept at most, and layouts of one: memory is constant."""
_NO_STEPS: tuple[Step, ...] = ()


class Given:
    """What guards may see of an entry; each guard of an edge fills one over and over."""

    __slots__ = ("amount", "captured", "now", "refunded_total")

    def __init__(self) -> None:
        self.now = self.amount = self.captured = self.refunded_total = 0


Handler: TypeAlias = Callable[[Running, "Step", Pieces, bytes, int, bytes], bytes | None]
"""(payment, step, pieces, entry, time, hash before) → commitments, b"" for none; None when refused.

A handler writes the entry again from what it must say and compares before it changes anything; it
raises ValueError or TypeError for pieces that are odd.
"""
Guarded: TypeAlias = Callable[[Running, int, int], bool]
"""(payment, time, the one amount of the entry that guards may see) → whether the guard holds."""


def _create(
    now: Running, step: Step, pieces: Pieces, raw: bytes, at: int, head: bytes
) -> bytes | None:
    actor, account, amount, held, currency, expires, *names, tax_free, vat, key, request = pieces
    flow, merchant, provider = names
    whole, free, taxed, until = int(amount), int(tax_free), int(vat), int(expires)
    told = (whole, held, currency, until, flow, merchant, provider, free, taxed)
    if raw != step.text % (actor, account, *told, key, at, head, request, now.id):
        return None
    if not (0 < whole < LIMIT and free >= 0 <= taxed and free + taxed <= whole):
        return None
    if not 0 <= until < LIMIT:
        return None
    now.amount, now.tax_free_amount, now.vat_amount, now.expires_at = whole, free, taxed, until
    now.merchant, now.provider, now.account = NAMES[merchant], NAMES[provider], NAMES[account]
    now.flow, now.currency = NAMES[flow], NAMES[currency]
    now.created_at = at
    now.version = now.captured_amount = now.attempts = 0
    now.refunded_amount = now.refunded_tax_free = now.refunded_vat = 0
    now.provider_ref = now.approved_at = now.completed_at = now.closed_at = None
    now.failure_code = now.needs_review = now.intent_op = now.intent_source = None
    now.intent_amount = now.intent_tax_free = now.intent_vat = now.intent_total = None
    return held


def _make_ready(
    now: Running, step: Step, pieces: Pieces, raw: bytes, at: int, head: bytes
) -> bytes | None:
    actor, expires, op, reference, key, request = pieces
    until = int(expires)
    if raw != step.text % (actor, until, op, reference, key, at, head, request, now.id):
        return None
    if not 0 <= until < LIMIT:
        return None
    token(op)
    now.provider_ref, now.expires_at = token(reference), until
    return b""


def _approve(
    now: Running, step: Step, pieces: Pieces, raw: bytes, at: int, head: bytes
) -> bytes | None:
    actor, op, key, request = pieces
    whole, free, taxed = now.amount, now.tax_free_amount, now.vat_amount
    told = (whole, whole, op, free, taxed)
    if raw != step.text % (actor, *told, key, at, head, request, now.id):
        return None
    if step.guard is not None and not step.guard(now, at, whole):
        return None
    now.intent_op, now.intent_source = token(op), now.status
    now.intent_amount = now.intent_total = whole
    now.intent_tax_free, now.intent_vat = free, taxed
    now.attempts += 1
    return b""


def _refund(
    now: Running, step: Step, pieces: Pieces, raw: bytes, at: int, head: bytes
) -> bytes | None:
    actor, amount, held, op, tax_free, vat, key, request = pieces
    back, free, taxed = int(amount), int(tax_free), int(vat)
    total = now.refunded_amount + back
    told = (back, held, total, op, free, taxed)
    if raw != step.text % (actor, *told, key, at, head, request, now.id):
        return None
    if not (0 <= back < LIMIT and 0 <= free < LIMIT and 0 <= taxed < LIMIT and total < LIMIT):
        return None
    if step.guard is not None and not step.guard(now, at, back):
        return None
    now.intent_op, now.intent_source = token(op), now.status
    now.intent_amount, now.intent_total = back, total
    now.intent_tax_free, now.intent_vat = free, taxed
    return held


def _approval_confirmed(
    now: Running, step: Step, pieces: Pieces, raw: bytes, at: int, head: bytes
) -> bytes | None:
    actor, captured, evidence, reference, key, request = pieces
    op, taken, known = now.intent_op, int(captured), now.provider_ref
    told = (taken, evidence, op, reference)
    if raw != step.text % (actor, *told, key, at, head, request, now.id):
        return None
    if not 0 < taken <= now.amount or (known is not None and known != reference):
        return None
    if step.guard is not None and not step.guard(now, at, taken):
        return None
    digest(evidence)
    now.provider_ref, now.captured_amount, now.approved_at = token(reference), taken, at
    _settle(now)
    return b""


def _charge_found(
    now: Running, step: Step, pieces: Pieces, raw: bytes, at: int, head: bytes
) -> bytes | None:
    actor, captured, evidence, op, reference, key, request = pieces
    taken, known = int(captured), now.provider_ref
    told = (taken, evidence, token(op), token(reference))
    refused = step.guard is not None and not step.guard(now, at, taken)
    if refused or raw != step.text % (actor, *told, key, at, head, request, now.id):
        return None
    if not 0 < taken <= now.amount or (known is not None and known != reference):
        return None
    digest(evidence)
    now.provider_ref, now.captured_amount, now.approved_at = reference, taken, at
    return b""


def _not_done(
    now: Running, step: Step, pieces: Pieces, raw: bytes, at: int, head: bytes
) -> bytes | None:
    actor, code, key, request = pieces
    told = (token(code), now.intent_op)
    if raw != step.text % (actor, *told, key, at, head, request, now.id):
        return None
    if step.guard is not None and not step.guard(now, at, 0):
        return None
    if step.declines:
        now.failure_code = code
    _settle(now)
    return b""


def _ended(
    now: Running, step: Step, pieces: Pieces, raw: bytes, at: int, head: bytes
) -> bytes | None:
    actor, held, key, request = pieces
    if raw != step.text % (actor, held, key, at, head, request, now.id):
        return None
    if step.guard is not None and not step.guard(now, at, 0):
        return None
    if step.completes:
        now.completed_at = at
    return held


def _expire(
    now: Running, step: Step, pieces: Pieces, raw: bytes, at: int, head: bytes
) -> bytes | None:
    actor, key, request = pieces
    if raw != step.text % (actor, now.expires_at, key, at, head, request, now.id):
        return None
    return b"" if step.guard is None or step.guard(now, at, 0) else None


def _refund_settled(
    now: Running, step: Step, pieces: Pieces, raw: bytes, at: int, head: bytes
) -> bytes | None:
    actor, evidence, key, request = pieces
    total = now.intent_total or 0
    free = now.refunded_tax_free + (now.intent_tax_free or 0)
    taxed = now.refunded_vat + (now.intent_vat or 0)
    told = (evidence, now.intent_op, total, free, taxed)
    if raw != step.text % (actor, *told, key, at, head, request, now.id):
        return None
    if not _given_back(now, step, digest(evidence), total, free, taxed, at):
        return None
    _settle(now)
    return b""


def _refund_found(
    now: Running, step: Step, pieces: Pieces, raw: bytes, at: int, head: bytes
) -> bytes | None:
    actor, evidence, op, refunded, tax_free, vat, key, request = pieces
    total, free, taxed = int(refunded), int(tax_free), int(vat)
    told = (evidence, token(op), total, free, taxed)
    if raw != step.text % (actor, *told, key, at, head, request, now.id):
        return None
    return b"" if _given_back(now, step, digest(evidence), total, free, taxed, at) else None


def _given_back(
    now: Running, step: Step, evidence: bytes, total: int, free: int, taxed: int, at: int
) -> bool:
    if not now.refunded_amount < total <= now.captured_amount:
        return False
    if not now.refunded_tax_free <= free <= now.tax_free_amount:
        return False
    if not now.refunded_vat <= taxed <= now.vat_amount:
        return False
    if step.guard is not None and not step.guard(now, at, total):
        return False
    now.refunded_amount, now.refunded_tax_free, now.refunded_vat = total, free, taxed
    return True


def _settle(now: Running) -> None:
    now.intent_op = now.intent_source = now.intent_amount = now.intent_total = None
    now.intent_tax_free = now.intent_vat = None
    if now.needs_review == _UNKNOWN:
        now.needs_review = None


_WHOLE = "amount expected_total tax_free vat"
_HANDLERS: Mapping[bytes, tuple[Handler, frozenset[str]]] = {
    event: (handler, frozenset(predicted.split()))
    for event, handler, predicted in (
        (b"create", _create, ""),
        (b"make_ready", _make_ready, ""),
        (b"approve", _approve, _WHOLE),
        (b"approval_confirmed", _approval_confirmed, "op"),
        (b"approval_declined", _not_done, "op"),
        (b"approval_not_taken", _not_done, "op"),
        (b"complete", _ended, ""),
        (b"cancel", _ended, ""),
        (b"fail", _ended, ""),
        (b"expire", _expire, "expires_at"),
        (b"refund", _refund, "expected_total"),
        (b"refund_settled", _refund_settled, "op refunded_total tax_free_total vat_total"),
        (b"refund_rejected", _not_done, "op"),
        (b"charge_found", _charge_found, ""),
        (b"refund_found", _refund_found, ""),
    )
}
"""What an event does to a payment, and the fields of it that are predicted."""
_GIVEN = ("amount", "captured", "refunded_total")


class Step:
    """Transitions of one layout: how they are read, and what they do to a payment."""

    __slots__ = (
        *("_handler", "_key", "chart", "closes", "completes", "cut", "declines", "finds"),
        *("guard", "refunded", "source", "target", "text"),
    )

    def __init__(self, event: bytes, layout: Layout, guard: Guarded | None) -> None:
        self.text, self.cut, self.guard = layout.text, layout.cut, guard
        self.chart, self.source, self.target = layout.chart, layout.source, layout.target or b""
        self._handler, predicted = _HANDLERS[event]
        self._key = 1 + len(PAYMENT[b"transition", event].names) - len(predicted)
        self.closes = self.target.decode() in chart.CLOSED
        self.finds, self.refunded = event == b"charge_found", self.target == b"refunded"
        self.completes, self.declines = event == b"complete", event == b"approval_declined"

    def take(self, now: Running, raw: bytes, at: int, head: bytes) -> bytes | None:
        """Fold an entry in place; its commitments (b"" for none), or None when it is not accepted.

        What is not accepted leaves the payment as it was; so does what raises ValueError or
        TypeError, which is not accepted either.
        """
        if now.status != self.source:
            return None
        pieces = self.cut(raw)
        place = self._key
        ACTORS[pieces[0]]
        if key := pieces[place]:
            digest(key)
        if request := pieces[place + 1]:
            token(request)
        held = self._handler(now, self, pieces, raw, at, head)
        if held is None:
            return None
        now.status, now.chart, now.updated_at = self.target, self.chart, at
        now.version += 1
        if self.closes:
            now.closed_at = at
        if self.finds:
            now.needs_review, now.closed_at = _UNWANTED, None
        elif self.refunded and now.needs_review == _UNWANTED:
            now.needs_review = None
        return held


class Steps(dict[tuple[bytes, int, int], list[Step]]):
    """(event, seq, length) → the steps whose layouts were seen."""

    def take(
        self, now: Running, event: bytes, seq: int, raw: bytes, at: int, head: bytes
    ) -> bytes | None:
        """Fold a transition in place, as `Step.take` does, whatever its layout."""
        for step in self.get((event, seq, len(raw)), _NO_STEPS):
            try:
                held = step.take(now, raw, at, head)
            except (ValueError, TypeError):  # cut where another layout would not have been
                continue
            if held is not None:
                return held
        return self._learnt(now, event, seq, raw, at, head)

    def _learnt(
        self, now: Running, event: bytes, seq: int, raw: bytes, at: int, head: bytes
    ) -> bytes | None:
        step = _step(event, seq, raw)
        held = step.take(now, raw, at, head) if step is not None else None
        key = event, seq, len(raw)
        if step is None or held is None or seq > _DEEPEST:
            return held
        known = self.get(key, [])
        if len(self) < _LAYOUTS and len(known) < _CUTS:
            self[key] = [*known, step]
        return held


STEPS = Steps()


def _step(event: bytes, seq: int, raw: bytes) -> Step | None:
    """What transitions like this one do; None when it is none of a released chart."""
    pattern = PAYMENT.get((b"transition", event))
    found = pattern.match(raw) if pattern is not None else None
    if pattern is None or found is None or event not in _HANDLERS:
        return None
    layout = Layout(pattern, found, _HANDLERS[event][1])
    if layout.seq != seq or not released(layout.chart):
        return None
    if event == b"create":
        first = layout.source is None and layout.target == b"created"
        return Step(event, layout, None) if first else None
    edges = chart.edges_of(layout.chart.decode())
    ends = (layout.source or b"", layout.target or b"")
    source, target = (end.decode("ascii", "replace") for end in ends)
    if edges is None or (source, event.decode(), target) not in edges:
        return None
    name = edges[source, event.decode(), target]
    if name is None:
        return Step(event, layout, None)
    return Step(event, layout, _guard(GUARDS[name], event, layout)) if name in GUARDS else None


def _guard(guard: Guard, event: bytes, layout: Layout) -> Guarded:
    """Ask the guard itself: a payment and an entry have the names that it looks at."""
    names = PAYMENT[b"transition", event].names
    named = next((name for name in _GIVEN if name in names), "now")
    target, seen = layout.target, Given()
    holds: Callable[[Any, Any, Any], bool] = guard.holds

    def ask(now: Running, at: int, amount: int) -> bool:
        setattr(seen, named, amount)
        seen.now = at
        return holds(now, seen, target)

    return ask
