"""Reading a KakaoPay answer field by field. Pure.

It refuses to repair: a field that is missing where it is needed, or odd, raises Odd.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple
from urllib.parse import urlsplit

KST = timezone(timedelta(hours=9))
"""The wire's times name no zone."""
MAX_AMOUNT = 2**53 - 1
MESSAGE_LIMIT = 200
TEXT_LIMIT = 200
URL_LIMIT = 2048
APP_SCHEMES = frozenset({"kakaotalk", "intent"})

_WHOLE = re.compile(r"[0-9]{1,16}")
_CODE = re.compile(r"-?[0-9]{1,6}")
_RESULT = re.compile(r"[A-Za-z0-9_]{1,64}")
_REFERENCE = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_METHOD = re.compile(r"[A-Z_]{1,20}")
_NOT_IN_URL = re.compile(r"[^\x21-\x7e]|[\\<>\"'`]")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")


class Odd(ValueError):
    """An answer that makes no sense; the message names the field."""


class Amount(NamedTuple):
    """The parts of an amount object that we use, in won."""

    total: int
    tax_free: int
    vat: int


def text(body: Mapping[str, Any], name: str, *, empty: bool = False) -> str:
    """A text of 1 to TEXT_LIMIT characters; `empty` allows none."""
    value = body.get(name)
    if not isinstance(value, str) or len(value) > TEXT_LIMIT or not (value or empty):
        raise Odd(name)
    return value


def reference(body: Mapping[str, Any]) -> str:
    """The tid: plain ASCII that is safe in a path, a log and a header."""
    if not _REFERENCE.fullmatch(tid := text(body, "tid")):
        raise Odd("tid")
    return tid


def whole(body: Mapping[str, Any], name: str) -> int:
    """Whole won, as an integer or as digits in a string."""
    value = body.get(name)
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_AMOUNT:
        raise Odd(name)
    return value


def amount(body: Mapping[str, Any], name: str) -> Amount:
    """An amount object whose parts fit into its total."""
    given = body.get(name)
    if not isinstance(given, dict):
        raise Odd(name)
    amount = Amount(whole(given, "total"), whole(given, "tax_free"), whole(given, "vat"))
    for part in ("point", "discount", "green_deposit"):
        if given.get(part) is not None and whole(given, part) > amount.total:
            raise Odd(f"{name}.{part}")
    if amount.tax_free + amount.vat > amount.total:
        raise Odd(f"{name} is less than its parts")
    return amount


def method(body: Mapping[str, Any]) -> str | None:
    """CARD or MONEY or what comes after them; None when it is not there."""
    if body.get("payment_method_type") is None:
        return None
    if not _METHOD.fullmatch(method := text(body, "payment_method_type")):
        raise Odd("payment_method_type")
    return method


def moment(body: Mapping[str, Any], name: str) -> int | None:
    """Korean time without a zone → UTC microseconds; None when it is not there."""
    if body.get(name) is None:
        return None
    try:
        moment = datetime.fromisoformat(text(body, name))
    except ValueError:
        raise Odd(name) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=KST)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def page(body: Mapping[str, Any], name: str) -> str:
    """An address that a browser may be sent to."""
    url = body.get(name)
    if not isinstance(url, str) or len(url) > URL_LIMIT or _NOT_IN_URL.search(url):
        raise Odd(name)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Odd(name) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise Odd(name)
    return url


def scheme(body: Mapping[str, Any], name: str) -> str | None:
    """A hand-off to KakaoTalk, if there is one; another app's is not passed on."""
    url = body.get(name)
    if not isinstance(url, str) or len(url) > URL_LIMIT or _NOT_IN_URL.search(url):
        return None
    return url if url.partition(":")[0] in APP_SCHEMES else None


def codes(body: Mapping[str, Any] | None) -> tuple[int | None, str | None]:
    """The error code, of either generation, and the method's own result code."""
    if body is None:
        return None, None
    code: object = body.get("error_code", body.get("code"))
    if isinstance(code, str) and _CODE.fullmatch(code):
        code = int(code)
    if isinstance(code, bool) or not isinstance(code, int):
        return None, None
    extras = body.get("extras")
    result = extras.get("method_result_code") if isinstance(extras, dict) else None
    if isinstance(result, int) and not isinstance(result, bool):
        result = str(result)
    if not isinstance(result, str) or not _RESULT.fullmatch(result):
        return code, None
    return code, result


def message(body: Mapping[str, Any] | None) -> str:
    """Their words, for people: cut to size, with nothing in them that could act on a reader."""
    said = (body or {}).get("error_message", (body or {}).get("msg"))
    return _UNSEEN.sub(" ", said)[:MESSAGE_LIMIT] if isinstance(said, str) else ""
