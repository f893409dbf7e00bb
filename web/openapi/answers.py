"""Answers of the document: status, headers and content of what succeeds and what is refused.

It refuses to sort problems by hand: the catalogue says which status a code has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from web.openapi import refusals
from web.openapi.shapes import REQUEST_ID, STRING, Schema
from web.problem_texts import CATALOGUE
from web.problems import MEDIA_TYPE

JSON = "application/json"
HTML = "text/html"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that is not a problem; a trailing `?` marks a header that may be absent."""

    text: str
    content: Mapping[str, Schema]
    headers: tuple[str, ...] = ()


def _header(text: str, schema: Schema) -> dict[str, Any]:
    return {"description": text, "schema": schema}


HEADERS: Mapping[str, dict[str, Any]] = {
    "Request-Id": _header("Names this answer in our logs.", REQUEST_ID),
    "Content-Disposition": _header("The name to save it under.", STRING),
    "ETag": _header(
        "The transaction's version, for `If-Match`.", {"type": "string", "pattern": '^"[0-9]+"$'}
    ),
    "Idempotent-Replayed": _header(
        "This is the stored answer of an earlier request.", {"type": "string", "const": "true"}
    ),
    "Retry-After": _header("Seconds to wait.", {"type": "integer", "minimum": 0}),
    "Allow": _header("The methods of this address.", {"type": "string"}),
    "WWW-Authenticate": _header("How to authenticate.", {"type": "string"}),
    "Content-Language": _header(
        "Negotiated by `Accept-Language`.", {"type": "string", "enum": ["en", "ko"]}
    ),
    "Location": _header(
        "The shop's page or app, with `transaction_id` and `status` appended.", {"type": "string"}
    ),
}
_OWN = {401: ("WWW-Authenticate",), 405: ("Allow",)}
_REPLAYED = frozenset({"illegal_transition", "guard_refused"})


def responses(found: Mapping[int, Answer], codes: Iterable[str]) -> dict[str, Any]:
    """All answers of an operation by status; a status may be an answer here and a problem there."""
    by_status: dict[int, list[str]] = {}
    for code in CATALOGUE:
        if code in set(codes):
            by_status.setdefault(CATALOGUE[code].status, []).append(code)
    shown: dict[str, Any] = {}
    for status in sorted({*found, *by_status}):
        refused = _refusal(status, by_status[status]) if status in by_status else {}
        good = _answer(found[status]) if status in found else {}
        shown[str(status)] = _both(good, refused)
    return shown


def _both(good: dict[str, Any], refused: dict[str, Any]) -> dict[str, Any]:
    if not good or not refused:
        return good or refused
    headers = {
        name: _maybe(header) for name, header in (refused["headers"] | good["headers"]).items()
    }
    return {
        "description": f"{good['description']} {refused['description']}",
        "headers": headers,
        "content": good["content"] | refused["content"],
    }


def _maybe(header: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in header.items() if key != "required"}


def _answer(answer: Answer) -> dict[str, Any]:
    shown: dict[str, Any] = {"description": answer.text, "headers": _headers(*answer.headers)}
    if answer.content:
        shown["content"] = {kind: {"schema": schema} for kind, schema in answer.content.items()}
    return shown


def _refusal(status: int, codes: list[str]) -> dict[str, Any]:
    always = all(CATALOGUE[code].retry_after_s is not None for code in codes)
    ever = any(CATALOGUE[code].retry_after_s is not None for code in codes)
    names = list(_OWN.get(status, ()))
    if ever:
        names.append("Retry-After" if always else "Retry-After?")
    if _REPLAYED & set(codes):
        names += ["Content-Language?", "Idempotent-Replayed?"]
    else:
        names.append("Content-Language")
    listed = ", ".join(f"`{code}`" for code in codes)
    return {
        "description": f"{HTTPStatus(status).phrase}: {listed}.",
        "headers": _headers(*names),
        "content": {MEDIA_TYPE: {"schema": refusals.schema_for(codes)}},
    }


def _headers(*names: str) -> dict[str, Any]:
    """Inline, as tools ignore `required` beside a `$ref`."""
    shown: dict[str, Any] = {}
    for name in ("Request-Id", *names):
        plain = name.rstrip("?")
        shown[plain] = HEADERS[plain] | ({} if name.endswith("?") else {"required": True})
    return shown
