"""Guards: the closed vocabulary of conditions, as pure functions over folded facts.

It refuses to look anywhere else: what a guard may see is `Facts` and `Given`, both plain numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

MAX_APPROVE_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Facts:
    """What a guard may see of a transaction: numbers folded from its log, nothing else."""

    amount: int
    captured: int = 0
    refunded: int = 0
    attempts: int = 0
    expires_at: int = 0
    completed_at: int | None = None
    intent_source: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What a guard may see of the event: the amounts it carries and the time it happens at."""

    now: int = 0
    amount: int = 0
    captured: int = 0
    refunded_total: int = 0


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition from the closed vocabulary; `reason` is what a refused caller is told."""

    id: str
    reason: str
    holds: Callable[[Facts, Given, str], bool] = field(repr=False)


GUARDS: Mapping[str, Guard] = {
    guard.id: guard
    for guard in (
        Guard(
            "attempts<5",
            "too_many_attempts",
            lambda facts, given, target: facts.attempts < MAX_APPROVE_ATTEMPTS,
        ),
        Guard(
            "captured==amount",
            "captured_differs",
            lambda facts, given, target: given.captured == facts.amount,
        ),
        Guard(
            "completed_at==null",
            "already_completed",
            lambda facts, given, target: facts.completed_at is None,
        ),
        Guard(
            "now>=expires_at",
            "not_expired_yet",
            lambda facts, given, target: given.now >= facts.expires_at,
        ),
        Guard(
            "amount<=refundable",
            "refund_exceeds_balance",
            lambda facts, given, target: 0 < given.amount <= facts.captured - facts.refunded,
        ),
        Guard(
            "amount==refundable",
            "only_full_refund",
            lambda facts, given, target: given.amount == facts.captured - facts.refunded,
        ),
        Guard(
            "remaining==0",
            "money_remains",
            lambda facts, given, target: facts.captured - given.refunded_total == 0,
        ),
        Guard(
            "remaining>0",
            "no_money_remains",
            lambda facts, given, target: facts.captured - given.refunded_total > 0,
        ),
        Guard(
            "target==intent.source",
            "not_the_intents_source",
            lambda facts, given, target: target == facts.intent_source,
        ),
    )
}
