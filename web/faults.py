"""What a caller is told about one wrong value, and the 422 that gathers these sentences.

It refuses to take the value itself: a fault is a JSON pointer and a sentence of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from web.phrases import Phrase
from web.problems import Problem

MAX_ERRORS = 20
"""More than a person reads at once; a hostile body could otherwise earn thousands."""
VISIBLE = r"[!-~]{1,%d}"
SAFE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")

REQUIRED = Phrase("is required", "필수 항목입니다")
INTEGER = Phrase("must be an integer", "정수여야 합니다")
INVALID = Phrase("is not valid", "올바르지 않습니다")
NOT_ALLOWED = Phrase("is not one of the allowed values", "허용된 값이 아닙니다")


def at_least(low: int) -> Phrase:
    """What a number below its limit is told."""
    return Phrase(f"must be at least {low}", f"{low} 이상이어야 합니다")


def at_most(high: int) -> Phrase:
    """What a number above its limit is told."""
    return Phrase(f"must be at most {high}", f"{high} 이하여야 합니다")


def too_long(limit: int) -> Phrase:
    """What text beyond its limit is told."""
    return Phrase(f"must have at most {limit} characters", f"{limit}자까지입니다")


def visible(limit: int) -> Phrase:
    """What machine text with odd characters or length is told."""
    return Phrase(
        f"must be 1 to {limit} visible ASCII characters",
        f"보이는 ASCII 문자 1–{limit}자여야 합니다",
    )


def invalid(faults: Iterable[tuple[str, Phrase]]) -> Problem:
    """The 422 for these faults: JSON pointer and sentence each."""
    errors = [{"pointer": pointer, "detail": phrase} for pointer, phrase in faults]
    return Problem("invalid_request", errors=errors[:MAX_ERRORS])
