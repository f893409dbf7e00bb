"""The chart says what may happen; everything that repeats it is held against it here."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from engine import chart
from engine.chart import GuardRefused, Illegal, Slot, Transition
from engine.guards import GUARDS, Facts, Given

PAIRS = list(itertools.product(chart.STATES, chart.EVENTS))
EDGES = {(edge.source, edge.event) for edge in chart.TRANSITIONS}
WILLING = Facts(amount=100, captured=100, intent_source="approved")
"""Facts under which at least one guard of every edge's event holds."""
GIVEN = Given(now=1, amount=100, captured=100, refunded_total=100)


def test_the_bold_path_leads_from_created_to_completed() -> None:
    state = "created"
    for event in ("make_ready", "approve", "approval_confirmed", "complete"):
        state = str(chart.decide(event, state, WILLING, GIVEN))
    assert state == "completed"


@pytest.mark.parametrize(("state", "event"), [pair for pair in PAIRS if pair not in EDGES])
def test_every_pair_without_an_edge_is_illegal(state: str, event: str) -> None:
    assert chart.decide(event, state, WILLING, GIVEN) == Illegal()


@pytest.mark.parametrize(("state", "event"), sorted(EDGES))
def test_every_edge_can_be_taken_when_its_guard_holds(state: str, event: str) -> None:
    facts = Facts(amount=100, captured=100, intent_source=_source_of(state, event))
    target = chart.decide(event, state, facts, GIVEN)
    assert (state, event, target) in {(e.source, e.event, e.target) for e in chart.TRANSITIONS}


def _source_of(state: str, event: str) -> str | None:
    return "completed" if event == "refund_rejected" else None


@pytest.mark.parametrize(
    ("event", "state", "facts", "given", "reason"),
    [
        ("approve", "ready", Facts(100, attempts=5), Given(), "too_many_attempts"),
        ("approval_confirmed", "approving", Facts(100), Given(captured=99), "captured_differs"),
        (
            "complete",
            "partially_refunded",
            Facts(100, completed_at=7),
            Given(),
            "already_completed",
        ),
        ("expire", "ready", Facts(100, expires_at=9), Given(now=8), "not_expired_yet"),
        ("refund", "approved", Facts(100, 100, 60), Given(amount=41), "refund_exceeds_balance"),
        ("refund", "approved", Facts(100, 100), Given(amount=0), "refund_exceeds_balance"),
        ("refund", "captured_unwanted", Facts(100, 100), Given(amount=99), "only_full_refund"),
        ("refund_rejected", "refunding", Facts(100), Given(), "not_the_intents_source"),
    ],
)
def test_a_guard_refuses_with_its_reason(
    event: str, state: str, facts: Facts, given: Given, reason: str
) -> None:
    refused = chart.decide(event, state, facts, given)
    named = {guard.reason: guard.id for guard in GUARDS.values()}
    assert refused == GuardRefused(named[reason], reason)


def test_unknown_names_are_not_merely_illegal() -> None:
    for event, state, unknown in (
        ("__class__", "created", "__class__"),
        ("model", "created", "model"),
        ("approve", "nowhere", "nowhere"),
        ("model", "nowhere", "model"),
    ):
        with pytest.raises(KeyError) as caught:
            chart.decide(event, state, WILLING, GIVEN)
        assert caught.value.args == (unknown,)


def test_the_version_is_that_of_the_released_file() -> None:
    folder = Path(chart.__file__).with_name("charts")
    stored = json.loads((folder / f"{chart.VERSION.removeprefix('sha256:')}.json").read_text())
    assert stored == chart.document()
    for file in folder.glob("*.json"):
        assert chart.version_of(json.loads(file.read_text())) == f"sha256:{file.stem}"


def test_a_chart_that_was_never_released_is_not_loaded() -> None:
    bare = chart.VERSION.removeprefix("sha256:")
    for version in ("sha256:" + "0" * 64, f"sha256:../charts/{bare}", bare, "x", ""):
        assert chart.load(version) is None
        assert chart.edges_of(version) is None


def test_every_released_chart_is_loaded_with_its_version() -> None:
    assert chart.VERSION in chart.versions()
    assert chart.load(chart.VERSION) == chart.document() | {"version": chart.VERSION}
    for version in chart.versions():
        loaded = chart.load(version)
        assert loaded is not None
        assert chart.version_of(loaded) == version


def test_a_chart_changed_on_disk_is_not_loaded(tmp_path: Path) -> None:
    file = tmp_path / f"{chart.VERSION.removeprefix('sha256:')}.json"
    file.write_text(json.dumps(chart.document()))
    assert chart.released_in(tmp_path, chart.VERSION) == chart.load(chart.VERSION)
    file.write_text(json.dumps(chart.document() | {"initial": "approved"}))
    assert chart.released_in(tmp_path, chart.VERSION) is None


def test_a_released_chart_gives_its_edges_and_guards() -> None:
    edges = {(edge.source, edge.event, edge.target): edge.guard for edge in chart.TRANSITIONS}
    assert chart.edges_of(chart.VERSION) == edges
    assert edges["ready", "approve", "approving"] == "attempts<5"


def test_an_impossible_total_is_refused_by_the_first_guard() -> None:
    beyond = chart.decide("refund_settled", "refunding", WILLING, Given(refunded_total=101))
    assert beyond == GuardRefused("remaining>0", "no_money_remains")


def test_the_edges_of_the_machine_are_those_released() -> None:
    released = chart.load(chart.VERSION)
    assert released is not None
    wires = chart.HTTP_NAMES
    edges = [dataclasses.asdict(edge) for edge in chart.edges_in(chart.PaymentChart)]
    assert [e | {"http": wires.get(e["event"])} for e in edges] == released["transitions"]


def test_an_edge_is_open_to_the_targets_that_guards_allow() -> None:
    holds = chart.condition("attempts<5")
    assert holds.__name__ == "attempts<5"
    assert holds(Slot("ready", frozenset({"approving"})), chart.PaymentChart.approving)
    assert not holds(Slot("ready", frozenset({"approving"})), chart.PaymentChart.ready)


def test_the_table_has_a_row_for_each_edge() -> None:
    header, line, first, *rows = chart.markdown().splitlines()
    assert (header, line) == ("| event | HTTP | from | to | guard |", "|---|---|---|---|---|")
    assert first == "| `make_ready` | `ready` | created | ready |  |"
    assert "| `expire` |  | ready | expired | `now>=expires_at` |" in rows
    assert len(rows) + 1 == len(chart.TRANSITIONS)
    assert chart.markdown().endswith(" |\n")


def test_the_diagram_begins_and_ends_where_a_payment_does() -> None:
    title, begin, first, *lines = chart.mermaid().splitlines()
    assert (title, begin) == ("stateDiagram-v2", "    [*] --> created")
    assert first == "    created --> ready: make_ready"
    assert "    ready --> approving: approve [attempts<5]" in lines
    ends = [f"    {state} --> [*]" for state in ("refunded", "cancelled", "failed", "expired")]
    assert lines[len(chart.TRANSITIONS) - 1 :] == ends
    assert chart.mermaid().endswith("\n")


GO = Transition("go", "created", "going", None)
STAY = Transition("stay", "going", "gone", None)
SOUND: dict[str, Any] = {
    "states": {"created", "going", "gone"},
    "edges": (STAY, GO),
    "deadlines": {"created": "expires_at", "going": "forever", "gone": None},
    "wires": {"go": "go"},
}


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        ({}, []),
        (
            {"deadlines": {"created": "expires_at", "gone": None}},
            ["state without a deadline: going"],
        ),
        ({"deadlines": SOUND["deadlines"] | {"x": None}}, ["deadline of no state: x"]),
        ({"edges": (GO,)}, ["unreachable state: gone"]),
        (
            {"edges": (GO, STAY, Transition("send", "created", "gone", None))},
            ["name belongs to the library: send"],
        ),
        (
            {
                "states": SOUND["states"] | {"send"},
                "edges": (GO, STAY, Transition("on", "gone", "send", None)),
                "deadlines": SOUND["deadlines"] | {"send": None},
            },
            ["name belongs to the library: send"],
        ),
        ({"wires": {"go": "go", "fly": "fly"}}, ["wire name of no event: fly"]),
    ],
)
def test_a_broken_chart_is_named(change: dict[str, Any], problems: list[str]) -> None:
    assert chart.problems_of(**SOUND | change) == problems


def test_a_broken_chart_is_not_imported() -> None:
    with pytest.raises(ImportError) as caught:
        chart.require_none(["one", "another"])
    assert str(caught.value) == "the chart is broken: one; another"


def test_only_closed_states_wait_for_nothing() -> None:
    listed: list[dict[str, Any]] = chart.document()["states"]
    assert {one["id"] for one in listed if one["deadline"] is None} == set(chart.CLOSED)


def test_allowed_events_are_the_public_edges() -> None:
    for state in chart.STATES:
        public = {
            chart.HTTP_NAMES[event]
            for source, event in EDGES
            if source == state and event in chart.HTTP_NAMES
        }
        assert set(chart.allowed_events(state)) == public
