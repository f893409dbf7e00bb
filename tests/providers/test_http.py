"""Outgoing HTTP against real sockets that drip, break off, lie and swell."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from providers.bounded import RESOLVERS
from providers.http import CONNECT_TRIES, MAX_BODY, Answer, GatewayHttp, Lost

KEY = "DEV" + "CANARY7890" * 3 + "ABCDEFG"
DEADLINE_S = 0.4
GRACE_S = 0.35
"""A busy machine may be late by this much; a dripping peer without the defence goes on for ever."""
HEAD = b"HTTP/1.1 200 OK\r\n"


def post(http: GatewayHttp, url: str, deadline_s: float = 5.0, **more: Any) -> Answer | Lost:
    return http.post_json(url, {"Authorization": f"SECRET_KEY {KEY}"}, {"a": 1}, deadline_s, **more)


def timed(http: GatewayHttp, url: str) -> tuple[Answer | Lost, float]:
    begun = time.monotonic()
    reply = post(http, url, DEADLINE_S)
    return reply, time.monotonic() - begun


def dead_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def addresses(*ports: int) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]


# Answers.


def test_a_json_object_comes_back_with_its_bytes(peer, scripts, gateway_http):
    there = peer(scripts.says(scripts.http(b'{"tid": "T1"}', 400)))
    assert post(gateway_http(), there.url) == Answer(400, {"tid": "T1"}, b'{"tid": "T1"}')


def test_what_is_no_json_has_no_body(peer, scripts, gateway_http):
    there = peer(scripts.says(scripts.http(b"<html>", 503), scripts.http(b"", 200)))
    http = gateway_http()
    assert post(http, there.url) == Answer(503, None, b"<html>")
    assert post(http, there.url) == Answer(200, None, b"")


def test_a_request_is_json_and_asks_for_no_encoding(peer, scripts, gateway_http):
    there = peer(scripts.says(scripts.http()))
    gateway_http().post_json(there.url, {}, {"item_name": "커피", "quantity": 1}, 5)
    head = there.requests[0].partition(b"\r\n\r\n")[0].lower()
    assert b"accept-encoding: identity" in head
    assert b"content-type: application/json" in head
    assert there.bodies == [{"item_name": "커피", "quantity": 1}]


def test_a_connection_is_used_again(peer, scripts, gateway_http):
    there, http = peer(scripts.says(scripts.http())), gateway_http()
    assert [post(http, there.url).status for _ in range(3)] == [200, 200, 200]
    assert there.connections == 1


def test_threads_do_not_get_each_others_answers(gateway_http, peer, scripts):
    echo = threading.local()

    def script(sock: socket.socket) -> bool:
        sock.sendall(scripts.http(echo.body))
        return True

    there, http = peer(script), gateway_http()
    there.heard = lambda request: setattr(echo, "body", request.partition(b"\r\n\r\n")[2])

    def ask(number: int) -> Any:
        return http.post_json(there.url, {}, {"number": number}, 5).body

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(ask, range(64))) == [{"number": number} for number in range(64)]


# The deadline.


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"", b"H"),
        (HEAD, b"X-Drip: 1\r\n"),
        (HEAD + b"X-Drip: ", b"1"),
        (HEAD + b"Content-Length: 60000\r\n\r\n", b" "),
        (HEAD + b"\r\n", b" "),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b""),
    ],
    ids="status headers header length close chunks chunk continue silence".split(),
)
def test_a_dripping_peer_has_the_deadline_in_total(peer, scripts, gateway_http, head, drop):
    there = peer(scripts.drips(head, drop))
    reply, took_s = timed(gateway_http(), there.url)
    assert isinstance(reply, Lost)
    assert reply.kind == "timeout"
    assert took_s < DEADLINE_S + GRACE_S


def test_a_dripping_peer_has_the_deadline_over_tls_too(peer, scripts, gateway_http, certificate):
    context, file = certificate
    there = peer(scripts.drips(HEAD + b"Content-Length: 60000\r\n\r\n", b" "), context)
    reply, took_s = timed(gateway_http(ca_file=file), there.url)
    assert reply == Lost("timeout", "no whole answer within the deadline")
    assert took_s < DEADLINE_S + GRACE_S


def test_a_tls_handshake_has_the_deadline_too(gateway_http):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        reply, took_s = timed(gateway_http(), url)
    assert isinstance(reply, Lost)
    assert reply.kind == "not_sent"
    assert took_s < DEADLINE_S + GRACE_S


def test_a_stuck_name_lookup_has_the_deadline_and_sends_nothing(peer, scripts, gateway_http):
    there, stuck = peer(scripts.says(scripts.http())), threading.Event()

    def resolve(*_: Any, **__: Any) -> list[Any]:
        stuck.wait(5)
        return addresses(there.port)

    reply, took_s = timed(gateway_http(resolve=resolve), f"http://localhost:{there.port}/")
    stuck.set()
    assert isinstance(reply, Lost)
    assert reply.kind == "not_sent"
    assert took_s < DEADLINE_S + GRACE_S
    assert there.connections == 0


def test_stuck_name_lookups_hold_a_bounded_number_of_threads(gateway_http):
    stuck = threading.Event()
    http = gateway_http(resolve=lambda *_, **__: stuck.wait(5) and [])
    with ThreadPoolExecutor(4) as threads:
        replies = list(threads.map(lambda _: post(http, "https://slow.test/", 0.1), range(4)))
    held = [thread for thread in threading.enumerate() if thread.name.startswith("strada-resolve")]
    stuck.set()
    assert {reply.kind for reply in replies} == {"not_sent"}
    assert 0 < len(held) <= RESOLVERS


def test_a_dripping_peer_leaves_no_thread_behind(gateway_http, peer, scripts):
    there, http = peer(scripts.drips(HEAD, b"X: 1\r\n")), gateway_http()
    before = {thread.name for thread in threading.enumerate()}
    post(http, there.url, 0.1)
    after = {thread.name for thread in threading.enumerate()} - before
    assert not any(name.startswith("strada") for name in after)


def test_without_time_nothing_is_sent(peer, scripts, gateway_http):
    there = peer(scripts.says(scripts.http()))
    assert post(gateway_http(), there.url, 0.0) == Lost("not_sent", "no time left")
    assert there.connections == 0


# Sent, or provably not.


def test_a_refused_connection_was_not_sent(gateway_http):
    reply = post(gateway_http(), f"http://127.0.0.1:{dead_port()}/")
    assert reply == Lost("not_sent", "ConnectionRefusedError")


def test_an_unknown_name_was_not_sent(gateway_http):
    def resolve(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    assert post(gateway_http(resolve=resolve), "https://gone.test/") == Lost("not_sent", "gaierror")


def test_an_untrusted_certificate_gets_no_request(peer, scripts, gateway_http, certificate):
    there = peer(scripts.says(scripts.http()), certificate[0])
    reply = post(gateway_http(), there.url)
    assert reply == Lost("not_sent", "SSLCertVerificationError")
    assert there.requests == []


def test_a_trusted_certificate_gets_an_answer(peer, scripts, gateway_http, certificate):
    context, file = certificate
    there = peer(scripts.says(scripts.http()), context)
    assert post(gateway_http(ca_file=file), there.url) == Answer(200, {}, b"{}")


def test_a_connection_is_tried_again_before_anything_is_sent(peer, scripts, gateway_http):
    there = peer(scripts.says(scripts.http()))
    tried = [addresses(dead_port()), addresses(there.port)]
    http = gateway_http(resolve=lambda *_, **__: tried.pop(0))
    assert post(http, "http://localhost:9/") == Answer(200, {}, b"{}")
    assert len(there.requests) == 1 < CONNECT_TRIES


def test_every_address_of_a_name_is_tried(peer, scripts, gateway_http):
    there = peer(scripts.says(scripts.http()))
    http = gateway_http(resolve=lambda *_, **__: addresses(dead_port(), there.port))
    assert post(http, "http://localhost:9/") == Answer(200, {}, b"{}")


def test_a_reset_after_the_request_is_unknown_and_not_repeated(peer, scripts, gateway_http):
    there = peer(scripts.resets)
    reply = post(gateway_http(), there.url)
    assert isinstance(reply, Lost)
    assert reply.kind == "unavailable"
    assert len(there.requests) == 1


@pytest.mark.parametrize("breaks", ["resets", "hangs_up"])
def test_a_pooled_connection_that_breaks_is_unknown(peer, scripts, gateway_http, breaks):
    there, http = peer(scripts.says(scripts.http())), gateway_http()
    post(http, there.url)
    there.script = scripts.resets if breaks == "resets" else scripts.hangs_up(b"")
    reply = post(http, there.url)
    assert isinstance(reply, Lost)
    assert reply.kind == "unavailable"
    assert (len(there.requests), there.connections) == (2, 1)


def test_a_pooled_connection_known_to_be_closed_is_replaced(peer, scripts, gateway_http):
    there, http = peer(scripts.hangs_up(scripts.http())), gateway_http()
    assert post(http, there.url).status == 200
    time.sleep(0.05)
    assert post(http, there.url).status == 200
    assert (len(there.requests), there.connections) == (2, 2)


# Broken, long, encoded and strange bodies.


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (HEAD + b'Content-Length: 99\r\n\r\n{"a": 1}', "unavailable"),
        (HEAD + b'Transfer-Encoding: chunked\r\n\r\n8\r\n{"a": 1}\r\n', "unavailable"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{", "unavailable"),
        (b"", "unavailable"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "unavailable"),
        (b"220 mail.example ESMTP\r\n", "surprise"),
        (b"\x16\x03\x01\x00\x01\x01\r\n", "surprise"),
        (HEAD + b"X-Many: 1\r\n" * 200 + b"\r\n", "surprise"),
        (HEAD + b"X-Long: " + b"a" * 70_000 + b"\r\n\r\n", "surprise"),
    ],
    ids="length chunks chunk nothing size mail tls headers line".split(),
)
def test_half_an_answer_or_none_is_unknown(peer, scripts, gateway_http, raw, kind):
    there = peer(scripts.hangs_up(raw))
    reply = post(gateway_http(), there.url)
    assert isinstance(reply, Lost), reply
    assert reply.kind == kind


@pytest.mark.parametrize("framing", ["length", "close", "chunked"])
def test_a_long_body_is_not_read_to_its_end(peer, gateway_http, framing):
    size, sent = 10 * 1024 * 1024, []

    def script(sock: socket.socket) -> None:
        lines = {"length": b"Content-Length: %d\r\n\r\n" % size, "close": b"\r\n"}
        sock.sendall(HEAD + lines.get(framing, b"Transfer-Encoding: chunked\r\n\r\n"))
        for _ in range(size // 65536):
            block = b" " * 65536
            sock.sendall(b"10000\r\n" + block + b"\r\n" if framing == "chunked" else block)
            sent.append(len(block))

    reply = post(gateway_http(), peer(script).url)
    assert reply == Lost("surprise", "the body is too long")
    assert sum(sent) < size


def test_the_longest_body_is_read(peer, scripts, gateway_http):
    body = b"{" + b" " * (MAX_BODY - 2) + b"}"
    assert post(gateway_http(), peer(scripts.says(scripts.http(body))).url).raw == body


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "Gzip, identity"])
def test_an_encoded_body_is_not_decoded(peer, scripts, gateway_http, encoding):
    bomb = gzip.compress(b" " * 10_000_000)
    there = peer(scripts.says(scripts.http(bomb, 200, f"Content-Encoding: {encoding}")))
    assert post(gateway_http(), there.url) == Lost("surprise", "the body is encoded")


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "\\u0062": 2}}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 400 + b"}",
        b'{"a": ' * 20 + b"1" + b"}" * 20,
        b"[" * 60_000,
        b'{"a": ' + b"[" * 9_000 + b"]" * 9_000 + b"}",
        b'{"a": "\\ud800"}',
        b"[]",
        b"1",
        b'"ok"',
        b"null",
    ],
)
def test_json_that_readers_could_read_differently_is_a_surprise(peer, scripts, gateway_http, body):
    reply = post(gateway_http(), peer(scripts.says(scripts.http(body))).url)
    assert isinstance(reply, Lost), reply
    assert reply.kind == "surprise"
    assert reply.detail.startswith("JSON: ")


@pytest.mark.parametrize("body", ["{}".encode("utf-16"), b"\xef\xbb\xbf{}", b'{"a": "\xff"}'])
def test_json_in_another_encoding_is_no_json(peer, scripts, gateway_http, body):
    assert post(gateway_http(), peer(scripts.says(scripts.http(body))).url).body is None


def test_half_a_header_is_no_json(peer, scripts, gateway_http):
    there = peer(scripts.hangs_up(HEAD + b'Content-Type: application/json\r\nX-Half: {"a'))
    assert post(gateway_http(), there.url).body is None


# What a client of the web would do, and this one does not.


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(peer, scripts, gateway_http, status):
    elsewhere = peer(scripts.says(scripts.http()))
    moved = scripts.http(b"{}", status, f"Location: {elsewhere.url}")
    assert post(gateway_http(), peer(scripts.says(moved)).url).status == status
    assert elsewhere.connections == 0


def test_proxies_of_the_environment_are_ignored(peer, scripts, gateway_http, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{dead_port()}")
    assert post(gateway_http(), peer(scripts.says(scripts.http())).url).status == 200


def test_cookies_are_not_kept(peer, scripts, gateway_http):
    there = peer(scripts.says(scripts.http(b"{}", 200, "Set-Cookie: a=b; Path=/")))
    http = gateway_http()
    post(http, there.url)
    post(http, there.url)
    assert not any(b"cookie" in request.lower() for request in there.requests)


def test_no_environment_can_make_tls_trust_more(peer, scripts, certificate, monkeypatch):
    context, file = certificate
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, file)
    http = GatewayHttp()
    reply = post(http, peer(scripts.says(scripts.http()), context).url)
    http.close()
    assert reply == Lost("not_sent", "SSLCertVerificationError")


@pytest.mark.parametrize(
    "url",
    [
        "http://gateway.example/",
        "http://127.0.0.1.example/",
        "http://10.0.0.1/",
        "http://2130706433/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "https://user@gateway.example/",
        "https://good.example\\@evil.example/",
        "https://gate\tway.example/",
        "https://g\u00e4teway.example/",
        "https:///path",
        "//gateway.example",
        "",
    ],
)
def test_an_address_we_must_not_call_is_an_error(gateway_http, url):
    with pytest.raises(ValueError, match="URL"):
        post(gateway_http(), url)


def test_a_header_with_a_line_break_is_an_error_that_quotes_nothing(gateway_http):
    with pytest.raises(ValueError, match="header") as caught:
        gateway_http().post_json("https://a.example/", {"Authorization": f"{KEY}\r\nX: 1"}, {}, 1)
    assert "CANARY" not in str(caught.value)


# Secrets.


def test_secrets_are_masked_in_what_comes_back(peer, scripts, gateway_http):
    said = {"error_message": f"bad key {KEY}", "list": [{KEY: f"{KEY}!"}], "total": 11000}
    reply = post(gateway_http(), peer(scripts.says(scripts.http(said))).url, secrets=[KEY, "11000"])
    assert reply.body == {"error_message": "bad key ***", "list": [{KEY: "***!"}], "total": 11000}
    assert KEY.encode() not in reply.raw
    assert json.loads(reply.raw)["total"] == 11000


def test_a_secret_behind_escapes_is_masked(peer, scripts, gateway_http):
    hidden = "".join(f"\\u{ord(mark):04x}" for mark in KEY)
    there = peer(scripts.says(scripts.http(f'{{"a": "{hidden}"}}'.encode())))
    reply = post(gateway_http(), there.url, secrets=[KEY])
    assert reply == Answer(200, {"a": "***"}, b'{"a": "***"}')


def test_a_secret_in_a_page_is_masked(peer, scripts, gateway_http):
    there = peer(scripts.says(scripts.http(b"<p>" + KEY.encode(), 500)))
    reply = post(gateway_http(), there.url, secrets=[KEY[:10], KEY])
    assert reply == Answer(500, None, b"<p>***")


def test_a_reply_shows_no_bytes_of_the_answer(peer, scripts, gateway_http):
    reply = post(gateway_http(), peer(scripts.says(scripts.http(b"<p>canary"))).url)
    assert "canary" not in repr(reply)


# The breaker.


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def broken(gateway_http: Any, peer: Any, scripts: Any) -> tuple[GatewayHttp, Any, Seconds]:
    clock = Seconds()
    http, there = gateway_http(monotonic=clock), peer(scripts.hangs_up(b""))
    assert [post(http, there.url).kind for _ in range(5)] == ["unavailable"] * 5
    return http, there, clock


def test_the_circuit_opens_after_five_failures(gateway_http, peer, scripts):
    http, there, _ = broken(gateway_http, peer, scripts)
    assert post(http, there.url) == Lost("not_sent", "circuit open")
    assert len(there.requests) == 5


def test_a_probe_after_five_seconds_closes_the_circuit(gateway_http, peer, scripts):
    http, there, clock = broken(gateway_http, peer, scripts)
    there.script = scripts.says(scripts.http())
    clock.now += 4.9
    assert post(http, there.url).detail == "circuit open"
    clock.now += 0.1
    assert [post(http, there.url).status for _ in range(3)] == [200, 200, 200]


def test_a_failed_probe_keeps_the_circuit_open(gateway_http, peer, scripts):
    http, there, clock = broken(gateway_http, peer, scripts)
    clock.now += 5
    assert post(http, there.url).kind == "unavailable"
    assert post(http, there.url).detail == "circuit open"


def test_one_caller_at_a_time_may_probe(gateway_http, peer, scripts):
    http, there, clock = broken(gateway_http, peer, scripts)
    there.script = scripts.drips(b"", b"")
    clock.now += 5
    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda _: post(http, there.url, 0.3), range(8)))
    assert sorted(reply.kind for reply in replies) == ["not_sent"] * 7 + ["timeout"]


def test_a_success_between_failures_keeps_the_circuit_closed(gateway_http, peer, scripts):
    http, there = gateway_http(), peer(scripts.hangs_up(b""))
    for _ in range(3):
        assert [post(http, there.url).kind for _ in range(4)] == ["unavailable"] * 4
        there.script = scripts.hangs_up(scripts.http(b"{}", 500))
        assert post(http, there.url).status == 500
        there.script = scripts.hangs_up(b"")


def test_a_gateway_that_says_it_is_down_counts_as_failing(gateway_http, peer, scripts):
    http, there = gateway_http(), peer(scripts.says(scripts.http(b"{}", 503)))
    assert [post(http, there.url).status for _ in range(5)] == [503] * 5
    assert post(http, there.url) == Lost("not_sent", "circuit open")


def test_each_gateway_has_its_own_circuit(gateway_http, peer, scripts):
    http, _, _ = broken(gateway_http, peer, scripts)
    assert post(http, peer(scripts.says(scripts.http())).url).status == 200
