"""The OpenAPI 3.1 document, put together from what runs: bodies, chart, catalogue, log format.

It refuses to be written by hand where code knows better, and to leave an answer out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from web.openapi import answers, audit, bodies, events, operations, parameters, refusals, shapes
from web.openapi.operations import Operation

TITLE = "Strada"
VERSION = "1"
"""Of the interface, as in its paths; the release has a version of its own."""
DESCRIPTION = """\
A payment engine: one chart from which everything is derived, and a log that anyone can check.

Amounts are integers in the currency's minor unit (12000 KRW is ₩12,000). Times are RFC 3339 in UTC.
Every answer carries `Request-Id`. Refusals are `application/problem+json`; their `code` is stable.
A gateway's decline is not an error: it is 200 with `status` `failed`. 202 means that the outcome is
not known yet: Strada keeps asking the gateway, and `pending` says when next."""
SECURITY = {
    "secretKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "sk_test_…",
        "description": "A merchant's secret key, made by `strada keys create`. Its scopes "
        "(`payments`, `audit`) say what it may do; what it may not is 403.",
    },
    "clientSecret": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "txn_…_secret_…",
        "description": "The `client_secret` of one transaction, for a browser or an app. "
        "Reads it and fires `ready`, `approve`, `cancel`, `fail`; dies a day after its closing.",
    },
}
TAGS = {
    "Transactions": "Creating and reading payments.",
    "Events": "What a caller may do to a payment: the public events of the chart.",
    "Log and chart": "Why a payment is where it is, and where it can go.",
    "Customer pages": "What a customer's browser sees.",
    "Service": "Health, and this document.",
}
_PARAMETERS = {**parameters.PARAMETERS, **audit.PARAMETERS, **events.PARAMETERS}


def document() -> dict[str, Any]:
    """The whole document, made anew."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": TITLE,
            "version": VERSION,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": _paths((*operations.OPERATIONS, *audit.OPERATIONS, *events.OPERATIONS)),
        "components": {
            "schemas": {
                **shapes.SCHEMAS,
                **audit.SCHEMAS,
                **events.SCHEMAS,
                **bodies.schemas(),
                **refusals.schemas(),
            },
            "headers": answers.HEADERS,
            "parameters": _PARAMETERS,
            "securitySchemes": SECURITY,
        },
    }


def _paths(table: Iterable[Operation]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for operation in table:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return paths


def _operation(operation: Operation) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": [{scheme: []} for scheme in operation.auth],
        "parameters": [_parameter(name) for name in operation.parameters],
        "responses": answers.responses(operation.answers, operation.problems),
    }
    if operation.text:
        shown["description"] = operation.text
    if operation.body is not None:
        shown["requestBody"] = bodies.request_body(operation.body, required=operation.body_required)
    return shown


def _parameter(name: str) -> dict[str, str]:
    assert name in _PARAMETERS, name
    return {"$ref": f"#/components/parameters/{name}"}
