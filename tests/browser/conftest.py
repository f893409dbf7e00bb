"""A built UI, a browser and a demo for the tests of this folder; absent tools are said to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser.shopper import Shopper
from browser.stage import ARGUMENTS, CHROMIUM, Stage, stage
from playwright.sync_api import Browser, Page, sync_playwright

GRAVE = ("serious", "critical")
RUN = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
    .map(({id, impact, nodes}) => [impact, id, nodes.map(node => node.html.slice(0, 200))])"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, headless."""
    if CHROMIUM is None:
        # pip brings no browser. `.ci/run` installs one, so nothing is skipped where it gates.
        why = "no Chromium: the pages were not opened (apt-get install chromium)"
        pytest.skip(why)  # only on a machine that has no browser, which is told so
    with sync_playwright() as tools:
        started = tools.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def demo(ui: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A demo that runs for all tests of this process."""
    with stage(tmp_path_factory.mktemp("demo")) as built:
        yield built


@pytest.fixture
def visit(browser: Browser, demo: Stage) -> Iterator[Callable[..., Shopper]]:
    """Makes customers, each with a browser of their own; no page of theirs may report an error."""
    made: list[Shopper] = []

    def enter(**options: Any) -> Shopper:
        options = {"locale": "en-US", "viewport": {"width": 1280, "height": 900}} | options
        context = browser.new_context(**options)
        context.set_default_timeout(20_000)
        made.append(Shopper(context, demo))
        return made[-1]

    yield enter
    troubles = [trouble for one in made for trouble in one.troubles]
    for one in made:
        one.context.close()
    assert troubles == []


@pytest.fixture
def shopper(visit: Callable[..., Shopper]) -> Shopper:
    """One customer, English, at a desk."""
    return visit()


@pytest.fixture(scope="session")
def axe(ui: Path) -> Callable[[Page], list[Any]]:
    """Says what axe-core has against a page, gravely."""
    source = (ui / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")

    def check(page: Page) -> list[Any]:
        page.evaluate(f"{source}; 0")
        found = page.evaluate(RUN)
        return [[page.url, *one] for one in found if one[0] in GRAVE]

    return check
