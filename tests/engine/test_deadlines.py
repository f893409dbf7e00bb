"""Deadlines by the real clock, frozen and moved: nothing expires early, everything in the end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from house import House, lost_before

from engine.clock import MICROS, Clock, parse_rfc3339, rfc3339
from engine.errors import GatewayTrouble
from engine.provider import Outcome


def test_an_order_expires_at_its_second_and_not_before(tmp_path: Path) -> None:
    with freeze_time("2026-11-23T01:00:00Z") as frozen:
        house = House(tmp_path / "strada.db", Clock())
        txn = house.create(expires_in=900)
        assert house.get(txn)["expires_at"] == "2026-11-23T01:15:00.000000Z"
        frozen.tick(timedelta(seconds=899.999))
        house.worker.run_once()
        assert house.status(txn) == "created"
        frozen.tick(timedelta(milliseconds=1))
        house.worker.run_once()
        assert house.status(txn) == "expired"
    house.store.close()


def test_a_prepare_that_the_worker_gave_up_first_timed_out(house: House) -> None:
    def outlives_its_lease(honest: Callable[[], Any]) -> Outcome:
        house.time.advance(10)
        house.worker.run_once()
        return lost_before(honest)

    txn = house.create()
    house.gateway.script["prepare"] = [outlives_its_lease]
    with pytest.raises(GatewayTrouble) as raised:
        house.payments.ready(house.caller(), txn)
    assert raised.value.code == "gateway_timeout", "the gateway did not answer with nonsense"


def test_times_are_rendered_and_read_without_loss() -> None:
    for micros in (0, 1, 1_790_000_000_123_456, 253_402_300_799_999_999):
        text = rfc3339(micros)
        assert text is not None
        assert parse_rfc3339(text) == micros


def test_a_scale_divides_every_duration() -> None:
    clock = Clock(scale=20)
    assert (clock.seconds(60), clock.micros(60)) == (3, 3 * MICROS)


def test_a_time_without_an_offset_is_no_time() -> None:
    with pytest.raises(ValueError, match="offset"):
        parse_rfc3339("2026-11-26T07:00:00")
