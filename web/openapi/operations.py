"""The table of operations: what can be called, with what, and all that it can answer.

It refuses a default: an operation lists each code that it can be refused with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine import chart
from web.auth import CLIENT_EVENTS
from web.openapi.answers import HTML, JSON, Answer
from web.openapi.shapes import STRING, one_of, ref

KEY, CLIENT = "secretKey", "clientSecret"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `problems` are codes of the catalogue."""

    id: str
    method: str
    path: str
    tag: str
    summary: str
    answers: Mapping[int, Answer]
    problems: frozenset[str]
    auth: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    body: str | None = None
    body_required: bool = False
    text: str = ""


# ---- what can be refused

_ANY = frozenset("method_not_allowed internal_error".split())
_KEYED = _ANY | frozenset(
    "invalid_header unauthenticated insufficient_scope rate_limited storage_unavailable".split()
)
_READ = _KEYED | {"invalid_request"}
_WRITE = _READ | frozenset(
    "malformed_json body_too_large unsupported_media_type idempotency_key_reused "
    "log_behind_checkpoint".split()
)
_FIRE = _WRITE | frozenset(
    "not_found illegal_transition idempotency_in_flight version_mismatch unknown_event "
    "unsupported_by_provider".split()
)
_GATEWAY = frozenset("gateway_surprise gateway_unavailable gateway_timeout".split())

# ---- what is answered

_TRANSACTION = {JSON: ref("Transaction")}
_FIRED = {JSON: one_of("object", {"transaction": "Transaction", "dry_run": "DryRun"})}
_PAGES = {HTML: STRING}
_OK = Answer("The transaction as it stands.", _TRANSACTION, ("ETag", "Idempotent-Replayed?"))
_DONE = Answer(
    "The transaction after the event; what would happen, in a dry run.",
    _FIRED,
    ("ETag?", "Idempotent-Replayed?"),
)
_UNKNOWN = Answer(
    "The outcome at the gateway is not known yet. Read the transaction after `Retry-After`.",
    _TRANSACTION,
    ("ETag", "Retry-After", "Idempotent-Replayed?"),
)

_EVENTS: Mapping[str, tuple[str, str, str, frozenset[str]]] = {
    "ready": (
        "ReadyRequest",
        "Prepare the payment at the gateway",
        "Moves no money. `next_action` then says where to send the customer.",
        _GATEWAY | {"operation_in_flight", "guard_refused"},
    ),
    "approve": (
        "ApproveRequest",
        "Take the money",
        "200 when the gateway approved or declined (`status` `failed`); 202 while nobody knows; "
        "409 `approval_not_taken` when nothing was charged and the customer must act again.",
        _GATEWAY | {"operation_in_flight", "guard_refused", "approval_not_taken"},
    ),
    "complete": (
        "ReasonRequest",
        "Mark the order as delivered",
        "",
        frozenset({"operation_in_flight", "guard_refused"}),
    ),
    "cancel": ("ReasonRequest", "Give the payment up", "Before approval only.", _GATEWAY),
    "fail": ("ReasonRequest", "Declare the payment failed", "Before approval only.", _GATEWAY),
    "refund": (
        "RefundRequest",
        "Give money back",
        "Part of it or, without an amount, all that is left. 202 while nobody knows.",
        frozenset(
            "operation_in_flight guard_refused tax_free_amount_required "
            "idempotency_key_required".split()
        ),
    ),
}
_MAY_BE_UNKNOWN = frozenset({"approve", "refund"})


def _event(event: str) -> Operation:
    body, summary, text, problems = _EVENTS[event]
    idempotency = "refundIdempotencyKey" if event == "refund" else "idempotencyKey"
    return Operation(
        id=f"{event}Transaction",
        method="post",
        path=f"/v1/transactions/{{transaction}}/{event}",
        tag="Events",
        summary=summary,
        text=text,
        answers={200: _DONE} | ({202: _UNKNOWN} if event in _MAY_BE_UNKNOWN else {}),
        problems=_FIRE | problems,
        auth=(KEY, CLIENT) if event in CLIENT_EVENTS else (KEY,),
        parameters=("transaction", "dryRun", idempotency, "ifMatch"),
        body=body,
    )


_TRANSACTIONS = (
    Operation(
        "createTransaction",
        "post",
        "/v1/transactions",
        "Transactions",
        "Register an order",
        {
            201: Answer(
                "The new transaction, with its `client_secret`.",
                _TRANSACTION,
                ("ETag", "Idempotent-Replayed?"),
            )
        },
        _WRITE | {"order_in_progress", "order_already_paid", "unsupported_by_provider"},
        (KEY,),
        ("idempotencyKey",),
        "CreateTransaction",
        True,
        "No gateway is asked. One order has one live payment.",
    ),
    Operation(
        "listTransactions",
        "get",
        "/v1/transactions",
        "Transactions",
        "List transactions, newest first",
        {
            200: Answer(
                "A page; as `text/csv` all that the filters select.",
                {JSON: ref("TransactionList"), "text/csv": STRING},
            )
        },
        _READ,
        (KEY,),
        (
            "status",
            "provider",
            "orderId",
            "needsReview",
            "createdAfter",
            "createdBefore",
            "limit",
            "cursor",
        ),
    ),
    Operation(
        "getTransaction",
        "get",
        "/v1/transactions/{transaction}",
        "Transactions",
        "Read a transaction, now or as it was",
        {200: Answer("The transaction.", _TRANSACTION, ("ETag?",))},
        _READ | {"not_found"},
        (KEY, CLIENT),
        ("transaction", "atSeq", "at"),
        text="As of then it is folded from the log: what only lives now is null, and there is no "
        "`ETag`.",
    ),
)
_STATUS = Operation(
    "updateTransactionStatus",
    "put",
    "/v1/transactions/{transaction}/status",
    "Events",
    "Fire the event that leads to a status",
    {200: _OK, 202: _UNKNOWN},
    (_FIRE - {"unknown_event"})
    | _GATEWAY
    | {"operation_in_flight", "guard_refused", "approval_not_taken"},
    (KEY, CLIENT),
    ("transaction", "idempotencyKey", "ifMatch"),
    "StatusRequest",
    True,
)
_LOG = (
    Operation(
        "listTransitions",
        "get",
        "/v1/transactions/{transaction}/transitions",
        "Log and chart",
        "Read a transaction's log, oldest first",
        {200: Answer("Entries of all kinds.", {JSON: ref("EntryList")})},
        _READ | {"not_found"},
        (KEY,),
        ("transaction", "entryLimit", "entryCursor"),
    ),
    Operation(
        "getChart",
        "get",
        "/v1/chart",
        "Log and chart",
        "The chart in force",
        {
            200: Answer(
                "By `Accept`: as data, as a Mermaid diagram, or as a picture.",
                {JSON: ref("Chart"), "text/vnd.mermaid": STRING, "image/svg+xml": STRING},
            )
        },
        _ANY | {"invalid_request"},
    ),
    Operation(
        "getChartVersion",
        "get",
        "/v1/chart/{version}",
        "Log and chart",
        "Any chart that was ever released",
        {200: Answer("The chart.", {JSON: ref("Chart")})},
        _ANY | {"not_found", "invalid_request"},
        parameters=("version",),
    ),
)
_CUSTOMER = (
    Operation(
        "returnFromGateway",
        "get",
        "/return/{token}/{leg}",
        "Customer pages",
        "The customer's browser, back from the gateway",
        {
            200: Answer("A page that tells the payment's state.", _PAGES),
            303: Answer("On to the shop's page or app.", _PAGES, ("Location",)),
            400: Answer("A page: the link is not as the gateway made it.", _PAGES),
            404: Answer("A page: nobody knows this link.", _PAGES),
            410: Answer("A page: the payment was closed more than a day ago.", _PAGES),
            503: Answer("A page: come back a little later.", _PAGES),
        },
        _ANY | {"not_found"},
        parameters=("token", "leg", "pgToken"),
        text="Gateways send browsers here; merchants do not call it. HEAD and prefetches change "
        "nothing, and a repeat shows the same page.",
    ),
    Operation(
        "explainProblem",
        "get",
        "/problems/{code}",
        "Customer pages",
        "Cause and cure of a problem code",
        {200: Answer("A page.", _PAGES), 404: Answer("A page: no such code.", _PAGES)},
        _ANY | {"not_found"},
        parameters=("code",),
    ),
)
_SERVICE = (
    Operation(
        "isAlive",
        "get",
        "/healthz",
        "Service",
        "The process answers",
        {200: Answer("It does.", {JSON: ref("Health")})},
        _ANY,
    ),
    Operation(
        "isReady",
        "get",
        "/readyz",
        "Service",
        "The process can do its work",
        {
            200: Answer("It can.", {JSON: ref("Readiness")}),
            503: Answer("Not now: see `checks`.", {JSON: ref("Readiness")}),
        },
        _ANY,
    ),
    Operation(
        "getOpenApi",
        "get",
        "/openapi.json",
        "Service",
        "This document",
        {200: Answer("OpenAPI 3.1.", {JSON: ref("OpenApi")})},
        _ANY,
    ),
    Operation(
        "showDocs",
        "get",
        "/docs",
        "Service",
        "This document for people",
        {200: Answer("A page.", _PAGES)},
        _ANY,
    ),
)

OPERATIONS = (
    *_TRANSACTIONS,
    *(_event(event) for event in chart.EVENT_OF_HTTP),
    _STATUS,
    *_LOG,
    *_CUSTOMER,
    *_SERVICE,
)
