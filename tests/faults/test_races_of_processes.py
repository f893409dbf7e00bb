"""Races of real processes on one SQLite file: one server, any number of workers beside it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from e2e.town import Process, Town

AT_ONCE = 40
"""Payments whose answers are lost, for two workers and a server's own to find."""
WITHIN_S = 60.0


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """A town at a twentieth of real time; its log must verify in the end."""
    built = Town(tmp_path, STRADA_TIME_SCALE="20")
    yield built
    built.close()
    assert json.loads(built.run("audit", "verify", "--json"))["verdict"] == "whole"


@pytest.mark.parametrize("first", [[], ["--no-worker"]])
def test_a_second_server_on_one_file_is_refused(town: Town, first: list[str]) -> None:
    town.server.stop()
    town.server = town.start_server(*first)
    refused = [town.start("serve", "--port", "0", *second) for second in ([], ["--no-worker"])]
    assert [one.popen.wait(WITHIN_S) for one in refused] == [1, 1]
    assert refused[0].log.read_text().count("one SQLite file is served by one process") == 2
    assert town.create()["status"] == "created"


def test_of_many_servers_started_at_once_one_serves(town: Town) -> None:
    town.server.stop()
    started = [town.start("serve", "--port", "0") for _ in range(4)]
    assert sorted(_ended(started)) == [1, 1, 1]
    survivor = next(one for one in started if one.popen.poll() is None)
    assert survivor.stop() == 0
    assert town.start_server().popen.poll() is None, "the lock dies with its holder"


def _ended(started: list[Process]) -> list[int]:
    """Exit codes, once all but one have ended."""
    ends = time.monotonic() + WITHIN_S
    while sum(one.popen.poll() is None for one in started) > 1:
        assert time.monotonic() < ends
        time.sleep(0.05)
    return [code for one in started if (code := one.popen.poll()) is not None]


def test_workers_beside_a_server_settle_each_payment_once(town: Town) -> None:
    workers = [town.start("worker") for _ in range(2)]
    for kind, times in (("http_500_after", AT_ONCE // 2), ("http_500_before", AT_ONCE // 2)):
        town.fault("approve", kind, times=times)
    with ThreadPoolExecutor(4) as customers:
        paid = list(customers.map(partial(_pay, town), range(AT_ONCE)))
    for txn in paid:
        assert town.until(txn, "approved", WITHIN_S)["needs_review"] is None
        assert town.charges(txn) == [12_000]
    assert town.fired() == AT_ONCE
    assert [worker.stop() for worker in workers] == [0, 0]
    assert "failed" not in workers[0].log.read_text()


def _pay(town: Town, number: int) -> str:
    """A customer pays, and the gateway's answer is lost; the payment's id."""
    ready = town.ready(order_id=f"at-once-{number}")
    town.browse(town.pay(ready))
    return str(ready["id"])
