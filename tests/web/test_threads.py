"""The threads that serve: no more than needed, first come first served, ended in order."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from web.threads import Threads

SOON_S = 10


@dataclass
class Task:
    """Something to serve, which lasts until it may end."""

    may_end: threading.Event = field(default_factory=threading.Event)
    served: threading.Event = field(default_factory=threading.Event)
    by: str = ""
    cancelled: bool = False

    def service(self) -> None:
        self.by = threading.current_thread().name
        self.served.set()
        assert self.may_end.wait(SOON_S)

    def cancel(self) -> None:
        self.cancelled = True


def quick() -> Task:
    task = Task()
    task.may_end.set()
    return task


def served_by(threads: Threads, task: Task) -> str:
    threads.add_task(task)
    assert task.served.wait(SOON_S)
    return task.by


def test_what_comes_beyond_the_limit_waits_its_turn() -> None:
    threads, first, second, third = Threads(1), Task(), quick(), quick()
    for task in (first, second, third):
        threads.add_task(task)
    assert first.served.wait(SOON_S)
    assert not second.served.is_set()
    first.may_end.set()
    assert third.served.wait(SOON_S)
    assert first.by == second.by == third.by
    threads.shutdown()


def test_a_failing_task_costs_no_thread() -> None:
    threads = Threads(1)
    threads.add_task(object())
    assert served_by(threads, quick())
    threads.shutdown()


@pytest.mark.parametrize("cancel_pending", [True, False])
def test_shutting_down_serves_or_cancels_what_waits(cancel_pending: bool) -> None:
    threads, running, waiting = Threads(1), Task(), quick()
    threads.add_task(running)
    threads.add_task(waiting)
    threads.shutdown(cancel_pending, 0.05)
    running.may_end.set()
    threads.shutdown(False, SOON_S)
    assert (waiting.cancelled, waiting.served.is_set()) == (cancel_pending, not cancel_pending)


def test_shutting_down_gives_up_on_what_does_not_end() -> None:
    threads, hanging = Threads(1), Task()
    served_by(threads, hanging)
    threads.shutdown(timeout=0.05)
    hanging.may_end.set()
