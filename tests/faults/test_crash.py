"""SIGKILL at the n-th step of whoever works on a payment: the server, the worker, a recovery.

Every n of a sweep is lived through until one does not fire, so a sweep covers its life whatever its
length. Of SQLite's page writes, which are many and alike, one in STRIDE is tried.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from faults.client import Client
from faults.mortals import CANCELLED, ENDS, EXPIRED, LOST, PAID, RETURNED, Life, sweep
from faults.scene import Fault, Scene, can_trace, wait_until

Record = Callable[[str, object], None]

STRIDE = int(os.environ.get("CRASH_STRIDE", "9"))
"""1 tries every page write too: `CRASH_STRIDE=1 make test ARGS=tests/faults/test_crash.py`."""
traced = pytest.mark.skipif(not can_trace(), reason="strace is not here, or may not trace")


def strides(step: str) -> int:
    """Of the many page writes some, of everything else every one."""
    return STRIDE if step in ("xWrite", "pwrite64") else 1


def told(record: Record, fired: Sequence[Fault]) -> int:
    """Count kill points for the line at the end of the run; how many there were."""
    for step, times in Counter(fault.step for fault in fired).items():
        record(f"killed at {step}", times)
    return len(fired)


# ---- the server, its worker inside


@pytest.mark.parametrize(
    ("plan", "step", "least"),
    [
        pytest.param(PAID, "send", 30, id="paid-send"),
        pytest.param(PAID, "xSync", 15, id="paid-xSync"),
        pytest.param(PAID, "xWrite", 20, id="paid-xWrite"),
        pytest.param(PAID, "sendto", 30, id="paid-sendto", marks=traced),
        pytest.param(PAID, "fdatasync", 15, id="paid-fdatasync", marks=traced),
        pytest.param(PAID, "pwrite64", 20, id="paid-pwrite64", marks=traced),
        pytest.param(PAID, "write", 8, id="paid-write", marks=traced),
        pytest.param(LOST, "send", 25, id="lost-send"),
        pytest.param(LOST, "xSync", 20, id="lost-xSync"),
        pytest.param(LOST, "sendto", 12, id="lost-sendto", marks=traced),
        pytest.param(LOST, "fdatasync", 12, id="lost-fdatasync", marks=traced),
        pytest.param(RETURNED, "send", 15, id="returned-send"),
        pytest.param(RETURNED, "fdatasync", 10, id="returned-fdatasync", marks=traced),
        pytest.param(CANCELLED, "xSync", 6, id="cancelled-xSync"),
        pytest.param(CANCELLED, "sendto", 10, id="cancelled-sendto", marks=traced),
        pytest.param(EXPIRED, "xSync", 6, id="expired-xSync"),
        pytest.param(EXPIRED, "fdatasync", 5, id="expired-fdatasync", marks=traced),
    ],
)
def test_a_server_killed_anywhere_loses_and_repeats_nothing(
    scene: Scene, plan: tuple[str, ...], step: str, least: int, record_property: Record
) -> None:
    def live(fault: Fault) -> int:
        life = Life(scene)
        deaths = life.live(plan, fault)
        assert life.ended == ENDS[plan]
        return deaths

    assert told(record_property, sweep(live, step, 1, strides(step))) >= least


# ---- the worker apart, beside a server that lives

INSIDE = ("send", "xSync")
TRACED = ("sendto", "fdatasync")
both = pytest.mark.parametrize(
    "steps", [pytest.param(INSIDE, id="inside"), pytest.param(TRACED, id="traced", marks=traced)]
)
FINDS = "create ready pay {} approve"
REFUNDS = "create ready pay approve {} refund:3000"
WORK = {
    "a charge it finds": FINDS.format("lose:approve:reset_after"),
    "a charge it sends again": FINDS.format("lose:approve:reset_before"),
    "a refund it finds": REFUNDS.format("lose:cancel:reset_after"),
    "a refund it sends again": REFUNDS.format("lose:cancel:reset_before"),
    "an expiry": "create ready later:240",
}


def kill_the_worker(scene: Scene, plan: str, fault: Fault) -> int:
    """One death, if the fault fires; a second worker ends what the first began."""
    life = Life(scene, worker=False)
    life.serve()
    life.go_on(plan.split())
    scene.later()
    worker = scene.start(life.home, "worker", fault=fault)
    wait_until(lambda: worker.code() is not None or not life.open(), 60, "the worker does nothing")
    died = worker.code() is not None
    if died:
        scene.later()
        second = scene.start(life.home, "worker")
        life.converge()
        second.end()
    worker.end()
    life.check()
    life.finish()
    return died


@both
@pytest.mark.parametrize("plan", WORK.values(), ids=[name.replace(" ", "-") for name in WORK])
def test_a_worker_killed_anywhere_is_replaced_by_the_next(
    scene: Scene, plan: str, steps: tuple[str, ...], record_property: Record
) -> None:
    fired = [
        fault
        for step in steps
        for fault in sweep(lambda fault: kill_the_worker(scene, plan, fault), step, 1, 1)
    ]
    told(record_property, fired)
    asks = plan != WORK["an expiry"]  # which asks no gateway
    assert {fault.step for fault in fired} == set(steps if asks else steps[1:])


@pytest.mark.parametrize("verb", ["approve", "cancel"])
def test_two_workers_together_ask_and_send_once(scene: Scene, verb: str) -> None:
    """Each takes a batch of what is due, so what one works on is in the other's hands too."""
    life = Life(scene, worker=False)
    life.serve()
    crowd = [Client(scene, number) for number in range(2, 5)]
    name = "a charge it sends again" if verb == "approve" else "a refund it sends again"
    assert all(client.act(step) for client in crowd for step in WORK[name].split())
    scene.gateway.ask("POST", "faults", {"on": "order", "kind": "slow", "delay_s": 2, "times": 9})
    before = len(scene.gateway.calls)
    workers = [scene.start(life.home, "worker") for _ in range(2)]
    wait_until(lambda: life.output().count("working on") == 2, 60, "no worker")
    scene.later()
    life.converge()
    scene.gateway.ask("DELETE", "faults")
    asked = Counter(scene.gateway.calls[before:])
    assert Counter(call for call, _ in asked) == {"order": 3, verb: 3}
    assert set(asked.values()) == {1}
    for process in workers:
        process.end()
    life.check([step for client in crowd for step in client.steps])
    life.finish()


# ---- recovery itself


def kill_the_recovery(scene: Scene, verb: str, moment: str, fault: Fault) -> int:
    """The server dies around a call to the gateway, and its successor while it recovers."""
    life = Life(scene)
    life.serve()
    life.kill_when(verb, moment)
    rest = list(PAID)
    while life.act(rest[0]):
        rest.pop(0)
    life.recover(fault)
    fired = life.deaths - 1
    life.end()
    life.serve()
    life.go_on(rest)
    life.finish()
    return fired


@both
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("verb", ["ready", "approve", "cancel"])
def test_a_recovery_killed_anywhere_is_recovered_from(
    scene: Scene, verb: str, moment: str, steps: tuple[str, ...], record_property: Record
) -> None:
    fired = [
        fault
        for step in steps
        for fault in sweep(lambda fault: kill_the_recovery(scene, verb, moment, fault), step, 1, 1)
    ]
    told(record_property, fired)
    assert {fault.step for fault in fired} == set(steps)


# ---- before the first payment


@pytest.mark.parametrize("step", ["xSync", "xWrite"])
def test_a_killed_migration_is_taken_up_by_the_next(
    scene: Scene, step: str, record_property: Record
) -> None:
    def migrate(fault: Fault) -> int:
        life = Life(scene)
        for file in life.home.glob("strada.db*"):
            file.unlink()
        died = scene.start(life.home, "migrate", fault=fault).code(60) == -signal.SIGKILL
        scene.run(life.home, "migrate")
        life.check()
        life.store.close()
        return died

    assert told(record_property, sweep(migrate, step, 1, strides(step))) >= 3
