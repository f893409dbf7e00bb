"""What `/v1` does with one transaction, apart from who read the request off the wire.

It only parses, authenticates, fires and renders. It refuses to decide anything: what is legal is
the chart's business, what happened is the log's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from engine import chart
from engine.canonical import MAX_INTEGER
from engine.errors import Missing
from engine.fire import Caller
from engine.history import as_of
from engine.idempotency import Answer
from engine.ids import is_id
from engine.orders import NewOrder
from engine.resource import encode, for_client
from web import faults, schemas
from web.auth import CLIENT_EVENTS, Principal, authenticate
from web.edge import (
    PRINCIPAL,
    Asked,
    bearer,
    body_of,
    idempotency_key,
    if_match,
    query_of,
    request_id,
)
from web.problems import Problem
from web.rate_limit import RateLimit
from web.responses import Reply, json_reply, problem_text, reply_of
from web.return_urls import UnsafeUrl, check_return_url
from web.wiring import Strada

_FINGERPRINTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_URLS = ("return_url", "approval_url", "cancel_url", "fail_url")
_EVENT_TO = {"cancelled": "cancel", "failed": "fail", "completed": "complete"}
_BODIES: Mapping[str, type[schemas.Body]] = {
    "ready": schemas.ReadyBody,
    "approve": schemas.ApproveBody,
    "refund": schemas.RefundBody,
    "complete": schemas.ReasonBody,
    "cancel": schemas.ReasonBody,
    "fail": schemas.ReasonBody,
}


class Elsewhere(BaseException):
    """This request asks a gateway after all: a thread has to serve it, from its beginning.

    Raised before anything is written for it. Nothing on its way takes it for a failure.
    """


class Handlers:
    """Each takes a request and returns a Reply, or raises a Problem or what the engine raises."""

    def __init__(self, strada: Strada) -> None:
        self.strada = strada
        self.limit = RateLimit(strada.settings.rate, strada.clock.monotonic)
        self._fire: Mapping[str, Callable[[Asked, Principal, str, Any], Answer]] = {
            "ready": self._ready,
            "approve": self._approve,
            "refund": self._refund,
            "complete": partial(self._plain, "complete"),
            "cancel": partial(self._plain, "cancel"),
            "fail": partial(self._plain, "fail"),
        }

    def admit(self, asked: Asked, who: Principal | None = None) -> Principal:
        """The caller of a request: `who`, or the holder of its bearer token; raises 401.

        Raises 429 when it calls too often.
        """
        who = who or authenticate(self.strada, bearer(asked))
        asked.environ[PRINCIPAL] = who
        wait_s = self.limit.take(who.transaction or who.actor)
        if wait_s is not None:
            raise Problem("rate_limited", retry_after=wait_s)
        return who

    # ---- creating

    def create(self, asked: Asked, who: Principal) -> Reply:
        """Register an order."""
        who.need("payments")
        query_of(asked, {})
        body = body_of(asked)
        given = schemas.validate(schemas.CreateTransaction, body)
        order = NewOrder(
            provider=given.provider,
            order_id=given.order_id,
            item_name=given.item_name,
            amount=given.amount,
            currency=given.currency,
            customer_id=given.customer_id,
            quantity=given.quantity,
            tax_free_amount=given.tax_free_amount,
            vat_amount=given.vat_amount,
            flow=given.flow,
            expires_in=given.expires_in,
            urls=self._checked_urls(who.merchant, given),
            metadata=given.metadata,
        )
        return self.respond(who, self.strada.payments.create(self._caller(asked, who, body), order))

    def _checked_urls(self, name: str, given: schemas.CreateTransaction) -> dict[str, str]:
        merchant = self.strada.merchants.get(name)
        checked = {}
        for field in _URLS:
            url = getattr(given, field)
            if url is None:
                continue
            try:
                checked[field] = check_return_url(
                    url,
                    origins=merchant.origins,
                    schemes=merchant.schemes,
                    development=not self.strada.settings.production,
                )
            except UnsafeUrl as unsafe:
                raise schemas.invalid([(f"/{field}", unsafe.phrase)]) from unsafe
        return checked

    # ---- reading

    def read(self, asked: Asked, who: Principal, transaction: str) -> Reply:
        """One transaction, as it stands or as it was."""
        who.need("payments", "audit", "client")
        who.need_transaction(transaction)
        when = query_of(asked, {"at_seq": schemas.whole(1, MAX_INTEGER), "at": schemas.instant})
        if not when:
            return self.respond(who, self.strada.payments.get(known_id(transaction), who.merchant))
        row = self.strada.ledger.load(known_id(transaction), who.merchant)
        if len(when) > 1:
            raise schemas.invalid([("/query/at", faults.NOT_ALLOWED)])
        try:
            resource = as_of(self.strada.store, row, when.get("at_seq"), when.get("at"))
        except Missing:
            pointer = "/query/at_seq" if "at_seq" in when else "/query/at"
            raise schemas.invalid([(pointer, faults.NOT_ALLOWED)]) from None
        return self.respond(who, Answer("ok", encode(resource), None, transaction))

    # ---- events

    def fire(self, asked: Asked, who: Principal, transaction: str, event: str) -> Reply:
        """Fire one of the chart's public events."""
        who.need("payments", "client")
        who.need_transaction(transaction)
        if event not in chart.EVENT_OF_HTTP:
            raise Problem("unknown_event")
        if who.is_client and event not in CLIENT_EVENTS:
            raise Problem("insufficient_scope")
        dry = query_of(asked, {"dry_run": schemas.boolean}).get("dry_run", False)
        body = body_of(asked)
        known_id(transaction)
        if dry:
            return self._dry_run(asked, who, transaction, event, body)
        return self.respond(who, self._fire[event](asked, who, transaction, body))

    def _dry_run(
        self, asked: Asked, who: Principal, transaction: str, event: str, body: Mapping[str, Any]
    ) -> Reply:
        given = schemas.validate(_BODIES[event], body)
        self._caller(asked, who, body)  # reads the headers as strictly as the real call does
        amount = given.amount if isinstance(given, schemas.RefundBody) else None
        name = chart.EVENT_OF_HTTP[event]
        return json_reply(self.strada.payments.dry_run(transaction, who.merchant, name, amount))

    def _ready(
        self, asked: Asked, who: Principal, transaction: str, body: Mapping[str, Any]
    ) -> Answer:
        reference = schemas.validate(schemas.ReadyBody, body).provider_ref
        caller = self._caller(asked, who, body)
        if not self._reported(who, transaction, reference):
            return self.strada.payments.ready(caller, transaction)
        return self.strada.reports.ready(caller, transaction, str(reference))

    def _approve(
        self, asked: Asked, who: Principal, transaction: str, body: Mapping[str, Any]
    ) -> Answer:
        given = schemas.validate(schemas.ApproveBody, body)
        caller = self._caller(asked, who, body)
        if self._reported(who, transaction, given.provider_ref):
            return self.strada.reports.approve(caller, transaction, str(given.provider_ref))
        if given.pg_token is None:
            raise schemas.invalid([("/pg_token", faults.REQUIRED)])
        return self.strada.payments.approve(caller, transaction, given.pg_token)

    def _reported(self, who: Principal, transaction: str, reference: str | None) -> bool:
        """Whether the payment is of flow `reported`; raises 422 where the reference is unfit."""
        reported = self.strada.ledger.flow_of(transaction, who.merchant) == "reported"
        if reported and reference is None:
            raise schemas.invalid([("/provider_ref", faults.REQUIRED)])
        if not reported and reference is not None:
            raise schemas.invalid([("/provider_ref", faults.NOT_ALLOWED)])
        return reported

    def _refund(
        self, asked: Asked, who: Principal, transaction: str, body: Mapping[str, Any]
    ) -> Answer:
        given = schemas.validate(schemas.RefundBody, body)
        if idempotency_key(asked) is None:
            raise Problem("idempotency_key_required")
        return self.strada.payments.refund(
            self._caller(asked, who, body),
            transaction,
            given.amount,
            given.tax_free_amount,
            given.vat_amount,
            given.reason,
        )

    def _plain(
        self, event: str, asked: Asked, who: Principal, transaction: str, body: Mapping[str, Any]
    ) -> Answer:
        reason = schemas.validate(schemas.ReasonBody, body).reason
        return self._plainly(self._caller(asked, who, body), transaction, event, reason)

    def _plainly(self, caller: Caller, transaction: str, event: str, reason: str | None) -> Answer:
        row = self.strada.ledger.load(transaction, caller.merchant)
        if row["flow"] == "reported" and event in ("cancel", "fail"):
            if self.strada.store.is_grouped:
                raise Elsewhere
            return self.strada.reports.close(caller, transaction, event, reason)
        return self.strada.payments.fire(caller, transaction, event, reason, row)

    def update_status(self, asked: Asked, who: Principal, transaction: str) -> Reply:
        """Fire the event that leads to a status, as the seed's updateStatus.

        The same status again is no event at all.
        """
        who.need("payments", "client")
        who.need_transaction(transaction)
        query_of(asked, {})
        body = body_of(asked)
        given = schemas.validate(schemas.StatusBody, body)
        row = self.strada.ledger.load(known_id(transaction), who.merchant)
        caller = self._caller(asked, who, body)
        if given.status == row["status"]:
            return self.respond(who, self.strada.payments.get(transaction, who.merchant))
        if given.status in ("ready", "approved") and row["flow"] == "reported":
            if given.provider_ref is None:
                raise schemas.invalid([("/provider_ref", faults.REQUIRED)])
            reports = self.strada.reports
            report = reports.ready if given.status == "ready" else reports.approve
            return self.respond(who, report(caller, transaction, given.provider_ref))
        event = _EVENT_TO.get(given.status)
        if event is None:
            raise schemas.invalid([("/status", faults.NOT_ALLOWED)])
        if who.is_client and event not in CLIENT_EVENTS:
            raise Problem("insufficient_scope")
        return self.respond(who, self._plainly(caller, transaction, event, given.reason))

    # ---- shared

    def _caller(self, asked: Asked, who: Principal, body: Mapping[str, Any]) -> Caller:
        """The engine's view of a request."""
        key, expected = idempotency_key(asked), if_match(asked)
        route = f"{asked.method} {asked.path}"
        print_of = _FINGERPRINTED.encode([route, body, expected])
        return Caller(
            actor=who.actor,
            merchant=who.merchant,
            request_id=request_id(asked),
            key=key,
            key_mac=self.strada.vault.key_mac(who.merchant, key) if key else None,
            route=route,
            fingerprint=hashlib.sha256(print_of.encode()).digest(),
            if_match=expected,
            render=partial(problem_text, asked),
        )

    def respond(self, who: Principal, found: Answer) -> Reply:
        """The reply of an Answer: what this caller may see of it, and a new client secret."""
        refused = found.code in ("illegal_transition", "guard_refused")
        if who.is_client and not refused:
            return reply_of(found, encode(for_client(json.loads(found.body))))
        if found.code == "created":
            secret = self.strada.vault.client_secret(found.txn)
            return reply_of(found, encode(json.loads(found.body) | {"client_secret": secret}))
        return reply_of(found, found.body)


def known_id(transaction: str) -> str:
    """The id, when it has an id's shape; raises 404."""
    if not is_id(transaction, "txn"):
        raise Problem("not_found")
    return transaction
