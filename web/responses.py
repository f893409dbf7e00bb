"""What the API answers, apart from who writes it to the wire, and the same as Flask's responses.

It refuses to add anything the engine did not say.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask import Response, request

from engine.errors import EngineError
from engine.idempotency import Answer
from engine.resource import encode, for_client
from web import problems
from web.edge import PRINCIPAL, Asked, language_of, request_id
from web.headers import etag
from web.problem_texts import CATALOGUE
from web.problems import Problem

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

JSON = "application/json"
STATUS = {"created": 201, "ok": 200, "unknown": 202}
_LOG = logging.getLogger("strada.http")


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer: status, body, and those of its headers that are its own."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


class Whole(Response):
    """A text of known length that stays where it is; Werkzeug need not look it over once more."""

    def get_wsgi_response(
        self, environ: WSGIEnvironment
    ) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """Body, status line and headers, as they are; to HEAD no body."""
        body: Iterable[bytes] = () if environ["REQUEST_METHOD"] == "HEAD" else self.iter_encoded()
        return body, self.status, self.headers.to_wsgi_list()


def response_of(reply: Reply) -> Response:
    """A reply as Flask's response."""
    return Whole(reply.body, reply.status, reply.headers, content_type=reply.content_type)


def json_reply(body: Mapping[str, Any], status: int = 200) -> Reply:
    """A JSON answer."""
    return Reply(status, encode(body).encode())


def json_response(body: Mapping[str, Any], status: int = 200) -> Response:
    """A JSON answer as Flask's response."""
    return response_of(json_reply(body, status))


def reply_of(found: Answer, body: str) -> Reply:
    """The reply of an Answer, with its ETag; a replay says that it is one."""
    refused = found.code in CATALOGUE
    status = CATALOGUE[found.code].status if refused else STATUS[found.code]
    headers = {}
    if found.version is not None and not refused:
        headers["ETag"] = etag(found.version)
    if found.replayed:
        headers["Idempotent-Replayed"] = "true"
    if status == 202:
        headers["Retry-After"] = "5"
    return Reply(status, body.encode(), problems.MEDIA_TYPE if refused else JSON, headers)


def problem_for(error: Exception, asked: Asked) -> Problem:
    """What the caller of a request is told of an error; a surprise is logged."""
    match error:
        case Problem():
            return error
        case EngineError():
            return problem_of(error, asked.environ.get(PRINCIPAL))
    _LOG.exception("request %s failed with %s", request_id(asked), type(error).__name__)
    return Problem("internal_error")


def problem_of(error: EngineError, who: Any = None) -> Problem:
    """An engine's refusal or trouble as a problem; of a transaction, what this caller may see."""
    extra = dict(error.extra)
    if who is not None and who.is_client and "transaction" in extra:
        extra["transaction"] = for_client(extra["transaction"])
    return Problem(error.code, retry_after=error.retry_after, **extra)


def problem_reply(problem: Problem, asked: Asked) -> Reply:
    """A problem as the answer to a request."""
    status, headers, body = problems.render(
        problem, request_id(asked), asked.path, language_of(asked)
    )
    return Reply(status, body, headers.pop("Content-Type"), headers)


def problem_response(problem: Problem) -> Response:
    """A problem as Flask's response to the request it is at."""
    return response_of(problem_reply(problem, request))


def problem_text(asked: Asked, error: EngineError) -> str:
    """The body of a refusal of a request, as it is stored for replay."""
    document = problems.document(
        problem_of(error), request_id(asked), asked.path, language_of(asked)
    )
    return json.dumps(document, ensure_ascii=False)
