"""A sentence in English and Korean, and what the edge says about one kind of problem.

It refuses to choose a language: `web.problems` negotiates it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "ko"]


class Phrase(str):
    """A sentence in both languages: an English string that also knows its Korean."""

    ko: str

    def __new__(cls, en: str, ko: str) -> Phrase:
        """Keep the English as the string itself."""
        phrase = super().__new__(cls, en)
        phrase.ko = ko
        return phrase

    def within(self, language: Language) -> str:
        """The sentence in this language."""
        return self.ko if language == "ko" else str(self)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem; `retry_after_s` is sent as Retry-After unless the raiser knows better."""

    code: str
    status: int
    title: Phrase
    detail: Phrase
    cause: Phrase
    cure: Phrase
    retry_after_s: int | None = None
