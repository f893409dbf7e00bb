"""What an operation can be called with beside its body: path, query and header parameters.

It refuses to be looser than the readers of `web.queries` and `web.headers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.canonical import MAX_INTEGER
from web.openapi.shapes import INSTANT, STATUS, STRING, TRANSACTION_ID, Schema
from web.queries import DEFAULT_PAGE, MAX_PAGE


def _parameter(place: str, name: str, schema: Schema, text: str, required: bool = False) -> Any:
    return {"name": name, "in": place, "required": required, "description": text, "schema": schema}


def _query(name: str, schema: Schema, text: str) -> Any:
    return _parameter("query", name, schema, text)


_PAGE: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE}
_KEY_FORM = r'^("[!#-+\--\[\]-~]{8,255}"|[!#-+\--~]{8,255})$'
_INSTANT = INSTANT | {
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})$",
    "examples": ["2026-11-23T01:15:00Z"],
}
_IDEMPOTENCY: Schema = {"type": "string", "pattern": _KEY_FORM, "examples": ["order-1001-part-1"]}
_SAME = "A random name for this intent; a repeat of the request with it gets the first answer."
PARAMETERS: Mapping[str, Any] = {
    "transaction": _parameter("path", "transaction", TRANSACTION_ID, "A transaction's id.", True),
    "token": _parameter("path", "token", STRING, "The one-time token of a return URL.", True),
    "leg": _parameter(
        "path",
        "leg",
        {"type": "string", "enum": ["approved", "cancelled", "failed"]},
        "How the gateway says that it ended.",
        True,
    ),
    "code": _parameter("path", "code", STRING, "A problem's `code`.", True),
    "version": _parameter(
        "path", "version", STRING, "A chart's version, `sha256:` and 64 hex digits.", True
    ),
    "idempotencyKey": _parameter("header", "Idempotency-Key", _IDEMPOTENCY, _SAME),
    "refundIdempotencyKey": _parameter(
        "header",
        "Idempotency-Key",
        _IDEMPOTENCY,
        f"{_SAME} **Required**, but for a dry run: 400 `idempotency_key_required`.",
    ),
    "ifMatch": _parameter(
        "header",
        "If-Match",
        {"type": "string", "pattern": '^"(0|[1-9][0-9]{0,14})"$', "examples": ['"2"']},
        "The `ETag` that the caller has seen; 412 when the transaction has changed since.",
    ),
    "dryRun": _query("dry_run", {"type": "boolean"}, "Only say what would happen."),
    "atSeq": _query(
        "at_seq",
        {"type": "integer", "minimum": 1, "maximum": MAX_INTEGER},
        "As it was after this entry of its log. Not together with `at`.",
    ),
    "at": _query("at", _INSTANT, "As it was at this time. Not together with `at_seq`."),
    "status": _query("status", STATUS, "Only those in this state."),
    "provider": _query(
        "provider", {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,31}$"}, "Only this gateway's."
    ),
    "orderId": _query(
        "order_id", {"type": "string", "pattern": "^[!-~]{1,100}$"}, "Only this order's."
    ),
    "needsReview": _query("needs_review", {"type": "boolean"}, "Whether a person should look."),
    "createdAfter": _query("created_after", _INSTANT, "Only later ones."),
    "createdBefore": _query("created_before", _INSTANT, "Only earlier ones."),
    "limit": _query("limit", _PAGE | {"default": DEFAULT_PAGE}, "Items a page."),
    "entryLimit": _query("limit", _PAGE | {"default": MAX_PAGE}, "Items a page."),
    "cursor": _query(
        "cursor", {"type": "string", "pattern": TRANSACTION_ID["pattern"]}, "A `next_cursor`."
    ),
    "entryCursor": _query(
        "cursor", {"type": "string", "pattern": "^(0|[1-9][0-9]{0,14})$"}, "A `next_cursor`."
    ),
    "pgToken": _query(
        "pg_token",
        {"type": "string", "pattern": "^[!-~]{1,255}$"},
        "The credential that the gateway appends.",
    ),
}
