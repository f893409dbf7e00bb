"""Every problem of the catalogue as a schema of its own, told apart by `code`.

It refuses a member that is not listed here: a new one is documented before it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import chart
from web.openapi import shapes
from web.openapi.shapes import Schema, closed, nullable, one_of, ref, told
from web.problem_texts import CATALOGUE
from web.problems import Problem, document

_ID = str(shapes.TRANSACTION_ID["examples"][0])
_REQUEST = "req_01m5k9x8r7ew3v2t6y4n0q1s2d"
_FAULT = closed(
    {
        "pointer": told(shapes.STRING, "JSON pointer into the body; `/query/…` into the query."),
        "detail": shapes.STRING,
    }
)
MEMBERS: Mapping[str, Schema] = {
    "errors": shapes.array(ref("Fault"), maxItems=20),
    "current_status": shapes.STATUS,
    "version": shapes.COUNT,
    "event": shapes.EVENTS,
    "allowed_events": shapes.array(shapes.EVENTS),
    "chart": shapes.CHART_VERSION,
    "log_seq": told(shapes.COUNT, "The newest entry of the log: the refusal's own if it has one."),
    "transaction_id": shapes.TRANSACTION_ID,
    "transaction": ref("Transaction"),
    "guard": nullable(ref("Guard")),
    "reason": nullable(shapes.STRING),
    "provider": shapes.STRING,
    "header": shapes.STRING,
}
"""What problems may carry beyond RFC 9457, `code` and `request_id`."""

_PRESENT = "current_status version allowed_events chart log_seq transaction_id"
CARRIES: Mapping[str, tuple[str, str]] = {
    "invalid_header": ("", "header"),
    "invalid_request": ("errors", ""),
    "illegal_transition": (f"{_PRESENT} event", ""),
    "operation_in_flight": (_PRESENT, ""),
    "version_mismatch": (_PRESENT, ""),
    "approval_not_taken": ("transaction transaction_id reason", _PRESENT),
    "order_in_progress": ("transaction_id current_status", ""),
    "order_already_paid": ("transaction_id current_status", ""),
    "guard_refused": ("guard reason log_seq", ""),
    "unsupported_by_provider": ("reason", "provider"),
    "gateway_surprise": ("", "reason"),
    "gateway_unavailable": ("", "reason"),
    "log_behind_checkpoint": ("reason", ""),
}
"""Members by code: those always there, and those sometimes."""

_STATE: Mapping[str, Any] = {
    "current_status": "approved",
    "version": 4,
    "allowed_events": ["complete", "refund"],
    "chart": chart.VERSION,
    "log_seq": 5,
    "transaction_id": _ID,
}
_SHOWN: Mapping[str, Mapping[str, Any]] = {
    "invalid_header": {"header": "If-Match"},
    "invalid_request": {"errors": [{"pointer": "/amount", "detail": "must be an integer"}]},
    "illegal_transition": {**_STATE, "event": "cancel"},
    "operation_in_flight": _STATE,
    "version_mismatch": _STATE,
    "order_in_progress": {"transaction_id": _ID, "current_status": "ready"},
    "order_already_paid": {"transaction_id": _ID, "current_status": "approved"},
    "guard_refused": {
        "guard": "amount<=refundable",
        "reason": "refund_exceeds_balance",
        "log_seq": 6,
    },
    "unsupported_by_provider": {"reason": "currency", "provider": "kakaopay"},
    "log_behind_checkpoint": {"reason": "behind"},
}


def name_of(code: str) -> str:
    """The schema's name of a problem: `not_found` → `NotFoundProblem`."""
    return "".join(word.capitalize() for word in code.split("_")) + "Problem"


def schemas() -> dict[str, Schema]:
    """One schema a code, `Problem` for any of them, and their parts."""
    any_of_them = told(schema_for(list(CATALOGUE)), "RFC 9457 problem details; `code` says which.")
    own = {name_of(code): _schema(code) for code in CATALOGUE}
    return {"Problem": any_of_them, "Fault": _FAULT} | own


def schema_for(codes: list[str]) -> Schema:
    """The schema of an answer that has one of these codes."""
    if len(codes) == 1:
        return ref(name_of(codes[0]))
    return one_of("code", {code: name_of(code) for code in codes})


def _schema(code: str) -> Schema:
    kind = CATALOGUE[code]
    always, sometimes = (names.split() for names in CARRIES.get(code, ("", "")))
    members = {name: MEMBERS[name] for name in (*always, *sometimes) if name in MEMBERS}
    shape = closed(
        {
            "type": {"type": "string", "const": f"/problems/{code}"},
            "title": shapes.STRING,
            "status": {"type": "integer", "const": kind.status},
            "detail": shapes.STRING,
            "instance": shapes.STRING,
            "code": {"type": "string", "const": code},
            "request_id": shapes.REQUEST_ID,
        }
        | members,
        optional=" ".join(name for name in sometimes if name not in always),
        text=f"{kind.title}. {kind.cause} {kind.cure}",
    )
    return shape | ({"examples": [example(code)]} if _can_show(code) else {})


def _can_show(code: str) -> bool:
    return code in _SHOWN or not CARRIES.get(code, ("", ""))[0]


def example(code: str) -> dict[str, Any]:
    """A problem as it is served in English."""
    problem = Problem(code, **_SHOWN.get(code, {}))
    return document(problem, _REQUEST, f"/v1/transactions/{_ID}", "en")
