"""Fixtures for every test. After a test that used a house, its log is verified: row == fold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.points import STEPS
from house import House
from storefront import Site

from engine.verify import verify


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A fresh house; its log must verify when the test is over."""
    built = House(tmp_path / "strada.db")
    yield built
    report = verify(built.store)
    built.store.close()
    assert report.whole, report.findings


@pytest.fixture
def site(house: House) -> Site:
    """The HTTP edge over a fresh house."""
    return Site(house)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How often a process was killed in this run; see faults/."""
    points: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "kill points" and report.when == "call":
                points.update(json.loads(str(value)))
    inside = sum(points[step] for step in STEPS)
    if points:
        by_call = ", ".join(f"{step} {times}" for step, times in sorted(points.items()))
        terminalreporter.write_line(
            f"kill points: {points.total() - inside} by strace, {inside} in process; "
            f"by syscall or step: {by_call}"
        )
