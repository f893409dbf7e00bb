"""The closed schema: every event's data, field by field, and every value that a field refuses."""

from __future__ import annotations

from typing import Any

import pytest

from engine import entry
from engine.canonical import MAX_INTEGER
from engine.entry import KEYS, ZERO_HASH, MalformedEntry, Schema, check, schema, seal

FIELDS: dict[str, Any] = {
    "v": 1,
    "stream": "txn_x",
    "seq": 1,
    "kind": "transition",
    "event": "cancel",
    "source": "created",
    "target": "cancelled",
    "actor": "key:key_x",
    "request_id": "req_x",
    "key": None,
    "occurred_at": 1,
    "chart": "sha256:x",
    "data": {},
    "prev_hash": ZERO_HASH,
}
NOTE: dict[str, Any] = FIELDS | {
    "stream": "book",
    "kind": "note",
    "event": "chart_adopted",
    "source": None,
    "target": None,
    "data": {"chart": "x"},
}
EVIDENCE: dict[str, Any] = FIELDS | {
    "kind": "evidence",
    "event": "approve",
    "data": {"channel": "live", "sha256": ZERO_HASH, "verdict": "early"},
}
RIGHT: dict[str, list[Any]] = {
    "int": [0, MAX_INTEGER],
    "name": ["x", "!~", "x" * 255],
    "hash": [ZERO_HASH, "0123456789abcdef" * 4],
    "names": [[], ["x", "y"]],
    "commitments": [{}, {"reason": ZERO_HASH, "metadata": ZERO_HASH}],
    "name?": [None, "x"],
}
WRONG: dict[str, list[Any]] = {
    "int": [-1, MAX_INTEGER + 1, True, 1.0, "1", None],
    "name": ["", "a b", "x" * 256, "é", "x\n", 1, None],
    "hash": ["0" * 63, "0" * 65, "A" * 64, 0, None],
    "names": ["x", ("x",), ["x", 1], None],
    "commitments": [[], {"phone": ZERO_HASH}, {"reason": "x"}, {"phone": "x"}, None],
    "name?": ["", 1],
}
"""Type of a field → what it takes, at its limits, and what it refuses, beyond them."""


def _every_schema() -> dict[str, tuple[dict[str, Any], Schema]]:
    found = {f"{event}": (FIELDS | {"event": event}, of) for event, of in _TRANSITIONS.items()}
    for event in _TRANSITIONS:
        refused = FIELDS | {"kind": "refusal", "event": event}
        found[f"refused {event}"] = (refused, entry.REFUSAL_DATA)
    for event in entry.EVIDENCE_EVENTS:
        found[f"evidence of {event}"] = (EVIDENCE | {"event": event}, entry.EVIDENCE_DATA)
    for event, of in entry.NOTE_DATA.items():
        found[f"note {event}"] = (FIELDS | {"kind": "note", "event": event}, of)
    for event, of in entry.BOOK_DATA.items():
        found[f"book {event}"] = (NOTE | {"event": event}, of)
    return found


_TRANSITIONS = entry.TRANSITION_DATA
SCHEMAS = _every_schema()
EVENTS = pytest.mark.parametrize("name", list(SCHEMAS))


def full(name: str) -> dict[str, Any]:
    """An entry of this event with every field that its data may have."""
    fields, of = SCHEMAS[name]
    data = {field: RIGHT[kind][0] for field, kind in of.fields.items()}
    if fields["kind"] == "evidence":
        data |= {"verdict": "applied", "channel": "live"}
    return fields | {"data": data}


def refusal(fields: dict[str, Any]) -> str:
    """What the format says against this entry."""
    with pytest.raises(MalformedEntry) as caught:
        check(fields)
    return str(caught.value)


@EVENTS
def test_every_event_may_carry_all_its_fields(name: str) -> None:
    check(full(name))


@EVENTS
def test_only_optional_fields_may_be_absent(name: str) -> None:
    whole, of = full(name), SCHEMAS[name][1]
    for field in of.fields:
        bare = whole | {"data": {k: v for k, v in whole["data"].items() if k != field}}
        if field in of.optional:
            check(bare)
        else:
            assert refusal(bare) == "data lacks a field of its event"


@EVENTS
def test_no_event_takes_a_field_it_does_not_name(name: str) -> None:
    whole = full(name)
    more = whole | {"data": whole["data"] | {"more": 1}}
    assert refusal(more) == "data has a field that its event does not have"
    assert refusal(whole | {"data": []}) == "data has a field that its event does not have"


@EVENTS
def test_every_field_holds_its_type_to_the_limit(name: str) -> None:
    whole, of = full(name), SCHEMAS[name][1]
    for field, kind in of.fields.items():
        for value in WRONG[kind]:
            wrong = whole | {"data": whole["data"] | {field: value}}
            assert refusal(wrong) == f"data.{field} has the wrong type"
        for value in RIGHT[kind] if field not in ("verdict", "channel") else ():
            check(whole | {"data": whole["data"] | {field: value}})


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("stream", "name"),
        ("seq", "int"),
        ("event", "name"),
        ("source", "name?"),
        ("target", "name?"),
        ("request_id", "name?"),
        ("occurred_at", "int"),
        ("chart", "name"),
        ("prev_hash", "hash"),
    ],
)
def test_every_key_of_an_entry_holds_its_type(field: str, kind: str) -> None:
    for value in WRONG[kind]:
        assert refusal(FIELDS | {field: value}) == "a field has the wrong type"
    for value in RIGHT[kind] if field not in ("seq", "event") else ():
        check(FIELDS | {field: value})


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 0},
        {"kind": "rumour"},
        {"kind": None},
        {"actor": "somebody"},
        {"actor": "key:"},
        {"actor": "clients"},
        {"actor": 1},
        {"actor": None},
        {"key": "abc"},
        {"key": 1},
    ],
)
def test_what_is_no_entry_is_refused_by_type(change: dict[str, Any]) -> None:
    assert refusal(FIELDS | change) == "a field has the wrong type"


@pytest.mark.parametrize(
    "change",
    [
        {"seq": MAX_INTEGER},
        {"key": ZERO_HASH},
        *({"actor": actor} for actor in ("client", "customer", "worker", "gateway")),
        {"actor": "operator:kim"},
    ],
)
def test_what_the_format_allows_is_taken(change: dict[str, Any]) -> None:
    check(FIELDS | change)


@pytest.mark.parametrize("key", KEYS)
def test_an_entry_has_every_key(key: str) -> None:
    bare = {name: value for name, value in FIELDS.items() if name != key}
    assert refusal(bare) == "an entry has exactly the keys of version 1"


@pytest.mark.parametrize("change", [{"extra": 1}, {"v": 2}, {"v": True}, {"v": 1.0}])
def test_an_entry_is_of_version_one_alone(change: dict[str, Any]) -> None:
    assert refusal(FIELDS | change) == "an entry has exactly the keys of version 1"


@pytest.mark.parametrize("change", [{"source": "x"}, {"target": "x"}])
def test_the_book_has_no_states(change: dict[str, Any]) -> None:
    assert refusal(NOTE | change) == "the book has no states"


@pytest.mark.parametrize(
    "fields",
    [
        FIELDS | {"event": "teleport"},
        FIELDS | {"kind": "refusal", "event": "look_up"},
        FIELDS | {"kind": "evidence", "event": "cancel"},
        FIELDS | {"kind": "note", "event": "chart_adopted"},
        NOTE | {"event": "late_return"},
        NOTE | {"kind": "transition"},
        NOTE | {"kind": "evidence", "event": "approve", "data": EVIDENCE["data"]},
    ],
)
def test_an_event_belongs_to_its_kind_and_stream(fields: dict[str, Any]) -> None:
    assert refusal(fields) == f"no {fields['kind']} of this event belongs in this stream"


@pytest.mark.parametrize("change", [{"verdict": "maybe"}, {"channel": "rumour"}])
def test_evidence_names_a_known_verdict_and_channel(change: dict[str, Any]) -> None:
    unknown = EVIDENCE | {"data": EVIDENCE["data"] | change}
    assert refusal(unknown) == "evidence names an unknown verdict or channel"


def test_a_schema_names_its_optional_fields_in_words() -> None:
    fields = {"op": "name", "code": "name"}
    assert schema(**fields) == Schema(fields, frozenset())
    assert schema("op code", **fields) == Schema(fields, frozenset(fields))


def test_a_sealed_entry_carries_its_version_and_bytes() -> None:
    sealed = seal({key: value for key, value in FIELDS.items() if key != "v"})
    assert sealed.fields == FIELDS
    assert sealed.raw.endswith(b'"target":"cancelled","v":1}')
    assert sealed.hash == entry.hash_of(sealed.raw)
