"""The customer's browser at our return URLs."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from house import lost_after
from storefront import Site

WEB = {"approval_url": "https://shop.example/a", "cancel_url": "https://shop.example/c"}
APP = {"approval_url": "strada-shop://paid?x=1", "cancel_url": "strada-shop://cancelled"}


def _ready(site: Site, **changes: object) -> tuple[str, str]:
    txn = site.create(**changes)["id"]
    assert site.fire(txn, "ready").status_code == 200
    return txn, site.house.tokens[-1]


def test_a_return_approves_and_sends_the_customer_on(site: Site) -> None:
    txn, token = _ready(site, return_url="https://shop.example/done?cart=9")
    answer = site.client.get(f"/return/{token}/approved?pg_token=pg-1")
    assert answer.status_code == 303
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert query == {"cart": ["9"], "transaction_id": [txn], "status": ["approved"]}
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_a_return_to_an_app_scheme(site: Site) -> None:
    txn, token = _ready(site, return_url="strada-shop://paid")
    answer = site.client.get(f"/return/{token}/approved?pg_token=pg-1")
    assert answer.headers["Location"] == (
        f"strada-shop://paid?transaction_id={txn}&status=approved"
    )


def test_an_unknown_outcome_is_sent_on_as_unknown(site: Site) -> None:
    _, token = _ready(site, return_url="https://shop.example/done")
    site.house.gateway.script["approve"] = [lost_after]
    answer = site.client.get(f"/return/{token}/approved?pg_token=pg-1")
    assert "status=approving" in answer.headers["Location"]


def test_without_a_return_url_a_page_tells_the_state(site: Site) -> None:
    _, token = _ready(site)
    first = site.client.get(f"/return/{token}/approved?pg_token=pg-1")
    again = site.client.get(f"/return/{token}/approved?pg_token=pg-1")
    assert first.status_code == again.status_code == 200
    assert first.data == again.data
    assert site.house.gateway.calls.count("approve") == 1


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}, {"X-Moz": "prefetch"}],
)
def test_a_prefetch_has_no_effect(site: Site, headers: dict[str, str]) -> None:
    txn, token = _ready(site)
    site.client.get(f"/return/{token}/approved?pg_token=pg-1", headers=headers)
    assert site.house.status(txn) == "ready"


def test_head_has_no_effect(site: Site) -> None:
    txn, token = _ready(site)
    assert site.client.head(f"/return/{token}/approved?pg_token=pg-1").status_code == 200
    assert site.house.status(txn) == "ready"


def test_a_token_given_twice_is_refused(site: Site) -> None:
    txn, token = _ready(site)
    answer = site.client.get(f"/return/{token}/approved?pg_token=a&pg_token=b")
    assert answer.status_code == 400
    assert site.house.status(txn) == "ready"


def test_a_forged_return_token_is_unknown(site: Site) -> None:
    assert site.client.get("/return/forged/approved?pg_token=a").status_code == 404


def test_cancelled_cancels_when_nothing_was_charged(site: Site) -> None:
    txn, token = _ready(site, return_url="https://shop.example/done")
    answer = site.client.get(f"/return/{token}/cancelled")
    assert "status=cancelled" in answer.headers["Location"]
    assert site.house.status(txn) == "cancelled"


def test_a_client_flow_page_gets_the_gateways_redirect_itself(site: Site) -> None:
    urls = WEB | {"fail_url": "https://shop.example/f"}
    made = site.create(flow="client", **urls)
    ready = site.fire(made["id"], "ready", key=made["client_secret"])
    assert ready.status_code == 200
    order = site.house.gateway.last_urls
    assert (order.approved, order.failed) == (urls["approval_url"], urls["fail_url"])


def test_an_app_is_reached_by_a_bounce_that_approves_nothing(site: Site) -> None:
    txn, token = _ready(site, flow="client", **APP, fail_url="strada-shop://failed")
    assert site.house.gateway.last_urls.approved.startswith("http://127.0.0.1")
    answer = site.client.get(f"/return/{token}/approved?pg_token=pg-1")
    assert answer.headers["Location"] == (
        f"strada-shop://paid?x=1&transaction_id={txn}&pg_token=pg-1"
    )
    assert site.house.status(txn) == "ready"


def test_a_closed_payments_page_is_gone_after_a_day(site: Site) -> None:
    txn, token = _ready(site)
    site.fire(txn, "cancel")
    assert site.client.get(f"/return/{token}/approved?pg_token=a").status_code == 200
    site.house.time.advance(86_401)
    assert site.client.get(f"/return/{token}/approved?pg_token=a").status_code == 410


def test_every_problem_has_a_page_in_both_languages(site: Site) -> None:
    for language, word in (("ko", "해결"), ("en", "Cure")):
        page = site.client.get("/problems/order_in_progress", headers={"Accept-Language": language})
        assert word in page.text
    assert site.client.get("/problems/nothing").status_code == 404


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize("path", ["/nowhere", "/ui/nothing.js", "/problems/nothing"])
def test_a_person_lost_sees_a_page(site: Site, path: str) -> None:
    answer = site.client.get(path, headers={"Accept": BROWSER, "Accept-Language": "ko"})
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "여기에는 아무것도 없습니다" in answer.text
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("path", "accept"),
    [("/nowhere", "*/*"), ("/nowhere", ""), ("/nowhere", "application/json"), ("/v1/no", BROWSER)],
)
def test_a_program_lost_gets_a_problem(site: Site, path: str, accept: str) -> None:
    answer = site.client.get(path, headers={"Accept": accept} if accept else {})
    assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")
    assert answer.mimetype == "application/problem+json"
