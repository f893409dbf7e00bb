"""Takes a picture of every page in every state: `python tests/browser/gallery.py DIR [WORD …]`.

Each in Korean and English, light and dark, at a desk and on a phone; words choose chapters. It
says which pages are wider than their window, and refuses to be a test: people look at pictures.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser.shopper import Shopper
from browser.stage import ARGUMENTS, CHROMIUM, Stage, stage, wait_for
from playwright.sync_api import Browser, Page, sync_playwright

from engine.export import Bundle, Scope
from web import bundle

WINDOWS = {"desk": (1280, 860), "phone": (390, 844)}
SCHEMES = ("light", "dark")
LOCALES = {"ko": "ko-KR", "en": "en-US"}
Chapter = Callable[["Visitor"], None]


class Visitor(Shopper):
    """A shopper with a camera."""

    def __init__(self, context: Any, demo: Stage, folder: Path, language: str) -> None:
        super().__init__(context, demo)
        self.folder, self.language = folder, language

    def shoot(self, name: str, page: Page | None = None, *, whole: bool = True) -> None:
        """A page as it is now, in each window and scheme."""
        page = page or self.page
        for window, (width, height) in WINDOWS.items():
            page.set_viewport_size({"width": width, "height": height})
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                print(f"wider than its window: {name} {self.language} {window} {wide} px")
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                page.wait_for_timeout(150)
                file = self.folder / f"{name}.{self.language}.{window}.{scheme}.png"
                page.screenshot(path=file, full_page=whole)
        width, height = WINDOWS["desk"]
        page.set_viewport_size({"width": width, "height": height})

    def said(self, korean: str, english: str) -> str:
        """A word in this visitor's language."""
        return korean if self.language == "ko" else english

    def receipt_of(self, txn: str, status: str) -> None:
        """The receipt, drawn to its end."""
        self.open(f"/demo/receipt?transaction_id={txn}")
        self.see(status)
        self.page.wait_for_timeout(1200)


def cart(one: Visitor) -> None:
    """Before anything was bought."""
    one.open("/demo").locator(".pay").wait_for()
    one.shoot("01-cart")
    one.page.locator("input[value=reported]").check()
    one.page.get_by_role("checkbox").check()
    one.shoot("01-cart-reported-chosen")
    one.open("/demo/app").locator(".pay").wait_for()
    one.shoot("01-cart-app")
    one.context.route("**/demo/api/cart", lambda route: route.abort())
    one.open("/demo").locator(".notice").wait_for()
    one.shoot("01-cart-no-network")
    one.context.unroute("**/demo/api/cart")
    one.context.route("**/demo/api/orders", lambda route: route.fulfill(status=503, json=AWAY))
    one.open("/demo").locator(".pay").click()
    one.page.locator(".notice.bad").wait_for()
    one.shoot("01-cart-refused")
    one.context.unroute("**/demo/api/orders")


AWAY = {
    "code": "gateway_unavailable",
    "title": "The payment service cannot be reached",
    "detail": "Nothing was started. Please try again in a moment.",
}


def gateway(one: Visitor) -> None:
    """The gateway's own pages, which speak two languages at once."""
    one.begin()
    one.shoot("02-gateway-qr")
    with one.context.expect_page() as opened:
        one.page.locator("a[target=_blank]").click()
    phone = opened.value
    one.shoot("02-gateway-phone", phone)
    phone.locator("summary").click()
    one.shoot("02-gateway-phone-faults", phone)
    one.page.goto("about:blank")
    phone.locator("button[value=approve]").click()
    phone.locator(".mark").wait_for()
    one.shoot("02-gateway-end-approved", phone)
    url = phone.url
    for action in ("cancel", "fail", "expire"):
        one.open("/demo")
        one.page.evaluate("sessionStorage.clear()")
        one.begin()
        phone.goto(one.page.locator("a[target=_blank]").get_attribute("href") or "")
        one.page.goto("about:blank")
        phone.locator(f"button[value={action}]").click()
        phone.locator(".mark").wait_for()
        one.shoot(f"02-gateway-end-{action}", phone)
    phone.goto(url)
    phone.locator("form button").click()
    phone.wait_for_url(f"{one.stage.url}/**")
    phone.goto(url)
    one.shoot("02-gateway-end-returned", phone)
    phone.goto(url[:-4] + "0000")
    one.shoot("02-gateway-not-found", phone)


def under_way(one: Visitor) -> None:
    """An order that waits for its customer, and one that waits no longer."""
    one.begin("client")
    txn = one.page.locator(".id").inner_text()
    one.open("/demo").locator(".notice").wait_for()
    one.shoot("03-cart-under-way")
    one.receipt_of(txn, "ready")
    one.shoot("03-receipt-ready")
    one.page.get_by_role("button", name=one.said("주문 취소", "Cancel the order")).click()
    one.see("cancelled")
    one.shoot("03-receipt-cancelled-here")


def receipts(one: Visitor) -> None:
    """What becomes of payments."""
    txn = one.pay("server")
    one.receipt_of(txn, "approved")
    one.shoot("04-receipt-approved")
    one.page.locator(".calls summary").nth(1).click()
    one.page.locator(".log summary").nth(1).click()
    one.shoot("04-receipt-opened")
    one.page.get_by_role("button", name=one.said("환불…", "Refund…")).click()
    one.shoot("04-receipt-refund-dialog", whole=False)
    dialog = one.page.get_by_role("dialog")
    dialog.locator("[name=amount]").fill("13000")
    dialog.locator("button[type=submit]").click()
    one.shoot("04-receipt-refund-wrong", whole=False)
    dialog.locator("[name=amount]").fill("3000")
    dialog.locator("[name=reason]").fill("하나가 부서졌어요")
    dialog.locator("button[type=submit]").click()
    one.see("partially_refunded")
    one.page.wait_for_timeout(1000)
    one.shoot("04-receipt-partly-refunded")
    one.stage.call(f"/{txn}/refund", {}, "gallery-refund-rest")
    one.receipt_of(txn, "refunded")
    one.shoot("04-receipt-refunded")
    one.context.set_offline(True)
    one.page.locator(".notice.bad").first.wait_for()
    one.shoot("04-receipt-no-network")
    one.context.set_offline(False)
    for action, status in (("cancel", "cancelled"), ("fail", "failed"), ("expire", "")):
        txn = one.pay("client", action)
        one.page.wait_for_timeout(1500)
        if status:
            one.see(status)
        one.shoot(f"04-receipt-{action}")
    txn = one.pay("app")
    one.see("approved")
    one.page.wait_for_timeout(1500)
    one.shoot("04-receipt-app")
    txn = one.pay(fault="decline")
    one.see("failed")
    one.shoot("04-receipt-declined")


def unknowns(one: Visitor) -> None:
    """Answers that got lost, and answers that make no sense."""
    txn = one.pay(fault="hang_after")
    one.see("approving")
    one.shoot("05-receipt-approving")
    one.stage.advance(70)
    one.see("approved")
    odd = one.pay(fault="wrong_amount")
    one.page.wait_for_timeout(2500)
    one.shoot("05-receipt-wrong-amount")
    one.sign_in()
    one.open(f"/console/transactions/{odd}").locator("h1").wait_for()
    one.page.wait_for_timeout(1500)
    one.shoot("05-console-wrong-amount")
    txn = one.pay(fault="hang_after")
    one.see("approving")
    one.open(f"/console/transactions/{txn}").locator("h1").wait_for()
    one.page.wait_for_timeout(1500)
    one.shoot("05-console-approving")
    one.open("/console/unknown").locator("table").first.wait_for()
    one.shoot("05-console-unknown")
    one.stage.advance(70)
    wait_for(lambda: one.stage.money(txn)[0] > 0)


def expired(one: Visitor) -> None:
    """Time that passed."""
    one.begin()
    txn = one.page.locator(".id").inner_text()
    one.page.goto("about:blank")
    one.stage.advance(901)
    one.receipt_of(txn, "expired")
    one.shoot("06-receipt-expired")


def returns(one: Visitor) -> None:
    """Addresses that lead nowhere."""
    one.open("/demo/return/paid?order=nobody").locator(".notice").wait_for()
    one.shoot("07-return-stranger")
    one.begin("client")
    one.context.route("**/approve", lambda route: None)
    one.decide("approve")
    one.page.locator(".notice.wait").wait_for()
    one.shoot("07-return-approving")
    one.context.unroute("**/approve")
    one.open("/demo/receipt?transaction_id=txn_00000000000000000000000000")
    one.page.locator(".lost").wait_for()
    one.shoot("07-receipt-not-found")
    one.open("/demo/receipt").locator("main").wait_for()
    one.page.wait_for_timeout(1500)
    one.shoot("07-receipt-of-nothing")
    one.open("/demo/nowhere").locator("main").wait_for()
    one.page.wait_for_timeout(800)
    one.shoot("07-shop-nowhere")
    one.open("/return/0000000000000000000000/approved")
    one.shoot("07-return-unknown")


def console(one: Visitor) -> None:
    """What a merchant sees."""
    one.open("/console").locator("input[name=key]").wait_for()
    one.shoot("08-console-sign-in")
    one.page.locator("input[name=key]").fill("sk_test_wrong")
    one.page.keyboard.press("Enter")
    one.page.locator(".notice.bad").wait_for()
    one.shoot("08-console-wrong-key")
    one.sign_in()
    one.open("/console?order_id=nothing")
    one.page.wait_for_timeout(1000)
    one.shoot("08-console-list-empty")
    for at in range(4):
        one.stage.paid(amount=30_000 + 1_000 * at)
    one.stage.call(f"/{one.stage.paid()}/refund", {"amount": 500}, "gallery-500")
    one.open("/console").locator("table").wait_for()
    one.shoot("08-console-list")
    one.open("/console/unknown")
    one.page.wait_for_timeout(1500)
    one.shoot("08-console-unknown-empty")
    one.open("/console/transactions/txn_00000000000000000000000000")
    one.page.locator(".lost").wait_for()
    one.shoot("08-console-not-found")
    one.open("/console/nowhere").locator("main").wait_for()
    one.page.wait_for_timeout(800)
    one.shoot("08-console-nowhere")
    txn = one.stage.paid(amount=30_000, tax_free_amount=10_000)
    one.open(f"/console/transactions/{txn}").locator("h1").wait_for()
    one.page.wait_for_timeout(1500)
    one.shoot("08-console-payment")
    one.page.get_by_role("button", name=one.said("환불…", "Refund…")).click()
    one.shoot("08-console-refund-dialog", whole=False)


def served(one: Visitor) -> None:
    """Pages that the server writes."""
    for name, path in (
        ("welcome", "/"),
        ("problem", "/problems/order_already_paid"),
        ("problem-unknown", "/problems/nothing"),
        ("nowhere", "/nowhere"),
        ("docs", "/docs"),
    ):
        one.open(path)
        one.page.wait_for_timeout(1500 if name == "docs" else 100)
        one.shoot(f"09-{name}", whole=name != "docs")


def auditor(one: Visitor) -> None:
    """The page inside an exported book."""
    one.stage.paid()
    strada = one.stage.strada
    made = Bundle.begin(strada.ledger, strada.audit, Scope(), "operator:gallery")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "book"
        bundle.write(folder, made.files(bundle.page))
        one.page.goto(f"file://{folder}/index.html")
        one.page.locator(".verdict h2").wait_for()
        one.shoot("10-auditor")
        one.page.goto("about:blank")


CHAPTERS: tuple[Chapter, ...] = (
    cart,
    gateway,
    under_way,
    receipts,
    unknowns,
    returns,
    console,
    served,
    auditor,
    expired,
)


@contextmanager
def visitor(browser: Browser, demo: Stage, folder: Path, language: str) -> Iterator[Visitor]:
    """Somebody who speaks a language, in a browser of their own."""
    context = browser.new_context(locale=LOCALES[language])
    context.set_default_timeout(20_000)
    yield Visitor(context, demo, folder, language)
    context.close()


def main(arguments: list[str]) -> int:
    """Take them all, or those of the chapters that are named."""
    if CHROMIUM is None or not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    folder, wanted = Path(arguments[0]), arguments[1:]
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for language in LOCALES:
            with tempfile.TemporaryDirectory() as place, stage(Path(place)) as demo:
                for chapter in CHAPTERS:
                    if not wanted or chapter.__name__ in wanted:
                        with visitor(browser, demo, folder, language) as one:
                            chapter(one)
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
