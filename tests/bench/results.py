"""Results of a bench: printed as a table, kept as JSON, compared with the last kept ones."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

OUT = Path(__file__).resolve().parents[2] / "bench-out"
"""Where results are kept; not in git."""


def report(name: str, result: Mapping[str, float]) -> None:
    """Print a result, keep it, and with `--compare` show how it stands to the last one."""
    kept = OUT / f"{name}.json"
    before: dict[str, float] = json.loads(kept.read_text()) if kept.exists() else {}
    if "--json" in sys.argv:
        print(json.dumps(result, indent=2))
    else:
        for line, value in result.items():
            print(f"{line:<52} {value:>10.2f}{_compared(before.get(line), value)}")
    OUT.mkdir(exist_ok=True)
    kept.write_text(json.dumps(result, indent=2))


def _compared(before: float | None, value: float) -> str:
    if "--compare" not in sys.argv or not before:
        return ""
    return f"   {value / before:>5.2f} x the last ({before:.2f})"
