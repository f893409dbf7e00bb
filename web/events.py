"""`/v1/events`: a merchant's entries in tree order, page by page or as server-sent events.

It refuses to hold a stream open for long: each ends after some minutes or many entries, and the
client comes back with the id of the last event, from which nothing is skipped or repeated.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from functools import partial

from flask import Blueprint, Response, current_app, request

from engine.errors import EngineError
from engine.feed import PAGE, BadCursor, Feed, Item, Page
from engine.resource import encode
from web import console, faults, schemas
from web.api import principal, strada
from web.auth import authenticate
from web.edge import bearer, query_of
from web.handlers import known_id
from web.problems import Problem
from web.responses import json_response
from web.streams import Streams
from web.wiring import Strada

events = Blueprint("events", __name__, url_prefix="/v1")
JSON, STREAM = "application/json", "text/event-stream"
CURSOR = re.compile(r"[A-Za-z0-9_-]{32}")
LIFE_S = 300
"""How long a stream lives; the next one goes on where it ended."""
LONGEST = 10_000
"""Entries a stream: fewer bytes than the server buffers for a client that does not read."""
BEAT_S = 2
"""How often a silent stream says that it lives, and a key is looked at again. Only what is written
shows that a client has left, and gives the place of a page that was closed to the next one."""
POLL_S = 0.5
RETRY_MS = 2_000
FULL_RETRY_S = 30
_READERS: dict[str, schemas.Reader] = {
    "after": schemas.matching(CURSOR.pattern),
    "limit": schemas.whole(1, PAGE),
    "transaction": str,
}
_LOG = logging.getLogger("strada.events")


@events.get("/events")
def feed() -> Response:
    """The merchant's log entries, oldest first, after a cursor."""
    who = principal()
    who.need("payments", "audit")
    asked = query_of(request, _READERS)
    only = asked.get("transaction")
    if only is not None:
        strada().ledger.load(known_id(only), who.merchant)
    if request.accept_mimetypes.best_match([JSON, STREAM]) == STREAM:
        if "limit" in asked:
            raise schemas.invalid([("/query/limit", faults.NOT_ALLOWED)])
        return _stream(who.merchant, _last_event() or asked.get("after"), only)
    page = _page(who.merchant, asked.get("after"), asked.get("limit", PAGE), only)
    return json_response(
        {
            "object": "list",
            "data": [item.shown for item in page.items],
            "has_more": page.more,
            "next_cursor": page.cursor,
        }
    )


def _page(merchant: str, after: str | None, limit: int, only: str | None) -> Page:
    try:
        return Feed(strada().store, strada().vault).page(merchant, after, limit, only)
    except BadCursor:
        raise schemas.invalid([("/query/after", faults.INVALID)]) from None


# ---- server-sent events


def _last_event() -> str | None:
    """The cursor of a client that comes back; its URL still has the one it began with."""
    given = request.headers.get("Last-Event-ID", "").strip(" \t")
    if given and not CURSOR.fullmatch(given):
        raise Problem("invalid_header", header="Last-Event-ID")
    return given or None


def _stream(merchant: str, after: str | None, only: str | None) -> Response:
    _page(merchant, after, 1, only)  # a cursor that is not ours is refused before the stream begins
    headers = {"X-Accel-Buffering": "no"}
    if request.method == "HEAD":
        return Response(headers=headers, content_type=STREAM)
    streams: Streams = current_app.extensions["streams"]
    if not streams.take(merchant):
        raise Problem("rate_limited", retry_after=FULL_RETRY_S)
    subscription = _Subscription(strada(), streams, merchant, only, _rechecker())
    answer = Response(subscription.lines(after), headers=headers, content_type=STREAM)
    answer.call_on_close(partial(streams.release, merchant))
    return answer


def _rechecker() -> Callable[[], object]:
    """Raises, later too, once the key or the console's session opens nothing any more."""
    if console.is_inside(request):
        return console.rechecker(request)
    return partial(authenticate, strada(), bearer(request))


class _Subscription:
    """One stream, as long as it lives; it is out of its request's context."""

    def __init__(
        self,
        wired: Strada,
        streams: Streams,
        merchant: str,
        only: str | None,
        recheck: Callable[[], object],
    ) -> None:
        self._clock = wired.clock
        self._feed = Feed(wired.store, wired.vault)
        self._streams = streams
        self._merchant = merchant
        self._only = only
        self._recheck = recheck

    def lines(self, after: str | None) -> Iterator[str]:
        """Events and, in silence, comments; ends quietly at whatever hinders it."""
        begun = self._clock.monotonic()
        yield f"retry: {RETRY_MS}\n\n"
        try:
            yield from self._events(after, begun)
        except (EngineError, BadCursor, Problem) as error:
            _LOG.info("a stream of %s ended: %s", self._merchant, type(error).__name__)

    def _events(self, after: str | None, now: float) -> Iterator[str]:
        ends, beat_at = now + self._clock.seconds(LIFE_S), now + self._clock.seconds(BEAT_S)
        sent = 0
        while now < ends and sent < LONGEST:
            page = self._feed.page(self._merchant, after, transaction=self._only)
            if page.items:
                yield "".join(map(_event, page.items))
                after, sent = page.cursor, sent + len(page.items)
            if now >= beat_at:
                self._recheck()  # a revoked key hears nothing more
                beat_at = now + self._clock.seconds(BEAT_S)
                yield ": still here\n\n"
            if self._streams.wait(0 if page.more else self._clock.seconds(POLL_S)):
                return
            now = self._clock.monotonic()


def _event(item: Item) -> str:
    return f"id: {item.cursor}\ndata: {encode(item.shown)}\n\n"
