"""A customer with a browser: the words that the browser tests are written in."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from browser.stage import Stage
from playwright.sync_api import BrowserContext, Page, expect

PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "is_mobile": True,
    "has_touch": True,
    "user_agent": "Mozilla/5.0 (Linux; Android 15) Mobile Chrome/156",
}
EXPECTED = re.compile(r"Failed to load resource|net::ERR_(INTERNET_DISCONNECTED|ABORTED)")


class Shopper:
    """One browser window, in English unless told otherwise; errors on its pages are collected."""

    def __init__(self, context: BrowserContext, stage: Stage) -> None:
        self.context, self.stage = context, stage
        self.troubles: list[str] = []
        context.on("page", self._listen)
        self.page = context.new_page()

    def _listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning") and not EXPECTED.search(message.text):
            self.troubles.append(message.text)

    def open(self, path: str) -> Page:
        """Go to an address of Strada."""
        self.page.goto(f"{self.stage.url}{path}")
        return self.page

    def begin(self, flow: str = "server") -> Page:
        """Put the cart's order in, and come to the gateway's page."""
        self.open("/demo/app" if flow == "app" else "/demo")
        if flow != "app":
            self.page.locator(f"input[value={flow}]").check()
        self.page.locator(".pay").click()
        self.page.wait_for_url("**/mockup/bridge/**")
        return self.page

    def decide(self, action: str, fault: str = "", method: str = "MONEY") -> None:
        """Press a button on the phone page: beside the PC's page, or in its place."""
        if "/pc/" in self.page.url:
            with self.context.expect_page() as opened:
                self.page.locator("a[target=_blank]").click()
            phone = opened.value
        else:
            phone = self.page
        phone.locator(f"input[value={method}]").check()
        if fault:
            phone.locator("summary").click()
            phone.locator(f"input[value={fault}]").check()
        phone.locator(f"button[value={action}]").click()
        if phone is not self.page:
            self.page.wait_for_url(f"{self.stage.url}/**", wait_until="commit")
            phone.close()

    def pay(self, flow: str = "server", action: str = "approve", fault: str = "") -> str:
        """Order and decide; the transaction whose receipt is shown then."""
        self.begin(flow)
        self.decide(action, fault)
        return self.receipt()

    def receipt(self) -> str:
        """Wait for the receipt page; its transaction."""
        self.page.wait_for_url("**/receipt?transaction_id=*")
        return parse_qs(urlsplit(self.page.url).query)["transaction_id"][0]

    def see(self, status: str) -> None:
        """The page shows this state (of the chart), without anybody touching it."""
        found = self.page.locator("main .badge").first
        expect(found).to_have_attribute("data-status", status, timeout=20_000)

    def sign_in(self, key: str = "") -> None:
        """Enter the console with the shop's key, or another of its keys."""
        self.open("/console")
        self.page.locator("input[name=key]").fill(key or self.stage.key)
        self.page.keyboard.press("Enter")
        expect(self.page.locator("nav .who")).to_have_text("demo-shop")
