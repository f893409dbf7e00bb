"""`/v1`: transactions over HTTP. It only parses, authenticates, fires and renders.

It refuses to decide anything: what is legal is the chart's business, what happened is the log's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, current_app, g, request

from engine import chart
from engine.canonical import MAX_INTEGER, canonical
from engine.fire import Caller
from engine.idempotency import Answer
from engine.ids import is_id
from engine.payments import NewOrder
from engine.resource import encode, for_client, render
from web import schemas
from web.auth import CLIENT_EVENTS, Principal, authenticate
from web.edge import bearer, body_of, idempotency_key, if_match, query_of
from web.problems import Problem
from web.responses import answer, json_response, problem_text
from web.return_urls import UnsafeUrl, check_return_url
from web.wiring import Strada

api = Blueprint("api", __name__, url_prefix="/v1")
LONGEST_PAGE = 100
_SEQ = schemas.whole(0, MAX_INTEGER)
_URLS = ("return_url", "approval_url", "cancel_url", "fail_url")


def strada() -> Strada:
    """The Strada that this app serves."""
    wired: Strada = current_app.extensions["strada"]
    return wired


def principal() -> Principal:
    """The authenticated caller of this request; raises 401."""
    return authenticate(strada(), bearer(request))


# ---- creating and reading


@api.post("/transactions")
def create() -> Response:
    """Register an order."""
    who = principal()
    who.need("payments")
    body = body_of(request)
    asked = schemas.validate(schemas.CreateTransaction, body)
    order = NewOrder(
        provider=asked.provider,
        order_id=asked.order_id,
        item_name=asked.item_name,
        amount=asked.amount,
        currency=asked.currency,
        customer_id=asked.customer_id,
        quantity=asked.quantity,
        tax_free_amount=asked.tax_free_amount,
        vat_amount=asked.vat_amount,
        flow=asked.flow,
        expires_in=asked.expires_in,
        urls=_checked_urls(who.merchant, asked),
        metadata=asked.metadata,
    )
    return _respond(who, strada().payments.create(caller_of(who, body), order))


def _checked_urls(name: str, asked: schemas.CreateTransaction) -> dict[str, str]:
    merchant = strada().merchants.get(name)
    checked = {}
    for field in _URLS:
        given = getattr(asked, field)
        if given is None:
            continue
        try:
            checked[field] = check_return_url(
                given,
                origins=merchant.origins,
                schemes=merchant.schemes,
                development=not strada().settings.production,
            )
        except UnsafeUrl as unsafe:
            raise schemas.invalid([(f"/{field}", unsafe.phrase)]) from unsafe
    return checked


@api.get("/transactions/<transaction>")
def read(transaction: str) -> Response:
    """One transaction as it stands."""
    who = principal()
    who.need("payments", "audit", "client")
    who.need_transaction(transaction)
    query_of(request, {})
    return _respond(who, strada().payments.get(_known(transaction), who.merchant))


@api.get("/transactions")
def list_transactions() -> Response:
    """The merchant's transactions, newest first."""
    who = principal()
    who.need("payments", "audit")
    pairs = request.args.items(multi=True)
    asked = schemas.parse_list_query(pairs, statuses=chart.STATES)
    where, params = _conditions(who.merchant, asked)
    rows = strada().store.rows(
        f"SELECT * FROM transactions WHERE {where} ORDER BY id DESC LIMIT ?",
        (*params, asked.limit + 1),
    )
    page = rows[: asked.limit]
    data = [render(strada().store, row) for row in page]
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
        raise schemas.invalid([("/query/cursor", schemas.INVALID)])
    given = {sql: value for sql, value in conditions.items() if value is not None}
    return " AND ".join(given), list(given.values())


@api.get("/transactions/<transaction>/transitions")
def transitions(transaction: str) -> Response:
    """The log of one transaction, all kinds, oldest first."""
    who = principal()
    who.need("payments", "audit")
    asked = query_of(request, {"limit": schemas.whole(1, LONGEST_PAGE), "cursor": _SEQ})
    limit, after = asked.get("limit", LONGEST_PAGE), asked.get("cursor", 0)
    strada().ledger.load(_known(transaction), who.merchant)
    rows = strada().store.rows(
        "SELECT seq, hash, entry FROM entries WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?",
        (transaction, after, limit + 1),
    )
    data = [json.loads(row["entry"]) | {"hash": row["hash"]} for row in rows[:limit]]
    more = len(rows) > limit
    return json_response(_list(data, str(data[-1]["seq"]) if more else None))


def _list(data: list[dict[str, Any]], cursor: str | None) -> dict[str, Any]:
    return {
        "object": "list",
        "data": data,
        "has_more": cursor is not None,
        "next_cursor": cursor,
    }


# ---- events


@api.post("/transactions/<transaction>/<event>")
def fire(transaction: str, event: str) -> Response:
    """Fire one of the chart's public events."""
    who = principal()
    who.need("payments", "client")
    who.need_transaction(transaction)
    if event not in chart.EVENT_OF_HTTP:
        raise Problem("unknown_event")
    if who.is_client and event not in CLIENT_EVENTS:
        raise Problem("insufficient_scope")
    dry = query_of(request, {"dry_run": schemas.boolean}).get("dry_run", False)
    body = body_of(request)
    _known(transaction)
    if dry:
        return _dry_run(who, transaction, event, body)
    return _respond(who, _FIRE[event](who, transaction, body))


def _dry_run(who: Principal, transaction: str, event: str, body: Mapping[str, Any]) -> Response:
    amount = schemas.validate(schemas.RefundBody, body).amount if event == "refund" else None
    name = chart.EVENT_OF_HTTP[event]
    return json_response(strada().payments.dry_run(transaction, who.merchant, name, amount))


def _ready(who: Principal, transaction: str, body: Mapping[str, Any]) -> Answer:
    schemas.validate(schemas.ReadyBody, body)
    return strada().payments.ready(caller_of(who, body), transaction)


def _approve(who: Principal, transaction: str, body: Mapping[str, Any]) -> Answer:
    asked = schemas.validate(schemas.ApproveBody, body)
    if asked.pg_token is None:
        raise schemas.invalid([("/pg_token", schemas.REQUIRED)])
    return strada().payments.approve(caller_of(who, body), transaction, asked.pg_token)


def _refund(who: Principal, transaction: str, body: Mapping[str, Any]) -> Answer:
    asked = schemas.validate(schemas.RefundBody, body)
    if idempotency_key(request) is None:
        raise Problem("idempotency_key_required")
    return strada().payments.refund(
        caller_of(who, body),
        transaction,
        asked.amount,
        asked.tax_free_amount,
        asked.vat_amount,
        asked.reason,
    )


def _plain(event: str) -> Callable[[Principal, str, Mapping[str, Any]], Answer]:
    def run(who: Principal, transaction: str, body: Mapping[str, Any]) -> Answer:
        asked = schemas.validate(schemas.ReasonBody, body)
        return strada().payments.fire(caller_of(who, body), transaction, event, asked.reason)

    return run


_FIRE: Mapping[str, Callable[[Principal, str, Mapping[str, Any]], Answer]] = {
    "ready": _ready,
    "approve": _approve,
    "refund": _refund,
    "complete": _plain("complete"),
    "cancel": _plain("cancel"),
    "fail": _plain("fail"),
}


# ---- the chart


@api.get("/chart")
def chart_now() -> Response:
    """The chart in force, as JSON or Mermaid."""
    query_of(request, {})
    best = request.accept_mimetypes.best_match(["application/json", "text/vnd.mermaid"])
    if best == "text/vnd.mermaid":
        return Response(chart.mermaid(), content_type="text/vnd.mermaid; charset=utf-8")
    return json_response(chart.document() | {"version": chart.VERSION})


@api.get("/chart/<version>")
def chart_of(version: str) -> Response:
    """Any chart that was ever released."""
    found = chart.load(version)
    if found is None:
        raise Problem("not_found")
    return json_response(found)


# ---- shared


def caller_of(who: Principal, body: Mapping[str, Any]) -> Caller:
    """The engine's view of this request."""
    key, expected = idempotency_key(request), if_match(request)
    route = f"{request.method} {request.path}"
    fingerprint = hashlib.sha256(canonical([route, dict(body), expected])).digest()
    language = g.language
    return Caller(
        actor=who.actor,
        merchant=who.merchant,
        request_id=g.request_id,
        key=key,
        key_mac=strada().vault.key_mac(who.merchant, key) if key else None,
        route=route,
        fingerprint=fingerprint,
        if_match=expected,
        render=lambda refusal: problem_text(refusal, g.request_id, request.path, language),
    )


def _known(transaction: str) -> str:
    if not is_id(transaction, "txn"):
        raise Problem("not_found")
    return transaction


def _respond(who: Principal, found: Answer) -> Response:
    if found.code in ("illegal_transition", "guard_refused"):
        return answer(found, found.body)
    resource = json.loads(found.body)
    if who.is_client:
        return answer(found, encode(for_client(resource)))
    if found.code == "created":
        resource["client_secret"] = strada().vault.client_secret(found.txn)
        return answer(found, encode(resource))
    return answer(found, found.body)
