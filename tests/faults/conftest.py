"""A scene for each test process, shared by its tests: a start of the zygote is a second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from faults.scene import Scene


@pytest.fixture(scope="session")
def shared_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A gateway, a zygote and a clock."""
    built = Scene(tmp_path_factory.mktemp("scene"))
    yield built
    built.close()


@pytest.fixture
def scene(shared_scene: Scene) -> Iterator[Scene]:
    """The same, with nothing left running after a test."""
    yield shared_scene
    shared_scene.tidy()
