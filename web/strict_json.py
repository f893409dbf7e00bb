"""Request bodies as JSON, read once and strictly: what parsers read differently is refused.

It refuses to repair anything, and leaves the size of the body (413) to whoever reads the socket.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

MAX_DEPTH = 16
"""Our deepest body has depth 2; the standard parser recurses once a level."""
MAX_INTEGER = 2**53 - 1
"""The last integer that every JSON reader, and the canonical form (RFC 8785), keeps exact."""
MAX_NUMBER_LENGTH = 32
"""Converting digits takes more than linear time; no number that we accept needs so many."""

_BOM = b"\xef\xbb\xbf"
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Malformed(ValueError):
    """The body is not the JSON we accept; `reason` is one of the names that this module raises.

    `not_utf8`, `byte_order_mark`, `nul_character`, `too_deep`, `syntax`, `duplicate_key`,
    `not_finite`, `number_too_large`, `lone_surrogate`, `not_an_object`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse(raw: bytes) -> dict[str, Any]:
    """The object in a request body (`{}` for an empty one); raises Malformed, nothing else."""
    if not raw:
        return {}
    text = _text(raw)
    _refuse_deep(text)
    value = _loads(text)
    if not isinstance(value, dict):
        raise Malformed("not_an_object")
    for string in _strings(value):
        _refuse_string(string)
    return value


def _text(raw: bytes) -> str:
    if raw.startswith(_BOM):
        raise Malformed("byte_order_mark")
    if b"\0" in raw:
        raise Malformed("nul_character")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("not_utf8") from None


def _refuse_deep(text: str) -> None:
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        depth += (match[0] in "[{") - (match[0] in "]}")
        if depth > MAX_DEPTH:
            raise Malformed("too_deep")


def _loads(text: str) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_fraction,
            parse_constant=_constant,
        )
    except json.JSONDecodeError:
        raise Malformed("syntax") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed("duplicate_key")
    return members


def _integer(digits: str) -> int:
    if len(digits) > MAX_NUMBER_LENGTH or abs(int(digits)) > MAX_INTEGER:
        raise Malformed("number_too_large")
    return int(digits)


def _fraction(digits: str) -> float:
    if len(digits) > MAX_NUMBER_LENGTH or not math.isfinite(value := float(digits)):
        raise Malformed("number_too_large")
    return value


def _constant(_: str) -> NoReturn:
    raise Malformed("not_finite")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)


def _refuse_string(string: str) -> None:
    if "\0" in string:
        raise Malformed("nul_character")
    if _SURROGATE.search(string):
        raise Malformed("lone_surrogate")
