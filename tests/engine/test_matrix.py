"""Every state × every public event through the engine: what is accepted is exactly the chart."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from house import House, lost_before

from engine import chart
from engine.errors import EngineError
from engine.provider import Refused

EDGES = {(edge.source, edge.event) for edge in chart.TRANSITIONS}


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


def test_every_state_can_be_built() -> None:
    assert set(BUILD) == set(chart.STATES)


def _fire(house: House, txn: str, event: str) -> str:
    if event == "make_ready":
        return house.payments.ready(house.caller(), txn).code
    if event == "approve":
        return house.payments.approve(house.caller(), txn, "pg-token-2").code
    if event == "refund":
        return house.payments.refund(house.caller(), txn, None).code
    return house.payments.fire(house.caller(), txn, event, None).code


@pytest.mark.parametrize("event", list(chart.HTTP_NAMES))
@pytest.mark.parametrize("state", list(chart.STATES))
def test_the_engine_accepts_exactly_the_charts_edges(house: House, state: str, event: str) -> None:
    txn = BUILD[state](house)
    assert house.status(txn) == state
    before = house.get(txn)["version"]
    try:
        accepted = _fire(house, txn, event) in ("ok", "unknown")
    except EngineError as error:
        assert error.code in ("illegal_transition", "operation_in_flight")
        accepted = False
    assert accepted == ((state, event) in EDGES)
    assert accepted or house.get(txn)["version"] == before
