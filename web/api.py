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
from engine.errors import EngineError
from engine.fire import Caller
from engine.idempotency import Answer
from engine.ids import is_id
from engine.orders import NewOrder
from engine.resource import encode, for_client
from web import console, faults, schemas
from web.auth import CLIENT_EVENTS, Principal, authenticate
from web.edge import bearer, body_of, idempotency_key, if_match, query_of, request_id
from web.loop import Elsewhere
from web.problems import Problem
from web.responses import answer, json_response, problem_of, problem_response, problem_text
from web.return_urls import UnsafeUrl, check_return_url
from web.wiring import Strada

api = Blueprint("api", __name__, url_prefix="/v1")
_FINGERPRINTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_URLS = ("return_url", "approval_url", "cancel_url", "fail_url")


def strada() -> Strada:
    """The Strada that this app serves."""
    wired: Strada = current_app.extensions["strada"]
    return wired


def principal() -> Principal:
    """The authenticated caller of this request; raises 401, or 429 when it calls too often."""
    by_session = console.is_inside(request)
    g.principal = who = (
        console.principal(request) if by_session else authenticate(strada(), bearer(request))
    )
    wait_s = current_app.extensions["rate_limit"].take(who.transaction or who.actor)
    if wait_s is not None:
        raise Problem("rate_limited", retry_after=wait_s)
    return who


# ---- creating


@api.post("/transactions")
def create() -> Response:
    """Register an order."""
    who = principal()
    who.need("payments")
    query_of(request, {})
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
    return respond(who, strada().payments.create(caller_of(who, body), order))


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
    known_id(transaction)
    if dry:
        return _dry_run(who, transaction, event, body)
    return respond(who, _FIRE[event](who, transaction, body))


def _dry_run(who: Principal, transaction: str, event: str, body: Mapping[str, Any]) -> Response:
    asked = schemas.validate(_BODIES[event], body)
    caller_of(who, body)  # reads the headers as strictly as the real call does
    amount = asked.amount if isinstance(asked, schemas.RefundBody) else None
    name = chart.EVENT_OF_HTTP[event]
    return json_response(strada().payments.dry_run(transaction, who.merchant, name, amount))


def _ready(who: Principal, transaction: str, body: Mapping[str, Any]) -> Answer:
    reference = schemas.validate(schemas.ReadyBody, body).provider_ref
    caller = caller_of(who, body)
    if not _reported(who, transaction, "provider_ref", reference):
        return strada().payments.ready(caller, transaction)
    return strada().reports.ready(caller, transaction, str(reference))


def _approve(who: Principal, transaction: str, body: Mapping[str, Any]) -> Answer:
    asked = schemas.validate(schemas.ApproveBody, body)
    caller = caller_of(who, body)
    if _reported(who, transaction, "provider_ref", asked.provider_ref):
        return strada().reports.approve(caller, transaction, str(asked.provider_ref))
    if asked.pg_token is None:
        raise schemas.invalid([("/pg_token", faults.REQUIRED)])
    return strada().payments.approve(caller, transaction, asked.pg_token)


def _reported(who: Principal, transaction: str, field: str, reference: str | None) -> bool:
    """Whether the payment is of flow `reported`; raises 422 where the reference does not fit it."""
    reported = strada().ledger.flow_of(transaction, who.merchant) == "reported"
    if reported and reference is None:
        raise schemas.invalid([(f"/{field}", faults.REQUIRED)])
    if not reported and reference is not None:
        raise schemas.invalid([(f"/{field}", faults.NOT_ALLOWED)])
    return reported


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
        return _plainly(caller_of(who, body), transaction, event, asked.reason)

    return run


def _plainly(caller: Caller, transaction: str, event: str, reason: str | None) -> Answer:
    row = strada().ledger.load(transaction, caller.merchant)
    if row["flow"] == "reported" and event in ("cancel", "fail"):
        if strada().store.is_grouped:
            raise Elsewhere
        return strada().reports.close(caller, transaction, event, reason)
    return strada().payments.fire(caller, transaction, event, reason, row)


_FIRE: Mapping[str, Callable[[Principal, str, Mapping[str, Any]], Answer]] = {
    "ready": _ready,
    "approve": _approve,
    "refund": _refund,
    "complete": _plain("complete"),
    "cancel": _plain("cancel"),
    "fail": _plain("fail"),
}

_BODIES: Mapping[str, type[schemas.Body]] = {
    "ready": schemas.ReadyBody,
    "approve": schemas.ApproveBody,
    "refund": schemas.RefundBody,
    "complete": schemas.ReasonBody,
    "cancel": schemas.ReasonBody,
    "fail": schemas.ReasonBody,
}


# ---- the seed's updateStatus

_EVENT_TO = {"cancelled": "cancel", "failed": "fail", "completed": "complete"}


@api.put("/transactions/<transaction>/status")
def update_status(transaction: str) -> Response:
    """Fire the event that leads to a status; the same status again is no event at all."""
    who = principal()
    who.need("payments", "client")
    who.need_transaction(transaction)
    query_of(request, {})
    body = body_of(request)
    asked = schemas.validate(schemas.StatusBody, body)
    row = strada().ledger.load(known_id(transaction), who.merchant)
    caller = caller_of(who, body)
    if asked.status == row["status"]:
        return respond(who, strada().payments.get(transaction, who.merchant))
    if asked.status in ("ready", "approved") and row["flow"] == "reported":
        if asked.provider_ref is None:
            raise schemas.invalid([("/provider_ref", faults.REQUIRED)])
        report = strada().reports.ready if asked.status == "ready" else strada().reports.approve
        return respond(who, report(caller, transaction, asked.provider_ref))
    event = _EVENT_TO.get(asked.status)
    if event is None:
        raise schemas.invalid([("/status", faults.NOT_ALLOWED)])
    if who.is_client and event not in CLIENT_EVENTS:
        raise Problem("insufficient_scope")
    return respond(who, _plainly(caller, transaction, event, asked.reason))


# ---- shared


def caller_of(who: Principal, body: Mapping[str, Any]) -> Caller:
    """The engine's view of this request."""
    key, expected = idempotency_key(request), if_match(request)
    route = f"{request.method} {request.path}"
    asked = _FINGERPRINTED.encode([route, body, expected])
    return Caller(
        actor=who.actor,
        merchant=who.merchant,
        request_id=request_id(request),
        key=key,
        key_mac=strada().vault.key_mac(who.merchant, key) if key else None,
        route=route,
        fingerprint=hashlib.sha256(asked.encode()).digest(),
        if_match=expected,
        render=problem_text,
    )


def known_id(transaction: str) -> str:
    """The id, when it has an id's shape; raises 404."""
    if not is_id(transaction, "txn"):
        raise Problem("not_found")
    return transaction


def respond(who: Principal, found: Answer) -> Response:
    """The response of an Answer: what this caller may see of it, and a new client secret."""
    refused = found.code in ("illegal_transition", "guard_refused")
    if who.is_client and not refused:
        return answer(found, encode(for_client(json.loads(found.body))))
    if found.code == "created":
        secret = strada().vault.client_secret(found.txn)
        return answer(found, encode(json.loads(found.body) | {"client_secret": secret}))
    return answer(found, found.body)


@api.errorhandler(EngineError)
def refused(error: EngineError) -> Response:
    """An engine's refusal; a transaction in it is cut to what this caller may see."""
    who = g.get("principal")
    if who is not None and who.is_client and "transaction" in error.extra:
        error.extra = {**error.extra, "transaction": for_client(error.extra["transaction"])}
    return problem_response(problem_of(error))
