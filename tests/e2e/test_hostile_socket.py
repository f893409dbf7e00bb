"""Broken and ambiguous HTTP over raw sockets, against the real server in a thread of this process.

waitress' own early answers would be plain text that repeats bytes of the request; `web/framing.py`
makes them problem+json: everything here is 400 `invalid_header` or 413 `body_too_large`, once, and
then the connection ends. Nothing behind a refused message is ever answered.
"""

from __future__ import annotations

import json
import logging
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from storefront import Site
from waitress import wasyncore

from web.server import LONGEST_HEAD, listen

CANARY = "raw-input-7f3a9c"
SMUGGLED = f"GET /v1/chart?{CANARY} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
WAIT_S = 10.0


class Server:
    """`web.server.listen` on a free port, its loop run in a thread until `close`."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._server = listen(site.app, "127.0.0.1", 0, 8)
        self.port = int(self._server.effective_port)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        poll = self._server.adj.asyncore_use_poll
        while not self._stop.is_set():
            wasyncore.loop(0.05, use_poll=poll, map=self._server._map, count=1)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(WAIT_S)
        self._server.task_dispatcher.shutdown(timeout=WAIT_S)
        wasyncore.close_all(self._server._map)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), WAIT_S)

    def say(self, sent: bytes) -> bytes:
        """Send bytes, and all that comes back until the server hangs up."""
        with self.connect() as wire:
            wire.sendall(sent)
            return read_all(wire)


def read_all(wire: socket.socket) -> bytes:
    received = b""
    while True:
        try:
            piece = wire.recv(65_536)
        except ConnectionResetError:
            return received
        if not piece:
            return received
        received += piece


def answers(raw: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Every response in a stream, read by Content-Length; what is left over would fail."""
    found = []
    while raw:
        head, ended, raw = raw.partition(b"\r\n\r\n")
        assert ended, raw
        first, *lines = head.decode("latin-1").split("\r\n")
        assert first.startswith("HTTP/1.")
        headers = {line.split(": ")[0].lower(): line.split(": ", 1)[1] for line in lines}
        size = int(headers.get("content-length", 0))
        found.append((int(first.split()[1]), headers, raw[:size]))
        raw = raw[size:]
    return found


def refused(raw: bytes, status: int = 400, code: str = "invalid_header") -> None:
    """One refusal, in problem+json, that repeats nothing and closes the connection."""
    assert CANARY.encode() not in raw
    [(got, headers, body)] = answers(raw)
    document: dict[str, Any] = json.loads(body)
    assert (got, document["code"], document["status"]) == (status, code, status)
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert headers["request-id"] == document["request_id"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


@pytest.fixture
def server(site: Site, caplog: pytest.LogCaptureFixture) -> Iterator[Server]:
    caplog.set_level(logging.INFO)
    started = Server(site)
    try:
        yield started
        assert answers(started.say(LAST))[0][0] == 200
    finally:
        started.close()
    assert CANARY not in caplog.text
    loud = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert [text for text in loud if "queue depth" not in text] == []


@pytest.fixture
def rows(site: Site) -> Iterator[None]:
    """Nothing may be written."""

    def count() -> list[Any]:
        store = site.house.store
        names = ("transactions", "entries")
        return [store.rows(f"SELECT count(*) AS n FROM {name}") for name in names]

    before = count()
    yield
    assert count() == before
    assert site.house.gateway.calls == []


def post(*headers: str | bytes, body: bytes = b"", version: str = "1.1", key: str = "") -> bytes:
    lines = [f"POST /v1/transactions HTTP/{version}", "Host: x", "Content-Type: application/json"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    raw = [line.encode() for line in lines]
    raw += [line.encode("latin-1") if isinstance(line, str) else line for line in headers]
    return b"\r\n".join(raw) + b"\r\n\r\n" + body


CHUNKED = "Transfer-Encoding: chunked"
END = b"0\r\n\r\n"
FRAMING = {
    "CL then TE": post("Content-Length: 5", CHUNKED, body=END),
    "TE then CL": post(CHUNKED, "Content-Length: 5", body=END),
    "CL 0 and TE": post("Content-Length: 0", CHUNKED, body=END),
    "TE twice": post(CHUNKED, CHUNKED, body=END),
    "TE chunked, chunked": post("Transfer-Encoding: chunked, chunked", body=END),
    "TE identity, chunked": post("Transfer-Encoding: identity, chunked", body=END),
    "TE chunked, identity": post("Transfer-Encoding: chunked, identity", body=END),
    "TE identity": post("Transfer-Encoding: identity", "Content-Length: 0"),
    "TE gzip": post("Transfer-Encoding: gzip", "Content-Length: 0"),
    "TE odd": post(f"Transfer-Encoding: x{CANARY}", body=END),
    "TE empty": post("Transfer-Encoding:", "Content-Length: 0"),
    "TE quoted": post('Transfer-Encoding: "chunked"', body=END),
    "TE vertical tab": post("Transfer-Encoding: \x0bchunked", body=END),
    "TE space before colon": post("Transfer-Encoding : chunked", body=END),
    "TE folded": post("Transfer-Encoding:\r\n chunked", body=END),
    "TE next to obs-text": post("Transfer-Encoding: chunked\xa0", body=END),
    "TE in 1.0": post(CHUNKED, "Connection: keep-alive", version="1.0", body=END),
    "CL twice": post("Content-Length: 0", "Content-Length: 0"),
    "CL twice different": post("Content-Length: 0", f"Content-Length: {len(SMUGGLED)}"),
    "CL list": post("Content-Length: 0, 0"),
    "CL plus": post("Content-Length: +0"),
    "CL minus": post("Content-Length: -1"),
    "CL hex": post("Content-Length: 0x0"),
    "CL empty": post("Content-Length:"),
    "CL space": post("Content-Length: 0 0"),
    "CL words": post(f"Content-Length: {CANARY}"),
    "CL 5000 digits": post("Content-Length: " + "9" * 5_000),
    "CL 5000 zeros": post("Content-Length: " + "0" * 5_000),
    "CL latin-1": post("Content-Length: \xb2"),
    "chunk size words": post(CHUNKED, body=b"xyz\r\n" + END),
    "chunk size 0x": post(CHUNKED, body=b"0x0\r\n\r\n"),
    "chunk size minus": post(CHUNKED, body=b"-1\r\n" + END),
    "chunk size plus": post(CHUNKED, body=b"+0\r\n\r\n"),
    "chunk size long": post(CHUNKED, body=b"1" * 5_000 + b"\r\n"),
    "chunk size without end": post(CHUNKED, body=b"1" * 5_000),
    "chunk size empty": post(CHUNKED, body=b"\r\n" + END),
    "chunk size bare LF": post(CHUNKED, body=b"2\n\r\n{}\r\n" + END),
    "chunk size only LF": post(CHUNKED, body=b"2\n{}\n0\n\n\r\n"),
    "chunk size bare CR": post(CHUNKED, body=b"2\r{}\r\n" + END),
    "chunk extension LF": post(CHUNKED, body=b"2;a\n\r\n{}\r\n" + END),
    "chunk extension NUL": post(CHUNKED, body=b"2;\0\r\n{}\r\n" + END),
    "chunk longer than said": post(CHUNKED, body=b"1\r\n{}\r\n" + END),
    "chunk ended by LF": post(CHUNKED, body=b"2\r\n{}\n" + END),
    "trailer with LF": post(CHUNKED, body=b"0\r\nX: y\nZ: w\r\n\r\n"),
    "no colon": post(CANARY),
    "empty name": post(": x"),
    "space in name": post(f"X {CANARY}: y"),
    "NUL in name": post("X\0: y"),
    "NUL in value": post(f"X: {CANARY}\0"),
    "escape in value": post(f"X: \x1b{CANARY}"),
    "bare LF": post(f"X: y\nZ: {CANARY}"),
    "bare CR": post(f"X: y\rZ: {CANARY}"),
    "folded": post(f"X: y\r\n {CANARY}"),
    "folded first": b"GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n",
    "name beyond ASCII": post("X\xe9: y"),
    "two Hosts": post("Host: y"),
    "header of 100 kB": post("X: " + CANARY + "a" * 100_000),
    "5000 headers": post(*[f"X{n}: {n}" for n in range(5_000)]),
    "request line of 100 kB": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "query of 100 kB": b"GET /v1/chart?" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "no version": f"GET /{CANARY}\r\n\r\n".encode(),
    "HTTP/2.0": b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n",
    "HTTP/1.9": b"GET /healthz HTTP/1.9\r\nHost: x\r\n\r\n",
    "HTTP/0.9": b"GET /healthz HTTP/0.9\r\nHost: x\r\n\r\n",
    "lower case version": b"GET /healthz http/1.1\r\nHost: x\r\n\r\n",
    "lower case method": f"get /{CANARY} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "method with brackets": b"GE(T /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "two spaces": b"GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "tab": b"GET\t/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "space in target": f"GET /{CANARY} x HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "bytes in target": b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in target": b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no slash": b"GET healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "authority": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "half an address": b"GET http://[::1/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "other scheme": b"GET javascript:alert(1) HTTP/1.1\r\nHost: x\r\n\r\n",
    "only LF": b"GET /healthz HTTP/1.1\nHost: x\n\n\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "garbage": bytes(range(256)) + b"\r\n\r\n",
}


@pytest.mark.parametrize("sent", FRAMING.values(), ids=FRAMING.keys())
def test_ambiguous_http_is_refused_once_and_ends_the_connection(
    server: Server, rows: None, sent: bytes
) -> None:
    refused(server.say(sent + SMUGGLED))


@pytest.mark.parametrize(
    "name", ["CL then TE", "chunk size bare LF", "header of 100 kB", "no colon"]
)
def test_what_stands_before_a_refusal_is_answered_and_what_follows_is_not(
    server: Server, rows: None, name: str
) -> None:
    first, second = answers(server.say(HEALTH + FRAMING[name] + SMUGGLED))
    assert (first[0], second[0]) == (200, 400)


def test_ambiguous_http_is_refused_though_it_drips(server: Server, rows: None) -> None:
    with server.connect() as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in FRAMING["CL then TE"].partition(END)[0]:
            wire.sendall(bytes([byte]))
        refused(read_all(wire))


def test_the_refusal_speaks_korean(server: Server, rows: None) -> None:
    raw = server.say(post("Accept-Language: ko", "Content-Length: x"))
    assert "요청" in json.loads(answers(raw)[0][2])["detail"]


# ---- sizes


@pytest.mark.parametrize("size", [1 << 20, 10**9, 10**12 - 1])
def test_a_body_announced_too_large_is_413_at_once(server: Server, rows: None, size: int) -> None:
    for extra in ((), ("Expect: 100-continue",)):
        raw = server.say(post(f"Content-Length: {size}", *extra))
        refused(raw, 413, "body_too_large")


def chunks(body: bytes, size: int = 4_096) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + END


@pytest.mark.parametrize("size", [65_537, 200_000])
def test_more_than_64_kib_is_413_in_either_framing(
    server: Server, rows: None, site: Site, size: int
) -> None:
    body = b'{"a":"' + b"x" * (size - 8) + b'"}'
    close = "Connection: close"
    sized = post(f"Content-Length: {len(body)}", close, body=body, key=site.key)
    chunked = post(CHUNKED, close, body=chunks(body), key=site.key)
    for sent in (sized, chunked):
        [(status, headers, answer)] = answers(server.say(sent))
        assert (status, json.loads(answer)["code"]) == (413, "body_too_large")
        assert headers["content-type"] == "application/problem+json"


def test_an_endless_chunked_body_is_cut_off(server: Server, rows: None, site: Site) -> None:
    sent = 0
    with server.connect() as wire:
        try:
            wire.sendall(post(CHUNKED, key=site.key))
            while sent < 64 << 20:
                wire.sendall(b"1000\r\n" + b" " * 4_096 + b"\r\n")
                sent += 4_096
        except (ConnectionResetError, BrokenPipeError):
            pass
    assert sent < 32 << 20


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_a_chunked_body_is_read_however_it_arrives(server: Server, site: Site, step: int) -> None:
    body = json.dumps(site.order(item_name="초코파이" * 20)).encode()
    framed = chunks(body, 13).replace(b"d\r\n", b"D ; a=b\r\n", 1)[: -len(b"\r\n")]
    sent = post(CHUNKED, "Connection: close", key=site.key) + framed + b"X: trailer\r\n\r\n"
    with server.connect() as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(sent), step):
            wire.sendall(sent[at : at + step])
        [(status, _, answer)] = answers(read_all(wire))
    assert status == 201
    assert json.loads(answer)["item_name"] == "초코파이" * 20


def test_what_follows_a_chunked_body_is_the_next_request(server: Server, rows: None) -> None:
    found = answers(server.say(post(CHUNKED, body=chunks(b"{}")) + HEALTH + LAST))
    assert [status for status, _, _ in found] == [401, 200, 200]


# ---- headers


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ([f"Authorization: Bearer \xff{CANARY}"], 401, "unauthenticated"),
        (["Authorization: Bearer {key}", "Authorization: Bearer {key}"], 400, "invalid_header"),
        ([f"Authorization: Basic {CANARY}"], 401, "unauthenticated"),
        (["authorization: Bearer {key}", f"Idempotency-Key: \xff{CANARY}"], 400, "invalid_header"),
        (
            [
                "Authorization: Bearer {key}",
                "Idempotency-Key: aaaaaaaa",
                "idempotency-key: aaaaaaaa",
            ],
            400,
            "invalid_header",
        ),
        (["Authorization: Bearer {key}", "If-Match: \xb2"], 400, "invalid_header"),
        (["Authorization_: x", "Authorization: Bearer x"], 401, "unauthenticated"),
        (["X-Authorization: Bearer {key}"], 401, "unauthenticated"),
    ],
)
def test_a_malformed_header_gets_its_documented_answer(
    server: Server, rows: None, site: Site, headers: list[str], status: int, code: str
) -> None:
    body = json.dumps(site.order()).encode()
    lines = [line.replace("{key}", site.key) for line in headers]
    sent = post(*lines, f"Content-Length: {len(body)}", "Connection: close", body=body)
    [(got, shown, answer)] = answers(server.say(sent))
    assert (got, json.loads(answer)["code"]) == (status, code)
    assert shown["content-type"] == "application/problem+json"
    assert CANARY.encode() not in answer


@pytest.mark.parametrize(
    "target",
    [
        "http://evil.example/v1//chart",
        "//evil.example/v1/chart",
        "/v1/chart/",
        "https://evil.example",
    ],
)
def test_no_target_or_host_makes_a_redirect(server: Server, rows: None, target: str) -> None:
    sent = f"GET {target} HTTP/1.1\r\nHost: {CANARY}\r\nX-Forwarded-Host: {CANARY}\r\n"
    raw = server.say(f"{sent}X-Forwarded-Proto: https\r\nConnection: close\r\n\r\n".encode())
    [(status, headers, _)] = answers(raw)
    assert status == 404
    assert "location" not in headers
    assert CANARY.encode() not in raw
    assert "evil" not in str(headers)


# ---- more than one request a connection


def test_pipelined_requests_are_answered_in_order(server: Server, rows: None) -> None:
    chart = b"GET /v1/chart HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"HEAD /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    found = answers(server.say(HEALTH + chart + post("Content-Length: 2", body=b"{}") + LAST))
    assert [status for status, _, _ in found] == [200, 200, 401, 200]
    assert b'"version"' in found[1][2]
    raw = server.say(head + LAST)
    assert raw.count(b"HTTP/1.1 404") == raw.count(b"HTTP/1.1 200") == 1


def test_expecting_100_without_a_body_does_not_swallow_the_next_request(
    server: Server, rows: None, site: Site
) -> None:
    mine = b"GET /v1/transactions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n"
    theirs = f"GET /v1/transactions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.key}\r\n"
    raw = server.say(mine + theirs.encode() + b"Connection: close\r\n\r\n")
    assert [status for status, _, _ in answers(raw)] == [401, 200]


def test_expecting_100_with_a_body_works(server: Server, site: Site) -> None:
    body = json.dumps(site.order()).encode()
    sent = post(
        f"Content-Length: {len(body)}", "Expect: 100-continue", "Connection: close", key=site.key
    )
    with server.connect() as wire:
        wire.sendall(sent)
        assert wire.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.sendall(body)
        [(status, _, _)] = answers(read_all(wire))
    assert status == 201


# ---- slow and many


def test_200_half_sent_bodies_do_not_keep_others_waiting(
    server: Server, rows: None, site: Site
) -> None:
    half = post("Content-Length: 60000", body=b'{"a":"', key=site.key)
    with ExitStack() as stack:
        for number in range(200):
            wire = stack.enter_context(server.connect())
            wire.sendall(half if number % 2 else half[:40])
        started = time.monotonic()
        for _ in range(20):
            assert answers(server.say(LAST))[0][0] == 200
        assert time.monotonic() - started < 5


@pytest.mark.skipif(
    0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 4_096,
    reason="1 100 connections take more open files than this system's hard limit allows",
)
def test_more_connections_than_select_can_watch(server: Server, rows: None) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4_096), hard))
    try:
        with ExitStack() as stack:
            for _ in range(1_100):
                stack.enter_context(server.connect()).sendall(b"GET / HTTP/1.1\r\n")
            assert answers(server.say(LAST))[0][0] == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_head_just_short_enough_is_read(server: Server, rows: None) -> None:
    sent = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: "
    sent += b"a" * (LONGEST_HEAD - len(sent) - 5) + b"\r\n\r\n"
    assert answers(server.say(sent))[0][0] == 200
