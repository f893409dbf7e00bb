"""The server of a small shop that pays through Strada: what `strada demo` serves beside the UI.

A merchant like any other: it talks to Strada over HTTP with its own secret key, which never leaves
it, and refuses to reach into the engine. Its pages are the UI's; this answers them in JSON.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests
from flask import Blueprint, Response, current_app, request

from engine.money import vat_of
from web import assets, console, strict_json
from web.demo_calls import WATCHER, Calls
from web.edge import language_of
from web.headers import is_same_origin
from web.problems import Problem
from web.responses import json_response

demo = Blueprint("demo", __name__, url_prefix="/demo")
TIMEOUT_S = 20
CART = (
    {"name": {"ko": "초코파이", "en": "Choco pie"}, "quantity": 1, "price": 4_500},
    {"name": {"ko": "바나나우유", "en": "Banana milk"}, "quantity": 2, "price": 1_800},
    {"name": {"ko": "원두 200g", "en": "Coffee beans 200 g"}, "quantity": 1, "price": 3_900},
)
TOTAL = sum(line["quantity"] * line["price"] for line in CART)  # type: ignore[operator]
ITEM = "초코파이 외 2건"
SCHEME = "strada-demo"
_ORDER = re.compile(r"[a-z0-9]{8,32}")
_TRANSACTION = re.compile(r"txn_[0-9a-z]{26}")
PREPARE_TRIES = 20
"""Two presses at once: the second waits for what the first one prepares, 0.2 s a time."""


@dataclass(frozen=True, slots=True)
class Shop:
    """The shop's own configuration: where Strada is, its secret key there; and at the gateway."""

    base_url: str
    key: str
    gateway_url: str
    gateway_key: str
    cid: str
    calls: Calls

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """Call Strada with the shop's key."""
        return _send(method, f"{self.base_url}/v1{path}", body, self._said() | headers)

    def listen(self, path: str, last: str | None) -> requests.Response:
        """Open a stream of Strada's, after the event heard last; its beat is under the timeout."""
        sent = self._said() | {"Accept": "text/event-stream"}
        sent |= {"Last-Event-ID": last} if last else {}
        with requests.Session() as session:
            session.trust_env = False
            url = f"{self.base_url}/v1{path}"
            return session.get(url, headers=sent, timeout=TIMEOUT_S, stream=True)

    def _said(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", "Accept-Language": language_of(request)}

    def at_gateway(self, verb: str, body: dict[str, Any]) -> requests.Response:
        """Call the gateway itself, as a client of flow `reported` does."""
        sent = {"Authorization": f"SECRET_KEY {self.gateway_key}", WATCHER: "reported"}
        return _send("POST", f"{self.gateway_url}/online/v1/payment/{verb}", body, sent)


def _send(method: str, url: str, body: Any, headers: dict[str, str]) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, json=body, headers=headers, timeout=TIMEOUT_S)


def shop() -> Shop:
    """The shop of this app."""
    found: Shop = current_app.extensions["strada-demo"]
    return found


@demo.before_request
def _own_pages_only() -> None:
    """What changes something is asked by a page of our own."""
    own = (shop().base_url, request.host_url.rstrip("/"))
    if request.method == "POST" and not is_same_origin(request.headers, *own):
        raise Problem("insufficient_scope")


@demo.get("")
@demo.get("/<path:place>")
def page(place: str = "") -> Response:
    """The shop's pages, the phone's among them."""
    return assets.page()


@demo.get("/api/cart")
def cart() -> Response:
    """What is bought, and for how much."""
    return json_response({"lines": CART, "total": TOTAL, "vat": vat_of(TOTAL, 0)})


# ---- ordering


@demo.post("/api/orders")
def order() -> Response:
    """Register the cart's order; in flow `server` also prepare it. A repeat finds the same one."""
    asked = _body()
    number, flow = str(asked.get("order")), str(asked.get("flow"))
    if not _ORDER.fullmatch(number) or flow not in ("server", "client", "app", "reported"):
        raise Problem("not_found")
    made = shop().call("POST", "/transactions", _order(number, flow), **_key(f"order-{number}"))
    if not made.ok:
        return _as_it_is(made)
    resource = made.json()
    secret = resource.pop("client_secret", None) if flow != "server" else None
    now = _prepared(resource["id"]) if flow == "server" else _watch(resource["id"])
    if not now.ok:
        return _as_it_is(now)
    return json_response({"transaction": _shown(now.json()), "client_secret": secret})


def _prepared(transaction: str) -> requests.Response:
    """The transaction with a page to pay on, unless it is beyond that."""
    for _ in range(PREPARE_TRIES):
        found = _watch(transaction)
        if found.json().get("status") != "created":
            return found
        found = shop().call("POST", f"/transactions/{transaction}/ready", {})
        if found.status_code != 409:
            return found
        time.sleep(0.2)
    raise Problem("operation_in_flight")


def _order(number: str, flow: str) -> dict[str, Any]:
    base_url = shop().base_url
    body = {
        "provider": "kakaopay",
        "order_id": f"order-{number}",
        "customer_id": "user-7",
        "item_name": ITEM,
        "quantity": len(CART),
        "amount": TOTAL,
        "currency": "KRW",
        "flow": "client" if flow == "app" else flow,
    }
    match flow:
        case "server":
            body["return_url"] = f"{base_url}/demo/receipt"
        case "client":
            body |= _urls(f"{base_url}/demo/return/", f"?order={number}")
        case "app":
            body |= _urls(f"{SCHEME}://", f"?order={number}")
    return body


def _urls(before: str, after: str) -> dict[str, str]:
    legs = {"approval_url": "paid", "cancel_url": "cancelled", "fail_url": "failed"}
    return {name: f"{before}{leg}{after}" for name, leg in legs.items()}


# ---- flow `reported`: the client at the gateway itself


@demo.post("/api/gateway/<any(ready, approve):verb>")
def gateway(verb: str) -> Response:
    """What the client of flow `reported` asks the gateway. Strada hears of it by report only."""
    asked = _body()
    number, transaction = str(asked.get("order")), _id(str(asked.get("transaction")))
    found = _watch(transaction)
    if not found.ok or not _ORDER.fullmatch(number):
        raise Problem("not_found")
    resource = found.json()
    body: dict[str, Any] = {"cid": shop().cid} | resource["gateway_params"]
    if verb == "ready":
        body |= {"item_name": resource["item_name"], "quantity": resource["quantity"]}
        body |= {"total_amount": resource["amount"], "vat_amount": resource["vat_amount"]}
        body |= {"tax_free_amount": resource["tax_free_amount"]}
        body |= _urls(f"{shop().base_url}/demo/return/", f"?order={number}")
    else:
        body |= {"tid": asked.get("tid"), "pg_token": asked.get("pg_token")}
    answer = shop().at_gateway(verb, body)
    return Response(answer.content, answer.status_code, content_type="application/json")


# ---- the receipt: what Strada says, never what a URL says


@demo.get("/v1/transactions/<transaction>")
def read(transaction: str) -> Response:
    """The transaction, as Strada tells the shop."""
    found = _watch(_id(transaction))
    return _as_it_is(found) if not found.ok else json_response(_shown(found.json()))


@demo.get("/v1/transactions/<transaction>/transitions")
def log(transaction: str) -> Response:
    """Its log."""
    asked = request.query_string.decode("ascii", "replace")
    return _as_it_is(_watch(f"{_id(transaction)}/transitions?{asked}"))


@demo.get("/v1/events")
def live() -> Response:
    """The entries of one transaction as they come; never the shop's feed, which has everybody's."""
    if request.headers.get("Sec-Fetch-Site") not in (None, "same-origin"):
        raise Problem("insufficient_scope")  # a stream is dear: not for another site's page
    path = f"/events?transaction={_id(request.args.get('transaction', ''))}"
    return _relayed(shop().listen(path, request.headers.get("Last-Event-ID")))


def _relayed(heard: requests.Response) -> Response:
    """A stream of Strada's, handed on as it comes; it counts there, and ends when that ends."""
    if not heard.ok:
        with heard:
            refused = _as_it_is(heard)
        refused.headers.extend({k: v for k, v in heard.headers.items() if k == "Retry-After"})
        return refused
    headers = {"X-Accel-Buffering": "no"}
    answer = Response(_pieces(heard), headers=headers, content_type="text/event-stream")
    answer.call_on_close(heard.close)
    return answer


def _pieces(heard: requests.Response) -> Iterator[bytes]:
    try:
        yield from heard.iter_content(None)
    except requests.RequestException:
        return  # as if it had ended: the page comes back with the id of what it heard last


@demo.post("/v1/transactions/<transaction>/<any(complete, refund, cancel):event>")
def act(transaction: str, event: str) -> Response:
    """The shop's back office: confirm delivery, give money back, give up."""
    headers = _key(request.headers.get("Idempotency-Key", ""))
    path = f"/transactions/{_id(transaction)}/{event}"
    found = shop().call("POST", path, _body(), **headers)
    return _as_it_is(found) if not found.ok else json_response(_shown(found.json()))


@demo.get("/api/calls/<transaction>")
def calls(transaction: str) -> Response:
    """The HTTP calls behind a payment, secrets masked."""
    return json_response({"object": "list", "data": shop().calls.of(_id(transaction))})


@demo.post("/api/console")
def enter_console() -> Response:
    """Sign this browser in to the console as the shop."""
    return console.sign_in(shop().key)


def _watch(path: str) -> requests.Response:
    """Read at Strada, without showing that in the list of calls."""
    return shop().call("GET", f"/transactions/{path}", **{WATCHER: "watch"})


def _body() -> dict[str, Any]:
    try:
        return strict_json.parse(request.get_data() or b"{}")
    except strict_json.Malformed as malformed:
        raise Problem("malformed_json", params={"reason": malformed.reason}) from None


def _id(text: str) -> str:
    if not _TRANSACTION.fullmatch(text):
        raise Problem("not_found")
    return text


def _key(text: str) -> dict[str, str]:
    return {"Idempotency-Key": text} if text else {}


def _shown(resource: dict[str, Any]) -> dict[str, Any]:
    """What the customer's browser sees of it."""
    hidden = ("metadata", "customer_id", "gateway_params", "client_secret")
    return {name: value for name, value in resource.items() if name not in hidden}


def _as_it_is(answer: requests.Response) -> Response:
    """Strada's answer, handed on."""
    kind = answer.headers.get("Content-Type", "application/json")
    return Response(json.dumps(answer.json()), answer.status_code, content_type=kind)
