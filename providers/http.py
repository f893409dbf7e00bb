"""Outgoing HTTP to gateways: one JSON call, its result a value, within one total deadline.

It refuses redirects, cookies, proxies from the environment, unverified TLS, plain http beyond this
machine, compressed bodies and bodies beyond 64 KiB.

    reply = GatewayHttp().post_json(url, headers, {"tid": "T1"}, deadline_s=10, secrets=[key])
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import requests
import urllib3

from engine.errors import causes
from providers import strict_json
from providers.bounded import CALL, POOL_SIZE, Addresses, BoundedAdapter, Call, Resolver
from providers.breaker import Breakers

MAX_BODY = 64 * 1024
"""Bytes of an answer; the longest documented one has about 2 KiB."""
CONNECT_S = 3.0
"""A gateway that takes longer to connect to is tried once more."""
CONNECT_TRIES = 2
"""Only before the first byte is sent."""
SHORTEST_SECRET = 6
"""Masking a shorter text would mangle amounts, and hide nothing."""
MASK = "***"
_CHUNK = 16 * 1024
_DOWN = frozenset({502, 503, 504})
"""Statuses that say that the gateway itself did not answer."""
_ODD_IN_URL = re.compile(r"[^\x21-\x7e]|\\")

LostKind = Literal["not_sent", "timeout", "unavailable", "surprise"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The gateway answered. `body` is its JSON object, or None when it sent no JSON.

    `raw` holds the bytes of the body; in both, the secrets of the call are masked.
    """

    status: int
    body: dict[str, Any] | None
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer that makes sense. `not_sent`: no byte left us. Any other: it may have acted.

    `timeout`: the deadline passed. `unavailable`: the connection broke. `surprise`: what came
    back was not HTTP, too long, encoded, or JSON that two readers read differently. `detail` is in
    our own words and quotes nothing.
    """

    kind: LostKind
    detail: str


Reply = Answer | Lost


class GatewayHttp:
    """The connections to one provider's gateway; safe for threads.

    `monotonic` gives the breaker its seconds. `ca_file` replaces the well-known authorities.
    `resolve` has the shape of `socket.getaddrinfo`.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        connect_s: float = CONNECT_S,
        ca_file: str | None = None,
        resolve: Callable[..., Addresses] | None = None,
    ) -> None:
        self._breakers = Breakers(monotonic)
        self._connect_s = connect_s
        self._verify: bool | str = ca_file or True
        self._resolver = Resolver(resolve) if resolve else Resolver()
        # The adapter without its Session: no redirects, cookies, netrc or proxies to switch off.
        self._adapter = BoundedAdapter(pool_maxsize=POOL_SIZE)

    def post_json(
        self,
        url: str,
        headers: Mapping[str, str],
        body: Mapping[str, Any],
        deadline_s: float,
        secrets: Sequence[str] = (),
    ) -> Reply:
        """POST `body` and return what came of it after `deadline_s` seconds at most.

        The same request is never sent twice. Raises ValueError for a URL or a header that must not
        be used at all, and for nothing else.
        """
        gateway = origin(url)
        request = _prepared(url, headers, body)
        if deadline_s <= 0:
            return Lost("not_sent", "no time left")
        if not self._breakers.allows(gateway):
            return Lost("not_sent", "circuit open")
        call = Call(self._resolver, time.monotonic() + deadline_s, self._connect_s)
        reply = self._tried(request, call, secrets)
        self._breakers.record(gateway, isinstance(reply, Answer) and reply.status not in _DOWN)
        return reply

    def close(self) -> None:
        """Close the idle connections."""
        self._adapter.close()
        self._resolver.close()

    def _tried(
        self, request: requests.PreparedRequest, call: Call, secrets: Sequence[str]
    ) -> Reply:
        for _ in range(CONNECT_TRIES - 1):
            reply = self._once(request, call, secrets)
            if call.sent or time.monotonic() >= call.ends:
                return reply
        return self._once(request, call, secrets)

    def _once(self, request: requests.PreparedRequest, call: Call, secrets: Sequence[str]) -> Reply:
        mine = CALL.set(call)
        try:
            limits = (self._connect_s, max(call.left(), 0.001))
            response = self._adapter.send(request, True, limits, self._verify)
            try:
                return _read(response, secrets)
            finally:
                response.close()
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            http.client.HTTPException,
            OSError,
            ValueError,
        ) as error:
            return _lost(error, call)
        finally:
            CALL.reset(mine)


def origin(url: str) -> str:
    """Scheme, host and port of a gateway's URL; raises ValueError for one we must not call.

    https is fine anywhere, http on this machine only; user names in a URL are refused.
    """
    parts = urlsplit(url)
    if _ODD_IN_URL.search(url) or "@" in parts.netloc or not parts.hostname:
        raise ValueError("a gateway's URL has a plain host and no user name")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(parts.hostname)):
        raise ValueError("a gateway's URL is https, or http on a loopback address")
    return f"{parts.scheme}://{parts.hostname}:{parts.port or parts.scheme}"


def _masked(text: str, secrets: Sequence[str]) -> str:
    for secret in _longest_first(secrets):
        text = text.replace(secret, MASK)
    return text


def _longest_first(secrets: Sequence[str]) -> list[str]:
    """One secret may begin with another."""
    return sorted((text for text in secrets if len(text) >= SHORTEST_SECRET), key=len, reverse=True)


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _prepared(
    url: str, headers: Mapping[str, str], body: Mapping[str, Any]
) -> requests.PreparedRequest:
    if any(
        not text.isascii() or not text.isprintable() for pair in headers.items() for text in pair
    ):
        raise ValueError("a header holds a character that must not be sent")
    fixed = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "User-Agent": "Strada",
    }
    data = json.dumps(dict(body), allow_nan=False).encode("ascii")
    return requests.Request("POST", url, headers={**headers, **fixed}, data=data).prepare()


def _read(response: requests.Response, secrets: Sequence[str]) -> Reply:
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        return Lost("surprise", "the body is encoded")
    raw = bytearray()
    while chunk := response.raw.read(_CHUNK, decode_content=False):
        raw += chunk
        if len(raw) > MAX_BODY:
            return Lost("surprise", "the body is too long")
    try:
        body = strict_json.parse(bytes(raw))
    except strict_json.Odd as odd:
        return Lost("surprise", f"JSON: {odd}")
    return _answer(response.status_code, body, bytes(raw), secrets)


def _answer(status: int, body: dict[str, Any] | None, raw: bytes, secrets: Sequence[str]) -> Answer:
    clean = _masked_in(body, secrets)
    if clean != body:  # Escapes may hide a secret from a search of the bytes.
        raw = json.dumps(clean, ensure_ascii=False).encode()
    for secret in _longest_first(secrets):
        raw = raw.replace(secret.encode("utf-8", "replace"), MASK.encode())
    return Answer(status, clean, raw)


def _masked_in(value: Any, secrets: Sequence[str]) -> Any:
    """Names stay: a token that came from a browser must not be able to hide an answer's field."""
    match value:
        case str():
            return _masked(value, secrets)
        case list():
            return [_masked_in(item, secrets) for item in value]
        case dict():
            return {name: _masked_in(item, secrets) for name, item in value.items()}
    return value


def _lost(error: Exception, call: Call) -> Lost:
    found = list(causes(error))
    detail = type(found[-1]).__name__
    if not call.sent:
        return Lost("not_sent", detail)
    if any(isinstance(cause, TimeoutError) for cause in found):
        return Lost("timeout", "no whole answer within the deadline")
    if isinstance(error, ValueError) or any(_is_nonsense(cause) for cause in found):
        return Lost("surprise", detail)
    return Lost("unavailable", detail)


def _is_nonsense(cause: BaseException) -> bool:
    """Whether bytes came that are not HTTP, rather than too few of them."""
    too_few = http.client.RemoteDisconnected | http.client.IncompleteRead
    return isinstance(cause, http.client.HTTPException) and not isinstance(cause, too_few)
