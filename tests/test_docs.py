"""The documentation says what the code says: charts, settings, commands, codes, formats, links."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest

from engine import chart, entry, fold
from engine.entry import Schema, commitment, seal
from engine.guards import GUARDS
from engine.ids import is_id
from providers.kakaopay.simulator.faults import KINDS, SPOILS, VERBS
from web.cli import cli
from web.openapi import document
from web.problem_texts import CATALOGUE
from web.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in (
        "README.md",
        "engine/README.md",
        "providers/README.md",
        "web/README.md",
        "tests/README.md",
        "SECURITY.md",
        "CHANGELOG.md",
    )
}
README, FORMAT = PAGES["README.md"], PAGES["engine/README.md"]


def between(page: str, name: str) -> str:
    """What stands between the markers of this name."""
    found = re.search(f"(?s)<!-- {name}:begin -->\n(.*)<!-- {name}:end -->", page)
    assert found, f"the page has no markers {name}"
    return found[1]


def first_cells(table: str) -> list[str]:
    """The first cell of each row, without its backticks."""
    return [line.split("|")[1].strip(" `") for line in table.strip().splitlines()[2:]]


# ---- README


def test_the_readme_shows_the_chart_that_runs() -> None:
    shown = f"```mermaid\n{chart.mermaid()}```\n\n{chart.markdown()}"
    assert between(README, "chart") == shown


def test_the_readme_names_every_setting_and_no_other() -> None:
    expected = {PREFIX + field.name.upper() for field in fields(Settings)}
    assert set(re.findall(r"(?m)^\| `(STRADA_\w+)`", README)) == expected
    assert set(re.findall(r"(?<!_)STRADA_\w+", README)) <= expected


def commands(group: click.Group, prefix: str = "strada") -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}"


def test_the_readme_names_every_command_and_no_other() -> None:
    table = README.partition("| command | does |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(strada [a-z -]+)`", table)) == set(commands(cli))


def test_every_promise_is_held_by_a_test_that_exists() -> None:
    table = between(README, "promises")
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", table)
    assert named
    missing = [f"{path}::{test}" for path, test in named if test not in functions_of(path)]
    assert missing == []


def functions_of(path: str) -> set[str]:
    if not (ROOT / path).is_file():
        return set()
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_promise_is_in_the_table_once() -> None:
    numbers = [int(n) for n in re.findall(r"P(\d+)", " ".join(first_cells(promises())))]
    assert numbers == list(range(1, 21))


def test_a_promise_without_a_test_says_later() -> None:
    rows = promises().strip().splitlines()[2:]
    assert [row for row in rows if "::test_" not in row and "| later" not in row] == []


def promises() -> str:
    return between(README, "promises")


# ---- web and providers


def test_the_web_page_names_every_problem_with_its_status() -> None:
    table = between(PAGES["web/README.md"], "problems")
    found: dict[str, set[int]] = {}
    for line in table.strip().splitlines()[2:]:
        statuses, codes = line.strip("| ").split(" | ")
        for code in re.findall(r"`(\w+)`", codes):
            found[code] = {int(status) for status in statuses.split(", ")}
    assert set(found) == set(CATALOGUE)
    wrong = [code for code, kind in CATALOGUE.items() if kind.status not in found[code]]
    assert wrong == []


def test_the_web_page_names_every_address_of_the_api() -> None:
    named = set(re.findall(r"`([A-Z]+ /[^`?]*)", PAGES["web/README.md"]))
    events = re.compile(rf"(POST /v1/transactions/{{id}}/)(?:{'|'.join(chart.EVENT_OF_HTTP)})")
    served = {
        events.sub(r"\1{event}", f"{method.upper()} {path}".replace("{transaction}", "{id}"))
        for path, methods in document()["paths"].items()
        for method in methods
    }
    assert served - named == set()


def test_what_can_be_made_says_so_and_what_is_named_can() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"\.PHONY: (.*)", makefile)[1].split())  # type: ignore[index]
    explained = set(re.findall(r"(?m)^([a-z-]+):.*## ", makefile))
    assert phony == explained
    named = {name for page in PAGES.values() for name in re.findall(r"`make ([a-z-]+)", page)}
    assert named - phony == set()


@pytest.mark.parametrize("package", ["engine", "web"])
def test_the_map_of_a_package_names_every_module(package: str) -> None:
    page = PAGES[f"{package}/README.md"]
    modules = {path.name for path in (ROOT / package).glob("*.py") if path.name[0] != "_"}
    assert [name for name in sorted(modules) if f"`{name}`" not in page] == []


def test_the_providers_page_names_every_fault() -> None:
    page = PAGES["providers/README.md"]
    plain = {kind for kind in KINDS if kind.rpartition("_")[0] not in SPOILS}
    named = set(re.findall(r"`(\w+…?)`", page))
    assert {f"{spoil}_…" for spoil in SPOILS} | plain | set(VERBS) <= named


# ---- the log format


def schemas(name: str) -> dict[str, dict[str, str]]:
    found = {}
    for line in between(FORMAT, name).strip().splitlines()[2:]:
        event, data = line.strip("| ").split(" | ")
        parts = re.findall(r"`(\w+)`(\??) (\w+\??)", data)
        found[event.strip("`")] = {f"{field}{mark}": kind for field, mark, kind in parts}
    return found


def as_shown(schema: Schema) -> dict[str, str]:
    return {
        field + ("?" if field in schema.optional else ""): kind
        for field, kind in schema.fields.items()
    }


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("transition", entry.TRANSITION_DATA),
        ("note", entry.NOTE_DATA),
        ("book", entry.BOOK_DATA),
        ("refusal", {"any transition's": entry.REFUSAL_DATA}),
        ("evidence", {"any of the four": entry.EVIDENCE_DATA}),
    ],
)
def test_the_page_has_every_schema_exactly(name: str, table: Mapping[str, Schema]) -> None:
    assert schemas(name) == {event: as_shown(schema) for event, schema in table.items()}


def test_the_page_names_every_word_of_the_format() -> None:
    words = {*entry.KEYS, *entry.KINDS, *entry.VERDICTS, *entry.CHANNELS}
    words |= {*entry.EVIDENCE_EVENTS, *entry.COMMITTED_FIELDS}
    assert [word for word in sorted(words) if f"`{word}`" not in FORMAT] == []
    assert first_cells(FORMAT.partition("exactly these keys:\n\n")[2].partition("\n\n")[0]) == list(
        entry.KEYS
    )


def test_the_page_has_the_patterns_of_the_code() -> None:
    page = FORMAT.replace("\\|", "|")
    for pattern in (entry._HEX, entry._NAME, entry._ACTOR):
        assert f"`{pattern.pattern}`" in page


def test_the_page_has_every_guard_with_its_reason() -> None:
    rows = [line.split("|") for line in between(FORMAT, "guards").strip().splitlines()[2:]]
    shown = {cells[1].strip(" `"): cells[2].strip(" `") for cells in rows}
    assert shown == {guard.id: guard.reason for guard in GUARDS.values()}


def test_the_page_names_every_folded_column_in_order() -> None:
    assert tuple(re.findall(r"`(\w+)`", between(FORMAT, "columns"))) == fold.COLUMNS


# ---- the worked example, without the engine and with it


def example() -> tuple[list[str], list[str], str]:
    part = between(FORMAT, "example")
    raws = re.findall(r"(?s)```json\n(.*?)\n```", part)
    hashes = re.findall(r"Its hash: `([0-9a-f]{64})`", part)
    opened = re.search(r"Commitment of `item_name`: `([0-9a-f]{64})`", part)
    assert opened
    assert len(raws) == len(hashes) == 2
    return raws, hashes, opened[1]


def test_the_example_verifies_with_the_standard_library() -> None:
    raws, hashes, opened = example()
    head = "0" * 64
    for number, (raw, stated) in enumerate(zip(raws, hashes, strict=True), 1):
        parsed: dict[str, Any] = json.loads(raw)
        assert json.dumps(parsed, sort_keys=True, separators=(",", ":")) == raw
        assert (parsed["seq"], parsed["prev_hash"]) == (number, head)
        head = hashlib.sha256(b"strada/entry/1\n" + raw.encode()).hexdigest()
        assert head == stated
    value = "초코파이 외 2건".encode()
    salted = b"strada/commit/1\nitem_name\0" + bytes(range(32)) + value
    assert hashlib.sha256(salted).hexdigest() == opened
    assert json.loads(raws[0])["data"]["commitments"] == {"item_name": opened}


def test_the_example_is_what_the_engine_would_write() -> None:
    raws, hashes, opened = example()
    entries = [seal({k: v for k, v in json.loads(raw).items() if k != "v"}) for raw in raws]
    assert [one.raw.decode() for one in entries] == raws
    assert [one.hash for one in entries] == hashes
    assert commitment("item_name", bytes(range(32)), "초코파이 외 2건") == opened
    folded = fold.fold(entries)
    assert (folded.status, folded.version, folded.provider_ref) == (
        "ready",
        2,
        "T1234567890123456789",
    )
    assert is_id(folded.id, "txn")


def test_the_example_names_a_released_chart() -> None:
    raws, _, _ = example()
    version = json.loads(raws[0])["chart"]
    released = json.loads(
        (ROOT / "engine" / "charts" / f"{version[7:]}.json").read_text(encoding="utf-8")
    )
    released.pop("version", None)
    raw = json.dumps(released, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert "sha256:" + hashlib.sha256(raw.encode()).hexdigest() == version


# ---- links


@pytest.mark.parametrize("name", list(PAGES))
def test_links_lead_to_files_that_exist(name: str) -> None:
    prose = re.sub(r"(?m)^    .*$|`[^`\n]*`", "", PAGES[name])
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose)
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not ((ROOT / name).parent / target).exists()] == []


@pytest.mark.parametrize("name", list(PAGES))
def test_named_files_exist(name: str) -> None:
    named = re.findall(r"`((?:engine|providers|web|tests)/[\w./-]+\.\w+)(?:::\w+)?`", PAGES[name])
    assert [path for path in named if not (ROOT / path).exists()] == []
