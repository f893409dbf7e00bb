"""P16: a storage error stops the step. 503, nothing begun at the gateway, nothing told lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.counter import (
    LASTING,
    PASSING,
    STEPS,
    Counter,
    disk_full,
    failed_sync,
    opened,
)
from house import House
from werkzeug.test import TestResponse

from engine.clock import Clock
from engine.errors import StorageTrouble

Say = Callable[[str, object], None]
SOON_S = 20
"""A deadline of tests: much longer than what is waited for."""


@pytest.fixture
def counter(tmp_path: Path, record_property: Say) -> Iterator[Counter]:
    """A shop on a disk that works until it is told otherwise."""
    with opened(tmp_path) as made:
        yield made
    record_property("storage faults fired", made.disk.fired)


def _is_away(answer: TestResponse) -> bool:
    problem = answer.get_json()
    return (answer.status_code, problem["code"], answer.headers["Retry-After"]) == (
        503,
        "storage_unavailable",
        "5",
    )


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", [*PASSING, *LASTING])
def test_a_storage_error_begins_nothing_at_the_gateway(
    counter: Counter, fault: str, step: str
) -> None:
    txn = STEPS[step](counter.house)
    before = counter.begun()
    broken = (PASSING | LASTING)[fault](counter)
    assert _is_away(counter.fire(txn, step))
    assert broken.fired
    assert counter.begun() == before


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", PASSING)
def test_the_step_goes_through_when_the_error_is_over(
    counter: Counter, fault: str, step: str
) -> None:
    txn = STEPS[step](counter.house)
    before = counter.begun()
    PASSING[fault](counter)
    counter.fire(txn, step)
    counter.disk.heal()
    assert counter.fire(txn, step).status_code in (200, 201)
    assert counter.begun() - before == (step in ("ready", "approve", "refund"))
    assert counter.site.client.get("/readyz").status_code == 200


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", LASTING)
def test_after_a_lost_write_nothing_is_written_until_restart(
    counter: Counter, fault: str, step: str
) -> None:
    txn = STEPS[step](counter.house)
    LASTING[fault](counter)
    counter.fire(txn, step)
    counter.disk.heal()
    assert _is_away(counter.fire(txn, step))
    ready = counter.site.client.get("/readyz")
    assert (ready.status_code, ready.get_json()["checks"]["database"]) == (
        503,
        "restart needed after an I/O error",
    )
    counter.restart()
    assert counter.site.client.get("/readyz").status_code == 200
    assert counter.site.create()["status"] == "created"


READS = ("", "/transitions", "?at_seq=1")


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("fault", ["disk_full", "opened_read_only", *LASTING])
def test_reads_go_on_while_nothing_can_be_written(counter: Counter, fault: str, path: str) -> None:
    txn = counter.house.approved()
    (PASSING | LASTING)[fault](counter)
    assert _is_away(counter.fire(txn, "refund"))
    read = counter.site.call("GET", f"/transactions/{txn}{path}", key=counter.site.auditor)
    assert read.status_code == 200


def _moved(house: House, step: str) -> int:
    return house.gateway.captured if step == "approve" else house.gateway.refunded


@pytest.mark.parametrize("step", ["approve", "refund"])
def test_a_disk_full_anywhere_in_a_step_moves_money_once(
    counter: Counter, step: str, record_property: Say
) -> None:
    fired, held, skip = 0, {False: 0, True: 0}, 0
    while True:
        txn, before = STEPS[step](counter.house), _moved(counter.house, step)
        fault = disk_full(counter)
        fault.skip = skip
        answer = counter.site.fire(txn, step)
        moved = _moved(counter.house, step) > before
        counter.disk.heal()
        if not fault.fired:
            break
        fired, skip = fired + 1, skip + 2
        held[moved] += 1
        assert answer.status_code == (202 if moved else 503), answer.text
        counter.house.work(120)
        assert _moved(counter.house, step) - before == (12_000 if moved else 0)
        _agrees(counter, txn)
    assert min(held.values()) >= 5
    record_property(
        "fault", f"storage: full disk met at {fired} writes of {step}, {held[True]} late"
    )


@pytest.mark.parametrize("step", ["approve", "refund"])
@pytest.mark.parametrize("commit", [0, 1])
def test_a_sync_that_fails_in_a_step_moves_money_once(
    counter: Counter, step: str, commit: int
) -> None:
    txn, before = STEPS[step](counter.house), _moved(counter.house, step)
    fault = failed_sync(counter, skip=commit)
    answer = counter.site.fire(txn, step)
    assert fault.fired
    assert answer.status_code == (202 if commit else 503)
    assert (_moved(counter.house, step) > before) == bool(commit)
    counter.restart()
    counter.house.work(300)
    counter.site.fire(txn, step)
    assert _moved(counter.house, step) - before == 12_000
    _agrees(counter, txn)


def _agrees(counter: Counter, txn: str) -> None:
    row = counter.house.ledger.load(txn)
    charge = counter.house.gateway.books[row["provider_ref"]]
    assert (row["captured_amount"], row["refunded_amount"]) == (charge.captured, charge.refunded)
    assert row["status"] not in ("approving", "refunding")


def test_an_unwritten_outcome_is_shown_as_pending(counter: Counter) -> None:
    txn = counter.house.ready()

    def then_full(honest: Callable[[], Any]) -> Any:
        outcome = honest()
        disk_full(counter)
        return outcome

    counter.house.gateway.script["approve"] = [then_full]
    answer = counter.fire(txn, "approve")
    assert (answer.status_code, answer.get_json()["status"]) == (202, "approving")
    assert answer.get_json()["pending"]["kind"] == "approve"
    counter.disk.heal()
    counter.house.work(15)
    again = counter.fire(txn, "approve")
    assert (again.status_code, again.get_json()["status"]) == (200, "approved")
    assert counter.house.gateway.captured == 12_000


def test_a_returning_customer_may_come_back_later(counter: Counter) -> None:
    txn = counter.house.ready()
    link = f"/return/{counter.house.tokens[-1]}/approved?pg_token=pg-token-1"
    disk_full(counter)
    away = counter.site.client.get(link)
    assert (away.status_code, away.headers["Retry-After"]) == (503, "5")
    assert "approve" not in counter.house.gateway.calls
    counter.disk.heal()
    assert counter.site.client.get(link).status_code == 200
    assert counter.house.status(txn) == "approved"


def test_a_writer_that_waited_meets_the_poison(counter: Counter) -> None:
    store, txn = counter.house.store, counter.house.ready()
    statuses: list[int] = []

    def approve() -> None:
        statuses.append(counter.site.fire(txn, "approve").status_code)
        store.close()

    waiting = threading.Thread(target=approve)
    fault = failed_sync(counter)

    def write_slowly() -> None:
        with store.write():
            store.execute("UPDATE transactions SET quantity = 2 WHERE id = ?", (txn,))
            waiting.start()
            time.sleep(0.5)

    with pytest.raises(StorageTrouble):
        write_slowly()
    waiting.join(SOON_S)
    assert (fault.fired, statuses) == (1, [503])
    assert "approve" not in counter.house.gateway.calls


def test_the_worker_waits_for_a_full_disk_without_spinning(tmp_path: Path) -> None:
    with opened(tmp_path) as counter:
        time_now = counter.house.time
        clock = Clock(time_now.now_us, time_now.monotonic, scale=5.0)
        house = House(counter.path, clock)
        txn = house.create(expires_in=60)
        time_now.advance(60)
        fault = disk_full(counter)
        stop = threading.Event()
        working = threading.Thread(target=house.worker.run, args=(stop,))
        working.start()
        time.sleep(2.5)
        tries, looked = fault.fired, list(house.gateway.calls)
        counter.disk.heal()
        ends = time.monotonic() + SOON_S
        while house.status(txn) != "expired" and time.monotonic() < ends:
            time.sleep(0.05)
        stop.set()
        working.join(SOON_S)
        assert 1 <= tries <= 4
        assert looked == []
        assert house.status(txn) == "expired"
        house.store.close()
