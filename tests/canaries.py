"""Nothing that the suite prints holds a secret: what tests capture or log, what processes write.

Hooks for pytest: a test whose captured output holds one fails, and so does a run when one stands in
a log file of a process. It looks for every secret of a known shape, whoever made it, and for those
that tests give as settings.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

SECRETS = re.compile(
    r"""sk_(?:test|live)_[A-Za-z0-9]{20,}             # an API key
      | txn_[0-9a-z]{26}_secret_[A-Za-z0-9_=-]{20,}   # a client secret
      | whsec_[A-Za-z0-9+/=_-]{16,}
      | \bDEV(?:A{37}|B{37}|C{37}|0{37}|CANARY\w+)    # what tests call KakaoPay's secret key
      | canary-7f3a9c                                 # in their master keys
      | strada\ development\ key                      # the master key of a house
      | pg_token[\"']?\s*(?:=|:|%3[aAdD])\s*[\"']?(?!\*\*\*)[A-Za-z0-9_-]+
      | canary-pg-token-77 | \bpg-token-(?:\d|canary)  # what tests call a pg_token
      | /return/(?!\*\*\*)[A-Za-z0-9_-]{20,}          # a return token
      | (?:Bearer|Basic|SECRET_KEY|KakaoAK)\ (?!\*\*\*|sk_|txn_)[A-Za-z0-9+/=_-]{16,}
      | BEGIN\ (?:\w+\ )?PRIVATE\ KEY""",
    re.VERBOSE,
)
TOLD = re.compile(r"^API key   sk_test_\w+$", re.MULTILINE)
"""`strada demo` tells whoever started it the key of its shop, to sign in with."""
SHOWN = 12
"""Characters of a secret that a failure names."""


def leaks(text: str) -> list[str]:
    """What stands in a text and must not: its beginning, and its line."""
    lines = TOLD.sub("", text).splitlines()
    return [
        f"{found[0][:SHOWN]}… in line {number}"
        for number, line in enumerate(lines, 1)
        for found in SECRETS.finditer(line)
    ]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test whose captured output holds a secret."""
    report = yield
    found = [f"{name}: {one}" for name, text in report.sections for one in leaks(text)]
    if found and report.when == "teardown":
        report.outcome = "failed"
        report.longrepr = "a secret was printed\n" + "\n".join(found)
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in which a process wrote a secret; the workers of pytest-xdist look at nothing."""
    if hasattr(session.config, "workerinput"):
        return
    session.config.stash[WRITTEN] = found = list(_written(session))
    if found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Name the log files that hold a secret."""
    for line in config.stash.get(WRITTEN, []):
        terminalreporter.write_line(f"a secret was printed: {line}", red=True)


WRITTEN = pytest.StashKey[list[str]]()


def _written(session: pytest.Session) -> Iterator[str]:
    """Of the log files below this run's folder, those of its workers among them."""
    factory: pytest.TempPathFactory = session.config._tmp_path_factory  # type: ignore[attr-defined]
    for path in sorted(factory.getbasetemp().rglob("*.log")):
        yield from (f"{path}: {one}" for one in leaks(_read(path)))


def _read(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.is_file() else ""
