"""Answers of the engine as HTTP responses. It refuses to add anything the engine did not say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flask import Response, request

from engine.errors import EngineError
from engine.idempotency import Answer
from engine.resource import encode
from web import problems
from web.edge import language_of, request_id
from web.headers import etag
from web.problem_texts import CATALOGUE
from web.problems import Problem

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

JSON = "application/json"
STATUS = {"created": 201, "ok": 200, "unknown": 202}


class Whole(Response):
    """A text of known length that stays where it is; Werkzeug need not look it over once more."""

    def get_wsgi_response(
        self, environ: WSGIEnvironment
    ) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """Body, status line and headers, as they are; to HEAD no body."""
        body: Iterable[bytes] = () if environ["REQUEST_METHOD"] == "HEAD" else self.iter_encoded()
        return body, self.status, self.headers.to_wsgi_list()


def json_response(body: Mapping[str, Any], status: int = 200) -> Response:
    """A JSON answer."""
    return Whole(encode(body), status, content_type=JSON)


def answer(found: Answer, body: str) -> Response:
    """The response of an Answer, with its ETag; a replay says that it is one."""
    refused = found.code in CATALOGUE
    status = CATALOGUE[found.code].status if refused else STATUS[found.code]
    response = Whole(body, status, content_type=problems.MEDIA_TYPE if refused else JSON)
    if found.version is not None and not refused:
        response.headers["ETag"] = etag(found.version)
    if found.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    if status == 202:
        response.headers["Retry-After"] = "5"
    return response


def problem_of(error: EngineError) -> Problem:
    """An engine's refusal or trouble as a problem of the catalogue."""
    return Problem(error.code, retry_after=error.retry_after, **error.extra)


def problem_response(problem: Problem) -> Response:
    """A problem as a response."""
    status, headers, body = problems.render(
        problem, request_id(request), request.path, language_of(request)
    )
    return Response(body, status, headers)


def problem_text(error: EngineError) -> str:
    """The body of a refusal of this request, as it is stored for replay."""
    document = problems.document(
        problem_of(error), request_id(request), request.path, language_of(request)
    )
    return json.dumps(document, ensure_ascii=False)
