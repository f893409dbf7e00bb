"""A state machine made from the served chart plays merchant, customer, gateway and time at once.

Every rule predicts from the chart what may happen, then looks at what did (`faults/model.py`).

    python -m pytest -n 2 tests/faults/test_model.py
    MODEL_EXAMPLES=5000 MODEL_SEED=7 python -m pytest -n 2 tests/faults/test_model.py
    MODEL_SHRINK=1 …    look for the shortest failing sequence too (minutes)
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.inprocess import DEADLINE_S, World
from faults.model import Asked, Charted
from faults.play import TROUBLE, VERB, Before, Play
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from engine.errors import EngineError
from engine.operations import Durations
from engine.review import resolve
from providers.kakaopay.simulator.faults import KINDS, VERBS

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "500"))
SEED = int(os.environ.get("MODEL_SEED", "1"))
SHRINK = bool(os.environ.get("MODEL_SHRINK"))
SHARDS = 4
STEPS = 30
LEAST_EDGES, LEAST_FAULTS = 20, 18
"""What each shard must have walked of the chart's edges, and seen fire: else it proved little.

The four walk 21 to 26 edges and meet 19 or 20 kinds; a bound just below says when that shrinks.
"""
PAYMENTS = 3

which = st.integers(0, 5 * PAYMENTS - 1)
stages = st.sampled_from([0, 1, 2, 2, 3, 3, 3, 4, 5, 5, 5, 6])
orders = st.fixed_dictionaries(
    {
        "flow": st.sampled_from(["server", "server", "client", "reported"]),
        "amount": st.sampled_from([12_000, 12_000, 1, 11, 999_999]),
        "tax_free_amount": st.sampled_from([0, 0, 0, 1]),
        "expires_in": st.sampled_from([900, 900, 900, 60]),
    },
    optional={"customer_id": st.just("user-7")},
)
keyed = st.sampled_from(["none", "new", "new"])
matched = st.sampled_from(["none", "none", "none", "now", "stale"])
usual = "reset_after reset_before error error_after late lag hang_after wrong_amount".split()
spoils = st.fixed_dictionaries(
    {
        "kind": st.one_of(st.sampled_from(usual), st.sampled_from(sorted(KINDS))),
        "delay_s": st.sampled_from([1, 8, 15, 45, 120]),
        "code": st.sampled_from([None] * 5 + [-708, -701, -702, -10, -500, -783, -9999]),
    }
)


class Shop(Play, RuleBasedStateMachine):
    """The rules that no chart tells; those of the chart's public events are added to it."""

    def __init__(self) -> None:
        RuleBasedStateMachine.__init__(self)
        Play.__init__(self)

    @initialize(order=orders, stage=stages, spoil=st.none() | spoils)
    def first_order(self, order: dict[str, Any], stage: int, spoil: dict[str, Any] | None) -> None:
        self.new_order(order, stage, spoil)

    @precondition(lambda self: len(self.watch.known) < PAYMENTS)
    @rule(order=orders, stage=stages, spoil=st.none() | spoils)
    def another_order(
        self, order: dict[str, Any], stage: int, spoil: dict[str, Any] | None
    ) -> None:
        self.new_order(order, stage, spoil)

    @precondition(lambda self: self.sent)
    @rule(index=st.integers(0, 50), change=st.sampled_from([False, False, False, True]))
    def repeat(self, index: int, change: bool) -> None:
        """P10: the same request with the same key again."""
        sent = self.sent[index % len(self.sent)]
        known = sent.known
        state = known.operations.get(sent.operation or "")
        forgotten = state == "approval_not_taken" or not (sent.final or sent.status == 202)
        if forgotten and not change:
            self.sent.remove(sent)
            refundable = sent.body.get("amount", known.refundable)
            self.fire(sent, Asked(now=self.world.time.now, amount=refundable))
            return
        before = Before(self, known)
        body = {**sent.body, "reason": "another"} if sent.wire in ("refund", "cancel") else None
        if change and body is not None and not forgotten:
            answer = self.world.call("POST", sent.path, body, **sent.headers)
            assert answer.get_json()["code"] == "idempotency_key_reused"
        elif not change:
            answer = self.world.call("POST", sent.path, sent.body, **sent.headers)
            if sent.final:
                assert (answer.status_code, answer.data) == (sent.status, sent.data), "P10"
                assert answer.headers["Idempotent-Replayed"] == "true"
            elif state == "open":
                assert answer.status_code == 202, answer.text
            else:
                assert answer.status_code == 200, answer.text
                sent.answered(answer)
        before.nothing_happened()

    # ---- the customer

    @precondition(lambda self: any(known.txn in self.tids for known in self.payments))
    @rule(index=which, action=st.sampled_from(["approve"] * 4 + ["cancel", "fail", "expire"]))
    def customer(self, index: int, action: str) -> None:
        self.at_the_gateway(self.payment(index, lambda known: known.status == "ready"), action)

    @rule(
        index=which,
        leg=st.sampled_from(["own", "own", "own", "cancelled", "failed"]),
        how=st.sampled_from(["GET", "GET", "GET", "HEAD", "prefetch"]),
    )
    def come_back(self, index: int, leg: str, how: str) -> None:
        """The browser follows the gateway's redirect, or somebody else guesses another leg."""
        known = self.payment(index, lambda known: known.flow == "server" and known.txn in self.back)
        found = self.world.books.find(self.tids.get(known.txn, ""))
        if known.flow != "server" or found is None:
            return None
        legs = {"cancelled": found.cancel_url, "failed": found.fail_url}
        url = self.back.get(known.txn) if leg == "own" else legs[leg]
        if url is None:
            return None
        before = Before(self, known)
        headers = {"Sec_Purpose": "prefetch"} if how == "prefetch" else {}
        self.world.browse(url, "HEAD" if how == "HEAD" else "GET", **headers)
        if how != "GET":
            return before.nothing_happened()
        fresh = self.settle(known)
        if before.status != "ready":
            assert before.calls == len(self.world.wire.calls), "a late return calls nobody"
            assert known.status == before.status
        elif before.honest() and "/approved" not in url:
            charged = bool(self.watch.truth(known.txn)[0])
            ends = {"cancelled", "failed"}
            assert (known.status in ends) == (not charged), [entry["event"] for entry in fresh]
        return None

    # ---- flow `reported`: an app that talks to the gateway itself

    @precondition(lambda self: any(known.flow == "reported" for known in self.payments))
    @rule(index=which)
    def the_app_acts(self, index: int) -> None:
        self.app_acts(self.payment(index, lambda known: known.flow == "reported"))

    # ---- the gateway

    @rule(on=st.sampled_from(["order", "order", *VERBS]), spoil=spoils, times=st.integers(1, 6))
    def fault(self, on: str, spoil: dict[str, Any], times: int) -> None:
        """Whoever calls next is in for it."""
        self.script({**spoil, "on": on, "times": times})

    @precondition(lambda self: self.world.gateway.down or len(self.sent) % 4 == 3)
    @rule()
    def down_or_up(self) -> None:
        self.world.control("down", {"down": not self.world.gateway.down})
        self.disturbed = True

    @precondition(lambda self: any(known.reference for known in self.payments))
    @rule(index=which, portion=st.sampled_from([1, 3, 100]))
    def console_refund(self, index: int, portion: int) -> None:
        """Somebody refunds in the gateway's own console."""
        known = self.payment(index, lambda known: known.captured > 0)
        amount = max(1, known.amount * portion // 100)
        tid = self.tids.get(known.txn, "")
        if self.world.control("console_refund", {"tid": tid, "amount": amount}).get("aid"):
            self.disturbed = True
        self.settle(known)

    # ---- time, and who works while it passes

    @rule(
        seconds=st.sampled_from([1, 5, 5, 20, 61, 61, 300, 960, 3601]),
        skew_s=st.sampled_from([0, 0, 0, -30, 30, 600]),
    )
    def time_passes(self, seconds: int, skew_s: int) -> None:
        """Time passes and nobody works; and the gateway's clock is not ours."""
        self.world.pass_time(seconds)
        self.world.control("clock", {"advance_s": skew_s})
        self.settle(self.payments[0])

    @precondition(lambda self: self.payments)
    @rule(rounds=st.integers(1, 4), seconds=st.sampled_from([0, 5, 20, 61, 61, 300]))
    def worker(self, rounds: int, seconds: int) -> None:
        for _ in range(rounds):
            self.world.pass_time(seconds)
            now = self.world.time.now
            self.world.strada.worker.run_once()
            self.settle(self.payments[0])
            for known in self.payments:
                waits = known.status in ("created", "ready") and known.flow != "reported"
                assert not waits or known.expires_at > now, "the worker left it past its time"

    @precondition(lambda self: any(self.review(known) for known in self.payments))
    @rule(index=which)
    def operator(self, index: int) -> None:
        """A person tries to close a review."""
        known = self.payment(index, lambda known: bool(self.review(known)))
        payments = self.world.strada.payments
        code = None
        try:
            resolve(payments, known.txn, "seen in the console", "operator:test")
        except EngineError as error:
            code = error.code
        assert code in TROUBLE | {None, "illegal_transition", "operation_in_flight"}
        self.settle(known)


def rule_for(wire: str, spoilt: bool) -> Callable[..., None]:
    """The rule of one public event of the chart; the spoilt one meets a fault at the gateway."""
    sizes = ["all", "rest", "over", "one", "most", "third", "third", "third", "twice"]

    def fire(self: Shop, index: int, spoil: dict[str, Any] | None, **chosen: Any) -> None:
        name = self.chart.event_of[wire]
        known = self.payment(index, lambda known: (known.status, name) in self.chart.edges)
        if spoil:
            self.spoil(known, wire, spoil)
        self.event(known, wire, **chosen)

    fire.__name__ = f"{wire}_spoilt" if spoilt else wire
    given = {"index": which, "key": keyed, "match": matched, "size": st.sampled_from(sizes)}
    given |= {"right": st.sampled_from([True, True, True, True, False])}
    return rule(spoil=spoils if spoilt else st.none(), **given)(fire)


def machine_of(served: dict[str, Any]) -> type[Shop]:
    """A state machine with one rule for each public event of a chart."""
    chart = Charted(served)
    rules = {f"fire_{wire}": rule_for(wire, False) for wire in chart.event_of}
    rules |= {f"spoil_{wire}": rule_for(wire, True) for wire in VERB}
    return type("ChartedShop", (Shop,), {"chart": chart, "seen": Counter(), **rules})


@pytest.fixture
def served(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The chart as it is served."""
    world = World(tmp_path)
    yield world.call("GET", "/chart").get_json()
    world.close()


@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_sequence_of_steps_breaks_a_promise(
    served: dict[str, Any], shard: int, record_property: Callable[[str, object], None]
) -> None:
    chosen = settings(
        max_examples=max(1, EXAMPLES // SHARDS),
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        phases=[Phase.generate, *([Phase.shrink] if SHRINK else [])],
        suppress_health_check=list(HealthCheck),
    )
    machine = seed(SEED * SHARDS + shard)(machine_of(served))
    run_state_machine_as_test(machine, settings=chosen)
    walked = {name for name in machine.seen if isinstance(name, tuple)}
    fired = machine.seen.keys() & KINDS
    said = f"{len(walked)} edges walked, {len(fired)} kinds of fault fired"
    record_property("fault", f"model, shard {shard}: {EXAMPLES // SHARDS} x {STEPS} steps, {said}")
    if EXAMPLES >= 500:
        assert len(walked) >= LEAST_EDGES, sorted(walked)
        assert len(fired) >= LEAST_FAULTS, sorted(fired)


def test_the_wire_waits_as_long_as_the_engine() -> None:
    assert Durations().call_deadline_s == DEADLINE_S
