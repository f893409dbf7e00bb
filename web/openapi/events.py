"""The part of the document about the feed of a merchant's entries, and a payment's journal.

It refuses to describe an entry anew: one of the feed is one of the log with its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import journal
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
_REFUSED = frozenset(
    "method_not_allowed internal_error invalid_header unauthenticated insufficient_scope "
    "rate_limited storage_unavailable invalid_request".split()
)
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
    "JournalRow": closed(
        {
            "at": shapes.INSTANT,
            "kind": {"type": "string", "enum": list(journal.KINDS)},
            "request_id": nullable(shapes.REQUEST_ID),
            "digest": told(nullable(shapes.HASH), "SHA-256 of what came; null once erased."),
            "verdict": {"type": "string", "enum": list(journal.VERDICTS)},
            "why": told(shapes.STRING, "One word: an event, a state, or a refusal's code."),
            "led_to": told(
                nullable(closed({"seq": shapes.COUNT, "operation": nullable(shapes.STRING)})),
                "The entry of the log that it led to, and its operation.",
            ),
        },
        text="A return or a report that came, and what became of it.",
    ),
    "Journal": closed(
        {
            "object": {"type": "string", "const": "list"},
            "data": shapes.array(ref("JournalRow"), maxItems=PAGE),
            "has_more": {"type": "boolean"},
            "next_cursor": told(nullable(shapes.STRING), "What to send as `cursor`."),
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
    "feedTransaction": {
        "name": "transaction",
        "in": "query",
        "required": False,
        "description": "Only the entries of this transaction.",
        "schema": shapes.TRANSACTION_ID,
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
        _REFUSED | {"not_found"},
        (KEY,),
        ("after", "feedLimit", "feedTransaction", "lastEventId"),
        text="Every entry of every transaction, once, in tree order, some seconds after it was "
        "written; scope `payments` or `audit`. As `text/event-stream` each event is an entry in "
        "`data` with its cursor as `id`, comments come in silence, and the stream ends after some "
        "minutes: come back with `Last-Event-ID`. Streams are few (429 beyond).",
    ),
    Operation(
        "listJournal",
        "get",
        "/v1/transactions/{transaction}/journal",
        _TAG,
        "See what came for a transaction, and what became of it",
        {200: Answer("Returns and reports, oldest first.", {JSON: ref("Journal")})},
        _REFUSED | {"not_found"},
        (KEY,),
        ("transaction", "entryLimit", "entryCursor"),
        text="Why a return or a report had no effect. What is repeated often is not written down "
        "each time; the log, not this, is the evidence.",
    ),
)
