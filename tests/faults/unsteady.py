"""Storage and network that wait a random moment first: what may interleave then does.

They are subclasses that are wired in, and count who came too late; they change no answer.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from peewee import IntegrityError

from engine.store import Store
from providers.http import GatewayHttp, Reply


class Shaker:
    """Waits of a random length, and a count of what the races came to."""

    def __init__(self, seed: int) -> None:
        self.longest_s = 0.0
        self.met: Counter[str] = Counter()
        self._random = random.Random(seed)

    def wait(self) -> None:
        if self.longest_s:
            time.sleep(self._random.random() * self.longest_s)


class UnsteadyStore(Store):
    """Waits between a decision and its commit; counts the commits that came too late."""

    def __init__(self, url: str, shaker: Shaker) -> None:
        super().__init__(url)
        self._shaker = shaker
        self.before: Callable[[], None] | None = None

    @contextmanager
    def write(self) -> Iterator[None]:
        if self.before is not None:
            self.before()
        self._shaker.wait()
        self._shaker.met["written in a group"] += self.is_grouped
        try:
            with super().write():
                yield
        except IntegrityError:
            self._shaker.met["lost to a unique key"] += 1
            raise

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        touched = super().execute(sql, params)
        if not touched and "head_seq = ?" in sql:
            self._shaker.met["lost compare-and-swap"] += 1
        if not touched and "next_check_at = ?" in sql:
            self._shaker.met["lost claim"] += 1
        if not touched and "sends = sends + 1" in sql:
            self._shaker.met["lost right to send"] += 1
        return touched


class UnsteadyHttp(GatewayHttp):
    """Waits before a request and after its answer; notes each; can hold an answer back."""

    def __init__(self, shaker: Shaker) -> None:
        super().__init__()
        self._shaker = shaker
        self.sent: list[tuple[str, str]] = []
        self.before: Callable[[str], None] | None = None
        self.held: Callable[[str], None] | None = None

    def post_json(
        self,
        url: str,
        headers: Mapping[str, str],
        body: Mapping[str, Any],
        deadline_s: float,
        secrets: Sequence[str] = (),
    ) -> Reply:
        verb = url.rpartition("/")[2]
        if self.before is not None:
            self.before(verb)
        self._shaker.wait()
        self.sent.append((verb, str(body.get("tid") or body["partner_order_id"])))
        reply = super().post_json(url, headers, body, deadline_s, secrets)
        self._shaker.wait()
        if self.held is not None:
            self.held(verb)
        return reply

    def count(self, verb: str, reference: str) -> int:
        """How often a verb was sent for a reference, or for a payment that has none yet."""
        return self.sent.count((verb, reference))
