"""The gateway's time: a clock that tests can move, and pauses that a scale can shorten.

It schedules nothing; whoever waits calls `pause` in its own thread.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta, timezone

KST = timezone(timedelta(hours=9))


class Clock:
    """Seconds since the epoch plus an offset; durations are divided by `scale`."""

    def __init__(self, scale: float = 1.0) -> None:
        if not scale > 0:
            raise ValueError("time_scale must be positive")
        self.scale = scale
        self.offset_s = 0.0
        self.closing = threading.Event()

    def now(self) -> float:
        """The gateway's present, in seconds since the epoch."""
        return time.time() + self.offset_s

    def monotonic(self) -> float:
        """Seconds that only grow; how long a lag lasts is counted in these."""
        return time.monotonic()

    def scaled(self, seconds: float) -> float:
        """How long `seconds` of the protocol take here."""
        return seconds / self.scale

    def pause(self, seconds: float) -> None:
        """Wait that long (scaled), or until the gateway is closed."""
        self.closing.wait(self.scaled(seconds))


def wire_time(at: float) -> str:
    """The protocol's spelling: Korean time without a zone, whole seconds."""
    return datetime.fromtimestamp(at, KST).strftime("%Y-%m-%dT%H:%M:%S")


def utc(at: float) -> str:
    """RFC 3339 in UTC, as the ledger has it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")


def seconds(text: str) -> float:
    """The inverse of `utc`."""
    return datetime.fromisoformat(text).timestamp()
