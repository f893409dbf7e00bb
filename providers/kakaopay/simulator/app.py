"""The simulated gateway as a Flask app: its API here, its pages and its test API beside it.

It reads its settings once, from arguments, and starts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import HTTPException

from providers.kakaopay.simulator import controls, pages
from providers.kakaopay.simulator.books import Books
from providers.kakaopay.simulator.clock import Clock
from providers.kakaopay.simulator.desk import Desk
from providers.kakaopay.simulator.faults import VERBS, Fault, fault_in_header
from providers.kakaopay.simulator.gateway import EXTENSION, Gateway, this_gateway
from providers.kakaopay.simulator.play import drop, play, refusal
from providers.kakaopay.simulator.protocol import Call, authorised_cid, fields_of
from providers.kakaopay.simulator.refusals import Refusal

SCRIPT_HEADER = "Strada-Simulate"
MAX_BODY = 64 * 1024

api = Blueprint("api", __name__, url_prefix="/online")


def create_app(
    *,
    ledger: Path,
    secret_keys: Mapping[str, str] | None = None,
    allowed_domains: Sequence[str] | None = None,
    window_s: float = 900,
    time_scale: float = 1.0,
    send_app_schemes: bool = False,
    public_url: str | None = None,
    guard_code: int = -722,
) -> Flask:
    """A gateway that keeps its books in `ledger` and beside it.

    `secret_keys` maps a secret key to its CID; None takes any well-shaped development key with
    the test CID. `allowed_domains` are exact origins; None takes any loopback origin. Durations
    are divided by `time_scale`. `public_url` is the address customers' devices reach us at.
    """
    clock = Clock(time_scale)
    books = Books(ledger, clock)
    desk = Desk(books, _origins(allowed_domains), window_s, send_app_schemes, guard_code)
    app = Flask(__name__, static_url_path="/mockup/static")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.extensions[EXTENSION] = Gateway(clock, books, desk, secret_keys, public_url)
    app.register_blueprint(api)
    app.register_blueprint(pages.pages)
    app.register_blueprint(controls.controls)
    app.register_error_handler(HTTPException, _no_page)
    return app


@api.post("/v1/payment/<verb>")
def call(verb: str) -> Response:
    """One call of the public API."""
    gateway = this_gateway()
    if gateway.down:
        return drop(gateway, reset=True)
    try:
        asked = _read(gateway, verb)
        return play(gateway, asked, _fault(gateway, asked))
    except Refusal as no:
        return refusal(no)


def _read(gateway: Gateway, verb: str) -> Call:
    if verb not in VERBS:
        raise Refusal(-404)
    cid = authorised_cid(request.headers.get("Authorization"), gateway.keys)
    return Call(verb, cid, fields_of(request.get_data(), request.mimetype))


def _fault(gateway: Gateway, asked: Call) -> Fault | None:
    header = request.headers.get(SCRIPT_HEADER)
    try:
        scripted = fault_in_header(header, asked.verb) if header else None
    except ValueError as wrong:
        raise Refusal(-2, f"invalid param({SCRIPT_HEADER}: {wrong})") from None
    if scripted:
        return scripted
    tid = asked.fields.peek("tid")
    known = gateway.books.find(tid) if tid else None
    order = known.partner_order_id if known else asked.fields.peek("partner_order_id")
    return gateway.faults.take(asked.verb, tid, order)


def _origins(domains: Sequence[str] | None) -> frozenset[str] | None:
    if domains is None:
        return None
    return frozenset(domain.rstrip("/").lower() for domain in domains)


def _no_page(error: HTTPException) -> Response | HTTPException:
    if request.path.startswith("/_simulator/"):
        return error
    if not request.path.startswith("/online/"):
        return pages.lost(error.code or 500)
    if error.code in (404, 405):
        return refusal(Refusal(-404))
    return refusal(Refusal(-500 if (error.code or 500) >= 500 else -2))
