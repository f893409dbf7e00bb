"""How long the pages take to be of use: cold loads in Chromium, from navigation to interactive.

A real `strada demo` as a process; each load in a browser that has nothing kept. Interactive means:
what the page is for is there and painted, and the next task has run. It is not asserted anywhere:
a loaded machine is slow.
"""

from __future__ import annotations

import gzip
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1]), str(HERE.parents[2])]

import requests
from browser.stage import ARGUMENTS, CHROMIUM, UI
from e2e.town import ROOT, free_port
from playwright.sync_api import Browser, Response, sync_playwright
from results import Table, options, report

READY_WITHIN_S = 60
WATCH = """selector => {
  window.interactive = new Promise(resolve => {
    const painted = () => requestAnimationFrame(() => requestAnimationFrame(() =>
      setTimeout(() => resolve(performance.now()))));
    const watcher = new MutationObserver(() => {
      if (!document.querySelector(selector)) return;
      watcher.disconnect();
      painted();
    });
    watcher.observe(document, { childList: true, subtree: true });
  });
}"""
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN"


@dataclass(frozen=True, slots=True)
class Page:
    """A page, and what must be there before it is of use."""

    name: str
    path: str
    selector: str
    is_signed_in: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """One cold load: milliseconds since navigation, and bytes."""

    interactive_ms: float
    painted_ms: float
    script: int
    """Of script, gzipped."""
    sent: int
    """Of page, style and script, as they came."""


def main() -> None:
    """Run the bench."""
    asked = options(str(__doc__))
    if CHROMIUM is None or not (UI / "dist" / "index.html").is_file():
        print("not measured: no Chromium, or no built UI (make ui)")
        return
    table = Table(
        "Cold loads",
        ("page",),
        ("interactive ms", "slowest", "first paint ms", "script kB gzip", "sent kB"),
    )
    with tempfile.TemporaryDirectory(prefix="strada-bench-") as folder, demo(Path(folder)) as town:
        url, key = town
        transaction = _payment(url, key)
        loads = _measured(url, key, pages(transaction), 2 if asked.quick else 15)
    for page, found in loads.items():
        times = [one.interactive_ms for one in found]
        painted = statistics.median(one.painted_ms for one in found)
        script, sent = found[0].script / 1000, found[0].sent / 1000
        table.put((page.name,), (statistics.median(times), max(times), painted, script, sent))
    report("ui", [table], asked)


def pages(transaction: str) -> tuple[Page, ...]:
    """What customers and merchants open."""
    return (
        Page("shop, cart", "/demo", ".pay"),
        Page("shop, receipt", f"/demo/receipt?transaction_id={transaction}", ".log li"),
        Page("console, sign-in", "/console", "input[name=key]"),
        Page("console, list", "/console", "tbody tr a", is_signed_in=True),
        Page(
            "console, payment", f"/console/transactions/{transaction}", ".log li", is_signed_in=True
        ),
    )


@contextmanager
def demo(folder: Path) -> Iterator[tuple[str, str]]:
    """`strada demo` as its user starts it: its address, and the shop's key."""
    port, log = free_port(), folder / "output.log"
    command = [sys.executable, "-m", "web", "demo", "--no-browser", "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--dir", str(folder / "demo")], cwd=ROOT, stdout=out, stderr=out
        )
    try:
        yield f"http://127.0.0.1:{port}", _key_in(log)
    finally:
        process.terminate()
        process.wait(40)


def _key_in(log: Path) -> str:
    ends = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < ends:
        said = log.read_text(encoding="utf-8")
        found = re.search(r"API key +(sk_\S+)", said)
        if found and "listening on" in said:
            return found[1]
        time.sleep(0.05)
    raise SystemExit(log.read_text(encoding="utf-8"))


def _payment(url: str, key: str) -> str:
    """A payment, waiting for its customer."""
    order: dict[str, Any] = {
        "provider": "kakaopay",
        "order_id": "order-1",
        "item_name": "초코파이 외 2건",
    }
    order |= {"amount": 12_000, "currency": "KRW", "return_url": f"{url}/demo/receipt"}
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {key}"
        made = session.post(f"{url}/v1/transactions", json=order, timeout=20).json()
        session.post(f"{url}/v1/transactions/{made['id']}/ready", json={}, timeout=20)
    return str(made["id"])


def _measured(url: str, key: str, wanted: tuple[Page, ...], rounds: int) -> dict[Page, list[Load]]:
    loads: dict[Page, list[Load]] = {page: [] for page in wanted}
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for at in range(rounds + 1):
            for page in wanted:
                load = _load(browser, url, page, key)
                if at:  # the first round wakes the browser and the server
                    loads[page].append(load)
        browser.close()
    return loads


def _load(browser: Browser, url: str, page: Page, key: str) -> Load:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    if page.is_signed_in:
        headers = {"Strada-Console": "1", "Origin": url}
        context.request.post(f"{url}/console/session", data={"key": key}, headers=headers)
    tab = context.new_page()
    answers: list[Response] = []

    def hear(answer: Response) -> None:
        answers.append(answer)

    tab.on("response", hear)
    tab.add_init_script(f"({WATCH})({page.selector!r})")
    tab.goto(f"{url}{page.path}")
    interactive, painted = tab.evaluate("window.interactive"), tab.evaluate(PAINTED)
    bodies = [(one.headers.get("content-type", ""), one.body()) for one in answers if _ours(one)]
    context.close()
    script = sum(len(gzip.compress(body)) for kind, body in bodies if "javascript" in kind)
    return Load(interactive, painted, script, sum(len(body) for _, body in bodies))


def _ours(answer: Response) -> Any:
    kind = answer.headers.get("content-type", "")
    return re.match(r"text/(html|css|javascript)", kind)


if __name__ == "__main__":
    main()
