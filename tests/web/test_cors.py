"""Which pages may call from a browser: exactly the registered origins, and never with a cookie."""

from __future__ import annotations

from dataclasses import replace

import pytest
from storefront import Site
from werkzeug.test import TestResponse

from web.app import create_app
from web.cors import FRESH_S
from web.return_urls import is_loopback_origin

SHOP, OTHER = "https://shop.example", "https://else.example"
PATH = "/v1/transactions/txn_x/approve"


@pytest.fixture(autouse=True)
def _another_merchant(site: Site) -> None:
    site.house.merchants.change("else", [OTHER], [], "operator:test")


def in_production(site: Site) -> None:
    settings = replace(site.strada.settings, env="production")
    site.app = create_app(replace(site.strada, settings=settings))
    site.client = site.app.test_client()


def preflight(site: Site, origin: str, path: str = PATH, method: str = "POST") -> TestResponse:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    }
    return site.client.options(path, headers=headers)


def allowed(answer: TestResponse) -> str | None:
    assert "Access-Control-Allow-Credentials" not in answer.headers
    return answer.headers.get("Access-Control-Allow-Origin")


def vary(answer: TestResponse) -> set[str]:
    return {name.strip() for name in answer.headers.get("Vary", "").split(",")}


@pytest.mark.parametrize("origin", [SHOP, OTHER])
def test_a_preflight_answers_for_the_origin_of_any_merchant(site: Site, origin: str) -> None:
    answer = preflight(site, origin)
    assert (answer.status_code, answer.data, allowed(answer)) == (204, b"", origin)
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"] == (
        "Authorization, Content-Type, Idempotency-Key, If-Match"
    )
    assert {"Origin", "Access-Control-Request-Method"} <= vary(answer)


FORGED = [
    "null",
    "*",
    "",
    "https://evil.example",
    "http://shop.example",
    "https://shop.example:444",
    "https://shop.example.",
    "https://shop.example/",
    "https://SHOP.example",
    "https://shop.example.evil.example",
    "https://evil.example#https://shop.example",
    "https://shop.example, https://evil.example",
    "https://shop.example\x80",
    "http://localhost.evil.example",
    "http://127.0.0.1.evil.example",
    "http://0x7f000001",
    "http://LOCALHOST:3000",
    "http://localhost:3000/",
    "h" * 10_000,
]


@pytest.mark.parametrize("origin", FORGED)
def test_a_strange_origin_gets_nothing(site: Site, origin: str) -> None:
    answer = preflight(site, origin)
    assert (answer.status_code, allowed(answer)) == (204, None)
    read = site.call("GET", "/transactions", Origin=origin)
    assert (read.status_code, allowed(read)) == (200, None)
    assert "Origin" in vary(read)


def test_two_origins_are_none(site: Site) -> None:
    headers = [("Origin", SHOP), ("Origin", SHOP), ("Access-Control-Request-Method", "GET")]
    assert allowed(site.client.options(PATH, headers=headers)) is None


def test_the_answer_is_shown_to_the_merchants_own_origin(site: Site) -> None:
    answer = site.call("GET", "/transactions", Origin=SHOP)
    assert allowed(answer) == SHOP
    assert answer.headers["Access-Control-Expose-Headers"] == (
        "ETag, Idempotent-Replayed, Request-Id, Retry-After"
    )
    assert "Origin" in vary(answer)


def test_the_answer_is_not_shown_to_another_merchants_origin(site: Site) -> None:
    assert allowed(site.call("GET", "/transactions", Origin=OTHER)) is None
    assert allowed(site.call("GET", "/transactions", key=site.stranger, Origin=OTHER)) == OTHER


def test_a_client_secret_is_its_merchants(site: Site) -> None:
    made = site.create()
    for origin, seen in ((SHOP, SHOP), (OTHER, None)):
        answer = site.call(
            "GET", f"/transactions/{made['id']}", key=made["client_secret"], Origin=origin
        )
        assert (answer.status_code, allowed(answer)) == (200, seen)


def test_a_problem_is_shown_too_once_the_caller_is_known(site: Site) -> None:
    answer = site.call("GET", "/transactions/x", Origin=SHOP)
    assert (answer.status_code, allowed(answer)) == (404, SHOP)
    assert {"Accept-Language", "Origin"} <= vary(answer)
    assert allowed(site.call("GET", "/transactions", key="sk_test_x", Origin=SHOP)) is None


def test_every_answer_varies_by_origin_even_without_one(site: Site) -> None:
    assert "Origin" in vary(site.call("GET", "/transactions"))
    assert "Origin" in vary(site.client.get("/v1/chart"))


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:8080"]
)
def test_loopback_is_everybodys_in_development_only(site: Site, origin: str) -> None:
    assert is_loopback_origin(origin)
    assert allowed(preflight(site, origin)) == origin
    assert allowed(site.call("GET", "/transactions", Origin=origin)) == origin
    in_production(site)
    assert allowed(preflight(site, origin)) is None
    assert allowed(site.call("GET", "/transactions", Origin=origin)) is None
    assert allowed(preflight(site, SHOP)) == SHOP


def test_a_change_of_origins_is_seen_within_seconds(site: Site) -> None:
    assert allowed(preflight(site, SHOP)) == SHOP
    site.house.merchants.change("shop", ["https://new.example"], [], "operator:test")
    assert allowed(site.call("GET", "/transactions", Origin=SHOP)) is None
    site.house.time.advance(FRESH_S)
    assert allowed(preflight(site, SHOP)) is None
    assert allowed(preflight(site, "https://new.example")) == "https://new.example"


def test_pages_for_people_are_not_shared(site: Site) -> None:
    for path in ("/healthz", "/problems/not_found", "/return/x/approved"):
        assert allowed(preflight(site, SHOP, path, "GET")) is None
        assert allowed(site.client.get(path, headers={"Origin": SHOP})) is None


def test_an_unknown_address_has_no_preflight(site: Site) -> None:
    answer = preflight(site, SHOP, "/v1/nothing")
    assert (answer.status_code, allowed(answer)) == (404, None)
