"""Strict JSON: whatever is sent, it is read as one thing or refused."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.strict_json import MAX_DEPTH, MAX_INTEGER, Malformed, parse


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'\xef\xbb\xbf{"a": 1}', "byte_order_mark"),
        ('{"a": 1}'.encode("utf-16-le"), "nul_character"),
        ('{"a": 1}'.encode("utf-16"), "nul_character"),
        (b'{"a": "\xff"}', "not_utf8"),
        (b'{"a": "\xed\xa0\x80"}', "not_utf8"),
        (b'{"a": "\xc0\x80"}', "not_utf8"),
        (b'{"a": 1, "a": 2}', "duplicate_key"),
        (rb'{"a": 1, "\u0061": 2}', "duplicate_key"),
        (b'{"m": {"a": 1, "a": 1}}', "duplicate_key"),
        (b'{"a": NaN}', "not_finite"),
        (b'{"a": Infinity}', "not_finite"),
        (b'{"a": -Infinity}', "not_finite"),
        (b'{"a": 1e400}', "number_too_large"),
        (b'{"a": -1e400}', "number_too_large"),
        (b'{"a": 1e99999999999999999999999999999999}', "number_too_large"),
        (b'{"a": 9007199254740992}', "number_too_large"),
        (b'{"a": ' + b"9" * 60_000 + b"}", "number_too_large"),
        (b'{"a": 0.' + b"1" * 60_000 + b"}", "number_too_large"),
        (b"[" * 60_000, "too_deep"),
        (b'{"a":' * 10_000, "too_deep"),
        (rb'{"a": "\ud800"}', "lone_surrogate"),
        (rb'{"\udfff": 1}', "lone_surrogate"),
        (rb'{"a": ["\udc00\ud800"]}', "lone_surrogate"),
        (rb'{"a": "\u0000"}', "nul_character"),
        (rb'{"a\u0000": 1}', "nul_character"),
        (b'{"a": "\x00"}', "nul_character"),
        (b'{"a": "\n"}', "syntax"),
        (b"{'a': 1}", "syntax"),
        (b'{"a": 1,}', "syntax"),
        (b'{"a": 01}', "syntax"),
        (b'{"a": +1}', "syntax"),
        (b'{"a": 0x10}', "syntax"),
        ('{"a": ١٢}'.encode(), "syntax"),
        (b'{"a": 1} {"a": 2}', "syntax"),
        (b"{} // no", "syntax"),
        (b'{"a": "', "syntax"),
        (b'{"a": "\\', "syntax"),
        (b"]" * 60_000, "syntax"),
        (b" ", "syntax"),
        (b"[]", "not_an_object"),
        (b"1", "not_an_object"),
        (b"null", "not_an_object"),
        (b'"text"', "not_an_object"),
    ],
)
def test_hostile_bodies_are_refused_by_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse(raw)
    assert refused.value.reason == reason


def test_an_empty_body_is_an_empty_object() -> None:
    assert parse(b"") == {}


def test_ordinary_bodies_are_read() -> None:
    body = {"item_name": "초코파이 외 2건 🍫", "amount": 12000, "metadata": {"a": "[{"}, "n": None}
    assert parse(json.dumps(body).encode()) == body
    assert parse(json.dumps(body, ensure_ascii=False).encode()) == body


def test_numbers_keep_their_kind() -> None:
    read = parse(b'{"a": 100, "b": 100.0, "c": true, "d": -0, "e": 9007199254740991}')
    assert [type(value) for value in read.values()] == [int, float, bool, int, int]
    assert read["e"] == MAX_INTEGER


def test_the_depth_cap_is_exact() -> None:
    deep = MAX_DEPTH - 1
    assert parse(b'{"a":' + b"[" * deep + b"]" * deep + b"}")
    with pytest.raises(Malformed):
        parse(b'{"a":' + b"[" * (deep + 1) + b"]" * (deep + 1) + b"}")


def test_brackets_in_strings_do_not_count() -> None:
    assert parse(json.dumps({"a": '[\\"{' * 1000}).encode())


@pytest.mark.parametrize("unit", [b'"\\', b'\\"', b'"', b'{"', b'",'])
def test_scanning_takes_linear_time(unit: bytes) -> None:
    started = time.perf_counter()
    with pytest.raises(Malformed):
        parse(b"{" + unit * (60_000 // len(unit)))
    assert time.perf_counter() - started < 1


def read_or_reason(raw: bytes) -> object:
    try:
        return parse(raw)
    except Malformed as refused:
        return refused.reason


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_are_malformed(raw: bytes) -> None:
    assert isinstance(read_or_reason(raw), dict | str)


@given(st.text(alphabet='{}[]":,\\u0dD8aeE+-.19NITf \n\0é', max_size=60))
def test_any_near_json_parses_or_is_malformed(text: str) -> None:
    try:
        value = parse(text.encode())
    except Malformed:
        return
    assert value == (json.loads(text) if text else {})


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.text("aé\n[{", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc한", max_size=4), _VALUES, max_size=4))
def test_what_we_print_is_read_back(value: dict[str, object]) -> None:
    assert read_or_reason(json.dumps(value).encode()) in (value, "too_deep")
