"""Headers, both ways: those that every answer carries, and strict readers for a request's.

It refuses to be lenient with credentials and keys: a value that came twice or has an odd character
is not trimmed into shape.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from engine.ids import crockford
from web.problems import Problem

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

REQUEST_ID = "strada.request_id"
"""Where a request's environ has its id; no header can write there."""


_COMMON = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_API_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_TRANSPORT = {"Strict-Transport-Security": "max-age=63072000; includeSubDomains"}

_KEY = re.compile(r"[!-~]{8,255}")
_VERSION = re.compile(r'"(0|[1-9][0-9]{0,14})"')
_BEARER = re.compile(r"bearer +(?P<token>[A-Za-z0-9._~+/\-]{1,512}=*)", re.IGNORECASE | re.ASCII)
_SPECULATIVE = frozenset({"prefetch", "prerender", "preview"})
_PURPOSES = frozenset({"sec-purpose", "purpose", "x-purpose", "x-moz"})


class _Headers(Protocol):
    """A dict of headers, or Werkzeug's."""

    def items(self) -> Iterable[tuple[str, str]]: ...


def api_headers(*, https: bool = False) -> dict[str, str]:
    """What every API answer carries; `https` adds the promise to stay there."""
    return _COMMON | {"Content-Security-Policy": _API_POLICY} | (_TRANSPORT if https else {})


def page_headers(*, https: bool = False) -> dict[str, str]:
    """What every HTML page carries: only our own files run, nobody frames it, nobody keeps it."""
    return (
        _COMMON
        | {
            "Content-Security-Policy": _PAGE_POLICY,
            "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
        }
        | (_TRANSPORT if https else {})
    )


class WithHeaders:
    """WSGI: every request gets an id, every answer that id and the headers of its kind.

    It stands around Flask, which would look each of them up among those that are there already.
    """

    def __init__(self, inner: WSGIApplication, *, https: bool) -> None:
        self._inner = inner
        self._api = tuple(api_headers(https=https).items())
        self._page = tuple(page_headers(https=https).items())

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        """Serve a request."""
        request_id = environ[REQUEST_ID] = new_request_id()

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            there = dict(headers)
            kind = there.get("Content-Type", "").partition(";")[0]
            added = self._page if kind in ("text/html", "text/css") else self._api
            headers += [pair for pair in added if pair[0] not in there]
            if "Request-Id" not in there:
                headers.append(("Request-Id", request_id))
            return start_response(status, headers, *exc_info)

        return self._inner(environ, start)


def new_request_id() -> str:
    """A name for one request: `req_` and 130 random bits in Crockford base 32."""
    return "req_" + crockford(secrets.randbits(130))


def etag(version: int) -> str:
    """The ETag of a transaction's version, as `If-Match` takes it."""
    return f'"{version}"'


def parse_idempotency_key(value: str | None) -> str | None:
    """The key, without quotes: `"abc…"` and `abc…` are one key. Two headers arrive joined."""
    if value is None:
        return None
    key = value.strip(" \t")
    quoted = len(key) >= 2 and key[0] == key[-1] == '"'
    if quoted:
        key = key[1:-1]
    if not _KEY.fullmatch(key) or "," in key or '"' in key or (quoted and "\\" in key):
        raise _invalid("Idempotency-Key")
    return key


def parse_if_match(value: str | None) -> int | None:
    """The version in `If-Match: "<version>"`; `*`, weak tags and lists are refused."""
    if value is None:
        return None
    match = _VERSION.fullmatch(value.strip(" \t"))
    if match is None:
        raise _invalid("If-Match")
    return int(match[1])


def parse_authorization(value: str | None) -> str:
    """The bearer token; raises `unauthenticated`, or `invalid_header` when two were sent."""
    if value is None:
        raise Problem("unauthenticated")
    if "," in value:
        raise _invalid("Authorization")
    match = _BEARER.fullmatch(value.strip(" \t"))
    if match is None:
        raise Problem("unauthenticated")
    return match["token"]


def is_prefetch(headers: _Headers) -> bool:
    """Whether a browser asks ahead of its user, so that nothing may happen yet."""
    return any(
        name.lower() in _PURPOSES and _SPECULATIVE & set(re.split(r"[\s,;]+", value.lower()))
        for name, value in headers.items()
    )


def is_same_origin(headers: _Headers, *origins: str) -> bool:
    """Whether a page of our own asks, as far as its browser tells: by Sec-Fetch-Site, else Origin.

    A caller that sends neither is no browser of this decade; what changes something refuses it.
    """
    found = {name.lower(): value for name, value in headers.items()}
    site = found.get("sec-fetch-site")
    return site == "same-origin" if site is not None else found.get("origin") in origins


def _invalid(header: str) -> Problem:
    return Problem("invalid_header", header=header)
