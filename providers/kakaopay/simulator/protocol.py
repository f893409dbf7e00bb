"""Requests on the wire: who may call, and what each field may hold.

It looks at one request by itself; payments, money and time are none of its business.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from providers.kakaopay.simulator.refusals import Refusal, invalid

DEV_KEY = re.compile(r"DEV[A-Z0-9]{37}")
TEST_CID = "TC0ONETIME"
SCHEMES = frozenset({"SECRET_KEY", "DEV_SECRET_KEY"})
WHOLE = re.compile(r"[0-9]{1,10}")
MAX_WHOLE = 2**31 - 1
"""The largest integer accepted; the real limit is not documented."""
METHODS = frozenset({"CARD", "MONEY"})
URL_FIELDS = {"approval_url": "approve_url", "cancel_url": "cancel_url", "fail_url": "fail_url"}
"""Field → the name that error messages use for it."""
LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
UNSAFE_IN_URL = re.compile(r"[^\x21-\x7e]|\\")


@dataclass(frozen=True)
class Call:
    """One authorised request: which verb, whose, and its fields."""

    verb: str
    cid: str
    """The only CID that the caller's key may use."""
    fields: Fields


class Fields:
    """A JSON object read field by field; anything missing or misshapen is refused."""

    def __init__(self, body: Mapping[str, object]) -> None:
        self._body = body

    def has(self, name: str) -> bool:
        """Whether the field was sent at all."""
        return self._body.get(name) is not None

    def peek(self, name: str) -> str | None:
        """The field if it is text, for looking things up; nothing is refused."""
        value = self._body.get(name)
        return value if isinstance(value, str) else None

    def text(self, name: str, limit: int) -> str:
        """Required text of 1 to `limit` characters."""
        value = self.maybe_text(name, limit)
        if not value:
            raise invalid(name)
        return value

    def maybe_text(self, name: str, limit: int) -> str | None:
        """Optional text of at most `limit` characters."""
        value = self._body.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > limit or LONE_SURROGATE.search(value):
            raise invalid(name)
        return value

    def whole(self, name: str) -> int:
        """A required whole number: a JSON integer or digits in a string."""
        value = self._body.get(name)
        if isinstance(value, str) and WHOLE.fullmatch(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_WHOLE:
            raise invalid(name)
        return value

    def maybe_whole(self, name: str) -> int | None:
        """The same when sent, None when not."""
        return self.whole(name) if self.has(name) else None


def fields_of(raw: bytes, content_type: str) -> Fields:
    """The request's JSON object; the current API takes no forms."""
    if content_type != "application/json":
        raise Refusal(-2, "invalid param(content type must be application/json)")
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Refusal(-2, "invalid param(body has invalid value)")
    return Fields(body)


def authorised_cid(header: str | None, keys: Mapping[str, str] | None) -> str:
    """The CID behind an `Authorization` header."""
    if not header:
        raise Refusal(-400)
    scheme, _, key = header.partition(" ")
    cid = _cid_of(key, keys) if scheme in SCHEMES else None
    if cid is None:
        raise Refusal(-401)
    return cid


def _cid_of(key: str, keys: Mapping[str, str] | None) -> str | None:
    if keys is None:
        return TEST_CID if DEV_KEY.fullmatch(key) else None
    given = key.encode()
    found = None
    for known, cid in keys.items():
        if hmac.compare_digest(known.encode(), given):
            found = cid
    return found


def redirect_url(fields: Fields, name: str, domains: frozenset[str] | None) -> str:
    """One of the three return addresses, on a registered domain."""
    url = fields.text(name, 255)
    if not _registered(url, domains):
        shown = f"{URL_FIELDS[name]}({url})"
        raise Refusal(-799, f"{shown} does not match registered website domain.")
    return url


def _registered(url: str, domains: frozenset[str] | None) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    odd = UNSAFE_IN_URL.search(url) or "@" in parts.netloc
    if odd or parts.scheme not in ("http", "https"):
        return False
    if domains is None:
        return is_loopback(parts.hostname or "")
    return f"{parts.scheme}://{parts.netloc}".lower() in domains


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
