"""A cell of the matrix: what happens to one payment, and what must be true of it in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from faults.watch import Money, Sample
from faults.world import AMOUNT, World


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    status: the end. charged, refunded: the end in the ledger, and on our side unless `shown` says
    otherwise, which takes a review. review: what `needs_review` says then. undone: the faulted
    request left nothing done, so that the truth can only be told once it can no longer be in
    flight. by_worker: the live answer is no answer, so that none but the worker may have settled
    it. unwanted: the gateway lies about a charge, or charges what has closed; Strada may then
    show what it was told until it finds out. scale, deadline_s: where the matrix' own do not fit.
    """

    name: str
    play: Callable[[World], None]
    status: str = "approved"
    charged: int = AMOUNT
    refunded: int = 0
    shown: tuple[int, int] | None = None
    review: str | None = None
    undone: bool = False
    by_worker: bool = False
    unwanted: bool = False
    scale: float | None = None
    deadline_s: float = 10.0

    def ended(self, sample: Sample) -> bool:
        """Whether the payment is shown as it must be in the end, and the ledger says the same."""
        shown = sample.shown
        figures = (shown["captured_amount"], shown["refunded_amount"])
        said = (shown["status"], figures, shown["needs_review"])
        expected = self.shown or (self.charged, self.refunded)
        return said == (self.status, expected, self.review) and self.moved(sample.after)

    def moved(self, money: Money) -> bool:
        """Whether the ledger is what it must be in the end."""
        return (money.charged, money.refunded) == (self.charged, self.refunded)
