"""Watching a payment from outside: the resource over HTTP beside the gateway's ledger, throughout.

It only reads; nothing it does makes Strada ask the gateway.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol


class Watched(Protocol):
    """What is watched."""

    def get(self) -> dict[str, Any]:
        """The payment as a caller sees it."""

    def ledger(self) -> list[dict[str, Any]]:
        """What really happened to money."""


@dataclass(frozen=True, slots=True)
class Money:
    """What the gateway's ledger says: totals, and the operations that it names."""

    charged: int
    refunded: int
    charges: tuple[str, ...]
    refunds: tuple[str, ...]

    @classmethod
    def of(cls, lines: Iterable[dict[str, Any]]) -> Money:
        """The sums of a ledger."""
        charges = [line for line in lines if line["event"] == "charge"]
        refunds = [line for line in lines if line["event"] == "refund"]
        return cls(
            sum(line["amount"] for line in charges),
            sum(line["amount"] for line in refunds),
            tuple(line["payload"] or "" for line in charges),
            tuple(line["payload"] or "" for line in refunds),
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """The resource, and the ledger just before it was asked for and just after it came."""

    at: float
    before: Money
    shown: dict[str, Any]
    after: Money


class Watch:
    """Samples until it is stopped, in a thread of its own."""

    def __init__(self, watched: Watched, every_s: float) -> None:
        self.samples: list[Sample] = []
        self.trouble: Exception | None = None
        self._watched = watched
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """Take no more samples."""
        self._stop.set()
        self._thread.join(60)

    def until(self, fits: Callable[[Sample], bool], within_s: float) -> bool:
        """Wait until a sample fits; False when none did in time."""
        ends = time.monotonic() + within_s
        while time.monotonic() < ends and self.trouble is None:
            if self.samples and fits(self.samples[-1]):
                return True
            time.sleep(self._every_s / 2)
        return bool(self.samples) and fits(self.samples[-1])

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self.samples.append(self._sample())
                self._stop.wait(self._every_s)
        except Exception as error:
            self.trouble = error

    def _sample(self) -> Sample:
        before = Money.of(self._watched.ledger())
        shown = self._watched.get()
        return Sample(time.monotonic(), before, shown, Money.of(self._watched.ledger()))
