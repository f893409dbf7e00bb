"""The test API under `/_simulator/`: script faults, move the clock, pay without a browser.

JSON from this machine, by a loopback name, only: anyone else gets 403, and a form that a web page
posts gets 415.
"""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, jsonify, request

from providers.kakaopay.simulator.clock import utc
from providers.kakaopay.simulator.gateway import Gateway, this_gateway
from providers.kakaopay.simulator.pages import act
from providers.kakaopay.simulator.payment import Payment
from providers.kakaopay.simulator.protocol import is_loopback
from providers.kakaopay.simulator.refusals import Refusal

PAGE = re.compile(r"/payment/([0-9a-f]{64})(?:[/?#]|\Z)")
ACTIONS = ("approve", "cancel", "fail", "expire")
MAX_ADVANCE_S = 10 * 365 * 86_400

controls = Blueprint("controls", __name__, url_prefix="/_simulator")


@controls.before_request
def _only_from_here() -> Response | None:
    host = urlsplit(request.host_url).hostname or ""
    if not (is_loopback(request.remote_addr or "") and is_loopback(host)):
        return _problem(403, "this API answers the machine it runs on only")
    if request.method == "POST" and not request.is_json and request.endpoint != _TRAP:
        return _problem(415, "application/json is needed")
    return None


@controls.get("/healthz")
def healthz() -> Response:
    """Whether the gateway runs, and whether it plays dead."""
    gateway = this_gateway()
    return jsonify(ok=True, down=gateway.down, elsewhere=gateway.elsewhere)


@controls.post("/pay")
def pay() -> Response:
    """Be the customer: `{url, action, method?}` → `{redirect}`."""
    gateway, body = this_gateway(), _body()
    found = PAGE.search(str(body.get("url")))
    payment = gateway.books.at_page(found[1]) if found else None
    if payment is None:
        return _problem(404, "no payment has this url")
    action, method = body.get("action"), body.get("method")
    if action not in ACTIONS or method not in (None, "CARD", "MONEY"):
        return _problem(400, f"action is one of {', '.join(ACTIONS)}; method is CARD or MONEY")
    acted = act(gateway, payment, str(action), method if isinstance(method, str) else None)
    over = payment.expired(gateway.clock.now())
    back = gateway.books.hand_out(payment) if acted or over else None
    return jsonify(redirect=back) if back else _problem(409, "the customer has decided already")


@controls.get("/faults")
def list_faults() -> Response:
    """The script, with how often each fault fired."""
    return jsonify(faults=this_gateway().faults.shown())


@controls.post("/faults")
def add_fault() -> Response:
    """Script a fault: `{on, kind, times?, delay_s?, …}` → `{id}`."""
    try:
        return jsonify(id=this_gateway().faults.add(_body()).id)
    except ValueError as wrong:
        return _problem(400, str(wrong))


@controls.delete("/faults")
def clear_faults() -> Response:
    """Forget the script."""
    this_gateway().faults.clear()
    return jsonify(faults=[])


@controls.get("/clock")
def read_clock() -> Response:
    """The gateway's time."""
    clock = this_gateway().clock
    return jsonify(now=utc(clock.now()), offset_s=clock.offset_s)


@controls.post("/clock")
def move_clock() -> Response:
    """Move it: `{advance_s}`."""
    by_s = _body().get("advance_s")
    if isinstance(by_s, bool) or not isinstance(by_s, int | float):
        return _problem(400, "advance_s is a number of seconds")
    if not (math.isfinite(by_s) and abs(by_s) <= MAX_ADVANCE_S):
        return _problem(400, "advance_s is too far")
    this_gateway().books.move_clock(by_s)
    return read_clock()


@controls.post("/console_refund")
def console_refund() -> Response:
    """A refund that no merchant asked for: `{tid, amount}`."""
    gateway, body = this_gateway(), _body()
    tid, total = body.get("tid"), body.get("amount")
    if not isinstance(tid, str) or gateway.books.find(tid) is None:
        return _problem(404, "no payment has this tid")
    if isinstance(total, bool) or not isinstance(total, int):
        return _problem(400, "amount is whole won")
    try:
        payment, action = gateway.books.refund_by_hand(tid, total)
    except Refusal as no:
        return _problem(409, no.message)
    return jsonify(aid=action.aid, payment=_shown(gateway, payment))


@controls.get("/ledger")
def ledger() -> Response:
    """Every line of the gateway's own ledger, read back from the file."""
    return jsonify(entries=this_gateway().books.ledger.lines())


@controls.get("/payments")
def payments() -> Response:
    """Every payment, oldest first."""
    gateway = this_gateway()
    return jsonify(payments=[_shown(gateway, payment) for payment in gateway.books.all()])


@controls.post("/down")
def down() -> Response:
    """Play dead, or live again: `{down}`."""
    wanted = _body().get("down")
    if not isinstance(wanted, bool):
        return _problem(400, "down is true or false")
    this_gateway().down = wanted
    return jsonify(down=wanted)


@controls.route("/elsewhere", methods=["GET", "POST"])
def elsewhere() -> Response:
    """Where the redirect fault points: whoever comes here followed it."""
    gateway = this_gateway()
    gateway.elsewhere += 1
    return jsonify(elsewhere=gateway.elsewhere)


_TRAP = "controls.elsewhere"


def _body() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        abort(_problem(400, "a JSON object is needed"))
    return body


def _problem(status: int, error: str) -> Response:
    answer = jsonify(error=error)
    answer.status_code = status
    return answer


def _shown(gateway: Gateway, payment: Payment) -> dict[str, Any]:
    return {
        "tid": payment.tid,
        "cid": payment.cid,
        "partner_order_id": payment.partner_order_id,
        "partner_user_id": payment.partner_user_id,
        "item_name": payment.item_name,
        "amount": payment.amount.total,
        "charged": payment.charged.total,
        "refunded": payment.refunded.total,
        "status": payment.status(gateway.clock.now()),
        "created_at": utc(payment.created_at),
        "expires_at": utc(payment.expires_at),
    }
