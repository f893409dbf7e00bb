"""Races over real HTTP: each is run for ROUNDS rounds, and must have been a race to count.

The gateway's ledger says what happened to money, the append-checker whether every answer was true.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from faults.appends import Call, History
from faults.arena import DEADLINE_S, Arena

from engine.verify import verify

ROUNDS = 40
CAS, UNIQUE, CLAIM = "lost compare-and-swap", "lost to a unique key", "lost claim"


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """One server and one gateway for all races of this module; in the end the log verifies."""
    built = Arena(tmp_path_factory.mktemp("arena"))
    yield built
    report = verify(built.reader)
    built.close()
    assert report.whole, report.findings


@dataclass
class Race:
    """What a race came to over its rounds."""

    arena: Arena
    name: str
    rounds: int = 0
    won: Counter[str] = field(default_factory=Counter)

    def times(self, rounds: int) -> Iterator[int]:
        """Count rounds."""
        for number in range(rounds):
            self.rounds += 1
            yield number

    def state(self, txn: str) -> dict[str, Any]:
        """A payment when its race is over; no race is a reason for a review."""
        found = self.arena.get(txn).answer
        assert found["needs_review"] is None, self.log(txn)
        return found

    def log(self, txn: str) -> list[str]:
        """The events of a payment."""
        return [entry["event"] for entry in self.arena.history.log(txn)]

    def one(self, txn: str, event: str) -> dict[str, Any]:
        """The only entry of an event."""
        log = self.arena.history.log(txn)
        found = [e for e in log if (e["kind"], e["event"]) == ("transition", event)]
        assert len(found) == 1, self.log(txn)
        return found[0]


@pytest.fixture
def race(arena: Arena, request: pytest.FixtureRequest) -> Iterator[Race]:
    """A race; afterwards every answer is held against the log."""
    arena.history = History(arena.reader)
    before, begun = Counter(arena.shaker.met), time.monotonic()
    run = Race(arena, request.node.name.removeprefix("test_"))
    yield run
    took = time.monotonic() - begun
    assert arena.history.findings() == []
    met = {name: count for name, count in (arena.shaker.met - before).items() if count}
    line = {
        "rounds": run.rounds,
        "calls": len(arena.history.calls),
        "won": dict(run.won),
        "met": met,
    }
    sys.stdout.write(f"\nrace {run.name} {took:.1f} s {json.dumps(line)}\n")


def met(race: Race, before: Counter[str], what: str) -> int:
    """How often something happened in this race alone."""
    return race.arena.shaker.met[what] - before[what]


@pytest.fixture
def before(race: Race) -> Counter[str]:
    """What had been met when the race began."""
    return Counter(race.arena.shaker.met)


def codes(calls: list[Any]) -> Counter[str]:
    """How many calls were answered how."""
    return Counter(call.code for call in calls if isinstance(call, Call))


# ---- one payment, many callers


def test_partial_refunds_beside_a_full_one_give_back_what_was_taken(
    arena: Arena, race: Race, before: Counter[str]
) -> None:
    for number in race.times(ROUNDS):
        txn = arena.approved()
        partials = [partial(insist, arena, txn, 500) for _ in range(20)]
        full = partial(insist, arena, txn, None)
        answered = arena.together(full, *partials, ahead=number % 2)
        found = race.state(txn)
        settled = [one["amount"] for one in found["refunds"] if one["status"] == "settled"]
        assert arena.moved(txn) == (12_000, sum(settled))
        assert found["refunded_amount"] == sum(settled) <= 12_000
        assert len(settled) == codes(answered)["ok"] >= 1
        race.won.update(codes(answered))
        race.won["full first" if settled[0] == 12_000 else "partial first"] += 1
        race.won["emptied" if sum(settled) == 12_000 else "left"] += 1
    assert race.won.keys() >= {"partial first", "full first", "emptied", "left"}
    assert met(race, before, CAS) >= ROUNDS


def insist(arena: Arena, txn: str, amount: int | None) -> Call:
    """Refund; ask again with the same key while another refund is under way, twice."""
    key = arena.new_key()
    for pause_s in (0.03, 0.06, 0.0):
        call = arena.refund(txn, amount, key)
        if call.code != "operation_in_flight":
            break
        time.sleep(pause_s)
    return call


def test_approve_cancel_expire_and_late_returns_have_one_winner(
    arena: Arena, race: Race, before: Counter[str]
) -> None:
    for number in race.times(ROUNDS):
        txn, url, token = arena.paid()
        arena.offset_s += 901
        arena.together(
            partial(arena.approve, txn, token),
            partial(arena.fire, txn, "cancel"),
            arena.work,
            partial(arena.browse, txn, url),
            partial(arena.browse, txn, url.partition("?")[0].replace("approved", "cancelled")),
            ahead=number,
        )
        ended = race.state(txn)["status"]
        assert arena.moved(txn) == (12_000 if ended == "approved" else 0, 0)
        race.won[ended] += 1
    assert race.won.keys() == {"approved", "cancelled", "expired"}
    assert met(race, before, CAS) >= ROUNDS // 2


def test_a_double_click_beside_its_return_charges_once(
    arena: Arena, race: Race, before: Counter[str]
) -> None:
    for _ in race.times(ROUNDS):
        txn, url, token = arena.paid()
        click, back = partial(arena.approve, txn, token), partial(arena.browse, txn, url)
        arena.together(click, back, click, back)
        assert race.state(txn)["status"] == "approved"
        assert arena.moved(txn) == (12_000, 0)
        race.won[race.one(txn, "approve")["actor"].partition(":")[0]] += 1
    assert race.won.keys() == {"key", "customer"}
    assert met(race, before, CAS) >= ROUNDS // 2


def test_complete_and_refund_at_once_leave_a_state_of_the_chart(
    arena: Arena, race: Race, before: Counter[str]
) -> None:
    for number in race.times(ROUNDS):
        txn = arena.approved()
        amount = None if number % 2 else 3_000
        complete = partial(arena.fire, txn, "complete")
        refund = partial(arena.refund, txn, amount)
        arena.together(complete, refund, complete, refund, ahead=number)
        found = race.state(txn)
        assert arena.moved(txn) == (12_000, found["refunded_amount"])
        log = race.log(txn)
        race.won[next(event for event in log if event in ("complete", "refund"))] += 1
    assert race.won.keys() == {"complete", "refund"}
    assert met(race, before, CAS) >= ROUNDS // 2


def test_the_loop_beside_threads_decides_as_they_do(tmp_path: Path) -> None:
    arena = Arena(tmp_path, grouped=True)
    for number in range(ROUNDS):
        txn = arena.approved()
        complete, refund = partial(arena.fire, txn, "complete"), partial(arena.refund, txn, 500)
        again = partial(arena.fire, txn, "complete", key=f"loop-key-{number}")
        arena.together(complete, refund, again, refund, again, complete, ahead=number)
        found = arena.get(txn).answer
        assert found["needs_review"] is None
        assert arena.moved(txn) == (12_000, found["refunded_amount"])
    report = verify(arena.reader)
    arena.close()
    assert report.whole, report.findings
    assert arena.shaker.met["written in a group"] >= ROUNDS


def test_preparing_many_times_at_once_asks_the_gateway_once(
    arena: Arena, race: Race, before: Counter[str]
) -> None:
    for _ in race.times(ROUNDS):
        txn = arena.create().txn
        calls = arena.together(*[partial(arena.fire, txn, "ready")] * 8)
        found = codes(calls)
        assert (found.pop("ok"), arena.wire.count("ready", txn)) == (1, 1)
        assert found.keys() <= {"operation_in_flight", "illegal_transition"}
        illegal = [call for call in calls if call.code == "illegal_transition"]
        assert {call.answer["current_status"] for call in illegal} <= {"ready"}
        race.won.update(found)
    assert race.won["operation_in_flight"]
    assert met(race, before, UNIQUE) >= ROUNDS // 2


# ---- the same request, many times


def test_one_key_many_times_at_once_has_one_effect(
    arena: Arena, race: Race, before: Counter[str]
) -> None:
    for number in race.times(ROUNDS):
        key = arena.new_key()
        event, call = repeated(arena, number, key)
        calls = arena.together(*[call] * 32)
        assert codes(calls).keys() <= {"ok", "idempotency_in_flight"}
        fresh = [one for one in calls if one.code == "ok" and not one.replayed]
        assert len(fresh) == 1, codes(calls)
        again = call()
        assert (again.replayed, again.raw) == (True, fresh[0].raw)
        charged, refunded = arena.moved(again.txn)
        assert (charged, refunded) == (again.answer["captured_amount"], 500 * (event == "refund"))
        race.won[event] += 1
        race.won["replayed"] += sum(one.replayed for one in calls)
        race.won["in flight"] += codes(calls)["idempotency_in_flight"]
    assert race.won["replayed"]
    assert race.won["in flight"]
    assert met(race, before, UNIQUE) + met(race, before, CAS) >= ROUNDS


def repeated(arena: Arena, number: int, key: str) -> tuple[str, Callable[[], Call]]:
    """A request that can be made many times with one key, of each kind in turn."""
    event = ("create", "refund", "ready", "approve", "cancel", "complete")[number % 6]
    if event == "create":
        return event, partial(arena.create, order=f"repeated-{number}", key=key)
    if event == "approve":
        txn, _, token = arena.paid()
        return event, partial(arena.approve, txn, token, key)
    if event == "refund":
        return event, partial(arena.refund, arena.approved(), 500, key)
    build = {"ready": lambda: arena.create().txn, "cancel": arena.ready, "complete": arena.approved}
    return event, partial(arena.fire, build[event](), event, key=key)


def test_an_if_match_storm_lets_exactly_one_writer_through(
    arena: Arena, race: Race, before: Counter[str]
) -> None:
    for number in race.times(ROUNDS):
        events = ("cancel", "fail") if number % 2 else ("complete", "refund")
        txn = arena.ready() if number % 2 else arena.approved()
        version = race.state(txn)["version"]
        acts = [partial(arena.fire, txn, event, {}, if_match=version) for event in events * 8]
        calls = arena.together(*acts)
        assert codes(calls) == {"ok": 1, "version_mismatch": 15}
        race.won[next(call.event for call in calls if call.code == "ok")] += 1
    assert len(race.won) >= 3
    assert met(race, before, CAS) >= ROUNDS


def test_creating_one_order_many_times_at_once_makes_one_payment(
    arena: Arena, race: Race, before: Counter[str]
) -> None:
    for number in race.times(ROUNDS):
        order = f"wanted-by-many-{number}"
        calls = arena.together(*[partial(arena.create, order=order)] * 8)
        assert codes(calls) == {"ok": 1, "order_in_progress": 7}
        assert len({call.txn for call in calls}) == 1, "the losers are told of the winner"
        race.won["one"] += 1
    assert met(race, before, UNIQUE) >= ROUNDS


# ---- workers


def test_workers_on_the_same_due_rows_ask_and_send_once(
    arena: Arena, race: Race, before: Counter[str]
) -> None:
    arena.control("DELETE", "faults")
    for _ in race.times(ROUNDS):
        owed = {kind: owing(arena, *kind) for kind in KINDS}
        arena.offset_s += 75
        sent = len(arena.wire.sent)
        arena.together(*[arena.work] * 3)
        calls = Counter(arena.wire.sent[sent:])
        for (verb, when), (txn, reference) in owed.items():
            found = race.state(txn)
            assert arena.moved(txn) == (12_000, found["refunded_amount"])
            assert found["status"] == ("refunded" if verb == "cancel" else "approved")
            assert calls[verb, reference] == (when == "before"), (verb, when, calls)
            race.won["asked once" if calls["order", reference] == 1 else "asked again"] += 1
    fired = [one["fired"] for one in arena.control("GET", "faults")["faults"]]
    assert fired == [1] * (len(KINDS) * ROUNDS)
    assert race.won["asked again"] <= ROUNDS // 10, "a claim is one look-up"
    assert met(race, before, CLAIM) >= ROUNDS


KINDS = (("approve", "after"), ("approve", "before"), ("cancel", "before"))
"""Answers that are lost: after the money moved, before it moved, before it went back."""


def owing(arena: Arena, verb: str, when: str) -> tuple[str, str]:
    """A payment with an open operation whose answer was lost; its id and its reference."""
    txn, _, token = arena.paid()
    if verb == "cancel":
        arena.approve(txn, token)
    body = {"on": verb, "kind": f"reset_{when}", "partner_order_id": txn}
    reference = arena.get(txn).answer["provider_ref"]
    if verb == "cancel":
        body = {"on": verb, "kind": f"reset_{when}", "tid": reference}
    arena.control("POST", "faults", body)
    call = arena.refund(txn) if verb == "cancel" else arena.approve(txn, token)
    assert call.code == "unknown", call
    return txn, reference


def test_workers_that_both_found_nothing_send_once(
    arena: Arena, race: Race, before: Counter[str]
) -> None:
    for _ in race.times(ROUNDS // 2):
        txn, reference = owing(arena, "cancel", "before")
        arena.offset_s += 75
        gate, mine = threading.Barrier(2), Steps()

        def heard(said: str, mine: Steps = mine) -> None:
            mine.to_send = 2 if said == "order" else 0

        def write(gate: threading.Barrier = gate, mine: Steps = mine) -> None:
            mine.to_send -= 1  # first what was heard, then the right to send again
            if mine.to_send == 0:
                gate.wait(DEADLINE_S)

        arena.wire.held, arena.store.before = heard, write
        asked_before, sent = (
            arena.wire.count("order", reference),
            partial(arena.wire.count, "cancel"),
        )
        already = sent(reference)
        ask_twice = partial(work_until_asked, arena, reference, asked_before + 2)
        arena.together(ask_twice, ask_twice)
        arena.wire.held = arena.store.before = None
        assert sent(reference) == already + 1
        assert arena.moved(txn) == (12_000, 12_000)
        race.won[race.state(txn)["status"]] += 1
    assert met(race, before, "lost right to send") == race.won["refunded"] == ROUNDS // 2


class Steps(threading.local):
    """How many writes of this thread are left until it asks for the right to send."""

    to_send = 0


def work_until_asked(arena: Arena, reference: str, times: int) -> None:
    """Rounds of a worker until a payment has been looked up this often."""
    ends = time.monotonic() + DEADLINE_S
    while arena.wire.count("order", reference) < times:
        assert time.monotonic() < ends
        arena.work()


@pytest.mark.parametrize("verb", ["approve", "cancel"])
def test_a_look_up_beside_the_live_answer_settles_once(
    arena: Arena, race: Race, before: Counter[str], verb: str
) -> None:
    for _ in race.times(ROUNDS // 2):
        txn, act = asked(arena, verb)
        gate, here = threading.Barrier(2), threading.Event()

        def hold(said: str, gate: Any = gate, here: threading.Event = here) -> None:
            if said == verb:
                here.set()
            gate.wait(DEADLINE_S)  # both answers have come, and now both are applied

        arena.wire.held = hold
        arena.together(act, partial(look_once, arena, here))
        arena.wire.held = None
        race.state(txn)
        assert arena.moved(txn) == (12_000, 12_000 * (verb == "cancel"))
        race.won[race.one(txn, SETTLED[verb])["actor"]] += 1
    assert race.won.keys() == {"gateway", "worker"}
    assert met(race, before, CAS) >= 1


SETTLED = {"approve": "approval_confirmed", "cancel": "refund_settled"}


def asked(arena: Arena, verb: str) -> tuple[str, Callable[[], Call]]:
    """A payment, and the call that moves its money."""
    if verb == "cancel":
        txn = arena.approved()
        return txn, partial(arena.refund, txn)
    txn, _, token = arena.paid()
    return txn, partial(arena.approve, txn, token)


def look_once(arena: Arena, here: threading.Event) -> None:
    """A worker's round when the live call has outlived its lease."""
    assert here.wait(DEADLINE_S)
    arena.offset_s += 11
    arena.work()


def test_a_return_that_looks_beside_an_approve_contradicts_nothing(
    arena: Arena, race: Race, before: Counter[str]
) -> None:
    for _ in race.times(ROUNDS // 2):
        txn, url, token = arena.paid()
        looking, charged, gate = threading.Event(), threading.Event(), threading.Barrier(2)

        def send(said: str, looking: Any = looking, charged: Any = charged) -> None:
            if said == "order":
                looking.set()
                assert charged.wait(DEADLINE_S)

        def hold(said: str, charged: Any = charged, gate: Any = gate) -> None:
            if said == "approve":
                charged.set()
            gate.wait(DEADLINE_S)

        arena.wire.before, arena.wire.held = send, hold
        leave = partial(arena.browse, txn, url.partition("?")[0].replace("approved", "cancelled"))
        arena.together(leave, partial(after, looking, partial(arena.approve, txn, token)))
        arena.wire.before = arena.wire.held = None
        assert race.state(txn)["status"] == "approved"
        assert arena.moved(txn) == (12_000, 0)
        race.won[f"{len(race.log(txn))} entries"] += 1
    assert met(race, before, CAS) >= 1


def after(event: threading.Event, act: Callable[[], Call]) -> Call:
    """Act once something has happened."""
    assert event.wait(DEADLINE_S)
    return act()


@pytest.mark.parametrize("verb", ["approve", "cancel"])
def test_a_look_up_older_than_the_answer_contradicts_nothing(
    arena: Arena, race: Race, verb: str
) -> None:
    for _ in race.times(ROUNDS // 2):
        txn, act = asked(arena, verb)
        looked, settled = threading.Event(), threading.Event()

        def hold(said: str, looked: Any = looked, settled: Any = settled) -> None:
            if said == "order":  # it saw the time before; its answer travels slowly
                looked.set()
                assert settled.wait(DEADLINE_S)

        def send(said: str, looked: Any = looked) -> None:
            if said == verb:
                arena.offset_s += 11
                assert looked.wait(DEADLINE_S)

        arena.wire.before, arena.wire.held = send, hold
        working = partial(work_until, arena, looked)
        arena.together(partial(then, act, settled), working)
        arena.wire.before = arena.wire.held = None
        race.state(txn)
        assert arena.moved(txn) == (12_000, 12_000 * (verb == "cancel"))
        race.won[race.one(txn, SETTLED[verb])["actor"]] += 1


def then(act: Callable[[], Call], done: threading.Event) -> Call:
    """Act, then say so."""
    try:
        return act()
    finally:
        done.set()


def work_until(arena: Arena, done: threading.Event) -> None:
    """Rounds of a worker until one of them asked the gateway."""
    ends = time.monotonic() + DEADLINE_S
    while not done.is_set():
        assert time.monotonic() < ends
        arena.work()


def test_a_report_beside_the_worker_and_a_cancel_ends_approved(
    arena: Arena, race: Race, before: Counter[str]
) -> None:
    for number in race.times(ROUNDS):
        txn, reference = arena.charged_elsewhere()
        report = {"provider_ref": reference}
        arena.offset_s += 901
        arena.together(
            partial(arena.fire, txn, "approve", report),
            arena.work,
            partial(arena.fire, txn, "cancel"),
            *[partial(arena.fire, txn, "approve", report)] * 5,
            ahead=number % 3,
        )
        assert race.state(txn)["status"] == "approved"
        assert arena.moved(txn) == (12_000, 0)
        race.one(txn, "approve")
        race.won[race.one(txn, "approval_confirmed")["actor"]] += 1
    assert race.won.keys() == {"gateway", "worker"}
    assert met(race, before, CAS) >= ROUNDS // 2


# ---- the wall clock


def test_order_holds_while_the_wall_clock_runs_backwards(
    arena: Arena, race: Race, before: Counter[str]
) -> None:
    for _ in race.times(ROUNDS):
        txn, _, token = arena.paid()
        arena.together(
            partial(arena.approve, txn, token),
            partial(turn_back, arena),
            partial(arena.fire, txn, "cancel"),
        )
        turn_back(arena)
        arena.together(
            partial(arena.refund, txn, 500),
            partial(turn_back, arena),
            partial(arena.fire, txn, "complete"),
            partial(arena.refund, txn, 700),
        )
        race.won[f"{race.state(txn)['status']}"] += 1
        race.won["behind"] += behind(arena, txn)
    assert race.won["behind"] >= ROUNDS
    assert met(race, before, CAS) >= ROUNDS // 2


def turn_back(arena: Arena) -> None:
    """The wall clock is set back by a minute, again and again."""
    for _ in range(5):
        arena.offset_s -= 60
        arena.shaker.wait()


def behind(arena: Arena, txn: str) -> int:
    """Entries that follow their predecessor by one microsecond: the clock was not believed."""
    times = [entry["occurred_at"] for entry in arena.history.log(txn)]
    return sum(later == earlier + 1 for earlier, later in itertools.pairwise(times))
