"""One payment as the gateway knows it, frozen: a change makes a new value, the old stays true.

It decides nothing about requests and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

CHARGE = "charge"
REFUND = "refund"
QUIT = "quit"
FAILED = "failed"


@dataclass(frozen=True)
class Amount:
    """Whole won, split as the protocol splits it; points and discounts do not occur here."""

    total: int
    tax_free: int = 0
    vat: int = 0
    green_deposit: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            self.total + other.total,
            self.tax_free + other.tax_free,
            self.vat + other.vat,
            self.green_deposit + other.green_deposit,
        )

    def __sub__(self, other: Amount) -> Amount:
        return Amount(
            self.total - other.total,
            self.tax_free - other.tax_free,
            self.vat - other.vat,
            self.green_deposit - other.green_deposit,
        )

    def shown(self) -> dict[str, int]:
        """The protocol's six figures."""
        return {
            "total": self.total,
            "tax_free": self.tax_free,
            "vat": self.vat,
            "point": 0,
            "discount": 0,
            "green_deposit": self.green_deposit,
        }


NOTHING = Amount(0)


def default_vat(total: int, tax_free: int) -> int:
    """An eleventh of what is taxed, half won rounded up."""
    return (2 * (total - tax_free) + 11) // 22


@dataclass(frozen=True)
class Action:
    """One movement of money: a charge or a refund, with the id the gateway gave it."""

    aid: str
    kind: str
    at: float
    amount: Amount
    payload: str | None


@dataclass(frozen=True)
class Payment:
    """What `ready` asked for, what the customer did, and every movement of money since."""

    tid: str
    cid: str
    page: str
    """64 hex digits in the pay pages' path; not derivable from `tid`."""
    partner_order_id: str
    partner_user_id: str
    item_name: str
    item_code: str
    quantity: int
    amount: Amount
    approval_url: str
    cancel_url: str
    fail_url: str
    wanted_method: str | None
    install_month: int
    created_at: float
    expires_at: float
    opened: bool = False
    method: str | None = None
    """CARD or MONEY once the customer has authenticated."""
    handed_out: str = ""
    """SHA-256 of the pg_token; empty until a browser takes it along."""
    ended: str = ""
    """QUIT or FAILED when the customer ended it."""
    actions: tuple[Action, ...] = ()

    @property
    def charge(self) -> Action | None:
        """The charge, if there was one."""
        return next((action for action in self.actions if action.kind == CHARGE), None)

    @property
    def charged(self) -> Amount:
        """What was taken from the customer."""
        return self.charge.amount if self.charge else NOTHING

    @property
    def refunds(self) -> tuple[Action, ...]:
        """The refunds in their order."""
        return tuple(action for action in self.actions if action.kind == REFUND)

    @property
    def refunded(self) -> Amount:
        """What was given back so far."""
        return sum((action.amount for action in self.refunds), NOTHING)

    @property
    def remaining(self) -> Amount:
        """What can still be given back."""
        return self.charged - self.refunded

    def expired(self, now: float) -> bool:
        """Whether the window closed before any money moved."""
        return not self.actions and now >= self.expires_at

    def status(self, now: float) -> str:
        """The protocol's word for where this payment stands."""
        if self.actions:
            return self._money_status()
        if self.ended:
            return "QUIT_PAYMENT" if self.ended == QUIT else "FAIL_PAYMENT"
        if self.expired(now):
            return "QUIT_PAYMENT"
        if self.method:
            return "AUTH_PASSWORD"
        return "OPEN_PAYMENT" if self.opened else "READY"

    def _money_status(self) -> str:
        if not self.refunds:
            return "SUCCESS_PAYMENT"
        return "PART_CANCEL_PAYMENT" if self.remaining.total else "CANCEL_PAYMENT"
