"""For everybody: axe finds nothing serious on any page, light or dark, and a keyboard is enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from browser.shopper import PHONE, Shopper
from browser.stage import Stage
from playwright.sync_api import Page, expect


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_grave_in_the_shop(
    visit: Callable[..., Shopper], axe: Callable[[Page], list[Any]], scheme: str
) -> None:
    shopper = visit(color_scheme=scheme, reduced_motion="reduce")
    page = shopper.open("/demo")
    expect(page.locator(".pay")).to_be_visible()
    found = axe(page)
    shopper.begin()
    found += axe(page)
    with shopper.context.expect_page() as opened:
        page.locator("a[target=_blank]").click()
    phone = opened.value
    phone.locator("summary").click()
    found += axe(phone)
    phone.locator("button[value=approve]").click()
    phone.locator(".mark").wait_for()
    found += axe(phone)
    shopper.receipt()
    expect(page.locator("[data-verdict=whole]")).to_be_visible()
    page.locator(".log summary").first.click()
    page.locator(".calls summary").first.click()
    found += axe(page)
    page.get_by_role("button", name="Refund…").click()
    found += axe(page)
    for path in ("/demo/app", "/demo/return/paid?order=nobody", "/", "/problems/not_found"):
        shopper.open(path)
        page.locator("main").wait_for()
        found += axe(page)
    assert found == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_grave_in_the_console(
    visit: Callable[..., Shopper], axe: Callable[[Page], list[Any]], scheme: str
) -> None:
    shopper = visit(color_scheme=scheme, reduced_motion="reduce", locale="ko-KR")
    txn = shopper.pay(fault="hang_after")
    shopper.see("approving")
    found = axe(shopper.page)
    shopper.open("/console")
    expect(shopper.page.locator("input[name=key]")).to_be_visible()
    found += axe(shopper.page)
    shopper.sign_in()
    for path in ("", "/unknown", f"/transactions/{txn}"):
        shopper.open(f"/console{path}")
        shopper.page.locator("h1").wait_for()
        expect(shopper.page.locator(".waiting")).to_have_count(0)
        found += axe(shopper.page)
    assert found == []


def test_a_keyboard_is_enough_to_buy(visit: Callable[..., Shopper], demo: Stage) -> None:
    shopper = visit(**PHONE)
    page = shopper.open("/demo")
    expect(page.locator(".pay")).to_be_visible()
    _tab_to(page, "input[value=server]")
    page.keyboard.press("ArrowDown")
    expect(page.locator("input[value=client]")).to_be_checked()
    _tab_to(page, ".pay")
    page.keyboard.press("Enter")
    page.wait_for_url("**/mockup/**")
    _tab_to(page, "button[value=approve]")
    page.keyboard.press("Enter")
    txn = shopper.receipt()
    shopper.see("approved")
    refund = "button:has-text('Refund…')"
    _tab_to(page, refund)
    page.keyboard.press("Enter")
    page.keyboard.type("5000")
    page.keyboard.press("Enter")
    shopper.see("partially_refunded")
    _tab_to(page, refund)
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert demo.money(txn) == (12_000, 5_000)


def _tab_to(page: Page, selector: str) -> None:
    wanted = page.locator(selector)
    for _ in range(40):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no Tab leads to {selector}")
