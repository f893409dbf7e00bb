"""The parts of one simulated gateway, held together for its web routes.

It decides nothing itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flask import current_app, request

from providers.kakaopay.simulator.books import Books
from providers.kakaopay.simulator.clock import Clock
from providers.kakaopay.simulator.desk import Desk
from providers.kakaopay.simulator.faults import Faults
from providers.kakaopay.simulator.refusals import Refusal

EXTENSION = "kakaopay_simulator"
PC_IS_THERE_S = 6
"""A PC page polls each second; one that was silent this long is not waiting any more."""


@dataclass
class Gateway:
    """One gateway: its books, its desk, its script of faults and its switches."""

    clock: Clock
    books: Books
    desk: Desk
    keys: Mapping[str, str] | None
    public_url: str | None
    faults: Faults = field(default_factory=Faults)
    down: bool = False
    elsewhere: int = 0
    """How many requests followed a redirect that a client must not follow."""
    _polled: dict[str, float] = field(default_factory=dict)
    _pending: list[threading.Timer] = field(default_factory=list)

    @property
    def base(self) -> str:
        """The address customers reach us at, without a slash at the end."""
        return (self.public_url or request.host_url).rstrip("/")

    def pc_polls(self, page: str) -> None:
        """A PC page asked for news."""
        self._polled[page] = time.monotonic()

    def pc_waits(self, page: str) -> bool:
        """Whether a PC page is there to take the customer back."""
        return time.monotonic() - self._polled.get(page, float("-inf")) < PC_IS_THERE_S

    def later(self, delay_s: float, step: Callable[[], object]) -> None:
        """Have an effect later, whatever has been answered until then."""

        def run() -> None:
            try:
                step()
            except Refusal:
                return  # What it would have done was done meanwhile.

        timer = threading.Timer(self.clock.scaled(delay_s), run)
        timer.daemon = True
        timer.start()
        self._pending = [*filter(threading.Timer.is_alive, self._pending), timer]

    def close(self) -> None:
        """Stop what is pending, as a killed gateway would."""
        self.clock.closing.set()
        for timer in self._pending:
            timer.cancel()


def this_gateway() -> Gateway:
    """The gateway of the app that handles the present request."""
    gateway = current_app.extensions[EXTENSION]
    if not isinstance(gateway, Gateway):
        raise TypeError("this app is no simulated gateway")
    return gateway
