"""The served OpenAPI document, held against every answer that a test client gets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from flask.testing import FlaskClient
from jsonschema import Draft202012Validator, FormatChecker
from werkzeug.test import TestResponse

from web.openapi import document
from web.openapi.serving import document_bytes

Document = dict[str, Any]


@cache
def served() -> Document:
    """The document as clients get it."""
    parsed: Document = json.loads(document_bytes())
    assert parsed == json.loads(json.dumps(document()))
    return parsed


@cache
def _validator(place: str) -> Draft202012Validator:
    """A validator for the schema at a JSON pointer; its references reach the whole document."""
    schema = {"$ref": f"#{place}", "components": served()["components"], "paths": served()["paths"]}
    return Draft202012Validator(schema, format_checker=FormatChecker())


def faults(place: str, value: Any) -> list[str]:
    """What is wrong with a value of the schema at a JSON pointer."""
    return [
        f"{error.json_path}: {error.message[:300]}"
        for error in _validator(place).iter_errors(value)
    ]


def pointer(*parts: str) -> str:
    """A JSON pointer to these keys."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


@cache
def _matchers() -> list[tuple[re.Pattern[str], str]]:
    """Each path as a pattern, those without a parameter first."""
    paths = sorted(served()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), path) for path in paths]


_EVENT = re.compile("/v1/transactions/[^/]+/[^/]+")
"""Whatever stands last here is read as an event; the answers to an unknown one are `cancel`'s."""


def path_of(method: str, url: str) -> str | None:
    """The documented path that a request belongs to."""
    paths = [path for pattern, path in _matchers() if pattern.fullmatch(url)]
    if method == "POST" and _EVENT.fullmatch(url):
        paths = [path for path in paths if "post" in served()["paths"][path]]
        return paths[0] if paths else "/v1/transactions/{transaction}/cancel"
    return paths[0] if paths else None


def operation_of(method: str, path: str) -> tuple[str, Document]:
    """The method and operation whose answers hold; of an undocumented method: any of the path."""
    item = served()["paths"][path]
    wanted = "get" if method == "HEAD" else method.lower()
    name = wanted if wanted in item else next(iter(item))
    return name, item[name]


def disagreements(method: str, url: str, answer: TestResponse) -> list[str]:
    """How an answer differs from the document; nothing for addresses that it does not have."""
    path = path_of(method, url)
    if path is None or method == "OPTIONS":
        return []
    name, operation = operation_of(method, path)
    said = f"{operation['operationId']} {answer.status_code}"
    foreign = method != "HEAD" and method.lower() not in served()["paths"][path]
    if foreign and answer.status_code != 405:
        return [f"{method} {url} is not documented and was answered {answer.status_code}"]
    documented = operation["responses"].get(str(answer.status_code))
    if documented is None:
        return [f"{said} is not documented: {answer.text[:200]}"]
    found = [f"{said}: {fault}" for fault in _header_faults(documented, answer)]
    if method == "HEAD" or not documented.get("content"):
        return found
    kind = answer.mimetype
    if kind not in documented["content"]:
        return [*found, f"{said}: {kind} is not documented"]
    if not kind.endswith("json"):
        return found
    status = str(answer.status_code)
    place = pointer("paths", path, name, "responses", status, "content", kind, "schema")
    return found + [f"{said}: {fault}" for fault in faults(place, json.loads(answer.data))]


def _header_faults(documented: Mapping[str, Any], answer: TestResponse) -> Iterator[str]:
    for name, header in documented["headers"].items():
        value = answer.headers.get(name)
        if value is None:
            if header.get("required"):
                yield f"{name} is missing"
            continue
        read = int(value) if header["schema"]["type"] == "integer" else value
        for error in Draft202012Validator(header["schema"]).iter_errors(read):
            yield f"{name}: {error.message}"
    promised = {"ETag", "Idempotent-Replayed", "Retry-After", "Allow", "Location"}
    for name in promised - set(documented["headers"]):
        if name in answer.headers:
            yield f"{name} is not documented"


class HonestClient(FlaskClient):
    """A test client that fails on an answer which the served document does not have."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        answer = super().open(*args, **kwargs)
        request = answer.request
        wrong = disagreements(request.method, request.path, answer)
        assert wrong == [], wrong
        return answer
