"""A small shop that pays through Strada: what `strada demo` serves. A merchant like any other.

It talks to Strada over HTTP with its own secret key and refuses to reach into the engine.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import requests
from flask import Blueprint, Response, current_app, g, redirect, render_template, request
from werkzeug.exceptions import NotFound

from engine.money import vat_of
from web.headers import page_headers

demo = Blueprint("demo", __name__)
TIMEOUT_S = 20
CART = (
    {"name": "초코파이", "english": "Choco pie", "quantity": 1, "price": 4_500},
    {"name": "바나나우유", "english": "Banana milk", "quantity": 2, "price": 1_800},
    {"name": "원두 200g", "english": "Coffee beans 200 g", "quantity": 1, "price": 3_900},
)
TOTAL = sum(line["quantity"] * line["price"] for line in CART)  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class Shop:
    """The shop's own configuration: where Strada is, and its secret key there."""

    base_url: str
    key: str
    gateway_url: str

    def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, token: str | None = None
    ) -> dict[str, Any]:
        """Call Strada with the shop's key or another token; the answer, problems included."""
        headers = {
            "Authorization": f"Bearer {token or self.key}",
            "Idempotency-Key": secrets.token_hex(16),
            "Accept-Language": g.language,
        }
        url = f"{self.base_url}/v1{path}"
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(method, url, json=body, headers=headers, timeout=TIMEOUT_S)
        parsed: dict[str, Any] = answer.json()
        return parsed


def shop() -> Shop:
    """The shop of this app."""
    found: Shop = current_app.extensions["strada-demo"]
    return found


@demo.get("/")
def front() -> Response:
    """The way in."""
    return to("/demo")


@demo.get("/demo")
def cart() -> Response:
    """The cart."""
    return page("shop.html", cart=CART, total=TOTAL, vat=vat_of(TOTAL, 0), pays=True)


@demo.post("/demo/pay")
def pay() -> Response:
    """The button: register the order, prepare the payment, send the customer to the gateway."""
    if not _same_origin():
        raise NotFound
    order = order_of("order") | {"return_url": f"{shop().base_url}/demo/receipt"}
    made = shop().call("POST", "/transactions", order)
    ready = shop().call("POST", f"/transactions/{made['id']}/ready") if "id" in made else made
    if not ready.get("next_action"):
        return page("trouble.html", problem=ready, status=502)
    phone = "Mobi" in request.headers.get("User-Agent", "")
    return to(ready["next_action"]["mobile_url" if phone else "pc_url"])


@demo.get("/demo/receipt")
def receipt() -> Response:
    """The receipt: what Strada says about the payment, never what the URL says."""
    transaction = request.args.get("transaction_id", "")
    found = shop().call("GET", f"/transactions/{_segment(transaction)}")
    if found.get("object") != "transaction":
        return page("trouble.html", problem=found, status=404)
    log = shop().call("GET", f"/transactions/{transaction}/transitions")
    return page("receipt.html", payment=found, log=log["data"])


@demo.post("/demo/receipt/<transaction>/<any(complete, refund, cancel):event>")
def act(transaction: str, event: str) -> Response:
    """The shop's back office on the receipt page: confirm delivery, give money back."""
    if not _same_origin():
        raise NotFound
    body: dict[str, Any] = {}
    amount = request.form.get("amount", "")
    if event == "refund" and amount.isascii() and amount.isdigit():
        body["amount"] = int(amount)
    found = shop().call("POST", f"/transactions/{_segment(transaction)}/{event}", body)
    if found.get("object") != "transaction":
        return page("trouble.html", problem=found, status=409)
    return to(f"/demo/receipt?transaction_id={found['id']}")


def _segment(text: str) -> str:
    return text if text.replace("_", "").isalnum() and text.isascii() else "none"


def _same_origin() -> bool:
    """A form of our own pages, as far as the browser can tell us."""
    site = request.headers.get("Sec-Fetch-Site")
    return site in (None, "same-origin")


def to(url: str) -> Response:
    """Send the browser on with a GET."""
    return current_app.make_response(redirect(url, 303))


def order_of(prefix: str) -> dict[str, Any]:
    """The cart as Strada takes it, without a flow."""
    return {
        "provider": "kakaopay",
        "order_id": f"{prefix}-{secrets.token_hex(4)}",
        "customer_id": "user-7",
        "item_name": f"{CART[0]['name']} 외 {len(CART) - 1}건",
        "quantity": len(CART),
        "amount": TOTAL,
        "currency": "KRW",
    }


def page(template: str, status: int = 200, *, pays: bool = False, **values: Any) -> Response:
    """A page of the demo. One that `pays` has a form that ends, by redirect, at the gateway."""
    text = render_template(f"demo/{template}", language=g.language, **values)
    answer = Response(text, status, content_type="text/html; charset=utf-8")
    if pays:
        policy = page_headers()["Content-Security-Policy"]
        answer.headers["Content-Security-Policy"] = policy.replace(
            "form-action 'self'", f"form-action 'self' {shop().gateway_url}"
        )
    return answer
