"""The bytes of an entry: canonical, hashed as documented, and nothing that is not in the schema."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from engine.canonical import MAX_INTEGER, canonical
from engine.entry import ZERO_HASH, MalformedEntry, commitment, seal

FIELDS: dict[str, Any] = {
    "stream": "txn_x",
    "seq": 2,
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
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner)
    ),
)


@given(_VALUES)
def test_bytes_are_those_of_an_independent_jcs(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (1.5, "float has no canonical form here"),
        ({"a": 1.5}, "float has no canonical form here"),
        ([1.5], "float has no canonical form here"),
        (math.nan, "float has no canonical form here"),
        (2**53, "an integer beyond 2^53 - 1"),
        (-(2**53), "an integer beyond 2^53 - 1"),
        ({"é": 1}, "an object key that is not ASCII text"),
        ({1: 2}, "an object key that is not ASCII text"),
        (b"x", "bytes has no canonical form here"),
        ({1, 2}, "set has no canonical form here"),
    ],
)
def test_what_has_no_one_spelling_is_refused(value: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("^", r"\^")) as caught:
        canonical(value)
    assert str(caught.value) == says


@pytest.mark.parametrize("value", [MAX_INTEGER, -MAX_INTEGER])
def test_the_last_exact_integers_have_bytes(value: int) -> None:
    assert canonical(value) == str(value).encode()


def test_a_lone_surrogate_has_no_bytes() -> None:
    with pytest.raises(UnicodeEncodeError):
        canonical("\ud800")


def test_the_hash_is_the_documented_one() -> None:
    entry = seal(FIELDS)
    assert entry.raw.startswith(b'{"actor":"key:key_x","chart":"sha256:x","data":{},')
    assert entry.hash == hashlib.sha256(b"strada/entry/1\n" + entry.raw).hexdigest()


def test_a_commitment_is_the_documented_one() -> None:
    salt = bytes(range(32))
    raw = b"strada/commit/1\nreason\x00" + salt + "깨짐".encode()
    assert commitment("reason", salt, "깨짐") == hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "rumour"},
        {"event": "teleport"},
        {"seq": 0},
        {"seq": True},
        {"actor": "somebody"},
        {"key": "abc"},
        {"occurred_at": 1.0},
        {"prev_hash": "0" * 63},
        {"data": {"customer": "kim"}},
        {"data": {"commitments": {"phone": "0" * 64}}},
        {"event": "expire", "data": {}},
        {"event": "expire", "data": {"expires_at": "1"}},
        {
            "kind": "evidence",
            "event": "approve",
            "data": {"channel": "live", "sha256": ZERO_HASH, "verdict": "maybe"},
        },
        {"stream": "book"},
        {"extra": 1},
        {"v": True},
        {"event": []},
        {"stream": "book", "kind": "note", "event": "chart_adopted", "data": {"chart": "x"}},
    ],
)
def test_what_the_format_does_not_know_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedEntry):
        seal({**FIELDS, **change})
