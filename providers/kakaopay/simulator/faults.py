"""The script: which calls go wrong, how, and how often.

It keeps the list; playing a fault is `play.py`'s.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

VERBS = ("ready", "approve", "order", "cancel")
SPOILS = (
    "hang",
    "reset",
    "http_500",
    "http_503",
    "truncated",
    "empty",
    "html",
    "huge",
    "drip",
    "gzip",
    "redirect",
)
"""Each as `_before` (without effect) and `_after` (the effect is in the ledger)."""
KINDS = frozenset(
    [f"{spoil}_{when}" for spoil in SPOILS for when in ("before", "after")]
    + ["late", "wrong_amount", "wrong_tid", "wrong_order", "wrong_user"]
    + ["error", "error_after", "lag", "slow"]
)
MAX_TIMES = 1_000_000
MAX_DELAY_S = 3600.0


@dataclass
class Fault:
    """One line of the script; `delay_s` is in the protocol's seconds."""

    id: str
    on: str
    kind: str
    times: int = 1
    delay_s: float = 30.0
    tid: str | None = None
    partner_order_id: str | None = None
    code: int | None = None
    method_result_code: str | None = None
    by: int = 1000
    """Won that `wrong_amount` adds to the truth."""
    fired: int = 0

    @property
    def remaining(self) -> int:
        """How many more calls it will hit."""
        return self.times - self.fired

    def shown(self) -> dict[str, Any]:
        """All of it, for the test API."""
        return {**asdict(self), "remaining": self.remaining}

    def hits(self, on: str, tid: str | None, order: str | None) -> bool:
        """Whether this call is meant."""
        return (
            self.remaining > 0
            and self.on == on
            and self.tid in (None, tid)
            and self.partner_order_id in (None, order)
        )


class Faults:
    """The script in order; the first line that fits a call is used up by it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._numbers = itertools.count(1)

    def add(self, asked: Mapping[str, object]) -> Fault:
        """Append a line; ValueError says what is wrong with it."""
        fault = fault_from(f"fault-{next(self._numbers)}", asked)
        with self._lock:
            self._faults.append(fault)
        return fault

    def take(self, on: str, tid: str | None, order: str | None) -> Fault | None:
        """The fault for this call, counted as fired."""
        with self._lock:
            for fault in self._faults:
                if fault.hits(on, tid, order):
                    fault.fired += 1
                    return fault
        return None

    def clear(self) -> None:
        """Forget the script."""
        with self._lock:
            self._faults.clear()

    def shown(self) -> list[dict[str, Any]]:
        """Every line with how often it fired."""
        with self._lock:
            return [fault.shown() for fault in self._faults]


def fault_from(number: str, asked: Mapping[str, object]) -> Fault:
    """A checked fault; ValueError when it makes no sense."""
    known = {"on", "kind", "times", "delay_s", "tid", "partner_order_id", "code"}
    strange = asked.keys() - known - {"method_result_code", "by"}
    if strange:
        raise ValueError(f"unknown fields: {', '.join(sorted(strange))}")
    on, kind = asked.get("on"), asked.get("kind")
    if on not in VERBS or kind not in KINDS:
        raise ValueError(f"no fault {kind!r} on {on!r}")
    return Fault(
        number,
        str(on),
        str(kind),
        times=_whole(asked.get("times", 1), 1, MAX_TIMES),
        delay_s=_delay(asked.get("delay_s", 30)),
        tid=_text(asked.get("tid")),
        partner_order_id=_text(asked.get("partner_order_id")),
        code=None if asked.get("code") is None else _whole(asked["code"], -99_999, 99_999),
        method_result_code=_text(asked.get("method_result_code")),
        by=_whole(asked.get("by", 1000), -1_000_000, 1_000_000),
    )


def fault_in_header(header: str, on: str) -> Fault | None:
    """`approve=hang_after;delay_s=15`: a fault for this very call, if it is this verb's."""
    first, *rest = (part.strip() for part in header.split(";"))
    verb, _, kind = first.partition("=")
    asked: dict[str, object] = {"on": verb, "kind": kind}
    for part in rest:
        name, _, value = part.partition("=")
        asked[name] = value
    fault = fault_from("header", asked)
    return fault if fault.on == on else None


def _whole(value: object, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("a whole number is needed")
    number = int(value)
    if not least <= number <= most:
        raise ValueError(f"{number} is not within {least}..{most}")
    return number


def _delay(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("delay_s is a number of seconds")
    delay_s = float(value)
    if not (math.isfinite(delay_s) and 0 <= delay_s <= MAX_DELAY_S):
        raise ValueError(f"delay_s is not within 0..{MAX_DELAY_S:.0f}")
    return delay_s


def _text(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError("text is needed")
    return value
