"""What a customer's browser sees: return URLs, and the pages of problem codes.

It refuses to act on HEAD, on a prefetch, or on anything a URL says about money.
"""

from __future__ import annotations

import json
import re

from flask import Blueprint, Response, current_app, redirect, render_template, request

from engine.errors import EngineError, StorageTrouble
from engine.store import Row
from web.edge import language_of, request_id
from web.headers import is_prefetch
from web.links import is_web
from web.problem_texts import CATALOGUE
from web.return_urls import append_query
from web.wiring import Strada

pages = Blueprint("pages", __name__)
_OWN_URL = {"approved": "approval_url", "cancelled": "cancel_url", "failed": "fail_url"}
_CREDENTIAL = re.compile(r"[!-~]{1,255}")
"""As the body of `/approve` takes it."""


def _strada() -> Strada:
    wired: Strada = current_app.extensions["strada"]
    return wired


@pages.get("/return/<token>/<any(approved, cancelled, failed):leg>")
def come_back(token: str, leg: str) -> Response:
    """The customer's browser, back from the gateway."""
    given = request.args.getlist("pg_token")
    if len(given) > 1 or not all(map(_CREDENTIAL.fullmatch, given)):
        return _page("refused", 400)
    credential = given[0] if given else None
    returns = _strada().returns
    try:
        row = returns.find(token)
        bounce = _bounce_url(row, leg)
        if request.method == "HEAD" or is_prefetch(request.headers):
            returns.passed_over(row["id"], leg, credential, "prefetch")
            return _page("nothing_done", 200)
        if bounce is not None:
            returns.passed_over(row["id"], leg, credential, "passed_on_to_the_app")
            return _bounce(row, bounce, given)
        row = returns.hit(token, leg, credential, request_id(request))
    except EngineError as error:
        if isinstance(error, StorageTrouble):
            later = _page("later", 503)
            later.headers["Retry-After"] = str(error.retry_after)
            return later
        returns.passed_over(error.extra.get("transaction_id"), leg, credential, error.code)
        return _page("gone" if error.code == "gone" else "unknown_link", _status(error))
    return _send_on(row)


def _status(error: EngineError) -> int:
    return 410 if error.code == "gone" else 404


def _bounce_url(row: Row, leg: str) -> str | None:
    """The app scheme that this leg leads back to, in flow `client`."""
    if row["flow"] != "client":
        return None
    url: str | None = json.loads(row["urls"]).get(_OWN_URL[leg])
    return url if url is not None and not is_web(url) else None


def _bounce(row: Row, url: str, given: list[str]) -> Response:
    extra = {"transaction_id": row["id"]}
    if given:
        extra["pg_token"] = given[0]
    return _redirect(append_query(url, extra))


def _send_on(row: Row) -> Response:
    url = json.loads(row["urls"]).get("return_url")
    if url is None:
        return _page(row["status"], 200)
    return _redirect(append_query(url, {"transaction_id": row["id"], "status": row["status"]}))


def _redirect(url: str) -> Response:
    answer = redirect(url, 303)
    return current_app.make_response(answer)


def _page(state: str, status: int) -> Response:
    text = render_template("return.html", state=state, language=language_of(request))
    return Response(text, status, content_type="text/html; charset=utf-8")


@pages.get("/problems/<code>")
def problem(code: str) -> Response:
    """Cause and cure of a problem code."""
    found = CATALOGUE.get(code)
    if found is None:
        return nowhere()
    text = render_template("problem.html", code=code, problem=found, language=language_of(request))
    return Response(text, content_type="text/html; charset=utf-8")


def nowhere() -> Response:
    """What a person sees at an address that is none."""
    text = render_template("nowhere.html", language=language_of(request))
    return Response(text, 404, content_type="text/html; charset=utf-8")
