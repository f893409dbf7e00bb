"""Reading: the list, the history as CSV, the log of one payment, the chart.

It refuses to count pages: every list goes on by key, so that page 10 000 costs what page 1 does.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, request, stream_with_context

from engine import chart
from engine.canonical import MAX_INTEGER
from engine.clock import rfc3339
from engine.ids import is_id
from engine.resource import render_all
from engine.store import Row
from web import drawing, faults, schemas
from web.api import principal, strada
from web.edge import query_of
from web.handlers import known_id
from web.problems import Problem
from web.responses import json_response

history = Blueprint("history", __name__, url_prefix="/v1")
LONGEST_PAGE = 100
CSV_BATCH = 500
"""Rows a time: the stream holds no more of the history in memory."""
_SEQ = schemas.whole(0, MAX_INTEGER)
_CSV_COLUMNS = (
    "id order_id status provider amount currency tax_free_amount vat_amount captured_amount "
    "refunded_amount provider_ref created_at approved_at completed_at"
).split()
_CHART = re.compile(r"sha256:[0-9a-f]{64}")
_TIMES = ("created_at", "approved_at", "completed_at")


@history.get("/transactions")
def list_transactions() -> Response:
    """The merchant's transactions, newest first."""
    who = principal()
    who.need("payments", "audit")
    pairs = request.args.items(multi=True)
    asked = schemas.parse_list_query(pairs, statuses=chart.STATES)
    if request.accept_mimetypes.best_match(["application/json", "text/csv"]) == "text/csv":
        return _csv(who.merchant, asked)
    where, params = _conditions(who.merchant, asked)
    rows = strada().store.rows(
        f"SELECT * FROM transactions WHERE {where} ORDER BY id DESC LIMIT ?",
        (*params, asked.limit + 1),
    )
    page = rows[: asked.limit]
    data = render_all(strada().store, page)
    more = len(rows) > asked.limit
    return json_response(_list(data, page[-1]["id"] if more else None))


def _conditions(merchant: str, asked: schemas.ListQuery) -> tuple[str, list[Any]]:
    conditions: dict[str, Any] = {
        "merchant = ?": merchant,
        "status = ?": asked.status,
        "provider = ?": asked.provider,
        "order_id = ?": asked.order_id,
        "(needs_review IS NOT NULL) = ?": asked.needs_review,
        "created_at > ?": asked.created_after,
        "created_at < ?": asked.created_before,
        "id < ?": asked.cursor,
    }
    if asked.cursor is not None and not is_id(asked.cursor, "txn"):
        raise schemas.invalid([("/query/cursor", faults.INVALID)])
    given = {sql: value for sql, value in conditions.items() if value is not None}
    return " AND ".join(given), list(given.values())


@history.get("/transactions/<transaction>/transitions")
def transitions(transaction: str) -> Response:
    """The log of one transaction, all kinds, oldest first."""
    who = principal()
    who.need("payments", "audit")
    asked = query_of(request, {"limit": schemas.whole(1, LONGEST_PAGE), "cursor": _SEQ})
    limit, after = asked.get("limit", LONGEST_PAGE), asked.get("cursor", 0)
    strada().ledger.load(known_id(transaction), who.merchant)
    rows = strada().store.rows(
        "SELECT seq, hash, entry FROM entries WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?",
        (transaction, after, limit + 1),
    )
    data = [json.loads(row["entry"]) | {"hash": row["hash"]} for row in rows[:limit]]
    more = len(rows) > limit
    return json_response(_list(data, str(data[-1]["seq"]) if more else None))


@history.get("/transactions/<transaction>/journal")
def journal(transaction: str) -> Response:
    """What came for one transaction from outside, what became of it and why, oldest first."""
    who = principal()
    who.need("payments", "audit")
    asked = query_of(request, {"limit": schemas.whole(1, LONGEST_PAGE), "cursor": _SEQ})
    limit, skip = asked.get("limit", LONGEST_PAGE), asked.get("cursor", 0)
    strada().ledger.load(known_id(transaction), who.merchant)
    rows = strada().payments.journal.read(transaction, skip, limit + 1)
    more = len(rows) > limit
    return json_response(_list(rows[:limit], str(skip + limit) if more else None))


def _csv(merchant: str, asked: schemas.ListQuery) -> Response:
    """The whole history that the filters select, oldest columns first, streamed."""

    def lines() -> Iterator[str]:
        yield ",".join(_CSV_COLUMNS) + "\r\n"
        cursor = asked.cursor
        while True:
            where, params = _conditions(merchant, replace(asked, cursor=cursor))
            rows = strada().store.rows(
                f"SELECT * FROM transactions WHERE {where} ORDER BY id DESC LIMIT ?",
                (*params, CSV_BATCH),
            )
            yield "".join(_csv_line(row) for row in rows)
            if len(rows) < CSV_BATCH:
                return
            cursor = rows[-1]["id"]

    return Response(stream_with_context(lines()), content_type="text/csv; charset=utf-8")


def _csv_line(row: Row) -> str:
    shown = {name: rfc3339(row[name]) if name in _TIMES else row[name] for name in _CSV_COLUMNS}
    line = io.StringIO()
    csv.writer(line).writerow([_unformulaic(shown[name]) for name in _CSV_COLUMNS])
    return line.getvalue()


def _unformulaic(value: Any) -> Any:
    """A spreadsheet must not run a merchant's order id as a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@" and value else value


def _list(data: list[dict[str, Any]], cursor: str | None) -> dict[str, Any]:
    return {
        "object": "list",
        "data": data,
        "has_more": cursor is not None,
        "next_cursor": cursor,
    }


# ---- the chart


@history.get("/chart")
def chart_now() -> Response:
    """The chart in force, as JSON or Mermaid."""
    query_of(request, {})
    kinds = ["application/json", "text/vnd.mermaid", "image/svg+xml"]
    best = request.accept_mimetypes.best_match(kinds)
    if best == "image/svg+xml":
        return Response(drawing.svg(), content_type=best)
    if best == "text/vnd.mermaid":
        return Response(chart.mermaid(), content_type="text/vnd.mermaid; charset=utf-8")
    return json_response(chart.document() | {"version": chart.VERSION})


@history.get("/chart/<version>")
def chart_of(version: str) -> Response:
    """Any chart that was ever released."""
    query_of(request, {})
    found = chart.load(version) if _CHART.fullmatch(version) else None
    if found is None:
        raise Problem("not_found")
    return json_response(found)
