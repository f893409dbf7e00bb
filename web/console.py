"""The console's door: sign in with a secret key, then call `/console/v1/…` by cookie.

`/v1` itself never looks at a cookie. Behind this door the same API answers to a page of our own
origin only, as the key that signed in; the key is never shown again, and one that was revoked
opens nothing from that moment on. It refuses other sites' pages, whatever cookie they bring.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, Request, Response, current_app, request

from web import strict_json
from web.auth import Principal, authenticate
from web.headers import is_same_origin
from web.problems import Problem
from web.responses import json_response
from web.sessions import LIFE_S, Sessions
from web.wiring import Strada

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

console = Blueprint("console", __name__, url_prefix="/console")
COOKIE = "strada_console"
DOOR = "/console"
HEADER = "Strada-Console"
"""A page's script sends it with every change; a form of another site cannot."""
_INSIDE = "strada.console"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_SIGNS_IN = frozenset({"payments", "audit", "admin"})


class Door:
    """WSGI: `/console/v1/…` is `/v1/…`, with a mark that no header can make."""

    def __init__(self, inner: WSGIApplication) -> None:
        self._inner = inner

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        """Serve a request, through the door if that is where it knocks."""
        path = environ.get("PATH_INFO", "")
        if path.startswith(f"{DOOR}/v1/"):
            environ["PATH_INFO"] = path.removeprefix(DOOR)
            environ[_INSIDE] = True
        return self._inner(environ, start_response)


def install(app: Flask, strada: Strada) -> None:
    """Put the door before an app."""
    app.extensions["strada-sessions"] = Sessions(strada.store, strada.clock)
    app.wsgi_app = Door(app.wsgi_app)  # type: ignore[method-assign]


def is_inside(request: Request) -> bool:
    """Whether this request came through the door."""
    return _INSIDE in request.environ


def principal(request: Request) -> Principal:
    """Who the session of a request stands for; raises 401."""
    _refuse_others(request)
    return rechecker(request)()


def rechecker(request: Request) -> Callable[[], Principal]:
    """Who the session stands for, to be asked again after the request, as long as it is used."""
    strada: Strada = current_app.extensions["strada"]
    return partial(_holder, strada, _sessions(), request.cookies.get(COOKIE, ""))


def _holder(strada: Strada, sessions: Sessions, cookie: str) -> Principal:
    key_id = sessions.find(cookie)
    key = strada.merchants.key(key_id) if key_id else None
    if key is None:
        raise Problem("unauthenticated")
    return Principal(f"key:{key.id}", key.merchant, key.scopes)


def sign_in(token: str) -> Response:
    """A session for a secret key: who it is, and the cookie; raises 401."""
    strada: Strada = current_app.extensions["strada"]
    who = authenticate(strada, token)
    if who.is_client or not who.scopes & _SIGNS_IN:
        raise Problem("unauthenticated")
    response = json_response(_shown(who))
    response.set_cookie(
        COOKIE,
        _sessions().open(who.actor.removeprefix("key:")),
        max_age=int(LIFE_S),
        path=DOOR,
        httponly=True,
        samesite="Strict",
        secure=strada.settings.base_url.startswith("https:"),
    )
    return response


@console.post("/session")
def enter() -> Response:
    """Sign in: `{"key": "sk_…"}`."""
    _refuse_others(request)
    try:
        given = strict_json.parse(request.get_data(cache=False)).get("key")
    except strict_json.Malformed:
        given = None
    if not isinstance(given, str) or len(given) > 200:
        raise Problem("unauthenticated")
    return sign_in(given.strip())


@console.get("/session")
def who_am_i() -> Response:
    """The merchant and the scopes of this session."""
    return json_response(_shown(principal(request)))


@console.delete("/session")
def leave() -> Response:
    """Sign out."""
    _refuse_others(request)
    _sessions().close(request.cookies.get(COOKIE, ""))
    response = Response(status=204)
    response.delete_cookie(COOKIE, path=DOOR, httponly=True, samesite="Strict")
    return response


def _refuse_others(request: Request) -> None:
    """A page of our own asks, and says so with a header where it changes something."""
    base_url = current_app.extensions["strada"].settings.base_url
    if request.method in _SAFE:
        allowed = request.headers.get("Sec-Fetch-Site") in (None, "same-origin")
    else:
        own = is_same_origin(request.headers, base_url, request.host_url.rstrip("/"))
        allowed = own and HEADER in request.headers
    if not allowed:
        raise Problem("unauthenticated")


def _shown(who: Principal) -> dict[str, Any]:
    return {"object": "session", "merchant": who.merchant, "scopes": sorted(who.scopes)}


def _sessions() -> Sessions:
    found: Sessions = current_app.extensions["strada-sessions"]
    return found
