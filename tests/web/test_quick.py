"""What the loop answers by itself is, to the byte, what Flask would have answered."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from house import House
from storefront import Site

from engine.store import Store
from web.app import create_app
from web.framing import Answer, Parser
from web.quick import LARGEST_BODY, is_quick
from web.rate_limit import Rate, RateLimit
from web.server import listen

_MADE_UP = re.compile(rb"(?:txn|req)_[0-9a-zA-Z_-]+|Date: [^\r]+")
Ask = Callable[[Any], bytes]


class Pair:
    """One app asked in two ways, each time in the same state: what an answer has changed goes."""

    def __init__(self, site: Site, base_url: str = "http://127.0.0.1:8080") -> None:
        self.site = site
        settings = replace(site.strada.settings, base_url=base_url)
        self.app = create_app(replace(site.strada, settings=settings))
        self._server: Any = listen(self.app, "127.0.0.1", 0, 1)

    def close(self) -> None:
        self._server.close()

    def parsed(self, asked: bytes) -> Any:
        parser = Parser(self._server.adj)
        while asked:
            asked = asked[parser.received(asked) :]
        assert parser.completed
        return parser

    def by_loop(self, asked: bytes) -> bytes:
        request = self.parsed(asked)
        assert is_quick(request), asked
        return self._undone(lambda: self.app.extensions["quick"].answer(request))

    def by_flask(self, asked: bytes) -> bytes:
        said: list[bytes] = []
        channel = SimpleNamespace(
            server=self._server,
            addr=("127.0.0.1", 1),
            write_soon=lambda data: said.append(bytes(data)) or len(data),
            check_client_disconnected=lambda: False,
        )
        self._undone(Answer(channel, self.parsed(asked)).service)
        return b"".join(said)

    def _undone(self, run: Callable[[], Any]) -> Any:
        return undone(self.site.house.store, run)


class _Undone(Exception):
    """Nothing of what was written is kept."""


def undone(store: Store, run: Callable[[], Any]) -> Any:
    found: list[Any] = []
    with suppress(_Undone), store.together(1):
        found.append(run())
        raise _Undone
    return found[0]


def compared(answer: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Status, headers in any order, body; names that chance made, and the time, are left out."""
    head, _, body = _MADE_UP.sub(lambda found: b"*" * len(found[0]), answer).partition(b"\r\n\r\n")
    status, *headers = head.split(b"\r\n")
    return status, sorted(headers), body


@pytest.fixture
def site(house: House) -> Site:
    return Site(house)


@pytest.fixture(params=["http://127.0.0.1:8080", "https://pay.example"])
def pair(site: Site, request: pytest.FixtureRequest) -> Iterator[Pair]:
    made = Pair(site, request.param)
    yield made
    made.close()


@dataclass(frozen=True)
class Case:
    """A request; `{created}`, `{approved}` and the like in its path are payments brought there."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


ORDER = {
    "provider": "told",
    "order_id": "the-order",
    "item_name": "초코파이 외 2건",
    "amount": 12_000,
    "currency": "KRW",
    "customer_id": "user-7",
}
KEY = {"Idempotency-Key": "some-key-1234"}
CANCEL = "/v1/transactions/{created}/cancel"
CASES = (
    Case("GET", "/v1/transactions/{created}"),
    Case("GET", "/v1/transactions/{approved}"),
    Case("GET", "/v1/transactions/txn_nobody", status=404),
    Case("GET", "/v1/transactions/txn", status=404),
    Case("GET", "/v1/transactions/{created}", headers={"Connection": "Keep-Alive"}),
    Case("GET", "/v1/transactions/{created}", headers={"Accept": "text/html"}),
    Case("GET", "/v1/transactions/{created}", headers={"Authorization": ""}, status=401),
    Case("GET", "/v1/transactions/{created}", headers={"Authorization": "Basic abc"}, status=401),
    Case("GET", "/v1/transactions/{created}", headers={"Authorization": "Bearer a, b"}, status=400),
    Case("GET", "/v1/transactions/{created}", headers={"Authorization": "{stranger}"}, status=404),
    Case("GET", "/v1/transactions/{created}", headers={"Authorization": "{auditor}"}),
    Case("GET", "/v1/transactions/{created}", headers={"Authorization": "{client}"}),
    Case("GET", "/v1/transactions/{approved}", headers={"Authorization": "{client}"}, status=404),
    Case("POST", "/v1/transactions", ORDER, status=201),
    Case("POST", "/v1/transactions", ORDER, KEY, status=201),
    Case("POST", "/v1/transactions", ORDER | {"amount": -1}, status=422),
    Case("POST", "/v1/transactions", ORDER | {"amount": -1}, {"Accept-Language": "ko"}, 422),
    Case("POST", "/v1/transactions", ORDER | {"return_url": "javascript:1"}, status=422),
    Case("POST", "/v1/transactions", ORDER | {"provider": "none"}, status=422),
    Case("POST", "/v1/transactions", ORDER | {"metadata": {"이름": "값"}}, status=201),
    Case("POST", "/v1/transactions", ORDER, {"Authorization": "{auditor}"}, 403),
    Case("POST", "/v1/transactions", None, status=422),
    Case("POST", "/v1/transactions", b"{", status=400),
    Case("POST", "/v1/transactions", b'{"a": 1, "a": 2}', status=400),
    Case("POST", "/v1/transactions", b"\xff", status=400),
    Case("POST", "/v1/transactions", ORDER, {"Content-Type": "text/plain"}, 415),
    Case("POST", "/v1/transactions", ORDER, {"Content-Type": "Application/JSON; charset=x"}, 201),
    Case("POST", "/v1/transactions", ORDER, {"Content-Encoding": "gzip"}, 415),
    Case("POST", "/v1/transactions", ORDER, {"Idempotency-Key": "short"}, 400),
    Case("POST", CANCEL),
    Case("POST", CANCEL, {}, KEY),
    Case("POST", CANCEL, {"reason": "그냥"}, {"Idempotency-Key": '"some-key-1234"'}),
    Case("POST", CANCEL, {"reason": 7}, status=422),
    Case("POST", CANCEL, None, {"If-Match": '"1"'}),
    Case("POST", CANCEL, None, {"If-Match": '"7"'}, 412),
    Case("POST", CANCEL, None, {"If-Match": "*"}, 400),
    Case("POST", CANCEL, None, {"Authorization": "{client}"}),
    Case("POST", "/v1/transactions/{created}/fail"),
    Case("POST", "/v1/transactions/{created}/complete", status=409),
    Case("POST", "/v1/transactions/{created}/complete", None, {"Authorization": "{client}"}, 403),
    Case("POST", "/v1/transactions/{approved}/complete", None, KEY),
    Case("POST", "/v1/transactions/{approved}/cancel", status=409),
    Case("POST", "/v1/transactions/{approved}/cancel", None, {"Accept-Language": "ko"}, 409),
    Case("POST", "/v1/transactions/{approved}/fail", None, KEY, 409),
    Case("POST", "/v1/transactions/txn_nobody/cancel", status=404),
)


def bytes_of(site: Site, case: Case) -> bytes:
    house = site.house
    there = {"created": house.create(), "approved": house.approved()}
    tokens = {
        "stranger": site.stranger,
        "auditor": site.auditor,
        "client": house.vault.client_secret(there["created"]),
    }
    data = case.body if isinstance(case.body, bytes) else b""
    if data == b"" and case.body is not None:
        data = json.dumps(case.body).encode()
    headers = {
        "Host": "localhost",
        "Authorization": f"Bearer {site.key}",
        "Content-Length": str(len(data)),
        "Content-Type": "application/json",
        **case.headers,
    }
    token = headers["Authorization"].strip("{}")
    if token in tokens:
        headers["Authorization"] = f"Bearer {tokens[token]}"
    if not headers["Authorization"]:
        del headers["Authorization"]
    lines = [f"{case.method} {case.path.format(**there)} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + data


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.method} {case.path}")
def test_the_loop_answers_as_flask_does(pair: Pair, case: Case) -> None:
    asked = bytes_of(pair.site, case)
    ours, theirs = pair.by_loop(asked), pair.by_flask(asked)
    assert int(theirs.split()[1]) == case.status, theirs
    assert compared(ours) == compared(theirs)


@pytest.mark.parametrize("case", [c for c in CASES if c.headers == KEY], ids=lambda c: c.path)
def test_the_loop_repeats_what_was_answered_as_flask_does(pair: Pair, case: Case) -> None:
    asked = bytes_of(pair.site, case)

    def twice(by: Ask) -> bytes:
        undone_inside, pair._undone = pair._undone, lambda run: run()
        try:
            return undone(pair.site.house.store, lambda: (by(asked), by(asked))[1])
        finally:
            pair._undone = undone_inside

    ours, theirs = twice(pair.by_loop), twice(pair.by_flask)
    assert b"Idempotent-Replayed: true" in ours
    assert compared(ours) == compared(theirs)


def test_the_loop_says_when_to_come_back_as_flask_does(pair: Pair) -> None:
    asked = bytes_of(pair.site, Case("GET", "/v1/transactions/{created}"))
    answers = []
    for by in (pair.by_loop, pair.by_flask):
        limit = RateLimit(Rate(1, 60), pair.site.strada.clock.monotonic)
        pair.app.extensions["handlers"].limit = limit
        answers.append([compared(by(asked)) for _ in range(2)][1])
    assert answers[0] == answers[1]
    assert answers[0][0].startswith(b"HTTP/1.1 429 ")


def test_the_loop_hides_a_defect_as_flask_does(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    del pair.app.extensions["handlers"].limit
    asked = bytes_of(pair.site, Case("GET", "/v1/transactions/{created}"))
    ours, theirs = pair.by_loop(asked), pair.by_flask(asked)
    assert compared(ours) == compared(theirs)
    assert ours.startswith(b"HTTP/1.1 500 ")
    assert len({record.getMessage().split(" ", 2)[2] for record in caplog.records}) == 1
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("HEAD /v1/transactions/txn_a", ""),
        ("PUT /v1/transactions/txn_a/status", ""),
        ("GET /v1/transactions", ""),
        ("GET /v1/transactions/txn_a?at_seq=1", ""),
        ("GET /v1/transactions/txn_a?", ""),
        ("GET /v1/transactions/txn_%61", ""),
        ("GET http://localhost/v1/transactions/txn_a", ""),
        ("GET /console/v1/transactions/txn_a", ""),
        ("GET /v1/transactions/txn_a/", ""),
        ("GET /v1/transactions/txn_a/transitions", ""),
        ("POST /v1/transactions/txn_a/approve", ""),
        ("POST /v1/transactions/txn_a/refund", ""),
        ("POST /v1/transactions/txn_a/ready", ""),
        ("GET /v1/transactions/txn_a", "Origin: https://shop.example"),
        ("GET /v1/transactions/txn_a", "Connection: close"),
        ("GET /v1/transactions/txn_a", "Connection: keep-alive, Upgrade"),
        ("GET /v1/transactions/txn_a", "Expect: 100-continue"),
        ("POST /v1/transactions/txn_a/cancel", "Content-Type: application/json"),
    ],
)
def test_what_is_not_plain_is_not_quick(site: Site, line: str, header: str) -> None:
    pair = Pair(site)
    body = b" " * (LARGEST_BODY + 1) if header.startswith("Content-Type") else b""
    lines = [f"{line} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", header]
    asked = "\r\n".join([*filter(None, lines), "", ""]).encode() + body
    assert not is_quick(pair.parsed(asked))
    pair.close()


@pytest.mark.parametrize("host", ["Host: a_b", "Host: a/b", "Host: [::1]:80", "X: y"])
def test_a_host_that_flask_has_to_weigh_is_not_quick(site: Site, host: str) -> None:
    pair = Pair(site)
    asked = f"GET /v1/transactions/txn_a HTTP/1.1\r\n{host}\r\n\r\n"
    assert not is_quick(pair.parsed(asked.encode()))
    pair.close()


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_only_what_speaks_1_1_is_quick(site: Site, version: str) -> None:
    pair = Pair(site)
    asked = f"GET /v1/transactions/txn_a HTTP/{version}\r\nHost: localhost:80\r\n\r\n"
    assert is_quick(pair.parsed(asked.encode())) is (version == "1.1")
    pair.close()
