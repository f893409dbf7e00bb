"""The serving loop: reads requests, serves the quick ones itself, hands the rest to threads.

Quick is what asks no gateway and writes once at most. What a pass of the loop has read of it is
served one request after another, and what they write is made durable by one commit, before any of
them is answered. A hand-over to a thread, and its fight for the interpreter, would cost more than
the request. The loop refuses to wait for another writer or for a slow disk: threads do.
"""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from threading import get_ident
from typing import Any

from waitress import wasyncore
from waitress.trigger import trigger
from waitress.utilities import build_http_date

from engine.errors import StorageTrouble
from engine.store import Store
from web import problems
from web.framing import Channel
from web.headers import api_headers, new_request_id
from web.responses import problem_of
from web.threads import Threads

MOST_TOGETHER = 16
"""How many requests share a commit; what comes in meanwhile waits for them."""
LARGEST_BODY = 16 * 1024
PATIENCE_S = 0.02
"""How long the loop waits for its turn to write."""
SLOW_S = 0.25
REST_S = 5.0
"""For so long threads serve everything, after a pass that was slow or did not get its turn."""
_LOG = logging.getLogger("strada.serve")
QUICK = {
    "GET": re.compile(r"/v1/transactions/[a-z0-9_]+"),
    "POST": re.compile(r"/v1/transactions(?:/[a-z0-9_]+/(?:complete|cancel|fail))?"),
}
"""Method → the paths of what asks no gateway and writes once at most."""


class Elsewhere(BaseException):
    """This request asks a gateway after all: a thread has to serve it, from its beginning.

    To be raised before anything is written for it. Nothing on its way takes it for a failure.
    """


class Loop:
    """Waitress' loop and its task dispatcher, in one."""

    def __init__(self, store: Store, threads: Threads) -> None:
        self._store = store
        self._threads = threads
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
        elif _is_quick(channel) and time.monotonic() >= self._rests_until:
            self._ready.append(channel)
        else:
            self._threads.add_task(channel)

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        """End the threads, as `Threads.shutdown` does; what the loop has not begun is theirs."""
        while self._ready:
            self._threads.add_task(self._ready.popleft())
        return self._threads.shutdown(cancel_pending, timeout)

    # ---- one pass

    def _serve(self, channels: list[Channel]) -> None:
        begun = time.monotonic()
        writing = [channel for channel in channels if _writes(channel)]
        for channel in self._each(one for one in channels if one not in writing):
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
        answered: list[Channel] | None = None
        refusal = None
        try:
            with self._store.together(PATIENCE_S):
                answered = self._each(channels)
        except StorageTrouble as trouble:
            refusal = _refusal(trouble)
        if answered is None:
            self._rest()
            for channel in channels:
                self._threads.add_task(channel)
        for channel in answered or ():
            channel.let_go(refusal)

    def _each(self, channels: Iterable[Channel]) -> list[Channel]:
        """Serve requests, keeping their answers; returns the channels of those that have one."""
        answered = []
        for channel in channels:
            channel.hold()
            try:
                channel.service()
                answered.append(channel)
            except Elsewhere:
                channel.begin_again()
                self._threads.add_task(channel)
            except Exception:  # no app's, whose own are answers: the loop goes on
                _LOG.exception("serving %r failed", channel)
                channel.cancel()
        return answered

    def _rest(self) -> None:
        self._rests_until = time.monotonic() + REST_S


def _is_quick(channel: Channel) -> bool:
    """Whether the loop may serve a request; pages of other origins need headers that Flask adds."""
    request: Any = channel.requests[0]
    pattern = QUICK.get(request.command)
    return (
        pattern is not None
        and not request.error
        and request.version == "1.1"
        and not request.chunked
        and request.content_length <= LARGEST_BODY
        and "ORIGIN" not in request.headers
        and pattern.fullmatch(request.path) is not None
    )


def _writes(channel: Channel) -> bool:
    request: Any = channel.requests[0]
    return bool(request.command != "GET")


def _refusal(trouble: StorageTrouble) -> bytes:
    """The answer to what was not made durable."""
    status, headers, body = problems.render(problem_of(trouble), new_request_id(), "", "en")
    headers |= api_headers() | {"Content-Length": str(len(body))}
    lines = [f"HTTP/1.1 {status} Service Unavailable"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"Date: {build_http_date(int(time.time()))}\r\n\r\n")
    return "\r\n".join(lines).encode("latin-1") + body
