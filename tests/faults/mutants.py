"""Mutation testing: change one thing at a time in what decides about money, and see a test fail.

    make mutants                          every module of TESTS
    make mutants ARGS="money fold"        some modules
    make mutants ARGS="fold --show"       with the diff of each survivor

It works in a copy, so that nothing mutated is ever left in the tree. mutmut changes the bodies of
functions only, and of none that is decorated; so the guards, which are lambdas in a table, and the
properties are written out as functions in the copy, and caches are left out.
Each module is held against a few fast tests of its own. Exit 1 when a mutant survived that is not
in EXPLAINED, whose reasons `tests/README.md` gives.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("engine", "providers", "web", "tests")
FILES = ("setup.cfg", "pyproject.toml", "README.md")
_UNIT = "tests/engine/test_"
TESTS = {
    "canonical": f"{_UNIT}entry.py",
    "chart": f"{_UNIT}chart.py",
    "entry": f"{_UNIT}entry.py {_UNIT}schema.py",
    "case": f"{_UNIT}evidence.py",
    "evidence": f"{_UNIT}evidence.py",
    "fold": f"{_UNIT}fold.py",
    "guards": f"{_UNIT}guards.py {_UNIT}chart.py",
    "money": f"{_UNIT}money.py",
    "verify": f"{_UNIT}findings.py",
}
"""Module → the tests that must see its mutants."""


def _instead(function: str, old: str, *new: str) -> set[str]:
    """Mutants of one line, as `changed` tells them."""
    return {f"{function}: {old} → {other}" for other in new}


def _cased(function: str, code: str) -> set[str]:
    """SQL without literals in another case of letters, in which it means the same."""
    assert "'" not in code
    before, text, after = re.split(r"(?<=\")(?=[A-Z(])|(?=\"$)", code, maxsplit=2)
    return _instead(
        function, code, *(f"{before}{one}{after}" for one in (text.lower(), text.upper()))
    )


def _unstrict(function: str, before: str, names: str, after: str) -> set[str]:
    """A zip that does not hold the lengths against each other, where they cannot differ."""
    found = (
        f"{before}zip({names}, row, {end}){after}" for end in ("strict=None", "", "strict=False")
    )
    return _instead(function, f"{before}zip({names}, row, strict=True){after}", *found)


EXPLAINED: dict[str, frozenset[str]] = {
    "chart": frozenset(
        _instead("edges_in", "cast(State, edge.target).id,", "cast(None, edge.target).id,")
    ),
    "verify": frozenset(
        _cased(
            "verify",
            'counts = "SELECT CAST(stream AS BLOB), COUNT(*) FROM entries GROUP BY stream '
            'ORDER BY stream"',
        )
        | _cased(
            "_rows_without_log", '"SELECT CAST(id AS BLOB) FROM transactions t WHERE NOT EXISTS "'
        )
        | _cased(
            "_rows_without_log",
            '"(SELECT 1 FROM entries e WHERE e.stream = t.id AND e.seq = 1) ORDER BY id"',
        )
        | _cased(
            "_personal_without_log",
            '"SELECT CAST(stream AS BLOB), seq FROM personal p WHERE NOT EXISTS "',
        )
        | _cased(
            "_personal_without_log",
            '"(SELECT 1 FROM entries e WHERE e.stream = p.stream) ORDER BY stream, seq"',
        )
        | _unstrict("_compare_row", "for name, copy in ", "COLUMNS", ":")
        | _unstrict("_copied_wrong", "copies: dict[str, bytes | None] = dict(", "_PERSONAL", ")")
        | _instead(
            "_read",
            "for name, copy in zip(_COPIES, row, strict=False):",
            "for name, copy in zip(_COPIES, row, strict=None):",
            "for name, copy in zip(_COPIES, row, ):",
        )
        | _instead("verify_stream", "reached: list[int] = [0]", "reached: list[int] = [1]")
        | _instead("_steps", "head, seq, at = ZERO_HASH, 0, -1", "head, seq, at = ZERO_HASH, 0, -2")
        # mutmut writes this word into every literal; neither it nor nothing at all is JSON.
        | _instead(
            "_url_wrong",
            'copies = dict.fromkeys(URL_FIELDS) | json.loads((urls or b"").decode())',
            # what mutmut made of the line above: its word, no placeholder of ours
            'copies = dict.fromkeys(URL_FIELDS) | json.loads((urls or b"XXXX").decode())',
        )
    ),
}
"""Module → the survivors that `tests/README.md` explains; every other is a gap."""
_CACHE = re.compile(r"^@cache\n", re.M)
_PROPERTY = re.compile(r"(    @property\n    def (\w+)\(self\)( -> .+:\n)        )")
CHILDREN = os.cpu_count() or 1
LONGEST_S = 4 * 3600
KILLED = frozenset({"killed", "timeout"})
CONFIG = """
[mutmut]
source_paths = engine
only_mutate = engine/{module}.py
also_copy =
    engine
    providers
    web
    tests
    README.md
pytest_add_cli_args_test_selection =
    {tests}
pytest_add_cli_args =
    -p
    no:cacheprovider
    -p
    no:xdist
    --hypothesis-profile=ci
timeout_constant = 20.0
"""
"""mutmut's settings; the profile takes hypothesis's own deadlines away, and makes it repeatable."""


@dataclass(frozen=True)
class Ran:
    """What became of a module's mutants: by their names, and the diffs of those that survived."""

    found: dict[str, str]
    survivors: dict[str, str]
    output: str
    """The end of what mutmut printed, where it failed."""

    def unexplained(self, module: str) -> dict[str, str]:
        """Survivor → what it changes, where that is not in EXPLAINED."""
        changes = {name: changed(name, diff) for name, diff in self.survivors.items()}
        known = EXPLAINED.get(module, frozenset())
        return {name: change for name, change in changes.items() if change not in known}


def main() -> int:
    """Run mutmut on a copy for each module and print a table."""
    asked = argparse.ArgumentParser(description="Mutation testing of money, chart and log.")
    asked.add_argument("modules", nargs="*", default=list(TESTS), metavar="module")
    asked.add_argument("--show", action="store_true", help="print the diff of each survivor")
    given = asked.parse_args()
    console, gaps = Console(soft_wrap=True, highlight=False, markup=False), 0
    table = Table("module", "mutants", "killed", "survived", "explained", "timed out")
    for module in given.modules:
        ran = run(module)
        new = ran.unexplained(module)
        for name, change in new.items():
            console.print(f"{ran.found[name]}: {change}")
            if given.show:
                console.print(ran.survivors[name])
        total, survived = len(ran.found), len(ran.survivors)
        late = list(ran.found.values()).count("timeout")
        counts = (total, total - survived, survived, survived - len(new), late)
        table.add_row(module, *map(str, counts))
        console.print(f"{module}: {total} mutants, {survived} survived, {len(new)} unexplained")
        if ran.output:
            console.print(ran.output)
        gaps += bool(new or ran.output or not total)
    console.print(table)
    return 1 if gaps else 0


def run(module: str) -> Ran:
    """Make the mutants of a module in a copy, and hold its tests against each."""
    with tempfile.TemporaryDirectory(prefix="strada-mutants-") as folder:
        copy = _copy(Path(folder), module)
        done = _mutmut(copy, "run", "--max-children", str(CHILDREN))
        if done.returncode:
            return Ran({}, {}, _said(done.stdout))
        found = _results(copy)
        survivors = {
            name: _mutmut(copy, "show", name).stdout
            for name, said in found.items()
            if said not in KILLED
        }
    return Ran(found, survivors, "")


def _said(output: str) -> str:
    """The end of what mutmut printed, without its moving signs."""
    lines = [line for line in output.splitlines() if line.isascii()]
    return "\n".join(["mutmut failed:", *lines[-30:]])


def changed(name: str, diff: str) -> str:
    """What a mutant changes, the same however many others there are: function: old → new."""
    function = name.rpartition("__mutmut_")[0].rpartition(".")[2]
    function = function.removeprefix("x").lstrip("ǁ").replace("ǁ", ".").removeprefix("_")
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    sides = (" ".join(one[1:].strip() for one in lines if one.startswith(sign)) for sign in "-+")
    return f"{function}: {' → '.join(sides)}"


def _copy(folder: Path, module: str) -> Path:
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    guards, chosen = folder / "engine/guards.py", folder / f"engine/{module}.py"
    guards.write_text(written_out(guards.read_text("utf-8")), "utf-8")
    chosen.write_text(undecorated(chosen.read_text("utf-8")), "utf-8")
    config = CONFIG.format(module=module, tests=TESTS[module].replace(" ", "\n    "))
    with (folder / "setup.cfg").open("a", encoding="utf-8") as settings:
        settings.write(config)
    return folder


def written_out(source: str) -> str:
    """The source with each lambda as a function of its own at the end of its imports."""
    text = source
    made: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Lambda):
            body, whole = ast.unparse(node.body), ast.get_source_segment(source, node)
            assert whole is not None
            names = ", ".join(argument.arg for argument in node.args.args)
            name = f"lambda_{len(made)}"
            made.append(f"def {name}({names}):\n    return {body}\n\n\n")
            text = text.replace(whole, name, 1)
    first, table, rest = text.partition("GUARDS: Mapping")
    return first + "".join(made) + table + rest


def undecorated(source: str) -> str:
    """The source without caches, and with each property's body as a method of its own."""
    return _PROPERTY.sub(
        r"\1return self.of_\2()\n\n    def of_\2(self)\3        ", _CACHE.sub("", source)
    )


def _mutmut(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments],
        cwd=copy,
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )


def _results(copy: Path) -> dict[str, str]:
    """Mutant → what became of it."""
    said = _mutmut(copy, "results", "--all", "true").stdout
    pairs = [line.strip().rpartition(": ") for line in said.splitlines() if ": " in line]
    return {name: status for name, _, status in pairs}


if __name__ == "__main__":
    sys.exit(main())
