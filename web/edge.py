"""Reading a request, strictly: the body, the query, and the headers that mean something here.

It refuses what is ambiguous: a body that is not JSON, a parameter given twice. A header that came
twice arrives joined by a comma (WSGI), which the readers of `web/headers.py` refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from web import schemas, strict_json
from web.headers import REQUEST_ID, parse_authorization, parse_idempotency_key, parse_if_match
from web.problem_texts import Language
from web.problems import Problem, negotiate

PRINCIPAL = "strada.principal"
"""Where a request's environ has its caller, once it is known."""


class Asked(Protocol):
    """A request, whoever read it off the wire: Flask's, or the loop's own (`web/quick.py`)."""

    @property
    def method(self) -> str:
        """In capitals."""

    @property
    def path(self) -> str:
        """Without the query, decoded."""

    @property
    def environ(self) -> dict[str, Any]:
        """As in WSGI; what is known of the request besides."""

    @property
    def headers(self) -> Any:
        """With a `get` that knows no case."""

    @property
    def args(self) -> Any:
        """The query's parameters, a MultiDict."""

    @property
    def mimetype(self) -> str:
        """Of the body, without parameters, in small letters."""

    def get_data(self, cache: bool = True) -> bytes:
        """The whole body."""


def request_id(request: Asked) -> str:
    """The name of this request, which its answer carries, too."""
    return str(request.environ[REQUEST_ID])


def language_of(request: Asked) -> Language:
    """The language in which a person is answered."""
    return negotiate(request.headers.get("Accept-Language"))


def bearer(request: Asked) -> str:
    """The bearer token; raises `unauthenticated` or `invalid_header`."""
    return parse_authorization(request.headers.get("Authorization"))


def idempotency_key(request: Asked) -> str | None:
    """The Idempotency-Key, unquoted, or None."""
    return parse_idempotency_key(request.headers.get("Idempotency-Key"))


def if_match(request: Asked) -> int | None:
    """The version in If-Match, or None."""
    return parse_if_match(request.headers.get("If-Match"))


def body_of(request: Asked) -> dict[str, Any]:
    """The JSON object of the body, `{}` when there is none; raises 400, 413 or 415."""
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding != "identity":
        raise Problem("unsupported_media_type")
    raw = b"" if _has_no_body(request.environ) else request.get_data(cache=False)
    if not raw:
        return {}
    if request.mimetype != "application/json":
        raise Problem("unsupported_media_type")
    try:
        return strict_json.parse(raw)
    except strict_json.Malformed as malformed:
        raise Problem("malformed_json", params={"reason": malformed.reason}) from None


def _has_no_body(environ: Mapping[str, Any]) -> bool:
    return environ.get("CONTENT_LENGTH", "0") == "0" and "HTTP_TRANSFER_ENCODING" not in environ


def query_of(request: Asked, readers: Mapping[str, schemas.Reader]) -> dict[str, Any]:
    """The query's parameters, each read by its reader; others and repeats are 422."""
    if not request.environ.get("QUERY_STRING"):
        return {}
    return schemas.parse_query(request.args.items(multi=True), readers)
