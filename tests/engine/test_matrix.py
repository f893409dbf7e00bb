"""Every state × every public event through the engine: what is accepted is exactly the chart."""

from __future__ import annotations

import pytest
from house import House
from states import BUILD

from engine import chart
from engine.errors import EngineError

EDGES = {(edge.source, edge.event) for edge in chart.TRANSITIONS}


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
    if (state, event) in EDGES:
        assert _fire(house, txn, event) in ("ok", "unknown")
        return
    with pytest.raises(EngineError) as caught:
        _fire(house, txn, event)
    assert caught.value.code in ("illegal_transition", "operation_in_flight")
    assert house.get(txn)["version"] == before
