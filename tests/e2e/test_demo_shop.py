"""The demo shop's server, call by call: each flow, and what it hands on and keeps back."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import requests
from e2e.shop import WITHIN_S, Shop, opened

KEY, OTHER_KEY = {"Idempotency-Key": "refund-0001"}, {"Idempotency-Key": "refund-0002"}
UNKNOWN = "txn_" + "0" * 26


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One demo for all of them."""
    with opened(tmp_path_factory.mktemp("demo")) as built:
        yield built


def order(shop: Shop, flow: str, number: str) -> dict[str, Any]:
    made = shop.call("POST", "/api/orders", {"order": number, "flow": flow})
    assert made.status_code == 200, made.text
    body: dict[str, Any] = made.json()
    return body


def paid(shop: Shop, page: str) -> str:
    """The customer pays at the gateway; where their browser is sent."""
    url = f"{shop.built.gateway_url}/_simulator/pay"
    body = {"url": page, "action": "approve"}
    return str(requests.post(url, json=body, timeout=WITHIN_S).json()["redirect"])


def test_the_client_itself_pays_and_reports(shop: Shop) -> None:
    made = order(shop, "reported", "reported1")
    txn, secret = made["transaction"]["id"], made["client_secret"]
    asked = {"order": "reported1", "transaction": txn}
    ready = shop.call("POST", "/api/gateway/ready", asked).json()
    reported = {"headers": {"Authorization": f"Bearer {secret}"}, "timeout": WITHIN_S}
    v1, report = f"{shop.url}/v1/transactions/{txn}", {"provider_ref": ready["tid"]}
    assert requests.post(f"{v1}/ready", json=report, **reported).json()["status"] == "ready"
    back = paid(shop, ready["next_redirect_pc_url"])
    token = {"pg_token": back.rpartition("pg_token=")[2], "tid": ready["tid"]}
    assert shop.call("POST", "/api/gateway/approve", asked | token).status_code == 200
    assert requests.post(f"{v1}/approve", json=report, **reported).json()["status"] == "approved"
    calls = shop.call("GET", f"/api/calls/{txn}").json()["data"]
    assert [call["caller"] for call in calls if call["called"] == "gateway"].count("client") == 2
    assert secret not in str(calls)


def test_the_server_prepares_and_the_receipt_tells(shop: Shop) -> None:
    made = order(shop, "server", "server12")
    txn, action = made["transaction"]["id"], made["transaction"]["next_action"]
    assert made["client_secret"] is None
    back = requests.get(paid(shop, action["mobile_url"]), allow_redirects=False, timeout=WITHIN_S)
    assert back.headers["Location"].startswith(f"{shop.url}/demo/receipt?")
    assert order(shop, "server", "server12")["transaction"]["status"] == "approved", (
        "a second press"
    )
    path = f"/v1/transactions/{txn}"
    assert shop.call("GET", path).json()["status"] == "approved"
    back_office = partial(shop.call, "POST", f"{path}/refund")
    assert back_office({"amount": 100}, headers=KEY).json()["refunded_amount"] == 100
    assert back_office({"amount": 99_999}, headers=OTHER_KEY).status_code == 422
    assert shop.call("POST", f"{path}/cancel", {}).json()["code"] == "illegal_transition"


@pytest.mark.parametrize(
    ("number", "flow"), [("ABCD1234", "server"), ("short", "server"), ("abcd1234", "other")]
)
def test_an_order_that_no_page_sends_is_none(shop: Shop, number: str, flow: str) -> None:
    refused = shop.call("POST", "/api/orders", {"order": number, "flow": flow})
    assert refused.status_code == 404


def test_an_order_of_another_flow_is_handed_the_refusal(shop: Shop) -> None:
    order(shop, "client", "client12")
    refused = shop.call("POST", "/api/orders", {"order": "client12", "flow": "server"})
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


def test_what_is_not_there_is_handed_on(shop: Shop) -> None:
    for place in (UNKNOWN, "txn_1"):
        assert shop.call("GET", f"/v1/transactions/{place}").status_code == 404
        assert shop.call("GET", f"/v1/transactions/{place}/transitions").status_code == 404
        asked = {"order": "abcd1234", "transaction": place}
        assert shop.call("POST", "/api/gateway/ready", asked).status_code == 404
    assert shop.call("GET", f"/api/calls/{UNKNOWN}").json()["data"] == []


def test_a_body_that_is_no_json_is_refused(shop: Shop) -> None:
    headers = {"Sec-Fetch-Site": "same-origin"}
    url = f"{shop.url}/demo/api/orders"
    refused = requests.post(url, data=b"{", headers=headers, timeout=WITHIN_S)
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed_json")


def test_the_cart_adds_up_and_pages_are_the_uis(shop: Shop) -> None:
    cart = shop.call("GET", "/api/cart").json()
    assert cart["total"] == sum(line["price"] * line["quantity"] for line in cart["lines"])
    for place in ("", "/receipt", "/app"):
        assert shop.call("GET", place).headers["Content-Type"].startswith("text/html")


def test_the_shops_own_browser_enters_the_console(shop: Shop) -> None:
    entered = shop.call("POST", "/api/console")
    assert entered.ok
    assert "HttpOnly" in entered.headers["Set-Cookie"]
    assert shop.built.key not in entered.text + str(entered.headers)
    foreign = shop.call("POST", "/api/console", headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
