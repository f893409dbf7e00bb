"""The exported page in a real browser, opened from the file system: it shows, steps and judges."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from house import House
from playwright.sync_api import Browser, Locator, Page, expect
from tamper import history

from web.cli import cli

Facts = dict[str, Any]


@dataclass(frozen=True)
class Books:
    """The whole book, one merchant's part of it, and one payment that was refunded in part."""

    whole: Path
    part: Path
    txn: str
    states: dict[str, str]
    """Of every payment."""


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    """What `strada audit export` makes of a house with every kind of entry."""
    folder = tmp_path_factory.mktemp("bundle")
    house = House(folder / "strada.db")
    history(house)
    txn = house.approved()
    house.payments.refund(house.caller(), txn, 3_000, reason="하나 깨짐")
    states = {row["id"]: row["status"] for row in house.store.rows("SELECT * FROM transactions")}
    house.store.close()
    env = {"STRADA_DATABASE_URL": f"sqlite:///{folder / 'strada.db'}"}
    for name, more in (("whole", ()), ("part", ("--merchant", "shop"))):
        command = ["audit", "export", "--out", str(folder / name), *more]
        done = CliRunner().invoke(cli, command, env=env)
        assert done.exit_code == 0, done.output
    return Books(folder / "whole", folder / "part", txn, states)


@pytest.fixture
def book(books: Books, tmp_path: Path) -> Path:
    """A copy of the whole book, to be spoilt."""
    return Path(shutil.copytree(books.whole, tmp_path / "book"))


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens the page of a folder, without any network; it may report no error."""
    contexts, troubles = [], []

    def opened(folder: Path, **options: Any) -> Page:
        context = browser.new_context(**{"locale": "en-US", "offline": True} | options)
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda said: troubles.append(said.text))
        own = (folder / "index.html").as_uri()
        page.on("request", lambda asked: asked.url in (own, "data:,") or troubles.append(asked.url))
        page.goto(own)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


def verdict(page: Page) -> Locator:
    return page.locator("#verdict h2")


def shown(page: Page) -> Locator:
    return page.locator("#list .id")


def entries(folder: Path) -> list[Facts]:
    lines = (folder / "log.jsonl").read_text("utf-8").splitlines()
    return [json.loads(json.loads(line)["entry"]) for line in lines]


def test_a_whole_book_is_listed_and_found_whole(
    books: Books, open_page: Callable[..., Page]
) -> None:
    page = open_page(books.whole)
    expect(verdict(page)).to_have_text("Whole")
    expect(page.locator(".checks li")).to_have_count(6)
    expect(page.locator(".checks .bad, .checks .skip")).to_have_count(0)
    count = f"{len(entries(books.whole))} entries in {len(books.states) + 1} streams"
    expect(page.locator("#verdict p").first).to_contain_text(count)
    assert {*shown(page).all_text_contents()} == {*books.states, "book"}


def test_a_filter_leaves_what_it_names(books: Books, open_page: Callable[..., Page]) -> None:
    page = open_page(books.whole)
    page.get_by_label("every state").select_option("expired")
    expired = {txn for txn, state in books.states.items() if state == "expired"}
    assert {*shown(page).all_text_contents()} == expired
    page.get_by_label("every state").select_option("")
    page.get_by_role("searchbox").fill(books.txn[-12:].upper())
    expect(shown(page)).to_have_text([books.txn])
    page.get_by_role("searchbox").fill("nobody")
    expect(page.get_by_text("No payment matches.")).to_be_visible()


def test_a_path_is_drawn_step_by_step(books: Books, open_page: Callable[..., Page]) -> None:
    page = open_page(books.whole)
    page.get_by_role("button", name=books.txn).click()
    path = [one for one in entries(books.whole) if one["stream"] == books.txn]
    now, went = page.locator(".chart .now"), page.locator(".chart .went")
    expect(now).to_have_attribute("data-state", "partially_refunded")
    expect(went).to_have_count(len(path) - 1)
    page.locator("#detail h2").click()
    for one in reversed(path[:-1]):
        page.keyboard.press("ArrowLeft")
        expect(now).to_have_attribute("data-state", one["target"])
    expect(went).to_have_count(0)
    expect(page.locator("output")).to_have_text(f"entry 1 of {len(path)}")
    page.get_by_role("button", name="→", exact=True).click()
    expect(now).to_have_attribute("data-state", "ready")
    expect(page.locator(".chart .last title")).to_have_text("created → ready: make_ready")
    page.get_by_role("slider").fill(str(len(path)))
    expect(page.locator(".money div").last).to_have_text("refunded₩3,000")


def test_the_address_leads_back_to_a_step(books: Books, open_page: Callable[..., Page]) -> None:
    page = open_page(books.whole)
    page.get_by_role("button", name=books.txn).click()
    page.get_by_role("button", name="approve key:test").click()
    page.reload()
    expect(page.locator("#detail h2")).to_have_text(books.txn)
    expect(page.locator("output")).to_have_text(re.compile("entry 3 of"))


def test_a_byte_of_the_log_is_named(
    books: Books, book: Path, open_page: Callable[..., Page]
) -> None:
    log = book / "log.jsonl"
    lines = log.read_text("utf-8").splitlines(keepends=True)
    place = next(n for n, line in enumerate(lines) if books.txn in line and "captured" in line)
    page = open_page(book)
    page.get_by_label("Check log.jsonl itself").set_input_files(log)
    expect(page.locator("#verdict p").first).to_contain_text("(log.jsonl)")
    expect(verdict(page)).to_have_text("Whole")
    lines[place] = lines[place].replace("12000", "12001", 1)
    log.write_text("".join(lines), "utf-8")
    page.get_by_label("Check log.jsonl itself").set_input_files(log)
    expect(verdict(page)).to_have_text("Broken")
    expect(page.locator(".findings")).to_contain_text(f"{books.txn} 4: expected hash ")
    expect(page.locator("#detail h2")).to_have_text(books.txn)
    expect(page.locator(".steps .bad")).to_contain_text("approval_confirmed")


@pytest.mark.parametrize(
    ("what", "change", "named"),
    [
        ("a line less", lambda lines: lines[1:], "position 0"),
        ("the last line cut", lambda lines: lines[:-1], "tree"),
        ("no JSON", lambda lines: [lines[0].replace("{", "", 1), *lines[1:]], "book 1: expected"),
        ("a hash", lambda lines: [re.sub('(?<="hash":")..', "00", lines[0]), *lines[1:]], "book 1"),
        ("nothing left", lambda lines: [], "tree"),
    ],
)
def test_a_changed_log_is_broken(
    book: Path,
    open_page: Callable[..., Page],
    what: str,
    change: Callable[[list[str]], list[str]],
    named: str,
) -> None:
    log = book / "log.jsonl"
    log.write_text("".join(change(log.read_text("utf-8").splitlines(keepends=True))), "utf-8")
    page = open_page(book)
    page.get_by_label("Check log.jsonl itself").set_input_files(log)
    expect(verdict(page)).to_have_text("Broken")
    expect(page.locator(".findings")).to_contain_text(named)


def test_a_byte_of_the_page_is_named(
    books: Books, book: Path, open_page: Callable[..., Page]
) -> None:
    index = book / "index.html"
    text = index.read_text("utf-8")
    place = text.index(f'\\"stream\\":\\"{books.txn}\\",\\"target\\":\\"approved\\"')
    at = text.rindex("12000", 0, place)
    index.write_text(text[:at] + "12001" + text[at + 5 :], "utf-8")
    page = open_page(book)
    expect(verdict(page)).to_have_text("Broken")
    expect(page.locator(".findings")).to_contain_text(f"{books.txn} 4: expected hash ")
    expect(page.locator(".checks .bad")).to_have_text("✗ hashes and chain")


def test_a_page_that_cannot_be_read_judges_nothing(browser: Browser, book: Path) -> None:
    index = book / "index.html"
    index.write_text(index.read_text("utf-8").replace('{"manifest"', '"manifest"', 1), "utf-8")
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(index.as_uri())
        expect(verdict(page)).to_have_text("Not checked")


def test_another_signature_is_no_signature(
    books: Books, book: Path, open_page: Callable[..., Page]
) -> None:
    index = book / "index.html"
    notes = sorted((book / "checkpoints").iterdir())
    signature = notes[-1].read_text("utf-8").strip()[-40:-20]
    text = index.read_text("utf-8")
    assert signature in text
    index.write_text(text.replace(signature, signature.swapcase()), "utf-8")
    page = open_page(book)
    expect(verdict(page)).to_have_text("Broken")
    expect(page.locator(".checks .bad")).to_have_text("✗ signature")


def test_a_part_is_proven_entry_by_entry(books: Books, open_page: Callable[..., Page]) -> None:
    page = open_page(books.part)
    expect(verdict(page)).to_have_text("Whole · a part of the book")
    assert {*shown(page).all_text_contents()} == {*books.states}
    picker = page.get_by_label("Check log.jsonl itself")
    picker.set_input_files([books.part / "proofs.jsonl", books.part / "log.jsonl"])
    expect(page.locator("#verdict p").first).to_contain_text("(log.jsonl)")
    expect(verdict(page)).to_have_text("Whole · a part of the book")
    picker.set_input_files(books.whole / "log.jsonl")
    expect(verdict(page)).to_have_text("Broken · a part of the book")


def test_the_tables_say_what_the_page_says(books: Books, open_page: Callable[..., Page]) -> None:
    with (books.whole / "payments.csv").open(encoding="utf-8", newline="") as file:
        payments = {row["id"]: row["status"] for row in csv.DictReader(file)}
    assert payments == books.states
    with (books.whole / "entries.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    log = entries(books.whole)
    assert [(row["stream"], int(row["seq"])) for row in rows] == [
        (one["stream"], one["seq"]) for one in log
    ]
    page = open_page(books.whole)
    for txn, state in payments.items():
        expect(page.get_by_role("button", name=txn)).to_contain_text(state)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_grave_in_a_bundle(
    books: Books,
    book: Path,
    open_page: Callable[..., Page],
    axe: Callable[[Page], list[Any]],
    scheme: str,
) -> None:
    page = open_page(book, color_scheme=scheme, reduced_motion="reduce")
    page.get_by_text("What was signed").click()
    found = axe(page)
    page.get_by_role("button", name=books.txn).click()
    page.get_by_role("button", name="create key:test").click()
    found += axe(page)
    log = book / "log.jsonl"
    log.write_text(log.read_text("utf-8").replace("12000", "12001", 1), "utf-8")
    page.get_by_label("Check log.jsonl itself").set_input_files(log)
    expect(verdict(page)).to_have_text("Broken")
    found += axe(page)
    page.get_by_role("button", name="한국어").click()
    expect(verdict(page)).to_have_text("손상됨")
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert found + axe(page) == []
