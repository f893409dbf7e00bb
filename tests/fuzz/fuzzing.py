"""Schemathesis over the WSGI app of a test site: what it sends, what it checks, what it found.

Payments in every state stand ready, and calls that name a well-formed id are led to one of them:
otherwise nearly all that is sent would end at 404.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis import hooks
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from states import BUILD
from storefront import Site

ID = re.compile(r"txn_[0-9a-hjkmnp-tv-z]{26}")
UNCHECKED = {
    "ignored_auth": "its second request fails inside schemathesis for WSGI apps; "
    "`test_what_asks_for_a_key_answers_nobody_else` asks the same",
    "allow_header_conformance": "whatever stands last in POST /v1/transactions/{id}/… is read as "
    "an event, so that an unknown one is named as such; POST is thus allowed where GET or PUT is",
}
"""Checks that are off, and why."""
EXPECTED = "2xx 3xx 401 403 404 409 412 422 429 502 503 504".split()
"""What a request that fits its schema can meet: the state, the merchant's settings, a gateway."""


@dataclass
class Report:
    """What a run saw: answers by operation and status, and what was wrong."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    findings: dict[tuple[str, str, str], str] = field(default_factory=dict)

    @property
    def operations(self) -> set[str]:
        """The operations that were called."""
        return {operation for operation, _ in self.answers}

    def seen(self) -> Iterator[str]:
        """How often each operation answered what."""
        for (operation, status), times in sorted(self.answers.items()):
            yield f"{times:7} {status} {operation}"

    def shown(self) -> Iterator[str]:
        """The findings as lines for a person."""
        for key, told in sorted(self.findings.items()):
            yield f"{': '.join(key)}\n{told}"


def config_of(key: str, examples: int, seed: int) -> SchemathesisConfig:
    """All checks but UNCHECKED, valid and invalid data, every phase, a fixed seed."""
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "auth": {"openapi": {"secretKey": {"bearer": key}}},
            "generation": {
                "mode": "all",
                "max-examples": examples,
                "database": "none",
            },
            "checks": {
                **{name: {"enabled": False} for name in UNCHECKED},
                "positive_data_acceptance": {"expected-statuses": EXPECTED},
            },
        }
    )


def fuzz(site: Site, examples: int, seed: int) -> Report:
    """Run every phase with so many examples an operation."""
    scopes = ["payments", "audit"]
    _, key = site.house.merchants.create_key("shop", scopes, False, "operator:test")
    config = config_of(key, examples, seed)
    schema = schemathesis.openapi.from_wsgi("/openapi.json", site.app, config=config)
    payments = itertools.cycle([BUILD[state](site.house) for state in BUILD])

    keys = itertools.count(1)

    def before_call(context: Any, case: Any, kwargs: Any) -> None:
        named = case.path_parameters.get("transaction")
        if isinstance(named, str) and ID.fullmatch(named):
            case.path_parameters["transaction"] = next(payments)
        seen = case.headers.get("If-Match")
        if isinstance(seen, str) and seen.isdecimal():  # schemathesis loses the quotes
            case.headers["If-Match"] = f'"{seen}"'
        if case.meta is not None and case.meta.generation.mode.is_positive:
            _mend(case, f"fuzz-key-{next(keys)}")

    schemathesis.hook(before_call)
    try:
        report = Report()
        for event in from_schema(schema).execute():
            _read(report, event)
    finally:
        hooks.unregister(before_call)
    return report


def _mend(case: Any, key: str) -> None:
    """Make a valid case as valid as it means to be.

    A refund needs a key unless it is a dry run, which no schema can say, nor what this gateway
    takes and which tax fits; and schemathesis puts
    anything under names that `propertyNames` does not allow.
    """
    if case.path.endswith("/refund"):
        case.headers.setdefault("Idempotency-Key", key)
    body = case.body
    if case.path == "/v1/transactions" and isinstance(body, dict):
        body |= {"provider": "told", "currency": "KRW", "order_id": key}
        body.pop("vat_amount", None)
        body.pop("tax_free_amount", None)
    if isinstance(body, dict) and isinstance(body.get("metadata"), dict):
        body["metadata"] = {
            name: value
            for name, value in body["metadata"].items()
            if name.isprintable() and isinstance(value, str)
        }


def _read(report: Report, event: Any) -> None:
    if isinstance(event, events.FatalError | events.NonFatalError):
        what = getattr(event, "value", None) or getattr(event, "exception", None)
        report.findings["engine", str(getattr(event, "label", "")), type(what).__name__] = str(what)
    if not isinstance(event, events.ScenarioFinished):
        return
    for id, interaction in event.recorder.interactions.items():
        case = event.recorder.cases[id].value
        if interaction.response is not None:
            report.answers[case.operation.label, interaction.response.status_code] += 1
    for id, checks in event.recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                label = event.recorder.cases[id].value.operation.label
                failure, sample = check.failure_info.failure, check.failure_info.code_sample
                key = (label, check.name, failure.title)
                report.findings.setdefault(key, f"{failure.message}\n{sample}")
