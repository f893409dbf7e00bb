"""How often one key may call: a steady rate with one period's worth of burst, kept in memory.

It refuses to guard against floods of strangers, who have no key: that is a proxy's work. One
process serves one database, so memory is enough; a restart forgives.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

MOST_KEYS = 10_000
"""Beyond this the keys that are idle are forgotten, which changes nothing for them."""
PERIODS = {"s": 1, "m": 60, "h": 3600}
_RATE = re.compile(r"(?P<calls>[1-9][0-9]{0,5})/(?P<period>[smh])")


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls in so many seconds."""

    calls: int
    period_s: int


def parse_rate(text: str) -> Rate | None:
    """The rate in `100/s` (also `/m`, `/h`), None for `off`; raises ValueError."""
    if text == "off":
        return None
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError("a rate is `off`, or calls a second, minute or hour: `100/s`")
    return Rate(int(match["calls"]), PERIODS[match["period"]])


class RateLimit:
    """For each key the moment at which all that it called is paid for (the leaky bucket)."""

    def __init__(self, rate: Rate | None, monotonic: Callable[[], float]) -> None:
        self._rate = rate
        self._monotonic = monotonic
        self._paid_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, key: str) -> int | None:
        """Count a call: None when it may go on, else the whole seconds to wait before another."""
        if self._rate is None:
            return None
        cost = self._rate.period_s / self._rate.calls
        now = self._monotonic()
        with self._lock:
            paid_at = max(now, self._paid_at.get(key, now)) + cost
            over = paid_at - now - self._rate.period_s
            if over > cost * 1e-6:
                return max(1, math.ceil(over))
            self._forget_idle(now)
            self._paid_at[key] = paid_at
        return None

    def _forget_idle(self, now: float) -> None:
        if len(self._paid_at) >= MOST_KEYS:
            self._paid_at = {key: at for key, at in self._paid_at.items() if at > now}
