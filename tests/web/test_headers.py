"""Request headers: read exactly or refused; answer headers: nothing loose."""

import re

import pytest

from web.headers import (
    api_headers,
    etag,
    is_prefetch,
    new_request_id,
    page_headers,
    parse_authorization,
    parse_idempotency_key,
    parse_if_match,
)
from web.problems import Problem


def test_quoted_and_bare_keys_are_one() -> None:
    assert parse_idempotency_key('"refund-0001"') == parse_idempotency_key("refund-0001")
    assert parse_idempotency_key(None) is None


@pytest.mark.parametrize(
    "key", ["a" * 8, "a" * 255, "!#$%&'()*+-./:;<=>?@[]^_`{|}~", "back\\slash"]
)
def test_visible_ascii_keys_pass(key: str) -> None:
    assert parse_idempotency_key(key) == key


@pytest.mark.parametrize(
    "value",
    [
        "",
        "short-7",
        '"short-7"',
        "a" * 256,
        "two words",
        "key-0001, key-0001",
        "key-0001,key-0001",
        '"key-0001", "key-0002"',
        'in"ner-quote',
        '"in"ner-quote"',
        '"unclosed-key',
        'unclosed-key"',
        '"key-0001";a=1',
        '"back\\\\slash"',
        "키-이름-0001-긴",
        "key-0001\x00",
        "key-0001\n",
        "kéy-00001",
    ],
)
def test_odd_keys_are_invalid_headers(value: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_idempotency_key(value)
    assert (refused.value.code, refused.value.status) == ("invalid_header", 400)


def test_if_match_is_a_quoted_version() -> None:
    assert parse_if_match(None) is None
    assert parse_if_match(etag(12)) == 12


@pytest.mark.parametrize(
    "value",
    [
        "",
        "*",
        "2",
        "'2'",
        'W/"2"',
        '"2", "3"',
        '"02"',
        '"-1"',
        '"+1"',
        '"٢"',
        '"x"',
        '"2',
        '""',
        '"' + "9" * 5000 + '"',
    ],
)
def test_other_if_match_forms_are_invalid(value: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_if_match(value)
    assert refused.value.code == "invalid_header"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_bearer_token_is_read(scheme: str) -> None:
    assert parse_authorization(f"{scheme} sk_test_abc") == "sk_test_abc"


def test_client_secrets_fit_a_bearer_header() -> None:
    assert parse_authorization("Bearer txn_01_secret_aB-_9==") == "txn_01_secret_aB-_9=="


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "unauthenticated"),
        ("", "unauthenticated"),
        ("Bearer", "unauthenticated"),
        ("Bearer ", "unauthenticated"),
        ("sk_test_abc", "unauthenticated"),
        ("Basic c2tfdGVzdDo=", "unauthenticated"),
        ("Bearer sk test", "unauthenticated"),
        ("Bearer sk_t\xe9st", "unauthenticated"),
        ("Bearer sk_\x00", "unauthenticated"),
        ("Bearer " + "a" * 5000, "unauthenticated"),
        ("Bearer sk_test_a, Bearer sk_test_b", "invalid_header"),
        ("Bearer sk_test_a,", "invalid_header"),
    ],
)
def test_other_credentials_are_refused(value: str | None, code: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_authorization(value)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Purpose": "prefetch"},
        {"sec-purpose": "prefetch;prerender"},
        {"Sec-Purpose": "prefetch;anonymous-client-ip"},
        {"SEC-PURPOSE": "Prefetch"},
        {"Purpose": "prefetch"},
        {"X-Purpose": "preview"},
        {"X-Moz": "prefetch"},
    ],
)
def test_looking_ahead_is_recognised(headers: dict[str, str]) -> None:
    assert is_prefetch(headers)


@pytest.mark.parametrize(
    "headers", [{}, {"Purpose": "payment"}, {"X-Other": "prefetch"}, {"Sec-Purpose": "prefetching"}]
)
def test_a_customer_is_not_looking_ahead(headers: dict[str, str]) -> None:
    assert not is_prefetch(headers)


def test_request_ids_are_random_and_plain() -> None:
    ids = {new_request_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(r"req_[0-9a-z]{26}", name) for name in ids)


@pytest.mark.parametrize("headers", [api_headers(), page_headers()])
def test_no_answer_is_stored_framed_or_sniffed(headers: dict[str, str]) -> None:
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]


def test_transport_security_only_over_https() -> None:
    assert "Strict-Transport-Security" not in page_headers()
    assert "Strict-Transport-Security" in page_headers(https=True)
