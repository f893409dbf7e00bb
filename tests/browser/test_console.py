"""The console in a real browser: signing in, finding a payment, and what can be done with it."""

from __future__ import annotations

import re

import requests
from browser.shopper import Shopper
from browser.stage import Stage, wait_for
from playwright.sync_api import expect


def test_a_wrong_key_does_not_open_the_console(shopper: Shopper) -> None:
    shopper.open("/console")
    shopper.page.locator("input[name=key]").fill("sk_test_" + "0" * 52)
    shopper.page.keyboard.press("Enter")
    expect(shopper.page.get_by_text("No such key")).to_be_visible()


def test_the_key_is_nowhere_in_the_browser(shopper: Shopper, demo: Stage) -> None:
    shopper.sign_in()
    kept = shopper.page.evaluate(
        "JSON.stringify([localStorage, sessionStorage, document.cookie, document.body.innerHTML])"
    )
    assert demo.key not in kept
    (cookie,) = shopper.context.cookies(f"{demo.url}/console")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert demo.key not in cookie["value"]
    shopper.page.get_by_role("button", name="Sign out").click()
    expect(shopper.page.locator("input[name=key]")).to_be_visible()


def test_filters_live_in_the_address(shopper: Shopper, demo: Stage) -> None:
    txn = shopper.pay()
    shopper.see("approved")
    order = demo.strada.ledger.load(txn, "demo-shop")["order_id"]
    shopper.sign_in()
    shopper.page.get_by_label("State").select_option("approved")
    shopper.page.get_by_label("Order id").fill(order)
    expect(shopper.page.locator("tbody tr")).to_have_count(1)
    shopper.page.reload()
    assert f"order_id={order}" in shopper.page.url
    expect(shopper.page.get_by_label("State")).to_have_value("approved")
    shopper.page.get_by_role("link", name=order).click()
    shopper.see("approved")
    expect(shopper.page.locator("[data-verdict=whole]")).to_be_visible()


def test_what_cannot_be_done_says_why(shopper: Shopper, demo: Stage) -> None:
    txn = shopper.pay()
    shopper.see("approved")
    shopper.page.get_by_role("button", name="See it in the console").click()
    shopper.page.wait_for_url(f"**/console/transactions/{txn}")
    cancel = shopper.page.get_by_role("button", name="Cancel")
    expect(cancel).to_have_attribute("aria-disabled", "true")
    expect(cancel).to_have_accessible_description(re.compile("no such step from .Paid."))
    cancel.click(force=True)
    shopper.see("approved")
    shopper.page.get_by_role("button", name="Refund…").click()
    shopper.page.get_by_role("dialog").get_by_label("Reason").fill("하나가 부서졌어요")
    shopper.page.get_by_role("dialog").get_by_role("button", name="Refund").click()
    shopper.see("refunded")
    assert demo.money(txn) == (12_000, 12_000)
    expect(shopper.page.get_by_role("button", name="Refund…")).to_have_attribute(
        "aria-disabled", "true"
    )


def test_the_console_hears_a_step_by_its_stream(shopper: Shopper, demo: Stage) -> None:
    txn = shopper.pay()
    shopper.see("approved")
    shopper.sign_in()
    shopper.context.route("**/transitions?cursor=*", lambda route: route.fulfill(status=503))
    wait_for(demo.has_room)
    shopper.open(f"/console/transactions/{txn}")
    shopper.see("approved")
    shop = {"Authorization": f"Bearer {demo.key}"}
    url = f"{demo.url}/v1/transactions/{txn}/complete"
    assert requests.post(url, json={}, headers=shop, timeout=20).ok
    shopper.see("completed")
    expect(shopper.page.locator("[data-verdict=whole]")).to_be_visible()
    expect(shopper.page.locator("[data-at]")).to_have_attribute("data-state", "completed")


def test_the_unknown_queue_empties_by_itself(shopper: Shopper, demo: Stage) -> None:
    txn = shopper.pay(fault="hang_after")
    shopper.see("approving")
    order = demo.strada.ledger.load(txn, "demo-shop")["order_id"]
    shopper.sign_in()
    shopper.page.get_by_role("link", name="Unknown").click()
    row = shopper.page.get_by_role("link", name=order)
    expect(row).to_be_visible()
    demo.advance(6)
    expect(row).to_have_count(0, timeout=20_000)
    assert demo.money(txn) == (12_000, 0)


def test_another_sites_form_cannot_use_the_session(shopper: Shopper, demo: Stage) -> None:
    txn = shopper.pay()
    shopper.see("approved")
    shopper.sign_in()
    evil = demo.url.replace("127.0.0.1", "localhost") + "/evil"
    target = f"{demo.url}/console/v1/transactions/{txn}/complete"
    form = f'<form method="post" action="{target}"><button>win</button></form>'
    shopper.context.route(evil, lambda route: route.fulfill(body=form, content_type="text/html"))
    shopper.page.goto(evil)
    shopper.page.get_by_role("button").click()
    expect(shopper.page.get_by_text("unauthenticated").first).to_be_visible()
    assert demo.strada.ledger.load(txn, "demo-shop")["status"] == "approved"


def test_a_refund_names_its_tax_free_part(shopper: Shopper, demo: Stage) -> None:
    txn = demo.paid(amount=30_000, tax_free_amount=10_000)
    shopper.sign_in()
    shopper.open(f"/console/transactions/{txn}")
    shopper.page.get_by_role("button", name="Refund…").click()
    dialog = shopper.page.get_by_role("dialog")
    free = dialog.get_by_label("Of it, tax free")
    expect(free).to_have_value("10000")
    dialog.get_by_label("Amount").fill("6,000")
    expect(free).to_have_value("2000")
    free.fill("7000")
    dialog.get_by_role("button", name="Refund").click()
    expect(dialog.get_by_text("₩0 – ₩6,000")).to_be_visible()
    free.fill("500")
    dialog.get_by_role("button", name="Refund").click()
    shopper.see("partially_refunded")
    shopper.page.get_by_role("button", name="Refund…").click()
    expect(free).to_have_value("9500")
    dialog.get_by_role("button", name="Refund").click()
    shopper.see("refunded")
    assert demo.money(txn) == (30_000, 30_000)
    refunds = demo.call(f"/{txn}")["refunds"]
    assert [one["tax_free_amount"] for one in refunds] == [500, 9_500]


def test_an_address_that_leads_nowhere_says_so(shopper: Shopper) -> None:
    shopper.sign_in()
    for path in ("/console/nowhere", f"/console/transactions/txn_{'0' * 26}"):
        shopper.open(path)
        expect(shopper.page.get_by_role("heading", name="Nothing is here")).to_be_visible()
        main = shopper.page.get_by_role("main")
        main.get_by_role("link", name="Transactions").click()
        expect(shopper.page.get_by_role("heading", name="Transactions")).to_be_visible()


def test_a_session_that_ended_asks_for_a_key_in_place(shopper: Shopper, demo: Stage) -> None:
    txn = demo.paid()
    merchants = demo.strada.merchants
    key, text = merchants.create_key("demo-shop", ("payments",), False, "operator:test")
    shopper.sign_in(text)
    shopper.open(f"/console/transactions/{txn}")
    shopper.see("approved")
    merchants.revoke_key(key.id, "operator:test")
    field = shopper.page.locator("input[name=key]")
    expect(field).to_be_visible(timeout=20_000)
    field.fill(demo.key)
    shopper.page.keyboard.press("Enter")
    shopper.see("approved")
    assert shopper.page.url.endswith(txn)
