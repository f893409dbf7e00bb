"""`strada demo`: one payment by itself, and the shop's server; pages: `browser/`."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from e2e.town import INHERITED, ROOT, free_port

READY_WITHIN_S = 30


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "web", "demo", *arguments]


def _environment(folder: Path) -> dict[str, str]:
    return {**INHERITED, "HOME": str(folder), "PYTHONPATH": str(ROOT)}


def test_one_payment_by_itself_ends_whole(tmp_path: Path) -> None:
    done = subprocess.run(
        _command("--once", "--port", str(free_port())),
        cwd=tmp_path,
        env=_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for step in ("created → ready", "approving → approved", "refunding → partially_refunded"):
        assert step in done.stdout
    assert "whole: " in done.stdout


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    with (tmp_path / "out.log").open("wb") as out:
        process = subprocess.Popen(
            _command("--port", str(port), "--no-browser"),
            cwd=tmp_path,
            env=_environment(tmp_path),
            stdout=out,
            stderr=out,
        )
    url = f"http://127.0.0.1:{port}"
    _wait(url, process)
    yield url
    process.send_signal(signal.SIGTERM)
    assert process.wait(35) == 0


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < ends and process.poll() is None:
        try:
            if requests.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        except requests.RequestException:
            time.sleep(0.05)
    raise AssertionError("the demo did not start")


def _order(demo: str, flow: str, number: str = "abcd1234", **headers: str) -> requests.Response:
    sent = {"Sec-Fetch-Site": "same-origin"} | headers
    body = {"order": number, "flow": flow}
    with requests.Session() as shopper:
        shopper.trust_env = False
        return shopper.post(f"{demo}/demo/api/orders", json=body, headers=sent, timeout=20)


def test_an_apps_link_is_handed_to_the_app_unread(demo: str) -> None:
    made = _order(demo, "app").json()
    txn, secret = made["transaction"]["id"], made["client_secret"]
    with requests.Session() as browser:
        browser.trust_env = False
        auth = {"Authorization": f"Bearer {secret}"}
        ready = browser.post(f"{demo}/v1/transactions/{txn}/ready", headers=auth, timeout=20).json()
        page = ready["next_action"]["mobile_url"]
        body = {"url": page, "action": "approve"}
        gateway = page.split("/mockup")[0]
        back = browser.post(f"{gateway}/_simulator/pay", json=body, timeout=10).json()["redirect"]
        handed = browser.get(back, allow_redirects=False, timeout=10).headers["Location"]
        assert handed.startswith("/demo/app/open?link=strada-demo%3A%2F%2Fpaid%3F")
        assert "pg_token%3D" in handed
        now = browser.get(f"{demo}/v1/transactions/{txn}", headers=auth, timeout=10).json()
    assert now["status"] == "ready"


def test_the_shop_takes_one_order_however_often_it_comes(demo: str) -> None:
    first, again = (_order(demo, "server").json()["transaction"] for _ in range(2))
    assert (first["id"], first["status"]) == (again["id"], "ready")
    assert first["next_action"] == again["next_action"]
    assert "customer_id" not in first


def test_another_sites_page_orders_nothing(demo: str) -> None:
    for site in ("cross-site", "same-site", "none"):
        assert _order(demo, "server", **{"Sec-Fetch-Site": site}).status_code == 403
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": demo}
    assert _order(demo, "server", **foreign).status_code == 403


def test_the_shops_calls_are_kept_without_secrets(demo: str) -> None:
    made = _order(demo, "client").json()
    txn, secret = made["transaction"]["id"], made["client_secret"]
    with requests.Session() as browser:
        browser.trust_env = False
        calls = browser.get(f"{demo}/demo/api/calls/{txn}", timeout=10).text
    assert '"authorization":"Bearer sk_test_***"' in calls
    assert secret not in calls
    assert "_secret_***" in calls
