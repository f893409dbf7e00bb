"""Takes the README's pictures: `make screenshots`. It refuses to be a test: it only looks."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser.shopper import Shopper
from browser.stage import ARGUMENTS, CHROMIUM, Stage, stage
from playwright.sync_api import Browser, expect, sync_playwright

PICTURES = ROOT / "web" / "pictures"
DESK = {"width": 1280, "height": 860}


@contextmanager
def customer(browser: Browser, demo: Stage, locale: str, scheme: str) -> Iterator[Shopper]:
    """A customer with a window of the pictures' size."""
    context = browser.new_context(
        viewport=DESK, locale=locale, color_scheme=scheme, reduced_motion="reduce"
    )
    yield Shopper(context, demo)
    context.close()


def take(browser: Browser, demo: Stage) -> None:
    """The four pictures, in the order of a payment."""
    with customer(browser, demo, "ko-KR", "light") as korean:
        korean.begin()
        shot(korean, "gateway")
        korean.decide("approve")
        korean.receipt()
        expect(korean.page.locator("[data-verdict=whole]")).to_be_visible()
        expect(korean.page.locator(".calls li")).to_have_count(5)
        shot(korean, "receipt")
    with customer(browser, demo, "en-US", "dark") as english:
        txn = english.pay(fault="hang_after")
        english.see("approving")
        shot(english, "unknown")
        demo.advance(70)
        english.see("approved")
        english.page.get_by_role("button", name="See it in the console").click()
        english.page.wait_for_url(f"**/console/transactions/{txn}")
        expect(english.page.locator("[data-verdict=whole]")).to_be_visible()
        expect(english.page.locator(".events li span").nth(3)).not_to_be_empty()
        shot(english, "console")


def shot(shopper: Shopper, name: str) -> None:
    """One picture."""
    shopper.page.wait_for_timeout(300)
    shopper.page.screenshot(path=PICTURES / f"{name}.png")
    print(PICTURES.relative_to(ROOT) / f"{name}.png")


def main() -> int:
    """Take them all."""
    if CHROMIUM is None:
        print("no Chromium (apt-get install chromium)", file=sys.stderr)
        return 1
    PICTURES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        stage(Path(folder)) as demo,
        sync_playwright() as tools,
    ):
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        take(browser, demo)
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
