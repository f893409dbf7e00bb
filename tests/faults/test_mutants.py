"""What `make mutants` takes for explained, and what it makes of the code before it changes it."""

from __future__ import annotations

import re

import pytest
from faults.mutants import EXPLAINED, ROOT, TESTS, Ran, changed, undecorated, written_out

DIFF = """# engine.fold.x__give_back__mutmut_25: survived
--- engine/fold.py
+++ engine/fold.py
@@ -10,3 +10,3 @@
     grows = (
-        totals[1] >= after.refunded_tax_free
+        totals[2] >= after.refunded_tax_free
     )
"""
CHANGE = "totals[1] >= after.refunded_tax_free → totals[2] >= after.refunded_tax_free"


def source(module: str) -> str:
    return (ROOT / "engine" / f"{module}.py").read_text("utf-8")


def test_a_mutant_is_told_by_its_change_not_its_number() -> None:
    assert changed("engine.fold.x__give_back__mutmut_25", DIFF) == f"_give_back: {CHANGE}"
    assert changed("engine.case.xǁCaseǁsaid__mutmut_1", DIFF) == f"Case.said: {CHANGE}"


def test_a_survivor_that_nobody_explained_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "engine.fold.x__give_back__mutmut_25"
    ran = Ran({name: "survived"}, {name: DIFF}, "")
    assert ran.unexplained("fold") == {name: f"_give_back: {CHANGE}"}
    monkeypatch.setitem(EXPLAINED, "fold", frozenset({f"_give_back: {CHANGE}"}))
    assert ran.unexplained("fold") == {}
    assert ran.unexplained("verify") != {}


@pytest.mark.parametrize("module", list(EXPLAINED))
def test_every_explanation_is_of_code_that_stands(module: str) -> None:
    text = " ".join(source(module).split())
    for change in EXPLAINED[module]:
        old, _, new = change.partition(": ")[2].partition(" → ")
        assert old in text
        assert new != old


@pytest.mark.parametrize("module", list(TESTS))
def test_the_readme_counts_the_explained_survivors(module: str) -> None:
    readme = (ROOT / "tests/README.md").read_text("utf-8")
    row = re.search(rf"^\| `{module}\.py` \| (\d+) \| (\d+) \|", readme, re.M)
    assert row is not None
    assert int(row[1]) - int(row[2]) == len(EXPLAINED.get(module, ()))


def test_no_code_of_a_module_is_out_of_reach() -> None:
    case = undecorated(source("case"))
    compile(case, "case", "exec")
    assert "    def of_window_over(self) -> bool:\n        " in case
    assert "\n@cache\n" not in undecorated(source("chart"))
    assert "lambda " not in written_out(source("guards")).partition("GUARDS")[2]
