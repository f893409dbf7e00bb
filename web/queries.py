"""Query strings, read strictly: each parameter known, given once, and in its one spelling.

It refuses to take the first of two, as frameworks do, and to read digits that are not ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from web.faults import (
    INTEGER,
    INVALID,
    NOT_ALLOWED,
    SAFE_NAME,
    VISIBLE,
    at_least,
    at_most,
    invalid,
    visible,
)
from web.phrases import Phrase

MAX_PAGE = 100
DEFAULT_PAGE = 20

_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

UNKNOWN_PARAMETER = Phrase("is not a known parameter", "알 수 없는 매개변수입니다")
REPEATED = Phrase("must be given once", "한 번만 지정해야 합니다")
TRUE_FALSE = Phrase("must be true or false", "true 또는 false여야 합니다")
INSTANT = Phrase(
    "must be an RFC 3339 time such as 2026-11-23T01:15:00Z",
    "2026-11-23T01:15:00Z 같은 RFC 3339 시각이어야 합니다",
)


class Refused(ValueError):
    """A value that a reader of a query parameter does not take."""

    def __init__(self, phrase: Phrase) -> None:
        super().__init__(str(phrase))
        self.phrase = phrase


Reader = Callable[[str], object]


def parse_query(pairs: Iterable[tuple[str, str]], readers: Mapping[str, Reader]) -> dict[str, Any]:
    """Query parameters by name, each read by its reader; repeated and unknown ones are refused."""
    values: dict[str, Any] = {}
    faults: dict[str, Phrase] = {}
    for name, text in pairs:
        pointer = f"/query/{name}" if SAFE_NAME.fullmatch(name) else "/query"
        if name not in readers:
            faults[pointer] = UNKNOWN_PARAMETER
        elif name in values:
            faults[pointer] = REPEATED
        else:
            values[name] = _read(readers[name], text, pointer, faults)
    if faults:
        raise invalid(faults.items())
    return values


def _read(reader: Reader, text: str, pointer: str, faults: dict[str, Phrase]) -> object:
    try:
        return reader(text)
    except Refused as refused:
        faults[pointer] = refused.phrase
    return None


def boolean(text: str) -> bool:
    """Read `true` or `false`."""
    if text not in ("true", "false"):
        raise Refused(TRUE_FALSE)
    return text == "true"


def whole(low: int, high: int) -> Callable[[str], int]:
    """A reader of plain ASCII decimals between two bounds."""

    def read(text: str) -> int:
        if not re.fullmatch(r"0|[1-9][0-9]{0,15}", text):
            raise Refused(INTEGER)
        if int(text) < low:
            raise Refused(at_least(low))
        if int(text) > high:
            raise Refused(at_most(high))
        return int(text)

    return read


def one_of(allowed: Collection[str]) -> Callable[[str], str]:
    """A reader of one of these words."""

    def read(text: str) -> str:
        if text not in allowed:
            raise Refused(NOT_ALLOWED)
        return text

    return read


def matching(pattern: str, phrase: Phrase = INVALID) -> Callable[[str], str]:
    """A reader of text that matches a pattern as a whole."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise Refused(phrase)
        return text

    return read


def instant(text: str) -> int:
    """Read an RFC 3339 time as microseconds since 1970."""
    if not _INSTANT.fullmatch(text):
        raise Refused(INSTANT)
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise Refused(INSTANT) from None


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What `GET /v1/transactions` was asked for; None means: whatever it is."""

    status: str | None = None
    provider: str | None = None
    order_id: str | None = None
    needs_review: bool | None = None
    created_after: int | None = None
    created_before: int | None = None
    limit: int = DEFAULT_PAGE
    cursor: str | None = None


def parse_list_query(pairs: Iterable[tuple[str, str]], *, statuses: Collection[str]) -> ListQuery:
    """The parameters of the plain list; raises Problem. Times are in microseconds since 1970."""
    readers: dict[str, Reader] = {
        "status": one_of(statuses),
        "provider": matching(r"[a-z][a-z0-9_]{0,31}"),
        "order_id": matching(VISIBLE % 100, visible(100)),
        "needs_review": boolean,
        "created_after": instant,
        "created_before": instant,
        "limit": whole(1, MAX_PAGE),
        "cursor": matching(r"[A-Za-z0-9_.=-]{1,512}"),
    }
    return ListQuery(**parse_query(pairs, readers))
