"""House rules that no linter knows. The numbers at the top are ratchets: they go down, never up."""

from __future__ import annotations

import ast
import configparser
import re
import statistics
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from web.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("engine", "providers", "web")

MEDIAN_FUNCTION = 7
"""Lines of the middle function, `def` to last line without its docstring."""
NINETIETH_FUNCTION = 20
"""Nine functions in ten have at most this many lines."""
LONGEST_FILE = 400
"""Lines of a file that is read in one sitting."""
LONGER_FILES: dict[str, int] = {}
"""Files beyond LONGEST_FILE with their present lengths. They may shrink; no name may be added."""

LONGEST_TEST_FILE = 800
MEDIAN_TEST, NINETIETH_TEST = 7, 15
"""Lines of the middle test; nine in ten have at most so many."""
MEDIAN_NAME, LONGEST_NAME = 7, 13
"""Words of a test's name, which is a sentence."""

TOP = frozenset(
    ".ci .gitattributes .gitignore CHANGELOG.md LICENSE MANIFEST.in Makefile README.md SECURITY.md "
    "engine providers pyproject.toml requirements.lock setup.cfg tests web".split()
)
"""What the root holds: code, its tests, and what tools and readers expect there."""
DRAWERS = frozenset("base common core helpers lib misc shared tools util utils".split())
"""Names that say nothing of what is inside."""
SHARED_BY_COMMANDS = "web/cli/shared.py"
ENVIRONMENT = frozenset({"web/settings.py", "web/ui/strada_build.py"})
"""Files that may look at the process's environment; everybody else is given settings."""
UNCOUNTED = ["assert_never\\("]
"""Lines that coverage leaves out, whatever they are in."""

STDLIB_SQLITE: frozenset[str] = frozenset()
"""Files that may import sqlite3: none. Beside apsw on one file it loses writes in silence."""
STARTED_BY_NAME = frozenset(
    {
        "web.__main__",
        "engine.bundle.verify",
        "web.ui.generate",
        "web.ui.strada_build",
        *(f"web.cli.{place.partition(':')[0]}" for place in COMMANDS.values()),
    }
)
"""Modules that Python, a tool or the command line starts by name; entry points: setup.cfg."""

MONEY = frozenset(
    "amount amounts balance captured krw money refundable refunded tax total vat won".split()
)
LOADED_FROM_ELSEWHERE = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed|use)\b[^>]*\b(?:src|href)\s*=\s*["']?(?:https?:)?//
      | <link\b[^>]*\bhref\s*=\s*["']?(?:https?:)?//
      | url\(\s*["']?(?:https?:)?//
      | @import\s+["'](?:https?:)?//
      | \b(?:from|import)\s*\(?\s*["'](?:https?:)?//
      | \b(?:fetch|EventSource|Worker|importScripts)\(\s*["'`](?:https?:)?//""",
    re.VERBOSE | re.IGNORECASE,
)
HOME_PATH = re.compile(r"/(?:root|home/\w+|Users/\w+)/|\b[A-Z]:\\Users\\")
NOT_OURS = frozenset(
    ".git .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache "
    "__pycache__ node_modules build dist bench-out strada-state".split()
)
TEXT = frozenset(
    ".cfg .css .csv .html .ini .js .json .lock .md .mjs .py .svg .toml .ts .tsx .txt .xml "
    ".yaml .yml".split()
)


# The code, read once.


def our_files() -> Iterator[Path]:
    """Every file of the repository that a person wrote or a tool committed."""
    folders = [ROOT]
    while folders:
        for path in sorted(folders.pop().iterdir()):
            if path.name in NOT_OURS or path.name.endswith(".egg-info"):
                continue
            if path.is_dir():
                folders.append(path)
            else:
                yield path


def sources(*folders: str) -> dict[str, ast.Module]:
    """Path → syntax tree of each Python file in these folders."""
    return {
        shown: parsed(shown)
        for shown in (path.relative_to(ROOT).as_posix() for path in our_files())
        if shown.endswith(".py") and shown.split("/")[0] in folders
    }


@cache
def parsed(shown: str) -> ast.Module:
    return ast.parse((ROOT / shown).read_text(encoding="utf-8"), shown)


def settings() -> configparser.ConfigParser:
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def module_name(shown: str) -> str:
    return shown.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names that a module imports; `from a import b` gives both `a` and `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# Modules.


def test_every_module_opens_with_a_docstring() -> None:
    silent = [shown for shown, tree in sources(*PACKAGES).items() if not ast.get_docstring(tree)]
    assert silent == []


def test_every_package_is_marked_as_typed() -> None:
    assert [name for name in PACKAGES if not (ROOT / name / "py.typed").is_file()] == []


def test_no_module_is_dead() -> None:
    trees = sources(*PACKAGES)
    modules = {module_name(shown): tree for shown, tree in trees.items()}
    started = {name for name in modules if "migrations" in name.split(".")}
    started |= (STARTED_BY_NAME | entry_points()) & modules.keys()
    assert sorted(modules.keys() - reachable(started, modules)) == []


def entry_points() -> set[str]:
    """Modules that setup.cfg names: console scripts and providers."""
    text = "\n".join(dict(settings()["options.entry_points"]).values())
    return set(re.findall(r"=\s*([\w.]+)\s*:", text))


def reachable(started: set[str], modules: dict[str, ast.Module]) -> set[str]:
    """What is imported, directly or not, from `started`; a package lives with its modules."""
    seen: set[str] = set()
    waiting = list(started)
    while waiting:
        name = waiting.pop()
        if name in seen or name not in modules:
            continue
        seen.add(name)
        waiting += imports(modules[name])
        waiting.append(name.rpartition(".")[0])
    return seen


def test_a_pair_that_imports_only_itself_is_dead() -> None:
    modules = {
        "web": ast.parse(""),
        "web.cli": ast.parse("import web.a"),
        "web.a": ast.parse(""),
        "web.b": ast.parse("from web import c"),
        "web.c": ast.parse("import web.b"),
    }
    assert reachable({"web.cli"}, modules) == {"web", "web.cli", "web.a"}


def test_sqlite_is_reached_through_apsw_alone() -> None:
    users = {
        shown
        for shown, tree in sources(*PACKAGES, "tests").items()
        if any(name.split(".")[0] == "sqlite3" for name in imports(tree))
    }
    assert users - STDLIB_SQLITE == set()


def test_no_dependency_brings_a_package_of_our_name() -> None:
    installed = packages_distributions()
    others = {name: set(installed.get(name, ())) - {"strada-payments"} for name in PACKAGES}
    assert others == {name: set() for name in PACKAGES}


def test_the_root_holds_nothing_else() -> None:
    there = {path.relative_to(ROOT).parts[0] for path in our_files()}
    ours = {name for name in there if not re.search(r"^\.coverage|\.db|^\.git$", name)}
    assert ours - TOP == set()


def test_no_file_is_a_drawer() -> None:
    found = [
        shown
        for shown in sources(*PACKAGES, "tests")
        if DRAWERS & {part.removesuffix(".py") for part in shown.split("/")}
    ]
    assert found == [SHARED_BY_COMMANDS]


def test_the_environment_is_read_at_the_edge() -> None:
    readers = {
        shown
        for shown, tree in sources(*PACKAGES).items()
        if re.search(r"\bos\.(environ|getenv)\b", ast.unparse(tree))
    }
    assert readers == ENVIRONMENT


def test_nothing_is_global() -> None:
    found = [
        f"{shown}:{node.lineno}"
        for shown, tree in sources(*PACKAGES).items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Global)
    ]
    assert found == []


def test_what_is_not_counted_is_said_in_one_place() -> None:
    assert settings()["coverage:report"]["exclude_also"].split() == UNCOUNTED
    found = [
        shown
        for shown in sources(*PACKAGES)
        if re.search(r"#.*\bpragma\b", (ROOT / shown).read_text(encoding="utf-8"))
    ]
    assert found == []


# Sizes.


def test_a_file_is_read_in_one_sitting() -> None:
    too_long = {
        shown: size
        for shown, size in file_lengths().items()
        if size > LONGER_FILES.get(shown, LONGEST_FILE)
    }
    assert too_long == {}


def test_the_table_of_longer_files_only_shrinks() -> None:
    lengths = file_lengths()
    stale = [shown for shown in LONGER_FILES if lengths.get(shown, 0) <= LONGEST_FILE]
    assert stale == [], "remove these from LONGER_FILES"


def file_lengths() -> dict[str, int]:
    return {
        shown: len((ROOT / shown).read_text(encoding="utf-8").splitlines())
        for shown in sources(*PACKAGES)
    }


def test_functions_stay_small() -> None:
    sizes = sorted(
        function_length(node)
        for tree in sources(*PACKAGES).values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert statistics.median(sizes) <= MEDIAN_FUNCTION
    assert sizes[len(sizes) * 9 // 10] <= NINETIETH_FUNCTION


def function_length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the last one, its docstring not counted."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node, clean=False) is None:
        return lines
    said = node.body[0]
    return lines - ((said.end_lineno or said.lineno) - said.lineno + 1)


# Money.


def test_no_float_stands_beside_money() -> None:
    found = [
        f"{shown}:{line}"
        for shown, tree in sources(*PACKAGES).items()
        for line in floats_beside_money(tree)
    ]
    assert found == []


def floats_beside_money(tree: ast.AST) -> list[int]:
    """Lines where a money name is bound to, computed with, compared to or turned into a float."""
    return sorted({line for node in ast.walk(tree) for line in _float_lines(node)})


def _float_lines(node: ast.AST) -> Iterator[int]:
    if isinstance(node, ast.BinOp | ast.Compare | ast.AugAssign):
        if _has_money(node) and (_has_float(node) or _divides(node)):
            yield node.lineno
    elif isinstance(node, ast.Call) and ast.unparse(node.func) == "float":
        if any(map(_has_money, node.args)):
            yield node.lineno
    else:
        for name, value in _bindings(node):
            if _has_money(name) and _has_float(value):
                yield value.lineno


def _bindings(node: ast.AST) -> Iterator[tuple[ast.AST, ast.expr]]:
    """Each name with the value or the type that this node gives it."""
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((target, value) for target in targets)
        case ast.AnnAssign(target=target, annotation=annotation, value=value):
            yield target, annotation
            if value:
                yield target, value
        case ast.keyword(arg=str(name), value=value):
            yield ast.Name(name), value
        case ast.arg(arg=name, annotation=ast.expr() as annotation):
            yield ast.Name(name), annotation
        case ast.FunctionDef(name=name, returns=ast.expr() as returns):
            yield ast.Name(name), returns
        case ast.Dict(keys=keys, values=values):
            yield from ((k, v) for k, v in zip(keys, values, strict=True) if k)


def _is_money(name: str) -> bool:
    return any(word.lower() in MONEY for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name))


def _has_money(tree: ast.AST) -> bool:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) if _is_money(name):
                return True
            case ast.Constant(value=str(name)) if name.isidentifier() and _is_money(name):
                return True
    return False


def _has_float(tree: ast.AST) -> bool:
    return any(
        (isinstance(node, ast.Constant) and isinstance(node.value, float | complex))
        or (isinstance(node, ast.Name) and node.id == "float")
        for node in ast.walk(tree)
    )


def _divides(node: ast.AST) -> bool:
    return isinstance(getattr(node, "op", None), ast.Div)


@pytest.mark.parametrize(
    "bad",
    [
        "vat = 0.1",
        "vat_amount: float = 0",
        "x = amount * 0.1",
        "x = amount / 11",
        "tax_free /= 11",
        "x = float(row['captured_amount'])",
        "x = self.refunded > 1.0",
        "pay(amount=10.0)",
        "def pay(amount: float): ...",
        "def total() -> float: ...",
        "body = {'amount': 100.0}",
    ],
)
def test_the_money_rule_sees(bad: str) -> None:
    assert floats_beside_money(ast.parse(bad)) == [1]


@pytest.mark.parametrize(
    "good",
    [
        "vat = (2 * taxed + 11) // 22",
        "pay(amount=10, timeout_s=1.5)",
        "syntax = 0.5",
        "private, motivation = 0.5, 1.5",
        "path = ROOT / 'amount.json'",
        "def pay(amount: int, timeout_s: float = 10.0): ...",
    ],
)
def test_the_money_rule_leaves_alone(good: str) -> None:
    assert floats_beside_money(ast.parse(good)) == []


# Tests.


def functions_of_tests() -> Iterator[ast.FunctionDef]:
    for tree in sources("tests").values():
        yield from (
            node
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        )


def test_names_of_tests_are_sentences() -> None:
    words = sorted(node.name.count("_") for node in functions_of_tests())
    assert statistics.median(words) <= MEDIAN_NAME
    assert [node.name for node in functions_of_tests() if node.name.count("_") > LONGEST_NAME] == []


def test_tests_are_short_and_plain_functions() -> None:
    lines = sorted(function_length(node) for node in functions_of_tests())
    assert statistics.median(lines) <= MEDIAN_TEST
    assert lines[len(lines) * 9 // 10] <= NINETIETH_TEST
    trees = sources("tests").items()
    classes = [shown for shown, tree in trees for node in tree.body if _is_a_test_class(node)]
    assert classes == []


def _is_a_test_class(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and any(
        isinstance(one, ast.FunctionDef) and one.name.startswith("test_") for one in node.body
    )


def test_a_file_of_tests_stays_readable() -> None:
    sizes = {
        shown: len((ROOT / shown).read_text("utf-8").splitlines()) for shown in sources("tests")
    }
    assert {shown: size for shown, size in sizes.items() if size > LONGEST_TEST_FILE} == {}


def test_tests_are_no_package() -> None:
    assert [shown for shown in sources("tests") if shown.endswith("__init__.py")] == []


def test_tests_replace_the_network_and_not_our_code() -> None:
    found = [
        f"{shown}:{line}"
        for shown, tree in sources("tests").items()
        for line in patches_of_our_own(tree)
    ]
    assert found == []


def patches_of_our_own(tree: ast.AST) -> list[int]:
    """Lines that patch a name of engine, providers or web, by string or by object."""
    ours = {alias for alias, name in bound_names(tree) if name.split(".")[0] in PACKAGES}
    return sorted(
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and node.args and _patches(node.func)
        if _root(node.args[0]) in ours | set(PACKAGES)
    )


def bound_names(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(name in this module, dotted name it stands for) of each import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((a.asname or a.name.split(".")[0], a.name) for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((a.asname or a.name, f"{node.module}.{a.name}") for a in node.names)


def _patches(called: ast.expr) -> bool:
    name = ast.unparse(called)
    return bool(re.search(r"(^|\.)(patch|patch\.\w+|monkeypatch\.\w+attr)$", name))


def _root(first: ast.expr) -> str:
    """The outermost name of `a.b.c` or of the text `"a.b.c"`."""
    text = first.value if isinstance(first, ast.Constant) else ast.unparse(first)
    return re.split(r"\W", str(text))[0]


@pytest.mark.parametrize(
    "bad",
    [
        "mock.patch('engine.fire.fire')",
        "patch('web.cli.main')",
        "from engine import clock; mock.patch.object(clock, 'now')",
        "from engine.store import Store as S; monkeypatch.setattr(S, 'rows', None)",
        "monkeypatch.setattr('providers.kakaopay.client.post', None)",
    ],
)
def test_the_patch_rule_sees(bad: str) -> None:
    assert patches_of_our_own(ast.parse(bad)) == [1]


def test_the_patch_rule_leaves_the_outside_alone() -> None:
    tree = ast.parse("monkeypatch.setattr(socket, 'socket', None); monkeypatch.setenv('A', 'b')")
    assert patches_of_our_own(tree) == []


# Texts.


def test_pages_load_nothing_from_elsewhere() -> None:
    found = [
        path.relative_to(ROOT).as_posix()
        for path in our_files()
        if {"templates", "static", "ui"} & set(path.relative_to(ROOT).parts)
        if path.suffix in TEXT
        if LOADED_FROM_ELSEWHERE.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("page", "loads"),
    [
        ('<script src="https://cdn.example/a.js"></script>', True),
        ('<link rel="stylesheet" href="//cdn.example/a.css">', True),
        ("body { background: url(https://cdn.example/a.png) }", True),
        ('import x from "https://cdn.example/a.js"', True),
        ('<svg xmlns="http://www.w3.org/2000/svg">', False),
        ('<a href="https://shop.example/">shop</a>', False),
        ('<script src="/static/a.js"></script>', False),
    ],
)
def test_the_page_rule_tells_loading_from_linking(page: str, loads: bool) -> None:
    assert bool(LOADED_FROM_ELSEWHERE.search(page)) is loads


def test_no_file_names_a_home_folder() -> None:
    found = [
        path.relative_to(ROOT).as_posix()
        for path in our_files()
        if path.suffix in TEXT or path.name in {"Makefile", "Dockerfile", "run"}
        if HOME_PATH.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_the_lock_pins_by_hash_and_names_no_registry() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[a-z0-9])", re.sub(r"(?m)^\s*#.*\n?", "", lock).strip())
    assert [e for e in entries if "==" not in e or "--hash=sha256:" not in e] == []
    assert re.findall(r"(?m)^\s*-[\w-]+|\w+://", re.sub(r"--hash=\S+", "", lock)) == []


def test_the_readme_begins_with_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first = re.search(r"(?ms)^```\w*\n(.*?)^```", readme)
    assert first, "README.md has no code block"
    commands = [line.partition("#")[0].strip() for line in first[1].splitlines()]
    assert [command for command in commands if command] == ["make demo", "make test"]


def test_the_security_policy_names_files_that_exist() -> None:
    policy = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:engine|providers|web|tests)/[\w./-]+|[\w.]+\.lock)`", policy)
    assert named, "SECURITY.md says where each defence lives"
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_changelog_knows_this_version() -> None:
    version = settings()["metadata"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## [{version}]" in changelog
