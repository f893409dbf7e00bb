"""The drills quote the code: a defence that was rewritten must be quoted anew."""

from __future__ import annotations

import pytest
from faults import drill, matrix_drill

BUGS = [*drill.BUGS, *matrix_drill.BUGS]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_drill_finds_its_defence(bug: drill.Bug) -> None:
    assert (drill.ROOT / bug.file).read_text("utf-8").count(bug.old) >= 1
