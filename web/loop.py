"""The serving loop: reads requests, serves the quick ones itself, hands the rest to threads.

What a pass of the loop has read of quick requests (`web/quick.py`) is served one after another, and
what they write is made durable by one commit, before any of them is answered. A hand-over to a
thread, and its fight for the interpreter, would cost more than the request. The loop refuses to
wait for another writer or for a slow disk: threads do.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from threading import get_ident
from typing import Any

from waitress import wasyncore
from waitress.trigger import trigger

from engine.errors import StorageTrouble
from engine.store import Store
from web.framing import Channel
from web.handlers import Elsewhere
from web.quick import Quick, is_quick
from web.threads import Threads

MOST_TOGETHER = 16
"""How many requests share a commit; what comes in meanwhile waits for them."""
PATIENCE_S = 0.02
"""How long the loop waits for its turn to write."""
SLOW_S = 0.25
REST_S = 5.0
"""For so long threads serve everything, after a pass that was slow or did not get its turn."""
_LOG = logging.getLogger("strada.serve")

Served = tuple[Channel, Any]
"""A channel with an answer that it holds, and the request that this is the answer to."""


class Loop:
    """Waitress' loop and its task dispatcher, in one."""

    def __init__(self, store: Store, threads: Threads, quick: Quick | None) -> None:
        """`quick` is None where every request has to pass the app."""
        self._store = store
        self._threads = threads
        self._quick = quick
        self._thread: int | None = None
        self._map: dict[int, Any] = {}
        self._over = False
        self._ready: deque[Channel] = deque()
        self._behind: list[Channel] = []
        self._rests_until = 0.0

    def end(self) -> None:
        """Have `loop` end: for a signal's handler, which may have interrupted a transaction."""
        self._over = True
        for socket in list(self._map.values()):
            if isinstance(socket, trigger):
                socket.pull_trigger()

    def waking(self, pull: Callable[[], None]) -> Callable[[], None]:
        """Pull a trigger, but not from the loop itself, which is awake."""

        def pull_from_afar() -> None:
            if get_ident() != self._thread:
                pull()

        return pull_from_afar

    def begin(self, map: dict[int, Any]) -> None:
        """Let this thread be the loop's, over these sockets."""
        self._thread, self._map = get_ident(), map

    def turn(self, timeout: float) -> None:
        """Wait so many seconds for something to happen, read, and serve what is quick."""
        wasyncore.poll2(0.0 if self._ready else timeout, self._map)
        if self._ready:
            most = min(len(self._ready), MOST_TOGETHER)
            self._serve([self._ready.popleft() for _ in range(most)])

    # ---- what waitress calls

    def loop(self, timeout: float, map: dict[int, Any], use_poll: bool) -> None:
        """Serve until all sockets are closed; after `end()`, raise SystemExit between requests."""
        self.begin(map)
        while map and not self._over:
            self.turn(timeout)
        if self._over:
            raise SystemExit

    def add_task(self, channel: Channel) -> None:
        """Have a channel's next request served."""
        if get_ident() != self._thread:
            self._threads.add_task(channel)
        elif channel.is_held:  # else the answer to this one could overtake the one that is kept
            self._behind.append(channel)
        elif self._is_quick(channel) and time.monotonic() >= self._rests_until:
            self._ready.append(channel)
        else:
            self._threads.add_task(channel)

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        """End the threads, as `Threads.shutdown` does; what the loop has not begun is theirs."""
        while self._ready:
            self._threads.add_task(self._ready.popleft())
        return self._threads.shutdown(cancel_pending, timeout)

    # ---- one pass

    def _is_quick(self, channel: Channel) -> bool:
        return self._quick is not None and is_quick(channel.requests[0])

    def _serve(self, channels: list[Channel]) -> None:
        begun = time.monotonic()
        writing = [channel for channel in channels if _writes(channel)]
        for channel, _ in self._each(one for one in channels if one not in writing):
            channel.let_go()
        self._together(writing)
        behind, self._behind = self._behind, []
        for channel in behind:
            self.add_task(channel)
        if time.monotonic() - begun > SLOW_S:
            self._rest()

    def _together(self, channels: list[Channel]) -> None:
        if not channels:
            return
        answered: list[Served] | None = None
        lost = None
        try:
            with self._store.together(PATIENCE_S):
                answered = self._each(channels)
        except StorageTrouble as trouble:
            lost = trouble
        if answered is None:
            self._rest()
            for channel in channels:
                self._threads.add_task(channel)
        for channel, request in answered or ():
            channel.let_go(self._quick.refused(request, lost) if lost and self._quick else None)

    def _each(self, channels: Iterable[Channel]) -> list[Served]:
        """Serve requests, keeping their answers; returns what has one."""
        assert self._quick is not None
        answered = []
        for channel in channels:
            request = channel.requests[0]
            channel.hold(self._quick.answer)
            try:
                channel.service()
                answered.append((channel, request))
            except Elsewhere:
                channel.begin_again()
                self._threads.add_task(channel)
            except Exception:  # no handler's, whose own are answers: the loop goes on
                _LOG.exception("serving %r failed", channel)
                channel.cancel()
        return answered

    def _rest(self) -> None:
        self._rests_until = time.monotonic() + REST_S


def _writes(channel: Channel) -> bool:
    request: Any = channel.requests[0]
    return bool(request.command != "GET")
