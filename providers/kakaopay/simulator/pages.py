"""What a customer sees: a PC page with a QR code, a phone page with the buttons, and the end.

Server-rendered, nothing from elsewhere, no inline script. The 64 hex digits in the path are the
only key; a pg_token leaves by a redirect only, once, and only after a POST.
"""

from __future__ import annotations

import segno
from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from providers.kakaopay.simulator.answers import page_url
from providers.kakaopay.simulator.gateway import Gateway, this_gateway
from providers.kakaopay.simulator.payment import Payment
from providers.kakaopay.simulator.protocol import METHODS

ROOT = "/mockup/bridge/"
PATH = "/pg/one-time/payment/<page>"
PHONE = '<any("mobile-web", "mobile-app"):device>'
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'"
)
"""No form-action: browsers hold it against every redirect that follows, and a shop redirects on."""
DEMO_FAULTS: dict[str, dict[str, object]] = {
    "hang_after": {"kind": "hang_after", "delay_s": 30},
    "hang_before": {"kind": "hang_before", "delay_s": 30},
    "decline": {"kind": "error", "code": -780, "method_result_code": "NOT_ENOUGH_BALANCE"},
    "wrong_amount": {"kind": "wrong_amount"},
    "late": {"kind": "late", "delay_s": 20},
}

pages = Blueprint("pages", __name__)


@pages.after_request
def _headers(answer: Response) -> Response:
    answer.headers["Content-Security-Policy"] = POLICY
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


@pages.get(f"{ROOT}pc{PATH}")
def pc(page: str) -> str:
    """The QR code, the countdown, and a page that waits for the phone."""
    gateway, payment = _found(page)
    if _state(gateway, payment) != "waiting":
        return _end(gateway, payment)
    gateway.books.open(payment)
    phone_url = page_url(gateway.base, "mobile-web", page)
    return render_template(
        "pc.html",
        payment=payment,
        remaining_s=_remaining_s(gateway, payment),
        phone_url=phone_url,
        qr=qr_code(phone_url),
    )


@pages.get(f"{ROOT}pc{PATH}/status")
def status(page: str) -> Response:
    """News for the waiting PC page; it never holds a token."""
    gateway, payment = _found(page)
    gateway.pc_polls(page)
    return jsonify(
        state=_state(gateway, payment), remaining_s=round(_remaining_s(gateway, payment))
    )


@pages.get(f"{ROOT}{PHONE}{PATH}")
def phone(device: str, page: str) -> str:
    """What is bought for how much, and the buttons."""
    gateway, payment = _found(page)
    if _state(gateway, payment) != "waiting":
        return _end(gateway, payment)
    gateway.books.open(payment)
    return render_template(
        "phone.html", payment=payment, remaining_s=_remaining_s(gateway, payment)
    )


@pages.post(f"{ROOT}{PHONE}{PATH}")
def decide(device: str, page: str) -> str | AnyResponse:
    """A button was pressed; the browser that waits (PC or this one) goes back to the shop."""
    gateway, payment = _found(page)
    if not act(gateway, payment, request.form.get("action", ""), request.form.get("method")):
        return _end(gateway, payment)
    fault = DEMO_FAULTS.get(request.form.get("fault", ""))
    if fault and request.form.get("action") == "approve":
        gateway.faults.add({"on": "approve", "tid": payment.tid, **fault})
    if gateway.pc_waits(page):
        return _end(gateway, payment)
    return _back(gateway, payment)


@pages.post(f'{ROOT}<any("pc", "mobile-web", "mobile-app"):device>{PATH}/claim')
def claim(device: str, page: str) -> str | AnyResponse:
    """This browser takes the customer back to the shop, if nobody has yet."""
    gateway, payment = _found(page)
    return _back(gateway, payment)


def lost(status: int) -> Response:
    """What an address shows that belongs to no payment."""
    return _headers(Response(render_template("lost.html"), status))


def act(gateway: Gateway, payment: Payment, action: str, method: str | None = None) -> bool:
    """What the customer did; False when the payment is decided or over already."""
    books = gateway.books
    match action:
        case "approve":
            chosen = payment.wanted_method or (method if method in METHODS else "MONEY")
            return books.authenticate(payment, str(chosen))
        case "cancel":
            return books.quit(payment)
        case "fail":
            return books.fail(payment)
        case "expire":
            return books.expire(payment)
    abort(400)


def qr_code(url: str) -> Markup:
    """The address as an inline SVG that a phone's camera reads."""
    code = segno.make_qr(url, error="m")
    drawn = code.svg_inline(omitsize=True, border=4, dark="#111", light="#fff")
    return Markup(drawn)  # noqa: S704


def _found(page: str) -> tuple[Gateway, Payment]:
    gateway = this_gateway()
    payment = gateway.books.at_page(page)
    if payment is None:
        abort(404)
    return gateway, payment


def _state(gateway: Gateway, payment: Payment) -> str:
    """For the pages: waiting, approved, cancelled, failed, expired or returned."""
    current = gateway.books.find(payment.tid) or payment
    if current.handed_out or current.actions:
        return "returned"
    match current.status(gateway.clock.now()):
        case "AUTH_PASSWORD":
            return "approved"
        case "FAIL_PAYMENT":
            return "failed"
        case "QUIT_PAYMENT":
            return "cancelled" if current.ended else "expired"
    return "waiting"


def _remaining_s(gateway: Gateway, payment: Payment) -> float:
    return max(0.0, payment.expires_at - gateway.clock.now())


def _back(gateway: Gateway, payment: Payment) -> str | AnyResponse:
    url = gateway.books.hand_out(payment)
    return redirect(url, 303) if url else _end(gateway, payment)


def _end(gateway: Gateway, payment: Payment) -> str:
    """The customer decided: say where it goes on, and offer to go on here."""
    return render_template(
        "end.html",
        payment=payment,
        state=_state(gateway, payment),
        pc_waits=gateway.pc_waits(payment.page),
    )
