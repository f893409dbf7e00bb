"""Each guard just inside and just outside its limit."""

from __future__ import annotations

import pytest

from engine.guards import GUARDS, Facts, Given

HALF = Facts(amount=100, captured=100, refunded=40, expires_at=1_000)


@pytest.mark.parametrize(
    ("guard", "facts", "given", "holds"),
    [
        ("attempts<5", Facts(100, attempts=4), Given(), True),
        ("attempts<5", Facts(100, attempts=5), Given(), False),
        ("captured==amount", Facts(100), Given(captured=100), True),
        ("captured==amount", Facts(100), Given(captured=99), False),
        ("captured==amount", Facts(100), Given(captured=101), False),
        ("completed_at==null", Facts(100), Given(), True),
        ("completed_at==null", Facts(100, completed_at=0), Given(), False),
        ("now>=expires_at", HALF, Given(now=1_000), True),
        ("now>=expires_at", HALF, Given(now=1_001), True),
        ("now>=expires_at", HALF, Given(now=999), False),
        ("amount<=refundable", HALF, Given(amount=0), False),
        ("amount<=refundable", HALF, Given(amount=1), True),
        ("amount<=refundable", HALF, Given(amount=60), True),
        ("amount<=refundable", HALF, Given(amount=61), False),
        ("amount==refundable", HALF, Given(amount=60), True),
        ("amount==refundable", HALF, Given(amount=59), False),
        ("amount==refundable", HALF, Given(amount=61), False),
        ("remaining==0", HALF, Given(refunded_total=100), True),
        ("remaining==0", HALF, Given(refunded_total=99), False),
        ("remaining==0", HALF, Given(refunded_total=101), False),
        ("remaining>0", HALF, Given(refunded_total=99), True),
        ("remaining>0", HALF, Given(refunded_total=100), False),
        ("remaining>0", HALF, Given(refunded_total=140), False),
    ],
)
def test_a_guard_holds_up_to_its_limit(guard: str, facts: Facts, given: Given, holds: bool) -> None:
    assert GUARDS[guard].holds(facts, given, "refunding") is holds


@pytest.mark.parametrize(("source", "holds"), [("approved", True), ("completed", False)])
def test_a_rejected_refund_goes_back_to_its_source(source: str, holds: bool) -> None:
    facts = Facts(100, intent_source=source)
    assert GUARDS["target==intent.source"].holds(facts, Given(), "approved") is holds


def test_every_guard_is_held_to_its_limit() -> None:
    marks = test_a_guard_holds_up_to_its_limit.pytestmark  # type: ignore[attr-defined]
    tried = {(case[0], case[3]) for case in marks[0].args[1]}
    assert tried == {(id, holds) for id in GUARDS if "intent" not in id for holds in (True, False)}
