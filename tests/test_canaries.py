"""The canaries: a test that prints a secret fails, and so does a run whose processes wrote one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from shutil import rmtree

import pytest
from canaries import leaks

from engine.vault import DEVELOPMENT_KEY, Vault
from web.redaction import clean
from web.settings import DEVELOPMENT_GATEWAY_KEY

TESTS = Path(__file__).parent
KEY = "sk_test_" + "Ab3" * 17
TXN = "txn_" + "0" * 26
SECRETS = {
    "an API key": f"key {KEY}",
    "a live key": f'{{"key": "{KEY.replace("test", "live")}"}}',
    "a client secret": f"Bearer {Vault(DEVELOPMENT_KEY).client_secret(TXN)}",
    "a master key": f"STRADA_SECRET_KEY={DEVELOPMENT_KEY}",
    "the gateway's key": f"Authorization: SECRET_KEY {DEVELOPMENT_GATEWAY_KEY}",
    "a pg_token": "GET /return/x/approved?pg_token=0a1b2c",
    "a pg_token as JSON": '{"pg_token": "0a1b2c"}',
    "a return token": "GET /return/0123456789abcdefghij/approved",
    "a signing key": "-----BEGIN PRIVATE KEY-----",
    "a webhook's secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}


@pytest.mark.parametrize("what", list(SECRETS))
def test_a_secret_is_known_and_its_mask_is_none(what: str) -> None:
    assert leaks(f"fine\n{SECRETS[what]}")[0].endswith("in line 2")
    if what not in ("a master key", "a signing key"):  # these have no shape; they are never logged
        assert leaks(clean(SECRETS[what])) == []


def test_what_is_no_secret_is_left_alone() -> None:
    for text in (TXN, "sk_test_Ab3Ab3Ab", "pg_token=***", "/return/***/approved", "the pg_token"):
        assert leaks(text) == []


def test_only_the_demo_tells_its_key() -> None:
    assert leaks(f"API key   {KEY}\nCtrl-C ends it.") == []
    assert leaks(f"the API key   {KEY}") != []


SUITE = f'''
import logging, os, sys, warnings
KEY = "{KEY}"

def test_prints(): print("made", KEY)
def test_writes(): os.write(2, KEY.encode())
def test_logs(): logging.getLogger("strada.http").info("made %s", KEY)
def test_keeps(): assert KEY
'''
PROCESS = f"""
def test_starts(tmp_path): (tmp_path / "output.log").write_text("fine\\nmade {KEY}")
"""


def run(folder: Path, suite: str, *options: str) -> str:
    """What pytest says of a suite that failed."""
    (folder / "test_suite.py").write_text(suite)
    inner = folder / "inner"
    command = [sys.executable, "-m", "pytest", "-p", "canaries", "-p", "no:cacheprovider", *options]
    command += ["-c", str(TESTS.parent / "setup.cfg"), "--basetemp", str(inner), "test_suite.py"]
    environment = {"PATH": "", "PYTHONPATH": str(TESTS)}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    rmtree(inner, ignore_errors=True)  # or the run around this one would find it, too
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_a_test_that_prints_a_secret_fails(tmp_path: Path) -> None:
    said = run(tmp_path, SUITE)
    assert "4 passed, 3 errors" in said
    for name, where in (("prints", "stdout"), ("writes", "stderr"), ("logs", "log")):
        assert f"::test_{name} - a secret was printed" in said
        assert f"Captured {where} call: sk_test_Ab3A… in line 1" in said


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_process_that_writes_a_secret_fails_the_run(tmp_path: Path, workers: str) -> None:
    said = run(tmp_path, PROCESS, "-n", workers)
    assert "1 passed" in said
    assert "output.log: sk_test_Ab3A… in line 2" in said
