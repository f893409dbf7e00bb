"""Fixtures for every test. After one that used a house: row == fold, and tree == log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from house import House
from storefront import Site

from engine.sweep import sweep
from engine.verify import verify
from engine.verify_tree import verify_tree


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A fresh house; its log must verify when the test is over."""
    built = House(tmp_path / "strada.db")
    yield built
    report, swept = verify(built.store), sweep(built.store)
    built.audit.sequencer.drain()
    misplaced = verify_tree(built.store)
    built.store.close()
    assert report.whole, report.findings
    assert swept == report
    assert misplaced == []


@pytest.fixture
def site(house: House) -> Site:
    """The HTTP edge over a fresh house."""
    return Site(house)
