"""How to bring a payment into every state of the chart."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from house import House, lost_before

from engine.provider import Refused


def _approving(house: House) -> str:
    txn = house.ready()
    house.gateway.script["approve"] = [lost_before]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    return txn


def _refunding(house: House) -> str:
    txn = house.approved()
    house.gateway.script["refund"] = [lost_before]
    house.payments.refund(house.caller(), txn, 1_000)
    return txn


def _then(state: str, event: str) -> Callable[[House], str]:
    def build(house: House) -> str:
        txn = BUILD[state](house)
        house.payments.fire(house.caller(), txn, event, None)
        return txn

    return build


def _refunded(amount: int | None) -> Callable[[House], str]:
    def build(house: House) -> str:
        txn = house.approved()
        house.payments.refund(house.caller(), txn, amount)
        return txn

    return build


def _expired(house: House) -> str:
    txn = house.create(expires_in=60)
    house.work(60)
    return txn


def _unwanted(house: House) -> str:
    txn = house.ready()
    house.gateway.script["approve"] = [Refused(b"no", "declined", "-780", "")]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    house.gateway.books[house.get(txn)["provider_ref"]].captured = 12_000
    house.work(1_000, step=100)
    return txn


BUILD: Mapping[str, Callable[[House], str]] = {
    "created": lambda house: house.create(),
    "ready": lambda house: house.ready(),
    "approving": _approving,
    "approved": lambda house: house.approved(),
    "completed": _then("approved", "complete"),
    "refunding": _refunding,
    "partially_refunded": _refunded(1_000),
    "refunded": _refunded(None),
    "cancelled": _then("created", "cancel"),
    "failed": _then("ready", "fail"),
    "expired": _expired,
    "captured_unwanted": _unwanted,
}
