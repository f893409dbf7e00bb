"""The Flask application: blueprints, the pipeline every request goes through, and honest errors.

It refuses to show a traceback, to log a query string, and to answer in anything but its contract.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Request, Response, request
from flask.sessions import NullSession, SessionInterface, SessionMixin
from werkzeug.exceptions import HTTPException

from web import console, cors
from web.api import api
from web.assets import ui
from web.audit import audit
from web.events import events
from web.handlers import Handlers
from web.headers import WithHeaders
from web.health import health
from web.history import history
from web.openapi.serving import reference
from web.pages import nowhere, pages
from web.problems import Problem
from web.quick import Quick
from web.responses import problem_for, problem_response
from web.streams import Streams
from web.wiring import Strada

LARGEST_BODY = 64 * 1024
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


def create_app(strada: Strada, *, worker_inside: bool = False) -> Flask:
    """An app serving `strada`, whose database must have been migrated."""
    https = strada.settings.base_url.startswith("https:")
    app = _Synchronous("web", static_url_path="/static")
    app.config.update(
        MAX_CONTENT_LENGTH=LARGEST_BODY, WORKER_INSIDE=worker_inside, MAX_FORM_PARTS=50
    )
    app.url_map.merge_slashes = False  # each address has one spelling, and no redirect names Host
    app.session_interface = _NoSessions()
    app.extensions["strada"] = strada
    app.extensions["handlers"] = handlers = Handlers(strada)
    app.extensions["quick"] = Quick(handlers, https=https)
    app.extensions["streams"] = Streams(strada.settings.threads)
    for blueprint in (api, history, events, audit, pages, health, reference, console.console, ui):
        app.register_blueprint(blueprint)
    cors.install(app, strada)
    console.install(app, strada)
    app.wsgi_app = WithHeaders(app.wsgi_app, https=https)  # type: ignore[method-assign]
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(Exception, _on_error)
    return app


class _Synchronous(Flask):
    """No view here is a coroutine, so none is looked at on every request."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself."""
        return func


class _NoSessions(SessionInterface):
    """No cookie of Flask's is ever read or written."""

    def open_session(self, app: Flask, request: Request) -> SessionMixin:
        """The same empty session for everybody."""
        return _NO_SESSION

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Nothing to save."""


_NO_SESSION = NullSession()


def _on_error(error: Exception) -> Response:
    return problem_response(problem_for(error, request))


def _on_http_error(error: HTTPException) -> Response:
    code = _CODES.get(error.code or 500, "invalid_header")
    if code == "not_found" and _is_for_a_person():
        return nowhere()
    headers = {}
    if code == "method_not_allowed":
        headers["Allow"] = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
    return problem_response(Problem(code, headers=headers))


def _is_for_a_person() -> bool:
    """Whether a browser asks for a page; the API answers everybody alike."""
    accept = request.accept_mimetypes
    is_page = accept.quality("text/html") > accept.quality("application/json")
    return is_page and request.method == "GET" and not request.path.startswith("/v1/")
