"""A gateway's JSON, read strictly: an object, or nothing, or a refusal to guess.

It refuses what two readers could read differently: repeated names, numbers beyond all bounds, lone
surrogates, deep nesting, and anything but an object at the top.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MAX_DEPTH = 16
"""The deepest answer we know of has depth 3."""
MAX_DIGITS = 20
"""No number that we accept needs more; turning long ones into integers takes its time."""


class Odd(ValueError):
    """JSON that we do not accept; the message says why and quotes nothing."""


def parse(raw: bytes) -> dict[str, Any] | None:
    """The object in `raw`, or None when it is no JSON at all; raises Odd, nothing else."""
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_fraction,
            parse_constant=_constant,
        )
    except RecursionError:
        raise Odd("nested too deeply") from None
    except (UnicodeDecodeError, json.JSONDecodeError):
        return None
    if not isinstance(value, dict):
        raise Odd("not an object")
    _inspect(value, MAX_DEPTH)
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise Odd("a name is repeated")
    return members


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise Odd("a number is too long")
    return int(digits)


def _fraction(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise Odd("a number is not finite")
    return number


def _constant(_: str) -> NoReturn:
    raise Odd("a number is not finite")


def _inspect(value: Any, levels: int) -> None:
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= mark <= "\udfff" for mark in value):
            raise Odd("half a character")
    elif isinstance(value, dict | list):
        if not levels:
            raise Odd("nested too deeply")
        for item in value:
            _inspect(item, levels - 1)
        for item in value.values() if isinstance(value, dict) else ():
            _inspect(item, levels - 1)
