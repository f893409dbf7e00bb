"""Mutation testing: change one thing at a time in what decides about money, and see a test fail.

    make mutants                          all of `[mutmut]` in setup.cfg
    make mutants ARGS="money fold"        some modules
    make mutants ARGS="fold --show"       with the diff of each survivor

It works in a copy, so that nothing mutated is ever left in the tree. mutmut changes the bodies of
functions only; the guards, which are lambdas in a table, are written out as functions in the copy.
Exit 1 when a mutant survived that `tests/README.md` does not explain (see KNOWN).
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("engine", "providers", "web", "tests")
FILES = ("setup.cfg", "pyproject.toml", "README.md")
MODULES = ("canonical", "chart", "entry", "evidence", "fold", "guards", "money", "verify")
CHILDREN = max(1, os.cpu_count() or 1)
LONGEST_S = 4 * 3600


def main() -> int:
    """Run mutmut on a copy and print a table."""
    asked = argparse.ArgumentParser(description="Mutation testing of money, chart and log.")
    asked.add_argument("modules", nargs="*", default=list(MODULES), metavar="module")
    asked.add_argument("--show", action="store_true", help="print the diff of each survivor")
    given = asked.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="strada-mutants-") as folder:
        copy = _copy(Path(folder), given.modules)
        code = _mutmut(copy, "run", "--max-children", str(CHILDREN)).returncode
        found = _results(copy)
        console.print(_table(found))
        survivors = [name for name, said in found.items() if said not in ("killed", "timeout")]
        for name in survivors:
            console.print(f"{found[name]}: {name}", highlight=False)
            if given.show:
                console.print(_mutmut(copy, "show", name, quiet=True).stdout, highlight=False)
    if not found:
        console.print(f"mutmut made no mutants and ended with {code}")
    return 1 if survivors or not found else 0


def _copy(folder: Path, modules: list[str]) -> Path:
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    guards = folder / "engine/guards.py"
    guards.write_text(written_out(guards.read_text("utf-8")), "utf-8")
    config = (folder / "setup.cfg").read_text("utf-8")
    only = "".join(f"\n    engine/{name}.py" for name in modules)
    config = config.replace("only_mutate = engine/*.py", f"only_mutate ={only}")
    (folder / "setup.cfg").write_text(config, "utf-8")
    return folder


def written_out(source: str) -> str:
    """The source with each lambda as a function of its own at the end of its imports."""
    made, text = [], source
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


def _mutmut(copy: Path, *arguments: str, quiet: bool = False) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments],
        cwd=copy,
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE if quiet else None,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )


def _results(copy: Path) -> dict[str, str]:
    """Mutant → what became of it."""
    said = _mutmut(copy, "results", "--all", "true", quiet=True).stdout
    pairs = [line.strip().rpartition(": ") for line in said.splitlines() if ": " in line]
    return {name: status for name, _, status in pairs}


def _table(found: dict[str, str]) -> Table:
    modules: dict[str, Counter[str]] = defaultdict(Counter)
    for name, said in found.items():
        modules[name.split(".")[1]][said] += 1
    table = Table("module", "mutants", "killed", "others")
    for module, said in sorted(modules.items()):
        killed = said["killed"] + said["timeout"]
        others = ", ".join(f"{s} {n}" for s, n in said.items() if s not in ("killed", "timeout"))
        table.add_row(module, str(said.total()), str(killed), others)
    return table


if __name__ == "__main__":
    sys.exit(main())
