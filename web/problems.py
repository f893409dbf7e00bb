"""Every refusal of the HTTP edge as RFC 9457 problem details, in Korean or English.

It refuses to repeat what the caller sent: texts come from the catalogue, members from our own code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from web.phrases import Kind, Language, Phrase
from web.problem_texts import CATALOGUE, REASONS

MEDIA_TYPE = "application/problem+json"
DEFAULT_LANGUAGE: Language = "en"
MAX_LANGUAGES = 20
"""Browsers send a handful; a longer header is read only so far."""

_PLAIN_PATH = re.compile(r"/[A-Za-z0-9/_.~-]{0,199}")
_RANGE = re.compile(
    r"\s*(?P<tag>[A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]*)?\s*(?:;\s*[qQ]=(?P<q>[01](?:\.[0-9]{0,3})?)\s*)?"
)


class Problem(Exception):
    """A refusal on its way to the client; `code` is a key of the catalogue.

    `params` fill the detail's `{names}` beside the members. The members (`current_status`,
    `allowed_events`, `errors`, `reason`, …) go into the document as they are.
    """

    def __init__(
        self,
        code: str,
        /,
        *,
        params: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        retry_after: int | None = None,
        **members: Any,
    ) -> None:
        super().__init__(code)
        self.kind: Kind = CATALOGUE[code]
        self.code = code
        self.params = dict(params or {})
        self.members = members
        self.headers = dict(headers or {})
        self.retry_after = self.kind.retry_after_s if retry_after is None else retry_after

    @property
    def status(self) -> int:
        """The HTTP status of this kind of problem."""
        return self.kind.status


class _Params(dict[str, object]):
    """A parameter that the raiser forgot is an ellipsis, not a second failure."""

    def __missing__(self, key: str) -> str:
        return "…"


def detail(problem: Problem, language: Language) -> str:
    """The sentence for this occurrence: that of its `reason` where there is one."""
    reason = problem.members.get("reason", problem.params.get("reason"))
    phrase = REASONS.get((problem.code, str(reason)), problem.kind.detail)
    return phrase.within(language).format_map(_Params(problem.members | problem.params))


def document(
    problem: Problem, request_id: str, instance: str, language: Language
) -> dict[str, Any]:
    """The problem details object; its own members win over extra ones of the same name."""
    members: dict[str, Any] = _spoken(problem.members, language)
    return members | {
        "type": f"/problems/{problem.code}",
        "title": problem.kind.title.within(language),
        "status": problem.kind.status,
        "detail": detail(problem, language),
        "instance": _instance(instance, request_id),
        "code": problem.code,
        "request_id": request_id,
    }


def render(
    problem: Problem, request_id: str, instance: str, language: Language
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; `instance` is the request's path, without its query."""
    body = json.dumps(document(problem, request_id, instance, language), ensure_ascii=False)
    headers = {
        "Content-Type": MEDIA_TYPE,
        "Content-Language": language,
        "Vary": "Accept-Language",
        "Request-Id": request_id,
    }
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="strada"'
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    return problem.status, headers | problem.headers, body.encode("utf-8", "replace")


def negotiate(accept_language: str | None) -> Language:
    """The language of an Accept-Language header: the better liked of ko and en, else en."""
    best: Language = DEFAULT_LANGUAGE
    best_weight = 0
    for item in (accept_language or "").split(",", MAX_LANGUAGES)[:MAX_LANGUAGES]:
        language, weight = _preference(item)
        if language is not None and weight > best_weight:
            best, best_weight = language, weight
    return best


def _preference(item: str) -> tuple[Language | None, int]:
    """One language range and its weight in thousandths."""
    match = _RANGE.fullmatch(item)
    if match is None:
        return None, 0
    whole, _, part = (match["q"] or "1").partition(".")
    weight = min(1000, int(whole) * 1000 + int(part.ljust(3, "0")))
    known: dict[str, Language] = {"ko": "ko", "en": "en", "*": DEFAULT_LANGUAGE}
    return known.get(match["tag"].lower()), weight


def _instance(path: str, request_id: str) -> str:
    """The path when it holds nothing but harmless characters, else a name for this occurrence."""
    return path if _PLAIN_PATH.fullmatch(path) else f"urn:strada:request:{request_id}"


def _spoken(value: Any, language: Language) -> Any:
    """A copy in which every Phrase is a sentence of this language."""
    if isinstance(value, Phrase):
        return value.within(language)
    if isinstance(value, Mapping):
        return {key: _spoken(item, language) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_spoken(item, language) for item in value]
    return value
