"""`strada demo`: one payment by itself, and the phone app that is come back to by its scheme."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from e2e.town import ROOT, free_port

READY_WITHIN_S = 30


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "web", "demo", *arguments]


def _environment(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)}


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


@pytest.mark.parametrize(
    ("action", "status"), [("approve", "approved"), ("cancel", "cancelled"), ("fail", "failed")]
)
def test_the_phone_app_is_come_back_to_by_its_scheme(demo: str, action: str, status: str) -> None:
    with requests.Session() as browser:
        browser.trust_env = False
        begun = browser.post(f"{demo}/demo/app/pay", allow_redirects=False, timeout=10)
        page = begun.headers["Location"]
        gateway = page.split("/mockup")[0]
        body = {"url": page, "action": action}
        back = browser.post(f"{gateway}/_simulator/pay", json=body, timeout=10).json()["redirect"]
        handed = browser.get(back, allow_redirects=False, timeout=10).headers["Location"]
        assert "link=strada-demo%3A%2F%2F" in handed
        receipt = browser.get(f"{demo}{handed}", timeout=10)
    assert re.search(rf'class="badge[^>]*>{status}<', receipt.text)


def test_the_shop_shows_a_receipt(demo: str) -> None:
    with requests.Session() as browser:
        browser.trust_env = False
        browser.headers["Accept-Language"] = "ko"
        page = browser.post(f"{demo}/demo/pay", allow_redirects=False, timeout=10)
        gateway = page.headers["Location"].split("/mockup")[0]
        body = {"url": page.headers["Location"], "action": "approve"}
        back = browser.post(f"{gateway}/_simulator/pay", json=body, timeout=10).json()["redirect"]
        receipt = browser.get(back, timeout=20)
        assert "결제 완료" in receipt.text
        elsewhere = {"Sec-Fetch-Site": "cross-site"}
        assert browser.post(f"{demo}/demo/pay", headers=elsewhere, timeout=10).status_code == 404
