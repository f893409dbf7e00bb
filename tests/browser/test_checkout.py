"""Each flow to its receipt in a real browser; and what becomes of a payment that is not made."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from browser.shopper import PHONE, Shopper
from browser.stage import Stage, wait_for
from playwright.sync_api import expect

FLOWS = ("server", "client", "reported", "app")


@pytest.mark.parametrize("flow", FLOWS)
def test_each_flow_ends_in_a_proven_receipt(shopper: Shopper, demo: Stage, flow: str) -> None:
    txn = shopper.pay(flow)
    shopper.see("approved")
    assert demo.money(txn) == (12_000, 0)
    expect(shopper.page.locator(".amounts")).to_contain_text("₩1,091")
    expect(shopper.page.locator(".amounts")).to_contain_text("KakaoPay · money")
    expect(shopper.page.locator("[data-verdict=whole]")).to_be_visible()
    expect(shopper.page.locator("[data-at]")).to_have_attribute("data-state", "approved")
    assert "pg_token" not in shopper.page.url


@pytest.mark.parametrize("flow", FLOWS)
def test_a_payment_not_made_is_shown_as_such(
    visit: Callable[..., Shopper], demo: Stage, flow: str
) -> None:
    phone = visit(**PHONE)
    for action, status in (("cancel", "cancelled"), ("fail", "failed")):
        txn = phone.pay(flow, action)
        phone.see(status)
        expect(phone.page.get_by_text("You were not charged")).to_be_visible()
        assert demo.money(txn) == (0, 0)


def test_a_declined_card_is_a_failure_with_a_reason(shopper: Shopper, demo: Stage) -> None:
    txn = shopper.pay(fault="decline")
    shopper.see("failed")
    assert demo.faults_fired(txn) == 1
    assert demo.money(txn) == (0, 0)


def test_time_that_passed_is_shown_by_itself(shopper: Shopper, demo: Stage) -> None:
    shopper.open("/demo")
    shopper.page.get_by_label("Open the payment page in a new tab").check()
    with shopper.context.expect_page() as opened:
        shopper.page.locator(".pay").click()
    txn = shopper.receipt()
    shopper.see("ready")
    opened.value.wait_for_url("**/mockup/**")
    opened.value.close()  # else the gateway's own countdown may be first, and say "failed"
    demo.advance(901)
    shopper.see("expired")
    expect(shopper.page.get_by_text("The time to pay has passed")).to_be_visible()
    assert demo.money(txn) == (0, 0)


@pytest.mark.parametrize("refused", [False, True])
def test_a_step_lights_up_streamed_or_not(shopper: Shopper, demo: Stage, refused: bool) -> None:
    asked: list[str] = []
    wait_for(demo.has_room)
    shopper.context.on("request", lambda seen: asked.append(seen.url))
    if refused:
        shopper.context.route("**/demo/v1/events?*", lambda route: route.fulfill(status=429))
    else:
        shopper.context.route("**/transitions?cursor=*", lambda route: route.fulfill(status=503))
    shopper.open("/demo")
    shopper.page.get_by_label("Open the payment page in a new tab").check()
    with shopper.context.expect_page() as opened:
        shopper.page.locator(".pay").click()
    opened.value.close()  # the gateway's own page could end the payment first
    shopper.receipt()
    shopper.see("ready")
    expect(shopper.page.locator("[data-at]")).to_have_attribute("data-state", "ready")
    demo.advance(901)
    shopper.see("expired")
    expect(shopper.page.locator("[data-at]")).to_have_attribute("data-state", "expired")
    seqs = shopper.page.locator(".log .seq").all_inner_texts()
    assert seqs == [str(number) for number in range(1, len(seqs) + 1)]
    assert any("/demo/v1/events?transaction=" in url for url in asked)


def test_the_customer_can_let_it_expire(shopper: Shopper, demo: Stage) -> None:
    txn = shopper.pay(action="expire")
    expect(shopper.page.get_by_text("You were not charged")).to_be_visible()
    assert demo.money(txn) == (0, 0)


@pytest.mark.parametrize(
    ("fault", "status", "charged"),
    [("hang_after", "approved", 12_000), ("late", "approved", 12_000)],
)
def test_unknown_is_shown_as_unknown_and_turns_into_the_truth(
    shopper: Shopper, demo: Stage, fault: str, status: str, charged: int
) -> None:
    txn = shopper.pay(fault=fault)
    shopper.see("approving")
    expect(shopper.page.get_by_text("We are asking KakaoPay")).to_be_visible()
    assert shopper.page.locator(".pay").count() == 0
    demo.advance(70)
    shopper.see(status)
    assert demo.faults_fired(txn) == 1
    assert demo.money(txn) == (charged, 0)


def test_a_refund_from_the_receipt(shopper: Shopper, demo: Stage) -> None:
    txn = shopper.pay()
    shopper.page.get_by_role("button", name="Confirm delivery").click()
    shopper.see("completed")
    shopper.page.get_by_role("button", name="Refund…").click()
    dialog = shopper.page.get_by_role("dialog")
    dialog.get_by_label("Amount").fill("13,000")
    dialog.get_by_role("button", name="Refund").click()
    expect(dialog.get_by_text("₩1 – ₩12,000")).to_be_visible()
    dialog.get_by_label("Amount").fill("3,000")
    dialog.get_by_role("button", name="Refund").dblclick()
    shopper.see("partially_refunded")
    assert demo.money(txn) == (12_000, 3_000)


def test_calls_are_shown_without_their_secrets(shopper: Shopper, demo: Stage) -> None:
    shopper.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shopper.pay("client")
    approve = shopper.page.locator(".calls li", has_text="/approve").first
    approve.locator("summary").click()
    shopper.page.get_by_role("button", name="Copy as curl").first.click()
    copied = shopper.page.evaluate("navigator.clipboard.readText()")
    shown = shopper.page.locator(".calls").inner_text() + copied
    assert copied.startswith("curl -i -X POST 'http://127.0.0.1:")
    assert '"pg_token": "***"' in shown or '"pg_token":"***"' in shown
    assert demo.key not in shown
    assert "_secret_***" in copied


@pytest.mark.parametrize("locale", ["ko-KR", "en-US"])
def test_the_page_speaks_the_browsers_language(visit: Callable[..., Shopper], locale: str) -> None:
    shopper = visit(locale=locale)
    shopper.pay()
    shopper.see("approved")
    word = {"ko-KR": "영수증", "en-US": "Receipt"}[locale]
    expect(shopper.page.locator("h1")).to_have_text(word)
    expect(shopper.page.locator("html")).to_have_attribute("lang", locale[:2])
    shopper.page.get_by_role("button", name="English" if locale == "ko-KR" else "한국어").click()
    expect(shopper.page.locator("h1")).not_to_have_text(word)


def test_a_phone_pays_in_one_column(visit: Callable[..., Shopper], demo: Stage) -> None:
    phone = visit(**PHONE)
    txn = phone.pay()
    phone.see("approved")
    assert demo.money(txn) == (12_000, 0)
    wide = phone.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 360
    phone.page.locator(".chart").scroll_into_view_if_needed()
    expect(phone.page.locator("[data-at=true] rect")).to_be_in_viewport(ratio=1)


def test_an_address_that_leads_nowhere_says_so(shopper: Shopper) -> None:
    for path in ("/demo/receipt", f"/demo/receipt?transaction_id=txn_{'0' * 26}", "/demo/nowhere"):
        shopper.open(path)
        expect(shopper.page.get_by_role("heading", name="Nothing is here")).to_be_visible()
        shopper.page.get_by_role("link", name="To the cart").click()
        expect(shopper.page.locator(".pay")).to_be_visible()
    shopper.open("/nowhere").get_by_role("link", name="To the start").click()
    expect(shopper.page.get_by_role("link", name="The demo shop")).to_be_visible()
