"""What weighing evidence goes by, and what it comes to: a case in, a verdict out, both values.

It refuses to decide: that is `engine/evidence.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.fold import Folded
from engine.provider import Capabilities

PENDING = "pending"
"""A gateway's word for: I have your request, my answer comes later."""

NOES = ("refused:", "not_taken:")
"""How a no to a repeated request is remembered, before its code."""

Next = Literal["settled", "wait", "wait_pending", "look", "resend"]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation's row, as weighing needs it. Times are UTC microseconds."""

    id: str
    kind: str
    state: str
    amount: int
    tax_free: int
    vat: int
    expected_total: int
    call_deadline: int
    settle_after: int
    sends: int
    last_evidence: str | None
    credential_held: bool

    @property
    def is_open(self) -> bool:
        """Whether its outcome is still looked for."""
        return self.state == "open"

    def settled_at(self, total: int) -> bool:
        """Whether this total is how it was settled: its own late answer, true at its time."""
        return self.state == "settled" and total == self.expected_total

    def said(self, prefix: str) -> str:
        """The code of the gateway's last word when it began with `prefix`, else nothing."""
        last = self.last_evidence
        return last.removeprefix(prefix) if last and last.startswith(prefix) else ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to write: transitions in order, or one evidence or note entry; and what comes next.

    state: the operation's new state, when it changes. columns: the row's columns beside the fold.
    """

    transitions: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    evidence: Literal["duplicate", "contradicts", "early"] | None = None
    note: tuple[str, Mapping[str, Any]] | None = None
    state: Literal["settled", "rejected", "abandoned"] | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    next: Next = "settled"
    said: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """Everything a verdict may depend on.

    user: None once it was erased: then nobody can tell it from another.
    asked_at: when a look-up was begun. outdated: money or an intent moved since, unseen by it.
    """

    folded: Folded
    user: str | None
    operation: Operation | None
    now: int
    capabilities: Capabilities
    settle_us: int
    asked_at: int
    outdated: bool

    @property
    def too_early(self) -> bool:
        """Whether our own request may have been in flight when the gateway was asked.

        Then "not charged" says nothing, however late its answer arrives.
        """
        op = self.operation
        return op is not None and self.asked_at < max(op.call_deadline, op.settle_after)

    @property
    def window_over(self) -> bool:
        """Whether the gateway's payment window, and a late request's grace, have passed."""
        return self.now >= self.folded.expires_at + self.settle_us
