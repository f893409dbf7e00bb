"""The hostile gateway: every fault at every verb, judged by the gateway's own ledger.

A row is a fault; its cells run at once, each a payment in a world of its own, at a twentieth of
real time. `pytest -k hang` runs one row.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults.catalogue import ROWS
from faults.matrix import run


@pytest.mark.parametrize("row", ROWS)
def test_a_hostile_gateway_never_gets_a_lie_out_of_us(
    row: str, tmp_path: Path, record_property: Callable[[str, Any], None]
) -> None:
    cells = ROWS[row]()
    ran = run(cells, tmp_path)
    record_property("matrix cells", len(ran))
    record_property("matrix faults fired", sum(one.fired for one in ran))
    broken = [f"{row}, {one.cell}: {promise}" for one in ran for promise in one.broken]
    assert not broken, "\n".join(broken)
