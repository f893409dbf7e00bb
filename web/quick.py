"""Quick requests as the loop serves them: from waitress' parser to the answer's bytes, no Flask.

Quick is what asks no gateway, writes once at most, and is plain: of HTTP/1.1, with no query, from
no page. It refuses the rest to Flask's threads, and to answer in one byte otherwise than they do;
a test holds the two against each other.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from werkzeug.datastructures import MultiDict
from werkzeug.http import HTTP_STATUS_CODES, parse_options_header

from engine.errors import StorageTrouble
from web.cors import also_by_origin
from web.edge import Asked
from web.framing import message
from web.handlers import Handlers
from web.headers import REQUEST_ID, api_headers, new_request_id
from web.responses import Reply, problem_for, problem_reply

LARGEST_BODY = 16 * 1024
PATHS = {
    "GET": re.compile(r"/v1/transactions/[a-z0-9_]+"),
    "POST": re.compile(r"/v1/transactions(?:/[a-z0-9_]+/(?:complete|cancel|fail))?"),
}
"""Method → the paths of what asks no gateway and writes once at most."""
_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?")
_NOT_PLAIN = ("ORIGIN", "EXPECT")
"""Headers that ask for something beside an answer; pages of other origins need what Flask adds."""


def is_quick(request: Any) -> bool:
    """Whether the loop may serve what waitress' parser has read."""
    pattern, headers = PATHS.get(request.command), request.headers
    return (
        pattern is not None
        and not request.error
        and request.version == "1.1"
        and not request.chunked
        and request.content_length <= LARGEST_BODY
        and request.request_uri == request.path
        and pattern.fullmatch(request.path) is not None
        and _HOST.fullmatch(headers.get("HOST", "")) is not None
        and headers.get("CONNECTION", "keep-alive").lower() == "keep-alive"
        and not any(name in headers for name in _NOT_PLAIN)
    )


class Quick:
    """The answers of an app to quick requests, without the app."""

    def __init__(self, handlers: Handlers, *, https: bool) -> None:
        self._handlers = handlers
        self._common = api_headers(https=https)

    def answer(self, request: Any) -> bytes:
        """All bytes of the answer to a quick request; raises Elsewhere."""
        return self._told(request, self._handle)

    def refused(self, request: Any, trouble: StorageTrouble) -> bytes:
        """The answer to what was not made durable."""

        def refuse(asked: Asked) -> Reply:
            raise trouble

        return self._told(request, refuse)

    def _told(self, request: Any, handle: Callable[[Asked], Reply]) -> bytes:
        asked = _Plain(request)
        try:
            reply = handle(asked)
        except Exception as error:
            reply = problem_reply(problem_for(error, asked), asked)
        return self._bytes(reply, asked.environ[REQUEST_ID])

    def _handle(self, asked: Asked) -> Reply:
        who = self._handlers.admit(asked)
        _, _, _, *named = asked.path.split("/")
        if not named:
            return self._handlers.create(asked, who)
        if len(named) == 1:
            return self._handlers.read(asked, who, named[0])
        return self._handlers.fire(asked, who, *named)

    def _bytes(self, reply: Reply, request_id: str) -> bytes:
        headers = {
            "Content-Type": reply.content_type,
            "Content-Length": str(len(reply.body)),
            **self._common,
            "Request-Id": request_id,
            **reply.headers,
            "Vary": also_by_origin(reply.headers.get("Vary")),
        }
        status = f"{reply.status} {HTTP_STATUS_CODES[reply.status].upper()}"
        return message(status, headers.items(), time.time(), reply.body)


class _Plain:
    """A quick request, as the handlers see requests."""

    args: MultiDict[str, str] = MultiDict()

    def __init__(self, request: Any) -> None:
        self._request = request
        self.method: str = request.command
        self.path: str = request.path
        self.headers = _Headers(request.headers)
        self.environ: dict[str, Any] = {
            REQUEST_ID: new_request_id(),
            "CONTENT_LENGTH": str(request.content_length),
        }

    @property
    def mimetype(self) -> str:
        """Of the body, without parameters, in small letters."""
        return parse_options_header(self.headers.get("Content-Type"))[0].lower()

    def get_data(self, cache: bool = True) -> bytes:
        """The whole body."""
        body: bytes = self._request.get_body_stream().read()
        return body


class _Headers:
    """Headers by their name, as waitress keeps them."""

    def __init__(self, found: dict[str, str]) -> None:
        self._found = found

    def get(self, name: str, default: str | None = None) -> str | None:
        """A header's value."""
        return self._found.get(name.upper().replace("-", "_"), default)
