"""Calling gateways for the engine: whose account, how long, and what a broken adapter counts as.

It refuses to let an adapter's exception out: what we do not understand is unknown.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from engine.clock import Clock
from engine.errors import GatewayTrouble, Invalid
from engine.merchants import Merchants
from engine.operations import Durations
from engine.provider import (
    Account,
    ApproveOutcome,
    LookUpOutcome,
    Order,
    Payment,
    PrepareOutcome,
    Provider,
    RefundOutcome,
    RefundRequest,
    Unknown,
    Urls,
)
from engine.resource import user_of
from engine.store import Row

_LOG = logging.getLogger("strada.gateway")
T = TypeVar("T")


class Gateways:
    """The registered providers and the accounts that calls are made with."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        defaults: Mapping[str, Mapping[str, str]],
        merchants: Merchants,
        clock: Clock,
        durations: Durations,
    ) -> None:
        self.providers = providers
        self._defaults = defaults
        self._merchants = merchants
        self._clock = clock
        self._durations = durations

    def provider(self, name: str) -> Provider:
        """A provider by name; raises Invalid for one that is not registered."""
        found = self.providers.get(name)
        if found is None:
            raise Invalid("unsupported_by_provider", extra={"reason": "unknown_provider"})
        return found

    def account(self, merchant: str, provider: str) -> Account:
        """The account a merchant's new payments go to: its own, else the default one."""
        credentials = self._merchants.credentials(merchant, provider) or self._defaults.get(
            provider
        )
        if credentials is None:
            raise Invalid("unsupported_by_provider", extra={"reason": "no_account"})
        return self.provider(provider).account(credentials)

    def account_of(self, row: Row) -> Account:
        """The account a payment was made with; raises GatewayTrouble when it is gone."""
        own = self._merchants.credentials(row["merchant"], row["provider"])
        for credentials in (own, self._defaults.get(row["provider"])):
            if credentials is not None:
                account = self.provider(row["provider"]).account(credentials)
                if account.id == row["account"]:
                    return account
        raise GatewayTrouble("gateway_unavailable", extra={"reason": "account_gone"})

    def settle_s(self, provider: str) -> float:
        """How long after an intent "not charged" says nothing, in seconds before scaling."""
        if self._durations.settle_after_s is not None:
            return self._durations.settle_after_s
        return self.provider(provider).capabilities.settle_after_s

    def deadline_s(self) -> float:
        """How long a live call may take, in real seconds."""
        return self._clock.seconds(self._durations.call_deadline_s)

    def prepare(self, row: Row, operation: str, urls: Urls) -> PrepareOutcome | Unknown:
        """Ask the gateway to prepare a payment."""
        order = Order(
            operation=operation,
            transaction=row["id"],
            user=user_of(row),
            order_id=row["order_id"],
            item_name=row["item_name"],
            quantity=row["quantity"],
            amount=row["amount"],
            currency=row["currency"],
            tax_free=row["tax_free_amount"],
            vat=row["vat_amount"],
        )
        return self._ask(row, lambda p, a: p.prepare(a, order, urls, self.deadline_s()))

    def approve(self, row: Row, operation: str, credential: str) -> ApproveOutcome | Unknown:
        """Ask the gateway to take the money."""
        payment = payment_of(row, operation)
        return self._ask(row, lambda p, a: p.approve(a, payment, credential, self.deadline_s()))

    def refund(self, row: Row, op: Row) -> RefundOutcome | Unknown:
        """Ask the gateway to give money back."""
        payment = payment_of(row, op["id"])
        remaining = row["captured_amount"] - row["refunded_amount"]
        refund = RefundRequest(op["amount"], op["tax_free"], op["vat"], remaining)
        return self._ask(row, lambda p, a: p.refund(a, payment, refund, self.deadline_s()))

    def look_up(
        self, row: Row, operation: str | None = None, deadline_s: float | None = None
    ) -> LookUpOutcome | Unknown:
        """Ask the gateway for the truth about a payment."""
        payment = payment_of(row, operation)
        limit = self.deadline_s() if deadline_s is None else deadline_s
        return self._ask(row, lambda p, a: p.look_up(a, payment, limit))

    def _ask(self, row: Row, call: Callable[[Provider, Account], T]) -> T | Unknown:
        if self._merchants.store.is_grouped:
            raise RuntimeError("a gateway is asked before what was written is durable")
        try:
            return call(self.provider(row["provider"]), self.account_of(row))
        except GatewayTrouble as trouble:
            return Unknown(b"{}", "not_sent", str(trouble.extra.get("reason", trouble.code)))
        except Exception as error:
            _LOG.exception("the %s adapter raised %s", row["provider"], type(error).__name__)
            return Unknown(b"{}", "surprise", type(error).__name__)


def payment_of(row: Mapping[str, Any], operation: str | None) -> Payment:
    """A prepared payment as a gateway can be asked about it."""
    return Payment(
        operation=operation,
        transaction=row["id"],
        user=user_of(row),
        reference=row["provider_ref"],
        amount=row["amount"],
        currency=row["currency"],
    )
