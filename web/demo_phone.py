"""The demo's phone: an app that pays through Strada and is come back to by its own scheme.

It plays two parts a browser cannot: the app, which holds one transaction's client secret and
nothing else, and the phone's operating system, which hands `strada-demo://` links to the app. It
refuses to use the merchant's key but for registering the order, as an app's own server would.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from flask import Blueprint, Response, request

from web.demo import CART, TOTAL, order_of, page, shop, to
from web.headers import is_prefetch

phone = Blueprint("phone", __name__, url_prefix="/demo/app")
SCHEME = "strada-demo"
COOKIE = "strada-demo-app"
_EVENTS = {"cancelled": "cancel", "failed": "fail"}


def hand_over(response: Response) -> Response:
    """What a phone does with a redirect to the app's scheme: open the app with the link."""
    link = response.headers.get("Location", "")
    if response.status_code == 303 and link.startswith(f"{SCHEME}://"):
        response.headers["Location"] = f"/demo/app/open?link={quote(link, safe='')}"
    return response


@phone.get("")
def home() -> Response:
    """The app's cart."""
    return page("phone.html", payment=None, cart=CART, total=TOTAL, pays=True)


@phone.post("/pay")
def pay() -> Response:
    """The button: the app's server registers the order, the app prepares it with its secret."""
    urls = {
        "approval_url": f"{SCHEME}://paid",
        "cancel_url": f"{SCHEME}://cancelled",
        "fail_url": f"{SCHEME}://failed",
    }
    made = shop().call("POST", "/transactions", order_of("app") | {"flow": "client", **urls})
    if "client_secret" not in made:
        return page("trouble.html", problem=made, status=502)
    secret = made["client_secret"]
    ready = shop().call("POST", f"/transactions/{made['id']}/ready", token=secret)
    if not ready.get("next_action"):
        return page("trouble.html", problem=ready, status=502)
    answer = to(ready["next_action"]["mobile_url"])
    answer.set_cookie(COOKIE, secret, path="/demo/app", httponly=True, samesite="Lax")
    return answer


@phone.get("/open")
def open_link() -> Response:
    """The app is opened by its link: it approves with `pg_token`, or reports that nobody paid."""
    link = urlsplit(request.args.get("link", ""))
    secret = request.cookies.get(COOKIE, "")
    if request.method == "GET" and link.scheme == SCHEME and not is_prefetch(request.headers):
        query = {name: values[0] for name, values in parse_qs(link.query).items()}
        path = f"/transactions/{_own(secret)}"
        if link.netloc == "paid" and "pg_token" in query:
            body: dict[str, Any] = {"pg_token": query["pg_token"]}
            shop().call("POST", f"{path}/approve", body, token=secret)
        elif link.netloc in _EVENTS:
            shop().call("POST", f"{path}/{_EVENTS[link.netloc]}", token=secret)
    return to("/demo/app/receipt")


@phone.get("/receipt")
def receipt() -> Response:
    """What Strada says about the app's one payment."""
    secret = request.cookies.get(COOKIE, "")
    found = shop().call("GET", f"/transactions/{_own(secret)}", token=secret or "none")
    if found.get("object") != "transaction":
        return page("trouble.html", problem=found, status=404)
    return page("phone.html", payment=found)


def _own(secret: str) -> str:
    """The transaction that the app's secret belongs to."""
    transaction = secret.partition("_secret_")[0]
    return transaction if transaction.replace("_", "").isalnum() else "none"
