"""Hostile input, request by request: the documented answer, no effect, nothing repeated.

What the app sees after HTTP was parsed. Broken HTTP itself: `tests/e2e/test_hostile_socket.py`.
"""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from storefront import Site
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

CANARY = "raw-input-7f3a9c"
TXN = "txn_" + "0" * 26


class Target:
    """A ready payment, its return token, and what must still be so when the test is over."""

    def __init__(self, site: Site) -> None:
        made = site.create(return_url="https://shop.example/done")
        self.txn: str = made["id"]
        self.secret: str = made["client_secret"]
        assert site.fire(self.txn, "ready").status_code == 200
        self.token = site.house.tokens[-1]


def state_of(site: Site) -> dict[str, Any]:
    tables = ("transactions", "entries", "idempotency", "operations", "merchants", "api_keys")
    known = {r["name"] for r in site.house.store.rows("SELECT name FROM sqlite_schema")}
    counts = {
        table: site.house.store.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"]
        for table in tables
        if table in known
    }
    return counts | {"calls": list(site.house.gateway.calls)}


@pytest.fixture
def target(site: Site, caplog: pytest.LogCaptureFixture) -> Iterator[Target]:
    made = Target(site)
    before = state_of(site)
    caplog.clear()
    caplog.set_level(logging.INFO)
    yield made
    assert state_of(site) == before
    assert CANARY not in caplog.text
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


def refused(answer: TestResponse, status: int, code: str) -> None:
    """The documented problem, and nothing of what was sent."""
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert answer.get_json()["code"] == code
    assert CANARY not in answer.text + str(answer.headers)
    assert "Location" not in answer.headers


# ---- bodies


def body(text: str) -> bytes:
    return text.encode()


BODIES = {
    "duplicate": body(f'{{"reason":"{CANARY}","reason":"x"}}'),
    "duplicate escaped": body(f'{{"reason":"{CANARY}","r\\u0065ason":"x"}}'),
    "duplicate deep": body('{"metadata":{"a":"1","\\u0061":"2"}}'),
    "NaN": body('{"amount":NaN}'),
    "Infinity": body('{"amount":-Infinity}'),
    "huge integer": body('{"amount":' + "9" * 5_000 + "}"),
    "2^53": body('{"amount":9007199254740992}'),
    "exponent": body('{"amount":1e400}'),
    "long exponent": body('{"amount":1e' + "9" * 5_000 + "}"),
    "leading zero": body('{"amount":012}'),
    "hexadecimal": body('{"amount":0x10}'),
    "plus": body('{"amount":+1}'),
    "nested arrays": body("[" * 30_000),
    "nested objects": body('{"a":' * 10_000 + "1" + "}" * 10_000),
    "seventeen": body('{"a":' * 17 + "1" + "}" * 17),
    "array": body(f'["{CANARY}"]'),
    "string": body(f'"{CANARY}"'),
    "null": b"null",
    "number": b"1",
    "BOM": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "UTF-16 without BOM": "{}".encode("utf-16-le"),
    "UTF-32": "{}".encode("utf-32"),
    "latin-1": '{"reason":"é"}'.encode("latin-1"),
    "overlong": b'{"reason":"\xc0\xaf"}',
    "raw surrogate": b'{"reason":"\xed\xa0\x80"}',
    "escaped surrogate": body('{"reason":"\\ud800"}'),
    "surrogate in a key": body('{"\\udfff":1}'),
    "NUL byte": b'{"reason":"\0"}',
    "escaped NUL": body('{"reason":"\\u0000"}'),
    "NUL in a key": body('{"\\u0000":1}'),
    "control": b'{"reason":"\x1b[2J"}',
    "two values": body(f'{{}}{{"{CANARY}":1}}'),
    "comment": body(f"{{}} // {CANARY}"),
    "trailing comma": body('{"reason":"a",}'),
    "single quotes": body("{'reason':'a'}"),
    "blank": b" ",
    "form feed": b"\x0c{}",
    "bytes": bytes(range(256)),
}


@pytest.mark.parametrize("path", ["", "/{txn}/cancel", "/{txn}/approve", "/{txn}/refund"])
@pytest.mark.parametrize("raw", BODIES.values(), ids=BODIES.keys())
def test_ambiguous_json_is_malformed(site: Site, target: Target, raw: bytes, path: str) -> None:
    address = f"/transactions{path}".format(txn=target.txn)
    answer = site.call("POST", address, raw=raw, Idempotency_Key="hostile-key")
    refused(answer, 400, "malformed_json")


@pytest.mark.parametrize("raw", BODIES.values(), ids=BODIES.keys())
def test_ambiguous_json_is_malformed_for_the_status_too(
    site: Site, target: Target, raw: bytes
) -> None:
    refused(site.call("PUT", f"/transactions/{target.txn}/status", raw=raw), 400, "malformed_json")


@pytest.mark.parametrize(
    ("raw", "headers"),
    [
        (b"reason=" + CANARY.encode(), {"Content-Type": "application/x-www-form-urlencoded"}),
        (CANARY.encode(), {"Content-Type": "text/plain"}),
        (b"{}", {"Content-Type": "text/json"}),
        (b"{}", {"Content-Type": "application/jsonp"}),
        (b"{}", {"Content-Type": "application/json, text/plain"}),
        (b"{}", {"Content-Type": f"{CANARY};" + "x=y;" * 5_000}),
        (b"{}", {"Content-Type": ""}),
        (b"--x\r\n\r\n" * 1_000, {"Content-Type": "multipart/form-data; boundary=x"}),
        (
            gzip.compress(b"{}", mtime=0),
            {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        ),
        (
            gzip.compress(b"x" * 10_000_000, mtime=0),
            {"Content-Type": "application/json", "Content-Encoding": "x-gzip"},
        ),
        (b"{}", {"Content-Type": "application/json", "Content-Encoding": "identity, gzip"}),
        (b"{}", {"Content-Type": "application/json", "Content-Encoding": CANARY}),
    ],
)
def test_what_is_not_plain_json_is_415(
    site: Site, target: Target, raw: bytes, headers: dict[str, str]
) -> None:
    auth = {"Authorization": f"Bearer {site.key}"}
    for path in ("", f"/{target.txn}/cancel"):
        answer = site.client.post(f"/v1/transactions{path}", data=raw, headers=headers | auth)
        refused(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("size", [65_537, 1_000_000])
def test_more_than_64_kib_is_413(site: Site, target: Target, size: int) -> None:
    for method, path in (("POST", ""), ("POST", f"/{target.txn}/cancel")):
        answer = site.call(method, f"/transactions{path}", raw=b" " * size)
        refused(answer, 413, "body_too_large")
    assert site.call("POST", "/transactions", raw=b" " * 65_536).status_code == 400


# ---- strings

NASTY = [
    "\x01",
    "\x1b[31m",
    "\n",
    "\r\nX: y",
    "\x7f",
    "\x85",
    "\u2028",
    "\u202e",
    "\u2066",
    "\ufdd0",
]
STRINGS = [
    ("provider", "/provider"),
    ("order_id", "/order_id"),
    ("customer_id", "/customer_id"),
    ("item_name", "/item_name"),
    ("currency", "/currency"),
    ("flow", "/flow"),
    ("return_url", "/return_url"),
    ("approval_url", "/approval_url"),
]


@pytest.mark.parametrize(("field", "pointer"), STRINGS)
@pytest.mark.parametrize("nasty", NASTY, ids=ascii)
def test_no_field_of_an_order_takes_control_or_bidi(
    site: Site, target: Target, field: str, pointer: str, nasty: str
) -> None:
    answer = site.call("POST", "/transactions", site.order(**{field: f"{CANARY}{nasty}a"}))
    refused(answer, 422, "invalid_request")
    assert answer.get_json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("POST", "cancel", "reason"),
        ("POST", "fail", "reason"),
        ("POST", "complete", "reason"),
        ("POST", "refund", "reason"),
        ("POST", "approve", "pg_token"),
        ("POST", "approve", "provider_ref"),
        ("POST", "ready", "provider_ref"),
        ("PUT", "status", "status"),
        ("PUT", "status", "reason"),
        ("PUT", "status", "provider_ref"),
    ],
)
def test_no_field_of_an_event_takes_control_or_bidi(
    site: Site, target: Target, method: str, path: str, field: str
) -> None:
    for nasty in (*NASTY, "x" * 10_000):
        sent = {"status": "cancelled"} if path == "status" else {}
        answer = site.call(
            method,
            f"/transactions/{target.txn}/{path}",
            sent | {field: f"{CANARY}{nasty}a"},
            Idempotency_Key="hostile-key",
        )
        refused(answer, 422, "invalid_request")


def test_metadata_keys_are_strict_and_values_come_back_as_sent(site: Site) -> None:
    for nasty in NASTY:
        answer = site.call("POST", "/transactions", site.order(metadata={f"{CANARY}{nasty}": "a"}))
        refused(answer, 422, "invalid_request")
    values = {f"k{number}": nasty for number, nasty in enumerate(NASTY)}
    made = site.create(metadata=values)
    assert site.call("GET", f"/transactions/{made['id']}").get_json()["metadata"] == values


def test_names_that_the_caller_made_up_are_not_repeated(site: Site, target: Target) -> None:
    for name in (CANARY, f"<script>{CANARY}", f"{CANARY}\u202e", "x" * 5_000, "~0~1/", ""):
        answer = site.call("POST", "/transactions", site.order() | {name: 1})
        assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_request")
        assert name == CANARY or CANARY not in answer.text
        assert len(answer.text) < 2_000


# ---- headers


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {CANARY}",
        f"Bearer {CANARY}",
        f"Bearer sk_test_{CANARY}",
        "Bearer " + "a" * 20_000,
        "Bearer \xff\xfe",
        "Bearer é",
        "Bearer a b",
        "Bearer\tx",
        "Digest username=x",
        f"Bearer {TXN}_secret_{'a' * 43}",
        "Bearer txn__secret_",
        "bearer sk_live_" + "a" * 52,
        "Bearer sk_test_" + "\u0661" * 3,
    ],
)
def test_a_forged_authorization_is_401(site: Site, target: Target, value: str) -> None:
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        value = value.encode().decode("latin-1")
    for path in ("", f"/{target.txn}", f"/{target.txn}/transitions"):
        answer = site.client.get(f"/v1/transactions{path}", headers={"Authorization": value})
        refused(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="strada"'


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Authorization", ["{key}", "{key}"]),
        ("Authorization", ["{key}", f"Bearer {CANARY}"]),
        ("Authorization", ["{key}, {key}"]),
        ("Idempotency-Key", ["hostile-key-1", "hostile-key-1"]),
        ("Idempotency-Key", [f"{CANARY},x"]),
        ("Idempotency-Key", ["short"]),
        ("Idempotency-Key", [""]),
        ("Idempotency-Key", ["k" * 256]),
        ("Idempotency-Key", ["k" * 20_000]),
        ("Idempotency-Key", [f"{CANARY} x"]),
        ("Idempotency-Key", [f"{CANARY}\xff"]),
        ("Idempotency-Key", [f'"{CANARY}']),
        ("Idempotency-Key", [f'{CANARY}"x']),
        ("Idempotency-Key", [f'"{CANARY}\\""']),
        ("If-Match", ["*"]),
        ("If-Match", ['W/"1"']),
        ("If-Match", ['"1", "2"']),
        ("If-Match", ['"2"', '"2"']),
        ("If-Match", ["2"]),
        ("If-Match", ['"-1"']),
        ("If-Match", ['"02"']),
        ("If-Match", ['"' + "9" * 5_000 + '"']),
        ("If-Match", [CANARY]),
        ("If-Match", ['"\xb2"']),
    ],
)
def test_a_malformed_header_is_400(
    site: Site, target: Target, name: str, values: list[str]
) -> None:
    key = f"Bearer {site.key}"
    headers = [(name, value.format(key=key) if "{key}" in value else value) for value in values]
    if name != "Authorization":
        headers.append(("Authorization", key))
    for path, sent in (
        (f"/{target.txn}/cancel", {}),
        (f"/{target.txn}/approve", {"pg_token": "pg-1"}),
        ("", site.order()),
    ):
        answer = site.client.post(f"/v1/transactions{path}", json=sent, headers=headers)
        refused(answer, 400, "invalid_header")


FORGED_HOSTS = [
    {"Host": f"{CANARY}.evil.example"},
    {"Host": f"{CANARY}.evil.example:99999"},
    {"Host": f"x/@{CANARY}"},
    {"Host": f"x\\{CANARY}"},
    {"Host": "\xff\xfe"},
    {"Host": "[::1"},
    {"Host": ""},
    {"X-Forwarded-Host": f"{CANARY}.evil.example", "X-Forwarded-Proto": "https"},
    {"X-Forwarded-For": CANARY, "X-Forwarded-Port": "1", "X-Forwarded-Prefix": f"/{CANARY}"},
    {"Forwarded": f"host={CANARY};proto=https"},
    {"X-Original-URL": "/healthz", "X-Rewrite-URL": "/healthz"},
    {"X-Script-Name": f"/{CANARY}", "X-Real-IP": CANARY},
]


@pytest.mark.parametrize("headers", FORGED_HOSTS)
def test_a_forged_host_changes_nothing(site: Site, target: Target, headers: dict[str, str]) -> None:
    auth = {"Authorization": f"Bearer {site.key}"}
    addresses = [f"/v1/transactions/{target.txn}", "/v1/chart", "/problems/not_found"]
    for address in addresses:
        plain = site.client.get(address, headers=auth)
        forged = site.client.get(address, headers=auth | headers)
        assert (forged.status_code, forged.data) == (plain.status_code, plain.data)
    for address in ("/v1//chart", "//v1/chart/", "/v1/chart/", "/static//strada.css", "/return"):
        refused(site.client.get(address, headers=headers), 404, "not_found")


@pytest.mark.parametrize("host", ["a..b", "." * 300, "a" * 5_000])
def test_an_impossible_host_is_400(site: Site, target: Target, host: str) -> None:
    answer = site.call("GET", "/transactions", Host=host)
    refused(answer, 400, "invalid_header")


@pytest.mark.parametrize("headers", FORGED_HOSTS)
def test_links_and_redirects_hang_on_the_base_url_alone(
    site: Site, headers: dict[str, str]
) -> None:
    headers = {name.replace("-", "_"): value for name, value in headers.items()}
    made = site.call(
        "POST", "/transactions", site.order(return_url="https://shop.example/d"), **headers
    ).get_json()
    ready = site.fire(made["id"], "ready", **headers)
    urls = site.house.gateway.last_urls
    assert CANARY not in ready.text
    for url in (urls.approved, urls.cancelled, urls.failed):
        assert url.startswith("http://127.0.0.1:8000/return/")
    plain = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = site.client.get(
        f"/return/{site.house.tokens[-1]}/approved?pg_token=pg-1", headers=plain
    )
    assert answer.headers["Location"] == (
        f"https://shop.example/d?transaction_id={made['id']}&status=approved"
    )


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_method_override_is_ignored(site: Site, target: Target, name: str) -> None:
    auth = {"Authorization": f"Bearer {site.key}"}
    for method in ("POST", "PUT", "DELETE"):
        for query in ("", f"?_method={method}"):
            path = f"/v1/transactions/{target.txn}/cancel{query}"
            answer = site.client.get(path, headers=auth | {name: method})
            refused(answer, 405, "method_not_allowed")
    answer = site.client.get("/v1/transactions", headers=auth | {name: "POST"})
    assert answer.status_code == 200


# ---- methods on every route

METHODS = [
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "TRACE",
    "CONNECT",
    "BREW",
    "PROPFIND",
    "X" * 99,
]


def address_of(rule: Rule, target: Target) -> str:
    known = {
        "transaction": target.txn,
        "event": "cancel",
        "token": target.token,
        "leg": "approved",
        "code": "not_found",
        "version": "sha256:" + "0" * 64,
        "filename": "strada.css",
    }
    address = rule.rule
    for name in rule.arguments:
        start = address.index("<")
        assert name in address[start : address.index(">") + 1] or len(rule.arguments) > 1
    parts = []
    for is_name, text in rule._trace:
        if text != "|":
            parts.append(known.get(text, "x") if is_name else text)
    return "".join(parts)


def test_every_route_answers_every_method_as_documented(site: Site, target: Target) -> None:
    headers = {"Authorization": f"Bearer {site.key}"}
    rules = list(site.app.url_map.iter_rules())
    assert len(rules) > 10
    for rule in rules:
        address = address_of(rule, target)
        asked = site.client.options(address, headers=headers)
        assert (asked.status_code, asked.data) == (204, b""), address
        allow = set(asked.headers["Allow"].split(", "))
        assert set(rule.methods or ()) <= allow
        for method in METHODS:
            if method in allow:
                continue
            answer = site.client.open(address, method=method, headers=headers, data=b"{}")
            refused(answer, 405, "method_not_allowed")
            assert set(answer.headers["Allow"].split(", ")) == allow
        head = site.client.head(f"{address}?pg_token=pg-1", headers=headers)
        head.close()
        assert head.data == b""
        expected = {200, 403, 404, 422} if "GET" in allow else {405}
        expected |= {401} if address == "/console/session" else set()
        assert head.status_code in expected, address
    assert site.house.status(target.txn) == "ready"


def test_no_route_acts_or_breaks_for_a_stranger(site: Site, target: Target) -> None:
    for rule in site.app.url_map.iter_rules():
        address = address_of(rule, target)
        if address.startswith("/return/"):
            continue
        for method in ("GET", "POST", "PUT", "OPTIONS", "HEAD"):
            answer = site.client.open(address, method=method, data=b"{}")
            answer.close()
            assert answer.status_code in (200, 204, 401, 404, 405), (method, address)


# ---- addresses

LONG = "a" * 10_000


@pytest.mark.parametrize(
    "path",
    [
        "/v1/transactions/",
        "/v1/transactions/{txn}/",
        "/v1/transactions//{txn}",
        "/v1//transactions/{txn}",
        "//v1/transactions/{txn}",
        "/v1/transactions/{txn}//transitions",
        "/v1/transactions/{txn}%2ftransitions%2f",
        "/v1/transactions/{txn}%00",
        "/v1/transactions/{txn}%0a",
        "/v1/transactions/{txn}%0d%0aX:y",
        "/v1/transactions/{txn}%20",
        "/v1/transactions/%20{txn}",
        "/v1/transactions/{txn}%ff",
        "/v1/transactions/%ed%a0%80",
        "/v1/transactions/%c0%ae%c0%ae",
        "/v1/transactions/%2e%2e",
        "/v1/transactions/..",
        "/v1/transactions/{txn};x=y",
        "/v1/transactions/{upper}",
        "/v1/transactions/%25%37%34",
        "/v1/transactions/" + LONG,
        "/v1/transactions/" + LONG + "/transitions",
        "/v1/transactions/txn_" + "\u0661" * 26,
        "/v1/./transactions",
        "/v1/chart/../../etc/passwd",
        "/v1/chart/%2e%2e%2f%2e%2e%2fsetup.cfg",
        "/v1/chart/sha256:%00",
        "/v1/chart/sha256:" + LONG,
        "/v1/chart/sha256:" + "a" * 300,
        "/v1/chart/sha256:..",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/..%5capp.py",
        "/static/%00",
        "/static/" + LONG,
        "/static//strada.css",
        "/static/",
        "//",
        "//console",
        "/console/",
        "/console//unknown",
        "/V1/transactions",
        "/v1",
        "/%ff",
        "/%00",
    ],
)
def test_a_trick_in_the_path_is_404(site: Site, target: Target, path: str) -> None:
    path = path.format(txn=target.txn, upper=target.txn.upper())
    answer = site.client.get(path, headers={"Authorization": f"Bearer {site.key}"})
    refused(answer, 404, "not_found")


def test_an_event_that_is_a_trick_is_404(site: Site, target: Target) -> None:
    for event in ("", "%00", "cancel%00", "CANCEL", "%ff", "..", "x" * 10_000, "cancel%20"):
        answer = site.call("POST", f"/transactions/{target.txn}/{event}", {})
        assert answer.status_code == 404
        assert answer.get_json()["code"] in ("unknown_event", "not_found")


@pytest.mark.parametrize(
    "query",
    [
        f"cursor={CANARY}",
        "cursor=",
        "cursor=%00",
        "cursor=%ff",
        "cursor=-1",
        "cursor=1%00",
        "cursor=9" * 2,
        "cursor=" + "9" * 10_000,
        "cursor=%D9%A1",
        "cursor=1&cursor=1",
        "limit=1e1",
        "limit=0x1",
        "limit=%D9%A1",
        "limit=" + "9" * 10_000,
        f"{CANARY}=1",
        "=1",
        "%00=1",
        "limit[]=1",
        "limit=1;cursor=1",
        "&".join(f"a{n}=1" for n in range(2_000)),
    ],
)
def test_a_forged_query_is_422(site: Site, target: Target, query: str) -> None:
    for path in ("", f"/{target.txn}/transitions"):
        answer = site.call("GET", f"/transactions{path}?{query}")
        assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_request")
        assert f"{CANARY}=" not in answer.text
        assert query == f"{CANARY}=1" or CANARY not in answer.text


def test_a_forged_list_cursor_shows_nothing_of_others(site: Site, target: Target) -> None:
    hidden = site.call("GET", f"/transactions?cursor={target.txn}", key=site.stranger)
    assert hidden.get_json()["data"] == []


@pytest.mark.parametrize("name", ["at", "at_seq"])
def test_a_forged_moment_is_422(site: Site, target: Target, name: str) -> None:
    for value in (CANARY, "", "-1", "9" * 5_000, "1e3", "%00", "0001-01-01T00:00:00%2B23:59"):
        answer = site.call("GET", f"/transactions/{target.txn}?{name}={value}")
        refused(answer, 422, "invalid_request")


# ---- the customer's browser


@pytest.mark.parametrize(
    "query",
    [
        "pg_token=a&pg_token=b",
        "pg_token=a&pg_token=a",
        "pg_token=a&%70g_token=b",
        "pg_token=",
        "pg_token",
        f"pg_token={CANARY}%00",
        f"pg_token={CANARY}%0d%0aX:y",
        f"pg_token={CANARY}%20a",
        "pg_token=%E2%80%AE",
        "pg_token=" + "a" * 256,
        "pg_token=" + LONG,
    ],
)
def test_a_hostile_pg_token_is_refused(site: Site, target: Target, query: str) -> None:
    for leg in ("approved", "cancelled", "failed"):
        answer = site.client.get(f"/return/{target.token}/{leg}?{query}")
        assert (answer.status_code, answer.mimetype) == (400, "text/html")
        assert CANARY not in answer.text
        assert "Location" not in answer.headers


@pytest.mark.parametrize(
    "token", [CANARY, LONG, "%00", "%ff", "%2e%2e", "%0d%0aX:y", "%3Cscript%3E", "'%20OR%201=1--"]
)
def test_a_forged_return_token_is_404(site: Site, target: Target, token: str) -> None:
    answer = site.client.get(f"/return/{token}/approved?pg_token=pg-1")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert CANARY not in answer.text
    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    "accept", ["*" * 9_000, "," * 9_000, "a/b;q=nan", 'a/b;x="' + "\\a" * 9_000]
)
def test_hostile_negotiation_gets_the_default(site: Site, target: Target, accept: str) -> None:
    headers = {"Accept": accept, "Accept-Language": accept, "Accept-Encoding": accept}
    answer = site.client.get("/v1/chart", headers=headers)
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    missing = site.call("GET", "/transactions/x", Accept=accept, Accept_Language=accept)
    refused(missing, 404, "not_found")
    assert json.loads(missing.data)["title"].isascii()
