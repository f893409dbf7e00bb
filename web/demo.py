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

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call Strada; returns the parsed answer, problems included."""
        headers = {
            "Authorization": f"Bearer {self.key}",
            "Idempotency-Key": secrets.token_hex(16),
            "Accept-Language": g.language,
        }
        url = f"{self.base_url}/v1{path}"
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(method, url, json=body, headers=headers, timeout=TIMEOUT_S)
        parsed: dict[str, Any] = answer.json()
        return parsed


def _shop() -> Shop:
    shop: Shop = current_app.extensions["strada-demo"]
    return shop


@demo.get("/")
def front() -> Response:
    """The way in."""
    return _to("/demo")


@demo.get("/demo")
def cart() -> Response:
    """The cart. Its form ends, by a redirect, at the gateway: the policy must let it."""
    page = _page("shop.html", cart=CART, total=TOTAL, vat=vat_of(TOTAL, 0))
    policy = page_headers()["Content-Security-Policy"]
    page.headers["Content-Security-Policy"] = policy.replace(
        "form-action 'self'", f"form-action 'self' {_shop().gateway_url}"
    )
    return page


@demo.post("/demo/pay")
def pay() -> Response:
    """The button: register the order, prepare the payment, send the customer to the gateway."""
    if not _same_origin():
        raise NotFound
    shop = _shop()
    made = shop.call(
        "POST",
        "/transactions",
        {
            "provider": "kakaopay",
            "order_id": f"order-{secrets.token_hex(4)}",
            "customer_id": "user-7",
            "item_name": f"{CART[0]['name']} 외 {len(CART) - 1}건",
            "quantity": len(CART),
            "amount": TOTAL,
            "currency": "KRW",
            "flow": "server",
            "return_url": f"{shop.base_url}/demo/receipt",
        },
    )
    ready = shop.call("POST", f"/transactions/{made['id']}/ready") if "id" in made else made
    if not ready.get("next_action"):
        return _page("trouble.html", problem=ready, status=502)
    phone = "Mobi" in request.headers.get("User-Agent", "")
    return _to(ready["next_action"]["mobile_url" if phone else "pc_url"])


@demo.get("/demo/receipt")
def receipt() -> Response:
    """The receipt: what Strada says about the payment, never what the URL says."""
    transaction = request.args.get("transaction_id", "")
    found = _shop().call("GET", f"/transactions/{_segment(transaction)}")
    if found.get("object") != "transaction":
        return _page("trouble.html", problem=found, status=404)
    log = _shop().call("GET", f"/transactions/{transaction}/transitions")
    return _page("receipt.html", payment=found, log=log["data"])


@demo.post("/demo/receipt/<transaction>/<any(complete, refund, cancel):event>")
def act(transaction: str, event: str) -> Response:
    """The shop's back office on the receipt page: confirm delivery, give money back."""
    if not _same_origin():
        raise NotFound
    body: dict[str, Any] = {}
    amount = request.form.get("amount", "")
    if event == "refund" and amount.isascii() and amount.isdigit():
        body["amount"] = int(amount)
    found = _shop().call("POST", f"/transactions/{_segment(transaction)}/{event}", body)
    if found.get("object") != "transaction":
        return _page("trouble.html", problem=found, status=409)
    return _to(f"/demo/receipt?transaction_id={found['id']}")


def _segment(text: str) -> str:
    return text if text.replace("_", "").isalnum() and text.isascii() else "none"


def _same_origin() -> bool:
    """A form of our own pages, as far as the browser can tell us."""
    site = request.headers.get("Sec-Fetch-Site")
    return site in (None, "same-origin")


def _to(url: str) -> Response:
    return current_app.make_response(redirect(url, 303))


def _page(template: str, status: int = 200, **values: Any) -> Response:
    text = render_template(f"demo/{template}", language=g.language, **values)
    return Response(text, status, content_type="text/html; charset=utf-8")
