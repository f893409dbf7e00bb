"""P16 with the real thing: disks that are full, files that may not be written, a lock elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from e2e.town import Town
from faults.counter import Counter, on_the_real_disk
from faults.room import Room, locked, may_only_be_read

from engine.dialect import LOCK_WAIT_S

Say = Callable[[str, object], None]
MARGIN_S = 6.0
"""For a busy machine; what is waited for one after the other would take LOCK_WAIT_S each."""


@pytest.fixture(params=[True, False], ids=["full tmpfs", "file size limit"])
def room(tmp_path: Path, request: pytest.FixtureRequest, record_property: Say) -> Iterator[Room]:
    """A small disk; where nothing can be mounted both are the limit."""
    made = Room(tmp_path / "room", mount=request.param)
    yield made
    made.close()
    record_property("fault", f"storage: full by {made.means}")


@pytest.fixture
def counter(room: Room) -> Iterator[Counter]:
    """A shop on that disk."""
    with on_the_real_disk(room.folder) as made:
        yield made
        room.free()


def test_a_full_disk_begins_nothing_until_there_is_room(room: Room, counter: Counter) -> None:
    txn = counter.house.ready()
    room.fill()
    answer = counter.fire(txn, "approve")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "approve" not in counter.house.gateway.calls
    assert counter.site.call("GET", f"/transactions/{txn}").get_json()["status"] == "ready"
    room.free()
    assert counter.fire(txn, "approve").get_json()["status"] == "approved"
    assert counter.house.gateway.captured == 12_000


def test_an_outcome_without_room_is_found_when_there_is(room: Room, counter: Counter) -> None:
    txn = counter.house.ready()

    def then_full(honest: Callable[[], Any]) -> Any:
        room.fill()
        return honest()

    counter.house.gateway.script["approve"] = [then_full]
    answer = counter.fire(txn, "approve")
    assert (answer.status_code, answer.get_json()["status"]) == (202, "approving")
    room.free()
    counter.house.work(15)
    assert counter.house.status(txn) == "approved"
    assert counter.house.gateway.captured == 12_000


def test_a_connection_that_could_only_read_is_not_kept(
    tmp_path: Path, record_property: Say
) -> None:
    with on_the_real_disk(tmp_path) as counter:
        txn = counter.house.ready()
        counter.house.store.close()
        with may_only_be_read(tmp_path) as means:
            assert counter.site.call("GET", f"/transactions/{txn}").status_code == 200
            assert counter.fire(txn, "approve").status_code == 503
            assert "approve" not in counter.house.gateway.calls
        record_property("fault", f"storage: not writable by {means}")
        assert counter.fire(txn, "approve").status_code == 200


# Real processes.


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Callable[..., Town]]:
    """Towns, whose logs must verify when the test is over."""
    built: list[Town] = []

    def town(**settings: str) -> Town:
        folder = tmp_path / f"town-{len(built)}"
        folder.mkdir()
        built.append(Town(folder, STRADA_TIME_SCALE="10", **settings))
        return built[-1]

    yield town
    for one in built:
        one.close()
        assert json.loads(one.run("audit", "verify", "--json"))["verdict"] == "whole"


def _paid(town: Town) -> tuple[str, str]:
    """A payment that its customer has authenticated, and the token to approve it with."""
    ready = town.ready()
    back = parse_qs(urlsplit(town.pay(ready)).query)
    return ready["id"], back["pg_token"][0]


def _approve(town: Town, txn: str, token: str) -> requests.Response:
    return town.call("POST", f"/transactions/{txn}/approve", {"pg_token": token})


@pytest.fixture
def town(room: Room, build: Callable[..., Town]) -> Iterator[Town]:
    """A town whose database lies on the small disk."""
    made = build(STRADA_DATABASE_URL=f"sqlite:///{room.folder / 'strada.db'}")
    yield made
    room.free()


def test_a_server_on_a_full_disk_asks_no_gateway(room: Room, town: Town) -> None:
    txn, token = _paid(town)
    town.fault("approve", "slow", delay_s=0.01)
    room.fill(town.server.popen.pid)
    answer = _approve(town, txn, token)
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert town.get(txn)["status"] == "ready"
    assert (town.fired(), town.charges(txn)) == (0, [])
    room.free()
    assert _approve(town, txn, token).json()["status"] == "approved"
    assert (town.fired(), town.charges(txn)) == (1, [12_000])


def test_a_worker_finds_what_found_no_room(room: Room, town: Town) -> None:
    txn, token = _paid(town)
    town.fault("approve", "slow", delay_s=0.8)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(_approve, town, txn, token)
        _until(lambda: town.fired() == 1)
        room.fill(town.server.popen.pid)
        answer = asked.result(60)
    assert (answer.status_code, answer.json()["status"]) == (202, "approving")
    time.sleep(1)
    assert town.get(txn)["status"] == "approving"
    room.free()
    town.until(txn, "approved", 60)
    assert town.charges(txn) == [12_000]


def _until(true: Callable[[], bool], within_s: float = 20) -> None:
    ends = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_short_lock_is_waited_for(build: Callable[..., Town]) -> None:
    town = build()
    with locked(town.folder / "strada.db", 3):
        assert town.ready()["status"] == "ready"


def test_a_long_lock_is_told_to_all_who_wait(build: Callable[..., Town]) -> None:
    town = build()
    txn, token = _paid(town)
    town.fault("approve", "slow", delay_s=0.01)
    with locked(town.folder / "strada.db"), ThreadPoolExecutor(4) as pool:
        began = time.monotonic()
        asked = [pool.submit(_new_http_approve, town, txn, token) for _ in range(4)]
        answers = [each.result(60) for each in asked]
        waited_s = time.monotonic() - began
        assert town.get(txn)["status"] == "ready"
    assert {(answer.status_code, answer.headers["Retry-After"]) for answer in answers} == {
        (503, "5")
    }
    assert waited_s < LOCK_WAIT_S + MARGIN_S
    assert town.fired() == 0
    assert _approve(town, txn, token).json()["status"] == "approved"
    assert town.charges(txn) == [12_000]


def _new_http_approve(town: Town, txn: str, token: str) -> requests.Response:
    """From a thread of its own: sessions are not shared."""
    return requests.post(
        f"{town.url}/v1/transactions/{txn}/approve",
        json={"pg_token": token},
        headers={"Authorization": f"Bearer {town.key}"},
        timeout=60,
    )
