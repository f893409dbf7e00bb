"""Registering orders: what a gateway can take, one live payment an order, the first entry.

It refuses an order that its gateway could not take, before anybody is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import peewee

from engine.decision import Decisions
from engine.errors import Conflict, Invalid
from engine.fire import Caller, Ledger, commit_to
from engine.gateway import Gateways
from engine.idempotency import Answer, Keys
from engine.ids import new_id
from engine.money import vat_of
from engine.resource import encode


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What `create` needs: amounts in minor units, `expires_in` in seconds, URLs checked."""

    provider: str
    order_id: str
    item_name: str
    amount: int
    currency: str
    customer_id: str | None = None
    quantity: int = 1
    tax_free_amount: int = 0
    vat_amount: int | None = None
    flow: str = "server"
    expires_in: int = 900
    urls: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


class Orders:
    """Creates transactions."""

    def __init__(
        self,
        ledger: Ledger,
        gateways: Gateways,
        keys: Keys,
        decisions: Decisions,
        slot_of: Callable[[str, str], str],
    ) -> None:
        """slot_of: what an erased payment's slot holds of (merchant, order id)."""
        self._slot_of = slot_of
        self._ledger = ledger
        self._store = ledger.store
        self._clock = ledger.clock
        self._gateways = gateways
        self._keys = keys
        self._decisions = decisions

    def create(self, caller: Caller, order: NewOrder) -> Answer:
        """Register an order; no gateway is asked."""
        known = self._decisions.replay(caller)
        if known is not None:
            return known
        assert caller.merchant is not None
        account = self._gateways.account(caller.merchant, order.provider)
        self._check_capabilities(order)
        self._refuse_second(caller.merchant, self._slot_of(caller.merchant, order.order_id))
        vat = order.vat_amount
        if vat is None:
            vat = vat_of(order.amount, order.tax_free_amount)
        now = self._clock.now_us()
        transaction = new_id("txn", now)
        metadata = encode(dict(order.metadata))
        personal = commit_to(
            {
                "customer_id": order.customer_id,
                "item_name": order.item_name,
                "order_id": order.order_id,
                "metadata": metadata if order.metadata else None,
                **order.urls,
            }
        )
        data = {
            "merchant": caller.merchant,
            "provider": order.provider,
            "account": account.id,
            "flow": order.flow,
            "amount": order.amount,
            "currency": order.currency,
            "tax_free": order.tax_free_amount,
            "vat": vat,
            "expires_at": now + self._clock.micros(order.expires_in),
            "commitments": personal.commitments,
        }
        columns = {
            "order_id": order.order_id,
            "order_slot": order.order_id,
            "customer_id": order.customer_id,
            "item_name": order.item_name,
            "quantity": order.quantity,
            "metadata": metadata,
            "urls": encode(dict(order.urls)),
        }
        entry = self._ledger.first(transaction, data, caller)
        try:
            with self._store.write():
                self._ledger.insert(entry, columns, personal)
                answer = self._decisions.answer("created", self._ledger.load(transaction))
                self._keys.put(caller, now, txn=transaction, answer=answer)
        except peewee.IntegrityError as error:
            return self._create_again(caller, order, error)
        return answer

    def _create_again(
        self, caller: Caller, order: NewOrder, error: peewee.IntegrityError
    ) -> Answer:
        known = self._decisions.replay(caller)
        if known is not None:
            return known
        self._refuse_second(caller.merchant, order.order_id)
        raise error

    def _refuse_second(self, merchant: str | None, slot: str) -> None:
        first = self._store.row(
            "SELECT * FROM transactions WHERE merchant = ? AND order_slot = ?", (merchant, slot)
        )
        if first is None:
            return
        paid = first["captured_amount"] > 0
        raise Conflict(
            "order_already_paid" if paid else "order_in_progress",
            extra={"transaction_id": first["id"], "current_status": first["status"]},
        )

    def _check_capabilities(self, order: NewOrder) -> None:
        able = self._gateways.provider(order.provider).capabilities
        too_much = able.max_amount is not None and order.amount > able.max_amount
        limits: dict[str, bool] = {
            "currency": order.currency not in able.currencies,
            "amount": too_much,
            "item_name": _longer(order.item_name, able.item_name_limit),
            "customer_id": _longer(order.customer_id, able.user_limit),
        }
        if order.flow == "client":
            limits |= {name: _longer(url, able.url_limit) for name, url in order.urls.items()}
        for name, beyond in limits.items():
            if beyond:
                raise Invalid(
                    "unsupported_by_provider", extra={"reason": name, "provider": order.provider}
                )


def _longer(text: str | None, limit: int | None) -> bool:
    return text is not None and limit is not None and len(text) > limit
