"""Results of a bench: aligned tables, kept as JSON in bench-out, compared with the last kept ones.

A quick run is kept apart from a full one: it is a check that the bench works, not a measurement.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parents[2] / "bench-out"
"""Where results, flame graphs and the peers' packages are kept; not in git."""
PAGE = Path(__file__).with_name("README.md")
"""Where recorded results stand, each between the two marks of its bench."""

Row = tuple[str, ...]


@dataclass
class Table:
    """Figures: a row for each thing measured, named by its labels, a column for each figure."""

    name: str
    labels: Row
    columns: Row
    rows: dict[Row, tuple[float, ...]] = field(default_factory=dict)

    def put(self, labels: Sequence[object], values: Sequence[float]) -> None:
        """Add a row."""
        assert len(labels) == len(self.labels), labels
        assert len(values) == len(self.columns), values
        self.rows[tuple(map(str, labels))] = tuple(values)


def options(about: str, *, numbers: str = "") -> argparse.Namespace:
    """The options of every bench; `numbers` says what bare numbers on the command line mean."""
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a check that the bench works")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--markdown", action="store_true", help="print Markdown tables")
    parser.add_argument(
        "--compare", action="store_true", help="beside each figure, it divided by the last kept one"
    )
    parser.add_argument("--record", action="store_true", help=f"put the tables into {PAGE.name}")
    if numbers:
        parser.add_argument("numbers", nargs="*", type=int, help=numbers)
    asked = parser.parse_args()
    if asked.record and asked.quick:
        parser.error("a quick run measures nothing that is worth recording")
    return asked


def report(name: str, tables: Sequence[Table], asked: argparse.Namespace, *said: str) -> None:
    """Print tables and remarks, and keep them; `asked` is what `options` returned."""
    kept = OUT / f"{name}{'-quick' if asked.quick else ''}.json"
    before = _read(kept) if asked.compare and kept.exists() else {}
    whole = _document(tables, asked, said)
    if asked.json:
        print(json.dumps(whole, indent=2, ensure_ascii=False))
    else:
        print("\n".join(_shown(tables, before, said, markdown=asked.markdown)))
        if asked.compare and not before:
            print(f"\nnothing to compare with: no {kept.name} was kept before")
    if asked.record:
        _record(name, tables, whole, said)
    OUT.mkdir(exist_ok=True)
    kept.write_text(json.dumps(whole, indent=2, ensure_ascii=False))


def _document(
    tables: Sequence[Table], asked: argparse.Namespace, said: Sequence[str]
) -> dict[str, Any]:
    return {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "quick": asked.quick,
        "remarks": list(said),
        "tables": {
            table.name: {
                "labels": table.labels,
                "columns": table.columns,
                "rows": [{"labels": row, "values": values} for row, values in table.rows.items()],
            }
            for table in tables
        },
    }


def _read(kept: Path) -> dict[tuple[str, Row, str], float]:
    """(table, row, column) → figure."""
    return {
        (name, tuple(row["labels"]), column): value
        for name, table in json.loads(kept.read_text())["tables"].items()
        for row in table["rows"]
        for column, value in zip(table["columns"], row["values"], strict=True)
    }


def _record(
    name: str, tables: Sequence[Table], whole: Mapping[str, Any], said: Sequence[str]
) -> None:
    """Put the tables between the marks of this bench."""
    begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    assert found, f"{PAGE} has no marks for {name}"
    day = whole["measured_at"].partition("T")[0]
    about = f"Measured {day}, Python {whole['python']}, {whole['cpus']} processors."
    lines = [about, *_shown(tables, {}, said, markdown=True)]
    PAGE.write_text(before + begin + "\n".join(lines) + "\n" + end + after, encoding="utf-8")


def _shown(
    tables: Sequence[Table],
    before: Mapping[tuple[str, Row, str], float],
    said: Sequence[str],
    *,
    markdown: bool,
) -> list[str]:
    lines = []
    for table in tables:
        lines += ["", f"**{table.name}**", ""] if markdown else ["", table.name]
        lines += _laid_out(_cells(table, before), len(table.labels), markdown=markdown)
    for remark in said:
        lines += ["", remark]
    return lines


def _cells(table: Table, before: Mapping[tuple[str, Row, str], float]) -> list[list[str]]:
    lines = [[*table.labels, *table.columns]]
    for row, values in table.rows.items():
        last = [before.get((table.name, row, column)) for column in table.columns]
        shown = [
            _figure(value) + _ratio(value, was) for value, was in zip(values, last, strict=True)
        ]
        lines.append([*row, *shown])
    return lines


def _figure(value: float) -> str:
    """Four digits or more, no more decimals than that needs; a figure that there is not is `–`."""
    if value != value:
        return "–"
    decimals = next((n for n, above in enumerate((1000, 100, 10)) if abs(value) >= above), 3)
    return f"{value:,.{decimals}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _ratio(value: float, was: float | None) -> str:
    return f" ({value / was:.2f})" if was else ""


def _laid_out(cells: list[list[str]], labels: int, *, markdown: bool) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    begin, between, end = ("| ", " | ", " |") if markdown else ("  ", "  ", "")
    lines = []
    for line in cells:
        padded = [
            cell.ljust(width) if place < labels else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append((begin + between.join(padded) + end).rstrip())
    if markdown:
        marks = ["---" if place < labels else "---:" for place in range(len(widths))]
        lines.insert(1, f"|{'|'.join(marks)}|")
    return lines
