"""Schemathesis over the served document: a short run here, a long one by `make fuzz`."""

from __future__ import annotations

import os

from contract import served
from fuzz.fuzzing import fuzz
from storefront import Site

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "3"))
"""For each operation in each phase."""
SEED = int(os.environ.get("FUZZ_SEED", "20261124"))


def test_nothing_sent_finds_an_undocumented_answer(site: Site) -> None:
    report = fuzz(site, EXAMPLES, SEED)
    print(f"seed {SEED}:", *report.seen(), sep="\n")  # noqa: T201 what `make fuzz` shows
    assert report.findings == {}, "\n\n".join(report.shown())
    assert sum(report.answers.values()) > 1_000
    assert {status for _, status in report.answers} >= {200, 201, 400, 404, 405, 409, 422}
    labels = {f"{m.upper()} {path}" for path, item in served()["paths"].items() for m in item}
    assert report.operations == labels - {"GET /openapi.json"}  # read before anything is sent
