"""Circuit breakers, one for each gateway: what keeps failing is left alone for a while.

A breaker refuses calls while it is open, except one at a time that finds out whether it must be.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

OPENS_AFTER = 5
"""Failures in a row, with no success between them."""
RESTS_S = 5.0
"""How long nothing is sent, and how far apart the probes after that are."""


@dataclass(slots=True)
class _State:
    failures: int = 0
    probe_at: float = 0.0


class Breakers:
    """Counts failures by gateway; safe for threads. `monotonic` gives seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._states: dict[str, _State] = {}

    def allows(self, gateway: str) -> bool:
        """Whether a call may be made now. An open breaker lends each probe to one caller.

        The probe is lent for RESTS_S only, so a caller that never reports holds nobody up.
        """
        with self._lock:
            state = self._states.setdefault(gateway, _State())
            if state.failures < OPENS_AFTER:
                return True
            now = self._monotonic()
            if now < state.probe_at:
                return False
            state.probe_at = now + RESTS_S
            return True

    def record(self, gateway: str, ok: bool) -> None:
        """Tell how a call went; a success closes the breaker."""
        with self._lock:
            state = self._states.setdefault(gateway, _State())
            state.failures = 0 if ok else state.failures + 1
            if state.failures >= OPENS_AFTER:
                state.probe_at = self._monotonic() + RESTS_S
