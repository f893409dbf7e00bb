"""The exact bytes of an honest entry: a regular expression a kind and event, from the schemas.

What matches is canonical JSON of a well-typed entry, so it need be neither parsed nor encoded. It
refuses to judge what does not match: rare spellings (escapes, integers of the last decade below
2⁵³) are left to the slow path, and so is everything that is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from engine.entry import (
    BOOK_DATA,
    CHANNELS,
    COMMITTED_FIELDS,
    EVIDENCE_DATA,
    EVIDENCE_EVENTS,
    NOTE_DATA,
    REFUSAL_DATA,
    TRANSITION_DATA,
    VERDICTS,
    Schema,
)

Match: TypeAlias = Callable[[bytes], re.Match[bytes] | None]

_VISIBLE = r"[!#-\[\]-~]"
"""Visible ASCII without the two characters that JSON escapes."""
_HEX = "[0-9a-f]{64}"
_NAME = f'"{_VISIBLE}{{1,255}}"'
_INT = "(?:0|[1-8][0-9]{0,15}|9[0-9]{0,14})"
"""Every integer below 9·10¹⁵ in its one spelling; 2⁵³ − 1 is a little more."""
_ACTOR = f'"(?:(?:key|operator):{_VISIBLE}{{1,200}}|client|customer|worker|gateway)"'


def _commitments() -> str:
    """Any of the committed fields, in order, commas between them only."""
    one = r'(?:"%s":"' + _HEX + r'"(?:,(?=")|(?=\})))?'
    return r"\{" + "".join(one % name for name in sorted(COMMITTED_FIELDS)) + r"\}"


_TYPES: Mapping[str, tuple[str, str]] = {
    "int": ("", _INT),
    "name": ('"', f"{_VISIBLE}{{1,255}}"),
    "name?": ("", f"(?:null|{_NAME})"),
    "names": ("", rf"\[(?:{_NAME}(?:,{_NAME})*)?\]"),
    "commitments": ("", _commitments()),
}
"""The quotes around a captured value, and the value."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """How to recognise an entry; `fields` are the parts of `data` it captures, in order.

    Groups: the chart, then `fields`, then occurred_at, prev_hash, seq, source, stream, target.
    Chart, source, stream and target are not held to any alphabet: they must be compared.
    """

    text: bytes
    fields: tuple[str, ...]
    commitments: int
    """The group that holds commitments, or 0."""
    names: tuple[str, ...]
    """All fields of `data` in order, hashes too."""
    numbers: frozenset[str]
    """Those that are integers."""

    def match(self, raw: bytes) -> re.Match[bytes] | None:
        """Match a whole entry."""
        return _compiled(self.text)(raw)


@cache
def _compiled(text: bytes) -> Match:
    """Compiled when first asked for: few books hold every kind of entry, and it takes a while."""
    return re.compile(text).fullmatch


def _value(name: str, kind: str, fixed: Mapping[str, tuple[str, ...]]) -> str:
    if kind == "hash":
        return f'"{name}":"{_HEX}"'
    quote, value = _TYPES[kind]
    if name in fixed:
        value = "|".join(map(re.escape, fixed[name]))
    return f'"{name}":{quote}({value}){quote}'


def _data(schema: Schema, fixed: Mapping[str, tuple[str, ...]]) -> str:
    """The fields in order; an optional one brings the comma that parts it from a needed one."""
    names = sorted(schema.fields)
    parts = {name: _value(name, schema.fields[name], fixed) for name in names}
    needed = [name for name in names if name not in schema.optional]
    if not needed:
        assert len(names) < 2, "several optional fields need one that is always there"
        return "".join(f"(?:{part})?" for part in parts.values())
    text = ""
    for name in names:
        before, after = ("", ",") if name < needed[0] else (",", "")
        part = f"{before}{parts[name]}{after}" if name != needed[0] else parts[name]
        text += f"(?:{part})?" if name in schema.optional else part
    return text


def _pattern(kind: str, event: str, schema: Schema) -> Pattern:
    fixed = {"verdict": VERDICTS, "channel": CHANNELS} if kind == "evidence" else {}
    text = (
        rf'\{{"actor":{_ACTOR},"chart":"([^"]*)","data":\{{{_data(schema, fixed)}\}},'
        rf'"event":"{event}","key":(?:null|"{_HEX}"),"kind":"{kind}",'
        rf'"occurred_at":({_INT}),"prev_hash":"([^"]{{64}})","request_id":(?:null|{_NAME}),'
        rf'"seq":({_INT}),"source":(?:null|"([^"]*)"),"stream":"([^"]*)",'
        rf'"target":(?:null|"([^"]*)"),"v":1\}}'
    )
    fields = tuple(name for name in sorted(schema.fields) if schema.fields[name] != "hash")
    place = 1 + fields.index("commitments") if "commitments" in fields else 0
    names = tuple(sorted(schema.fields))
    numbers = frozenset(name for name in names if schema.fields[name] == "int")
    return Pattern(text.encode(), fields, place, names, numbers)


def _payments() -> Iterator[tuple[str, str, Schema]]:
    for event, schema in TRANSITION_DATA.items():
        yield "transition", event, schema
        yield "refusal", event, REFUSAL_DATA
    for event in EVIDENCE_EVENTS:
        yield "evidence", event, EVIDENCE_DATA
    for event, schema in NOTE_DATA.items():
        yield "note", event, schema


def _table(rows: Iterator[tuple[str, str, Schema]]) -> Mapping[tuple[bytes, bytes], Pattern]:
    return {(kind.encode(), event.encode()): _pattern(kind, event, s) for kind, event, s in rows}


COMMITMENTS: Match = re.compile(_commitments().encode()).fullmatch
"""The commitments of an entry alone."""
ACTOR: Match = re.compile(_ACTOR[1:-1].encode()).fullmatch
NAME: Match = re.compile(f"{_VISIBLE}{{1,255}}".encode()).fullmatch
PAYMENT = _table(_payments())
"""(kind, event) → pattern, in the stream of a payment."""
BOOK = _table(("note", event, schema) for event, schema in BOOK_DATA.items())
"""The same, in the book."""
