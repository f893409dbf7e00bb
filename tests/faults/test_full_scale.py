"""The hostile gateway at real time: the deadline is 10 s, `settle_after` 60 s, and nothing scaled.

All cells run at once, so that they cost hardly more than the longest of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from faults.catalogue import at_full_scale
from faults.matrix import run


def test_every_fault_is_survived_at_real_deadlines(
    tmp_path: Path, record_property: Callable[[str, Any], None]
) -> None:
    cells = at_full_scale()
    ran = run(cells, tmp_path, scale=1.0, at_once=len(cells))
    record_property("full scale cells", len(ran))
    record_property("full scale faults fired", sum(one.fired for one in ran))
    broken = [f"{one.cell}: {promise}" for one in ran for promise in one.broken]
    assert not broken, "\n".join(broken)
