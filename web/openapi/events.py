"""The part of the document about the feed of a merchant's entries.

It refuses to describe an entry anew: one of the feed is one of the log with its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.feed import PAGE
from web.events import CURSOR
from web.openapi import shapes
from web.openapi.answers import JSON, Answer
from web.openapi.operations import KEY, Operation
from web.openapi.shapes import Schema, closed, nullable, ref, told

_TAG = "Log and chart"
_CURSOR: Schema = {"type": "string", "pattern": f"^{CURSOR.pattern}$"}
_ENTRY = shapes.SCHEMAS["Entry"]["properties"]
_PLACE = told(shapes.COUNT, "In the one order of all entries; those between are others'.")
SCHEMAS: Mapping[str, Schema] = {
    "FeedEntry": closed(
        {**_ENTRY, "position": _PLACE},
        text="An entry of one of the merchant's transactions, with its place in the tree.",
    ),
    "FeedPage": closed(
        {
            "object": {"type": "string", "const": "list"},
            "data": shapes.array(ref("FeedEntry"), maxItems=PAGE),
            "has_more": {"type": "boolean"},
            "next_cursor": told(
                nullable(_CURSOR),
                "What to send as `after` next time, on the last page too; null before the first "
                "entry of all.",
            ),
        }
    ),
}
PARAMETERS: Mapping[str, Any] = {
    "after": {
        "name": "after",
        "in": "query",
        "required": False,
        "description": "A `next_cursor`, or the `id` of an event; without it the feed begins with "
        "the first entry.",
        "schema": _CURSOR,
    },
    "feedLimit": {
        "name": "limit",
        "in": "query",
        "required": False,
        "description": "Items a page. Not for a stream.",
        "schema": {"type": "integer", "minimum": 1, "maximum": PAGE, "default": PAGE},
    },
    "lastEventId": {
        "name": "Last-Event-ID",
        "in": "header",
        "required": False,
        "description": "The `id` of the last event that a stream brought; goes before `after`.",
        "schema": _CURSOR,
    },
}
OPERATIONS = (
    Operation(
        "listEvents",
        "get",
        "/v1/events",
        _TAG,
        "Follow all entries of the merchant",
        {
            200: Answer(
                "By `Accept`: a page, or a stream of server-sent events.",
                {JSON: ref("FeedPage"), "text/event-stream": shapes.STRING},
            )
        },
        frozenset(
            "method_not_allowed internal_error invalid_header unauthenticated insufficient_scope "
            "rate_limited storage_unavailable invalid_request".split()
        ),
        (KEY,),
        ("after", "feedLimit", "lastEventId"),
        text="Every entry of every transaction, once, in tree order, some seconds after it was "
        "written; scope `payments` or `audit`. As `text/event-stream` each event is an entry in "
        "`data` with its cursor as `id`, comments come in silence, and the stream ends after some "
        "minutes: come back with `Last-Event-ID`. Streams are few (429 beyond).",
    ),
)
