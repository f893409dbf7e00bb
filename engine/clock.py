"""Time as the engine sees it: UTC microseconds, injected, with every duration scaled in one place.

It refuses to decide order by the wall clock: order is the log's `seq`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

MICROS = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def wall_us() -> int:
    """Now, in UTC microseconds since 1970."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Clock:
    """`now_us()` gives UTC microseconds, `monotonic` seconds; `scale` shortens every wait."""

    now_us: Callable[[], int] = wall_us
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    scale: float = 1.0

    def seconds(self, duration_s: float) -> float:
        """A duration in real seconds: `STRADA_TIME_SCALE=n` divides it by n."""
        return duration_s / self.scale

    def micros(self, duration_s: float) -> int:
        """A duration in real microseconds."""
        return int(duration_s * MICROS / self.scale)


def rfc3339(micros: int | None) -> str | None:
    """Render UTC microseconds as `2026-11-23T01:15:00.000000Z`."""
    if micros is None:
        return None
    seconds, part = divmod(micros, MICROS)
    return f"{_second(seconds)}.{part:06d}Z"


@lru_cache(4096)  # many moments of one answer, and of neighbours, share their second
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def parse_rfc3339(text: str) -> int:
    """Read an RFC 3339 time with an offset; raises ValueError when there is none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs an offset or Z")
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * MICROS + delta.microseconds
