"""The gateway port: what the engine asks of a gateway, and what a gateway may answer.

It refuses to let an adapter name a state, write a row or do sums with money: an adapter turns
frozen commands into wire calls and wire answers into frozen outcomes, and nothing else.

Amounts are integers in minor units of the currency; times are UTC microseconds since 1970.
Every outcome carries `evidence`: the bytes the gateway answered, scrubbed of secrets, whose SHA-256
goes into the log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

UnknownKind = Literal["not_sent", "timeout", "unavailable", "surprise", "conflict"]


@dataclass(frozen=True, slots=True)
class Account:
    """A merchant's account at a gateway. `id` is public (KakaoPay: the CID) and enters the log."""

    provider: str
    id: str
    credentials: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the gateway sends the customer's browser."""

    approved: str
    cancelled: str
    failed: str


@dataclass(frozen=True, slots=True)
class Order:
    """What `prepare` asks for. `transaction` is sent as the gateway's order id, always."""

    operation: str
    transaction: str
    user: str
    order_id: str
    item_name: str
    quantity: int
    amount: int
    currency: str
    tax_free: int
    vat: int


@dataclass(frozen=True, slots=True)
class Payment:
    """A prepared payment, as a gateway can be asked about it. `reference` is KakaoPay's `tid`."""

    operation: str | None
    transaction: str
    user: str
    reference: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Give `amount` back; `expected_remaining` is what is refundable *before* this refund."""

    amount: int
    tax_free: int
    vat: int
    expected_remaining: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Base of all answers."""

    evidence: bytes = field(repr=False)

    @property
    def evidence_sha256(self) -> str:
        """SHA-256 of the scrubbed answer, lower-case hex."""
        return hashlib.sha256(self.evidence).hexdigest()


@dataclass(frozen=True, slots=True)
class Prepared(Outcome):
    """The gateway made a payment the customer can pay until `expires_at`."""

    reference: str
    next_action: Mapping[str, str | None]
    expires_at: int


@dataclass(frozen=True, slots=True)
class Approved(Outcome):
    """The gateway says that it took the money, and for whom."""

    reference: str
    order_id: str
    user_id: str
    captured: int
    currency: str
    method: str | None
    approved_at: int | None


@dataclass(frozen=True, slots=True)
class Refunded(Outcome):
    """The gateway says that it gave money back; totals are cumulative."""

    reference: str
    refunded_total: int
    tax_free_total: int
    vat_total: int
    remaining: int


@dataclass(frozen=True, slots=True)
class Refused(Outcome):
    """The gateway said no, finally. `code` is ours (snake case), `provider_code` is theirs."""

    code: str
    provider_code: str
    message: str


@dataclass(frozen=True, slots=True)
class NotTaken(Outcome):
    """Nothing was charged, the payment lives on, and the customer must act again."""

    code: str
    provider_code: str
    message: str


@dataclass(frozen=True, slots=True)
class Pending(Outcome):
    """The gateway took the request and says that its result comes later."""

    provider_code: str


@dataclass(frozen=True, slots=True)
class Unknown(Outcome):
    """We do not know. `not_sent`: no byte left us. `conflict`: it says another request runs."""

    kind: UnknownKind
    detail: str
    provider_code: str | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """One movement of money in the gateway's own history; `operation` is our id, echoed."""

    kind: Literal["payment", "refund"]
    amount: int | None
    operation: str | None


@dataclass(frozen=True, slots=True)
class Charged(Outcome):
    """Look-up: the money was taken; cancelled totals are cumulative and may equal `captured`."""

    reference: str
    order_id: str
    user_id: str
    captured: int
    currency: str
    refunded_total: int
    tax_free_total: int
    vat_total: int
    actions: tuple[Action, ...]
    method: str | None = None


@dataclass(frozen=True, slots=True)
class NotCharged(Outcome):
    """Look-up: nothing was taken *so far*. `credential_alive`: approve may still be sent."""

    reference: str
    order_id: str
    user_id: str
    amount: int
    currency: str
    still_payable: bool
    credential_alive: bool


@dataclass(frozen=True, slots=True)
class Closed(Outcome):
    """Look-up: the gateway closed the payment without taking money."""

    code: str
    provider_code: str


@dataclass(frozen=True, slots=True)
class NotFound(Outcome):
    """Look-up: the gateway does not know the reference (in this account)."""

    provider_code: str


PrepareOutcome = Prepared | Refused | Unknown
ApproveOutcome = Approved | Refused | NotTaken | Pending | Unknown
RefundOutcome = Refunded | Refused | Pending | Unknown
LookUpOutcome = Charged | NotCharged | Closed | NotFound | Unknown


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a gateway can do; the contract kit proves each line.

    currencies: accepted, with their exponents. settle_after_s: how long after our deadline a
    request may still land. window_s: how long a prepared payment can be paid. url_limit: longest
    URL it takes. reference_limit: longest reference. approve_idempotent: a repeated approve of one
    reference cannot charge twice. scheme_redirect: takes an app scheme as redirect URL.
    charges_alone: can take money without our approve call. echoes_operation: its history names
    our operation ids.
    """

    currencies: Mapping[str, int]
    settle_after_s: float
    window_s: float
    partial_refund: bool
    approve_idempotent: bool
    echoes_operation: bool
    charges_alone: bool
    scheme_redirect: bool
    url_limit: int | None = None
    item_name_limit: int | None = None
    user_limit: int | None = None
    max_amount: int | None = None


class Provider(Protocol):
    """A gateway. Methods block until `deadline_s` seconds at most and never raise for an answer.

    `deadline_s` is the total time for the call, connect to last byte. An adapter that raises has a
    bug; the engine treats the exception as `Unknown(kind="surprise")`.
    """

    name: str
    display_name: str
    capabilities: Capabilities

    def account(self, credentials: Mapping[str, str]) -> Account:
        """Make an account from stored credentials; raises ValueError when one is missing or odd."""
        ...

    def prepare(
        self, account: Account, order: Order, urls: Urls, deadline_s: float
    ) -> PrepareOutcome:
        """Called in `created`; moves no money, so an unknown answer lets the caller start over."""
        ...

    def approve(
        self, account: Account, payment: Payment, credential: str, deadline_s: float
    ) -> ApproveOutcome:
        """Called in `approving`, with no database transaction open. Takes the money."""
        ...

    def refund(
        self, account: Account, payment: Payment, refund: RefundRequest, deadline_s: float
    ) -> RefundOutcome:
        """Called in `refunding`. Must pass the gateway's own guard on the remaining amount."""
        ...

    def look_up(self, account: Account, payment: Payment, deadline_s: float) -> LookUpOutcome:
        """Ask for the truth. Changes nothing at the gateway."""
        ...

    def scrub(self, transcript: str) -> str:
        """Take every secret and personal value out of text that is about to be logged."""
        ...
