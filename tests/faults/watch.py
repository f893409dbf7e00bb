"""Watching a payment from outside: the resource over HTTP beside the gateway's ledger, throughout.

It only reads; nothing it does makes Strada ask the gateway.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


class Reader:
    """One GET again and again on one connection: watching must cost less than what is watched."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self._path = parts.path
        self._headers = {"Authorization": f"Bearer {key}"}
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=60)

    def get(self) -> dict[str, Any]:
        """What is there now."""
        self._connection.request("GET", self._path, headers=self._headers)
        found: dict[str, Any] = json.loads(self._connection.getresponse().read())
        return found

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


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

    def __init__(
        self, reader: Reader, ledger: Callable[[], list[dict[str, Any]]], every_s: float
    ) -> None:
        self.samples: list[Sample] = []
        self.trouble: Exception | None = None
        self._reader = reader
        self._ledger = ledger
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
        finally:
            self._reader.close()

    def _sample(self) -> Sample:
        before = Money.of(self._ledger())
        shown = self._reader.get()
        return Sample(time.monotonic(), before, shown, Money.of(self._ledger()))
