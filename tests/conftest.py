"""Fixtures for every test. After a test that used a house, its log is verified: row == fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from house import House
from storefront import Site

from engine.verify import verify

SUMMED = frozenset(
    f"{what}_{counted}" for what in ("matrix", "full_scale") for counted in ("cells", "faults")
)


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


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The numbers that runs print: what tests have recorded of the hostile gateway, added up."""
    said: Counter[str] = Counter()
    for report in chain(*terminalreporter.stats.values()):
        properties = getattr(report, "user_properties", ()) if is_call(report) else ()
        said.update({name: value for name, value in properties if name in SUMMED})
    for what in ("matrix", "full_scale"):
        if said[f"{what}_cells"]:
            cells, faults = said[f"{what}_cells"], said[f"{what}_faults"]
            line = f"hostile gateway, {what}: {cells} cells run, {faults} faults fired"
            terminalreporter.write_line(line)


def is_call(report: Any) -> bool:
    return getattr(report, "when", None) == "call"
