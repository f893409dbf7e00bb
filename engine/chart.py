"""The one chart: states, events and guards, decided by python-statemachine, and all views of it.

It refuses to touch anything: guards are pure functions of folded facts, and nothing here does I/O.
The chart's version is the SHA-256 of its canonical JSON; entries name the chart that decided them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, cast

from statemachine import State, StateChart
from statemachine.exceptions import TransitionNotAllowed

from engine.canonical import canonical
from engine.guards import GUARDS, Facts, Given


@dataclass(slots=True)
class Slot:
    """The model a machine runs on: a state, and to which targets the guards let its event lead."""

    state: str
    open_targets: frozenset[str]


def condition(guard_id: str) -> Callable[..., bool]:
    """What the machine asks at an edge with this guard: whether its target is open."""

    def holds(model: Slot, target: State) -> bool:
        return target.value in model.open_targets

    holds.__name__ = guard_id
    return holds


class PaymentChart(StateChart[Slot]):
    """A payment, from the order to the last won refunded."""

    allow_event_without_transition = False
    catch_errors_as_events = False
    atomic_configuration_update = True
    enable_self_transition_entries = False

    created = State(initial=True)
    ready = State()
    approving = State()
    approved = State()
    completed = State()
    refunding = State()
    partially_refunded = State()
    refunded = State(final=True)
    cancelled = State()
    failed = State()
    expired = State()
    captured_unwanted = State()

    make_ready = created.to(ready)
    approve = ready.to(approving, cond=condition("attempts<5"))
    approval_confirmed = approving.to(approved, cond=condition("captured==amount"))
    approval_declined = approving.to(failed)
    approval_not_taken = approving.to(ready)
    complete = approved.to(completed) | partially_refunded.to(
        completed, cond=condition("completed_at==null")
    )
    cancel = created.to(cancelled) | ready.to(cancelled)
    fail = created.to(failed) | ready.to(failed)
    expire = created.to(expired, cond=condition("now>=expires_at")) | ready.to(
        expired, cond=condition("now>=expires_at")
    )
    refund = (
        approved.to(refunding, cond=condition("amount<=refundable"))
        | completed.to(refunding, cond=condition("amount<=refundable"))
        | partially_refunded.to(refunding, cond=condition("amount<=refundable"))
        | captured_unwanted.to(refunding, cond=condition("amount==refundable"))
    )
    refund_settled = refunding.to(refunded, cond=condition("remaining==0")) | refunding.to(
        partially_refunded, cond=condition("remaining>0")
    )
    refund_rejected = (
        refunding.to(approved, cond=condition("target==intent.source"))
        | refunding.to(completed, cond=condition("target==intent.source"))
        | refunding.to(partially_refunded, cond=condition("target==intent.source"))
        | refunding.to(captured_unwanted, cond=condition("target==intent.source"))
    )
    charge_found = (
        cancelled.to(captured_unwanted)
        | failed.to(captured_unwanted)
        | expired.to(captured_unwanted)
    )
    refund_found = (
        approved.to(partially_refunded, cond=condition("remaining>0"))
        | approved.to(refunded, cond=condition("remaining==0"))
        | completed.to(partially_refunded, cond=condition("remaining>0"))
        | completed.to(refunded, cond=condition("remaining==0"))
        | partially_refunded.to(partially_refunded, cond=condition("remaining>0"))
        | partially_refunded.to(refunded, cond=condition("remaining==0"))
        | captured_unwanted.to(partially_refunded, cond=condition("remaining>0"))
        | captured_unwanted.to(refunded, cond=condition("remaining==0"))
    )


DEADLINES: Mapping[str, str | None] = {
    "created": "expires_at",
    "ready": "expires_at",
    "approving": "evidence",
    "approved": "forever",
    "completed": "forever",
    "refunding": "evidence",
    "partially_refunded": "forever",
    "refunded": None,
    "cancelled": None,
    "failed": None,
    "expired": None,
    "captured_unwanted": "forever",
}
"""What each state waits for; None marks a closed state."""

HTTP_NAMES: Mapping[str, str] = {
    "make_ready": "ready",
    "approve": "approve",
    "complete": "complete",
    "cancel": "cancel",
    "fail": "fail",
    "refund": "refund",
}
"""Events a caller may fire, and their names on the wire; the others are evidence or expiry."""

EVENT_OF_HTTP: Mapping[str, str] = {wire: event for event, wire in HTTP_NAMES.items()}
STATES: tuple[str, ...] = tuple(DEADLINES)
CLOSED: frozenset[str] = frozenset(state for state, wait in DEADLINES.items() if wait is None)
INITIAL = "created"


@dataclass(frozen=True, slots=True)
class Transition:
    """One edge of the chart."""

    event: str
    source: str
    target: str
    guard: str | None


def edges_in(machine: type[StateChart[Slot]]) -> tuple[Transition, ...]:
    """The edges of a machine in the order of its events, then of our states."""
    found = []
    for state in machine.states:
        for edge in state.transitions:
            names = [spec.func.__name__ for spec in edge.cond]
            for event in edge.events:
                found.append(
                    Transition(
                        event.id,
                        edge.source.id,
                        cast(State, edge.target).id,
                        names[0] if names else None,
                    )
                )
    order = list(machine.__dict__)
    return tuple(
        sorted(
            found,
            key=lambda e: (order.index(e.event), STATES.index(e.source), STATES.index(e.target)),
        )
    )


TRANSITIONS: tuple[Transition, ...] = edges_in(PaymentChart)
EVENTS: tuple[str, ...] = tuple(dict.fromkeys(edge.event for edge in TRANSITIONS))
_LEAVING: Mapping[tuple[str, str], tuple[Transition, ...]] = {
    (source, event): tuple(e for e in TRANSITIONS if (e.source, e.event) == (source, event))
    for source in STATES
    for event in EVENTS
}
_ALLOWED: Mapping[str, tuple[str, ...]] = {
    state: tuple(
        dict.fromkeys(
            HTTP_NAMES[edge.event]
            for edge in TRANSITIONS
            if edge.source == state and edge.event in HTTP_NAMES
        )
    )
    for state in STATES
}


def allowed_events(state: str) -> tuple[str, ...]:
    """Wire names of the events a caller may fire in `state` (guards not looked at)."""
    return _ALLOWED[state]


@dataclass(frozen=True, slots=True)
class Illegal:
    """No transition of this event leaves the present state."""


@dataclass(frozen=True, slots=True)
class GuardRefused:
    """A transition exists, but its guard does not hold."""

    guard: str
    reason: str


def decide(event: str, state: str, facts: Facts, given: Given) -> str | Illegal | GuardRefused:
    """Ask the machine where `event` leads; returns the target state, or why it leads nowhere.

    Raises KeyError for an event or state that the chart does not have.
    """
    if event not in EVENTS or state not in DEADLINES:
        raise KeyError(event if event not in EVENTS else state)
    target = _machine_says(
        event,
        state,
        frozenset(
            edge.target
            for edge in _LEAVING[state, event]
            if edge.guard is None or GUARDS[edge.guard].holds(facts, given, edge.target)
        ),
    )
    return _why_not(event, state) if target is None else target


@cache
def _machine_says(event: str, state: str, open_targets: frozenset[str]) -> str | None:
    """The state that the machine goes to, or None where it refuses.

    A machine sees nothing but these three values, so it is asked once about each: building one and
    sending it an event costs more than all the rest of a transition.
    """
    slot = Slot(state, open_targets)
    try:
        PaymentChart(slot).send(event)
    except TransitionNotAllowed:
        return None
    return slot.state


def _why_not(event: str, state: str) -> Illegal | GuardRefused:
    """No edge is open: of those that there are every guard refuses, and the first says why."""
    guards = [GUARDS[edge.guard] for edge in _LEAVING[state, event] if edge.guard]
    return GuardRefused(guards[0].id, guards[0].reason) if guards else Illegal()


def document() -> dict[str, Any]:
    """The chart as data, without its version."""
    return {
        "initial": INITIAL,
        "states": [
            {"id": state, "closed": state in CLOSED, "deadline": DEADLINES[state]}
            for state in STATES
        ],
        "events": [{"id": event, "http": HTTP_NAMES.get(event)} for event in EVENTS],
        "transitions": [
            {
                "event": edge.event,
                "http": HTTP_NAMES.get(edge.event),
                "source": edge.source,
                "target": edge.target,
                "guard": edge.guard,
            }
            for edge in TRANSITIONS
        ],
        "guards": [{"id": guard.id, "reason": guard.reason} for guard in GUARDS.values()],
    }


def version_of(chart: Mapping[str, Any]) -> str:
    """`sha256:` and the hash of the canonical JSON of `chart`, its `version` left out."""
    bare = {key: value for key, value in chart.items() if key != "version"}
    return "sha256:" + hashlib.sha256(canonical(bare)).hexdigest()


VERSION = version_of(document())
_VERSION = re.compile(r"sha256:[0-9a-f]{64}")


CHARTS = resources.files("engine").joinpath("charts")


def released_in(folder: Traversable, version: str) -> dict[str, Any] | None:
    """The chart of this version in a folder; None when its file is not there, or is another."""
    if _VERSION.fullmatch(version) is None:
        return None
    found = folder.joinpath(f"{version.removeprefix('sha256:')}.json")
    if not found.is_file():
        return None
    chart: dict[str, Any] = json.loads(found.read_bytes())
    return chart | {"version": version} if version_of(chart) == version else None


@cache
def load(version: str) -> dict[str, Any] | None:
    """A chart by its version, present or old, from `engine/charts/`; None when never released."""
    return released_in(CHARTS, version)


def versions() -> list[str]:
    """Every chart that was ever released."""
    names = sorted(path.name for path in CHARTS.iterdir() if path.name.endswith(".json"))
    return [f"sha256:{name.removesuffix('.json')}" for name in names]


@cache
def edges_of(version: str) -> Mapping[tuple[str, str, str], str | None] | None:
    """(source, event, target) → guard id, of any released chart; None when never released."""
    chart = load(version)
    if chart is None:
        return None
    return {(e["source"], e["event"], e["target"]): e["guard"] for e in chart["transitions"]}


def markdown() -> str:
    """The chart as a Markdown table, one row an edge."""
    rows = ["| event | HTTP | from | to | guard |", "|---|---|---|---|---|"]
    for edge in TRANSITIONS:
        wire = HTTP_NAMES.get(edge.event)
        rows.append(
            f"| `{edge.event}` | {f'`{wire}`' if wire else ''} | {edge.source} | {edge.target} "
            f"| {f'`{edge.guard}`' if edge.guard else ''} |"
        )
    return "\n".join(rows) + "\n"


def mermaid() -> str:
    """The chart as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {INITIAL}"]
    for edge in TRANSITIONS:
        label = edge.event + (f" [{edge.guard}]" if edge.guard else "")
        lines.append(f"    {edge.source} --> {edge.target}: {label}")
    lines += [f"    {state} --> [*]" for state in STATES if state in CLOSED]
    return "\n".join(lines) + "\n"


def problems_of(
    states: Set[str],
    edges: tuple[Transition, ...],
    deadlines: Mapping[str, str | None],
    wires: Mapping[str, str],
) -> list[str]:
    """What in a chart breaks a rule that the rest of the engine stands on, in words."""
    events = {edge.event for edge in edges}
    library = set(dir(StateChart))
    reached = {INITIAL}
    for _ in states:
        reached |= {edge.target for edge in edges if edge.source in reached}
    return [
        *(f"state without a deadline: {state}" for state in sorted(states - set(deadlines))),
        *(f"deadline of no state: {state}" for state in sorted(set(deadlines) - states)),
        *(f"unreachable state: {state}" for state in sorted(states - reached)),
        *(f"name belongs to the library: {name}" for name in sorted((states | events) & library)),
        *(f"wire name of no event: {event}" for event in sorted(set(wires) - events)),
    ]


def require_none(problems: list[str]) -> None:
    """Fail, at import, when the chart has any."""
    if problems:
        raise ImportError("the chart is broken: " + "; ".join(problems))


require_none(
    problems_of({state.id for state in PaymentChart.states}, TRANSITIONS, DEADLINES, HTTP_NAMES)
)
