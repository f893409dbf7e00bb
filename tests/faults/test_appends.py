"""The append-checker sees each kind of lie: a true history, falsified in one place."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from faults.appends import Call, Stream
from faults.arena import Arena

Log = list[dict[str, Any]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Log, list[Call]]]:
    """A payment that was approved, completed, refunded twice and wrongly cancelled."""
    arena = Arena(tmp_path_factory.mktemp("appends"))
    txn = arena.approved()
    arena.fire(txn, "complete")
    for key in ("refund-one", "refund-two", "refund-two"):
        arena.refund(txn, 1_000, key)
    arena.fire(txn, "cancel")
    arena.fire(txn, "cancel", if_match=1)
    arena.refund(txn, 11_000)
    yield arena.history.log(txn), arena.history.of(txn)
    arena.close()


def edited(calls: list[Call], event: str, **changes: Any) -> None:
    """Change the last fresh call of an event."""
    place = max(n for n, call in enumerate(calls) if call.event == event and not call.replayed)
    calls[place] = dataclasses.replace(calls[place], **changes)


def answered(calls: list[Call], event: str, **changes: Any) -> None:
    """Change what the last fresh call of an event was answered."""
    edited(calls, event, answer=_last(calls, event).answer | changes)


def _last(calls: list[Call], event: str) -> Call:
    return [call for call in calls if call.event == event and not call.replayed][-1]


def _now(calls: list[Call]) -> int:
    return int(_last(calls, "cancel").answer["version"])


def _later(log: Log, calls: list[Call]) -> None:
    """The first refund is said to have been called after the second was answered."""
    first, second = [c for c in calls if c.event == "refund" and c.code == "ok"][:2]
    calls[calls.index(first)] = dataclasses.replace(
        first, invoked=second.returned + 1, returned=second.returned + 2
    )


def _twice(log: Log, calls: list[Call]) -> None:
    """Both refunds are said to have had one key."""
    for place, call in enumerate(calls):
        if call.event == "refund":
            calls[place] = dataclasses.replace(call, key="one-for-all")


LIES: dict[str, tuple[Callable[[Log, list[Call]], None], str]] = {
    "a gap": (lambda log, calls: log.pop(3), "has a gap"),
    "a time that went back": (
        lambda log, calls: log[3].update(occurred_at=log[2]["occurred_at"]),
        "does not only go up",
    ),
    "an acknowledged step that is lost": (
        lambda log, calls: edited(calls, "complete", request_id="req_nobody"),
        "is in the log 0 times",
    ),
    "a step that nobody asked for": (
        lambda log, calls: calls.remove(_last(calls, "complete")),
        "nobody called it",
    ),
    "a state of before": (
        lambda log, calls: answered(calls, "complete", status="approved"),
        "true at no seq",
    ),
    "an amount that never was": (
        lambda log, calls: answered(calls, "approve", captured_amount=11_999),
        "true at no seq",
    ),
    "an answer ahead of its entry": (
        lambda log, calls: edited(calls, "complete", ceiling=_last(calls, "complete").floor),
        "before its entry",
    ),
    "a step before its call": (
        lambda log, calls: edited(calls, "complete", floor=len(log)),
        "before it was made",
    ),
    "an order against real time": (_later, "and follows it"),
    "a key that acted twice": (_twice, "its key acted 2 times"),
    "a server error": (lambda log, calls: edited(calls, "complete", status=500), "a surprise"),
    "a refusal that names another version": (
        lambda log, calls: answered(calls, "cancel", version=99),
        "it was partially_refunded at",
    ),
    "a wait that is called illegal": (
        lambda log, calls: answered(calls, "refund", current_status="refunding"),
        "had only to wait",
    ),
    "a stale version that was right": (
        lambda log, calls: edited(
            calls, "cancel", if_match=_last(calls, "cancel").answer["version"]
        ),
        "was right at seq",
    ),
    "a limit that was not reached": (
        lambda log, calls: edited(calls, "refund", body={"amount": 10_000}),
        "was refused although",
    ),
}


def test_a_true_history_has_no_finding(told: tuple[Log, list[Call]]) -> None:
    assert Stream(*told).findings() == []


@pytest.mark.parametrize("lie", LIES)
def test_the_checker_finds(told: tuple[Log, list[Call]], lie: str) -> None:
    log, calls = json.loads(json.dumps(told[0])), list(told[1])
    falsify, expected = LIES[lie]
    falsify(log, calls)
    found = Stream(log, calls).findings()
    assert any(expected in finding for finding in found), found
