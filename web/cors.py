"""CORS: which pages of other origins may call `/v1` and read its answers.

It refuses `*` and cookies. A preflight carries no key, so it answers for the origin of any
merchant; what was really answered is shown only to the origins of the merchant whose key or secret
came with the request. In development every loopback origin is every merchant's. Nothing here
protects an effect: that is the bearer token's work, which no browser adds by itself.

`Cross-Origin-Resource-Policy: same-origin` stays on these answers: browsers apply it to requests
made without CORS (an image, a script), which is what it should stop, and not to those made with it.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

from flask import Flask, Response, current_app, request

from engine.errors import EngineError
from web import console
from web.edge import PRINCIPAL
from web.return_urls import is_loopback_origin
from web.wiring import Strada

ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match"
EXPOSED_HEADERS = "ETag, Idempotent-Replayed, Request-Id, Retry-After"
_PREFLIGHT_VARY = ("Access-Control-Request-Method", "Access-Control-Request-Headers")
FRESH_S = 2.0
"""Preflights need no key: they read the table of merchants at most this often."""


class RegisteredOrigins:
    """Every merchant's origins, at most FRESH_S old."""

    def __init__(self, strada: Strada) -> None:
        self._strada = strada
        self._lock = threading.Lock()
        self._known: frozenset[str] = frozenset()
        self._read_at: float | None = None

    def __contains__(self, origin: str) -> bool:
        with self._lock:
            now = self._strada.clock.monotonic()
            if self._read_at is None or not 0 <= now - self._read_at < FRESH_S:
                merchants = self._strada.merchants.all()
                self._known = frozenset(one for merchant in merchants for one in merchant.origins)
                self._read_at = now
            return origin in self._known


def install(app: Flask, strada: Strada) -> None:
    """Make an app answer preflights, and say who may read its other answers."""
    registered = RegisteredOrigins(strada)

    def preflight() -> Response | None:
        if request.method != "OPTIONS" or request.routing_exception is not None:
            return None
        response = current_app.make_default_options_response()
        response.status_code = 204
        del response.headers["Content-Type"]
        return _permit(response, registered) if _ours() else response

    def finish(response: Response) -> Response:
        if not _ours():
            return response
        response.headers["Vary"] = also_by_origin(response.headers.get("Vary"))
        if "HTTP_ORIGIN" not in request.environ:
            return response
        principal = request.environ.get(PRINCIPAL)
        if principal is not None and _may_read(_origins_of(strada, principal.merchant)):
            response.headers.update(_shown())
        return response

    app.before_request(preflight)
    app.after_request(finish)


def also_by_origin(vary: str | None) -> str:
    """`Vary` of what is answered under `/v1`, whether or not a page asked."""
    return f"{vary}, Origin" if vary else "Origin"


def _ours() -> bool:
    return request.path.startswith("/v1/") and not console.is_inside(request)


def _permit(response: Response, registered: RegisteredOrigins) -> Response:
    """A preflight's answer. Without Access-Control-Max-Age browsers keep it for five seconds."""
    response.vary.update(_PREFLIGHT_VARY)
    asked = request.headers.get("Access-Control-Request-Method")
    if asked is not None and _may_read(registered):
        response.headers["Access-Control-Allow-Origin"] = _origin()
        response.headers["Access-Control-Allow-Methods"] = response.headers["Allow"]
        response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
    return response


def _shown() -> Mapping[str, str]:
    return {
        "Access-Control-Allow-Origin": _origin(),
        "Access-Control-Expose-Headers": EXPOSED_HEADERS,
    }


def _origin() -> str:
    return request.headers["Origin"]


def _may_read(origins: Collection[str] | RegisteredOrigins) -> bool:
    """Whether this request's Origin is among these, to the letter; two arrive joined, as none."""
    strada: Strada = current_app.extensions["strada"]
    given = request.headers.get("Origin", "")
    return given in origins or (not strada.settings.production and is_loopback_origin(given))


def _origins_of(strada: Strada, merchant: str) -> tuple[str, ...]:
    """Read anew for each answer: an origin taken away is away at once."""
    try:
        return strada.merchants.get(merchant).origins
    except EngineError:
        return ()
