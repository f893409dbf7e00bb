"""A town of real processes; after each test its log must verify. `canaries.py` reads its output."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from e2e.shop import Shop, opened
from e2e.town import Town


@pytest.fixture
def build_town(tmp_path: Path) -> Iterator[Callable[..., Town]]:
    """Makes towns with settings of their own."""
    built: list[Town] = []

    def build(**settings: str) -> Town:
        folder = tmp_path / f"town-{len(built)}"
        folder.mkdir()
        built.append(Town(folder, **settings))
        return built[-1]

    yield build
    for one in built:
        one.close()
        report = json.loads(one.run("audit", "verify", "--json"))
        assert report["verdict"] == "whole", report


@pytest.fixture
def town(build_town: Callable[..., Town]) -> Town:
    """A town at a twentieth of real time: every duration is divided by 20."""
    return build_town(STRADA_TIME_SCALE="20")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A demo in this process."""
    with opened(tmp_path) as built:
        yield built
