"""Back button, reload, double click, closed tab, lost connection, two tabs: harmless."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from browser.shopper import PHONE, Shopper
from browser.stage import Stage
from playwright.sync_api import expect


@pytest.mark.parametrize("flow", ["server", "client", "reported"])
def test_back_and_reload_after_paying_change_nothing(
    visit: Callable[..., Shopper], demo: Stage, flow: str
) -> None:
    shopper = visit(**PHONE)
    txn = shopper.pay(flow)
    shopper.see("approved")
    shopper.page.reload()
    shopper.see("approved")
    shopper.page.go_back()
    shopper.page.wait_for_load_state()
    shopper.open(f"/demo/receipt?transaction_id={txn}")
    shopper.see("approved")
    assert demo.charges(txn) == 1


def test_back_from_the_gateway_finds_the_same_order(
    visit: Callable[..., Shopper], demo: Stage
) -> None:
    shopper = visit(**PHONE)
    paying_at = shopper.begin().url
    shopper.page.go_back()
    shopper.page.locator(".pay").click()
    shopper.page.wait_for_url("**/mockup/**")
    assert shopper.page.url == paying_at
    shopper.decide("approve")
    txn = shopper.receipt()
    shopper.see("approved")
    assert demo.charges(txn) == 1


def test_a_double_click_is_one_order(visit: Callable[..., Shopper], demo: Stage) -> None:
    shopper = visit(**PHONE)
    page = shopper.open("/demo")
    page.locator(".pay").dblclick()
    page.wait_for_url("**/mockup/**")
    order = page.locator(".id").inner_text()
    rows = demo.strada.store.rows(
        "SELECT id FROM transactions WHERE created_at >= "
        "(SELECT created_at FROM transactions WHERE id = ?)",
        (order,),
    )
    assert [row["id"] for row in rows] == [order]


def test_a_closed_tab_is_found_again(visit: Callable[..., Shopper], demo: Stage) -> None:
    shopper = visit(**PHONE)
    paying_at = shopper.begin("client").url
    shopper.page.close()
    shopper.page = shopper.context.new_page()
    shopper.open("/demo")
    expect(shopper.page.get_by_text("An order is under way")).to_be_visible()
    shopper.page.get_by_role("link", name="See it").click()
    shopper.see("ready")
    shopper.page.get_by_role("link", name="To the payment page").click()
    shopper.page.wait_for_url(paying_at)
    shopper.decide("approve")
    txn = shopper.receipt()
    shopper.see("approved")
    assert demo.charges(txn) == 1


def test_two_tabs_show_one_truth(visit: Callable[..., Shopper], demo: Stage) -> None:
    shopper = visit(**PHONE)
    shopper.begin()
    txn = shopper.page.locator(".id").inner_text()
    beside = shopper.context.new_page()
    beside.goto(f"{demo.url}/demo/receipt?transaction_id={txn}")
    expect(beside.locator("main .badge").first).to_have_attribute("data-status", "ready")
    shopper.decide("approve")
    shopper.see("approved")
    expect(beside.locator("main .badge").first).to_have_attribute("data-status", "approved")
    assert demo.charges(txn) == 1


def test_a_return_opened_twice_approves_once(visit: Callable[..., Shopper], demo: Stage) -> None:
    shopper = visit(**PHONE)
    shopper.begin("client")
    returns: list[str] = []
    shopper.page.on(
        "request", lambda seen: returns.append(seen.url) if "/demo/return/" in seen.url else None
    )
    shopper.decide("approve")
    txn = shopper.receipt()
    again = shopper.context.new_page()
    again.goto(returns[0])
    again.wait_for_url("**/receipt?transaction_id=*")
    expect(again.locator("main .badge").first).to_have_attribute("data-status", "approved")
    assert parse_qs(urlsplit(returns[0]).query)["pg_token"]
    assert demo.charges(txn) == 1


def test_a_stranger_with_the_return_address_can_do_nothing(
    visit: Callable[..., Shopper], demo: Stage
) -> None:
    shopper, thief = visit(**PHONE), visit()
    shopper.begin("client")
    txn = shopper.page.locator(".id").inner_text()
    order = demo.strada.ledger.load(txn, "demo-shop")["order_id"].removeprefix("order-")
    thief.open(f"/demo/return/cancelled?order={order}")
    expect(thief.page.get_by_text("This browser did not start this order")).to_be_visible()
    assert demo.strada.ledger.load(txn, "demo-shop")["status"] == "ready"


def test_a_lost_connection_is_said_and_comes_back(
    visit: Callable[..., Shopper], demo: Stage
) -> None:
    shopper = visit(**PHONE)
    txn = shopper.pay()
    shopper.see("approved")
    shopper.context.set_offline(True)
    expect(shopper.page.get_by_text("The connection is lost").first).to_be_visible()
    expect(shopper.page.locator(".amounts")).to_contain_text("₩12,000")
    shopper.context.set_offline(False)
    expect(shopper.page.get_by_text("The connection is lost")).to_have_count(0)
    assert demo.charges(txn) == 1
