"""The KakaoPay adapter over real sockets: what it sends, and what it makes of what comes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.provider import (
    Approved,
    Charged,
    NotTaken,
    Order,
    Payment,
    Prepared,
    Provider,
    Refunded,
    RefundRequest,
    Refused,
    Unknown,
    Urls,
)
from providers.kakaopay.client import KakaoPay

KEY = "DEV" + "CANARY7890" * 3 + "ABCDEFG"
TOKEN = "canary-pg-token-77"
TXN, USER, TID, OP = "txn_1", "user-7", "T1234567890abcdef123", "op_1"
PAYMENT = Payment(OP, TXN, USER, TID, 11_000, "KRW")
URLS = Urls(*(f"http://127.0.0.1:8000/return/canary-nonce/{end}" for end in ("a", "c", "f")))
ORDER = Order(OP, TXN, USER, "order-1", "커피", 1, 11_000, "KRW", 0, 1_000)
NOW = 1_790_000_000_000_000
NAMES = {"tid": TID, "cid": "TC0ONETIME", "partner_order_id": TXN, "partner_user_id": USER}
READY = {
    "tid": TID,
    "next_redirect_mobile_url": "https://pay.example/mobile",
    "next_redirect_pc_url": "https://pay.example/pc",
}


def won(total: int) -> dict[str, int]:
    return {"total": total, "tax_free": 0, "vat": 0}


APPROVED = {**NAMES, "amount": won(11_000)}
SUMS = {"amount": won(11_000), "canceled_amount": won(4_000)}
SUMS |= {"cancel_available_amount": won(7_000)}
CANCELLED = {**NAMES, **SUMS, "status": "PART_CANCEL_PAYMENT", "approved_cancel_amount": won(4_000)}


@pytest.fixture
def talk(peer, scripts, gateway_http):
    """A client whose gateway gives these answers in turn; `talk.there` is the gateway."""

    def start(*answers: Any, **settings: Any) -> KakaoPay:
        raws = [each if isinstance(each, bytes) else scripts.http(*each) for each in answers]
        start.there = peer(scripts.says(*raws))
        base = f"http://127.0.0.1:{start.there.port}/"
        return KakaoPay(base, gateway_http(), now_us=lambda: NOW, **settings)

    return start


def account(client: KakaoPay) -> Any:
    return client.account({"secret_key": KEY})


def test_it_is_a_provider(talk):
    client: Provider = talk(b"")
    assert (client.name, client.display_name) == ("kakaopay", "KakaoPay")
    assert client.capabilities.currencies == {"KRW": 0}
    assert (client.capabilities.settle_after_s, client.capabilities.window_s) == (60, 900)
    assert client.capabilities.approve_idempotent
    assert not client.capabilities.charges_alone


def test_prepare_calls_ready_with_the_secret_key(talk):
    client = talk((READY,))
    outcome = client.prepare(account(client), ORDER, URLS, 5)
    assert isinstance(outcome, Prepared)
    assert outcome.expires_at == NOW + 900_000_000
    head = talk.there.requests[0].partition(b"\r\n\r\n")[0].decode()
    assert head.startswith("POST /online/v1/payment/ready HTTP/1.1\r\n")
    assert f"Authorization: SECRET_KEY {KEY}" in head


def test_the_payment_window_can_be_shorter(talk):
    client = talk((READY,), window_s=9.0)
    assert client.prepare(account(client), ORDER, URLS, 5).expires_at == NOW + 9_000_000


def test_approve_sends_the_token_once(talk):
    client = talk((APPROVED,))
    outcome = client.approve(account(client), PAYMENT, TOKEN, 5)
    assert isinstance(outcome, Approved)
    (body,) = talk.there.bodies
    assert body["pg_token"] == TOKEN
    assert (body["tid"], body["partner_order_id"], body["payload"]) == (TID, TXN, OP)


def test_refund_calls_cancel_with_the_guard(talk):
    client = talk((CANCELLED,))
    outcome = client.refund(account(client), PAYMENT, RefundRequest(4_000, 0, 0, 11_000), 5)
    assert isinstance(outcome, Refunded)
    assert talk.there.requests[0].startswith(b"POST /online/v1/payment/cancel ")
    assert talk.there.bodies[0]["cancel_available_amount"] == 11_000


def test_look_up_calls_order_and_sends_nothing_else(talk):
    client = talk((CANCELLED,))
    assert isinstance(client.look_up(account(client), PAYMENT, 5), Charged)
    assert talk.there.requests[0].startswith(b"POST /online/v1/payment/order ")
    assert talk.there.bodies == [{"cid": "TC0ONETIME", "tid": TID}]


def calls(client: KakaoPay, deadline_s: float = 5) -> list[Any]:
    who = account(client)
    return [
        client.prepare(who, ORDER, URLS, deadline_s),
        client.approve(who, PAYMENT, TOKEN, deadline_s),
        client.refund(who, PAYMENT, RefundRequest(4_000, 0, 0, 11_000), deadline_s),
        client.look_up(who, PAYMENT, deadline_s),
    ]


@pytest.mark.parametrize(
    ("script", "kind"),
    [("silence", "timeout"), ("reset", "unavailable"), ("nonsense", "surprise")],
)
def test_a_lost_answer_is_unknown_to_every_verb(talk, scripts, script, kind):
    client = talk(b"")
    talk.there.script = {
        "silence": scripts.drips(b"", b""),
        "reset": scripts.resets,
        "nonsense": scripts.hangs_up(b"SMTP\r\n"),
    }[script]
    outcomes = calls(client, 0.3)
    assert [(type(outcome), outcome.kind) for outcome in outcomes] == [(Unknown, kind)] * 4
    assert {outcome.evidence for outcome in outcomes} == {b'{"lost":"%s"}' % kind.encode()}


def test_a_gateway_that_is_not_there_got_nothing(talk):
    client = talk(b"")
    talk.there.stop()
    assert [outcome.kind for outcome in calls(client)] == ["not_sent"] * 4


def test_an_open_circuit_sends_nothing_and_a_look_up_may_be_the_probe(peer, scripts, gateway_http):
    now = [100.0]
    there = peer(scripts.hangs_up(b""))
    http = gateway_http(monotonic=lambda: now[0])
    client = KakaoPay(f"http://127.0.0.1:{there.port}", http, now_us=lambda: NOW)
    calls(client)
    calls(client)
    assert client.approve(account(client), PAYMENT, TOKEN, 5).detail == "circuit open"
    there.script = scripts.says(scripts.http(CANCELLED))
    now[0] += 5
    assert isinstance(client.look_up(account(client), PAYMENT, 5), Charged)
    assert len(there.requests) == 6


def test_a_refusal_travels_in_a_400(talk):
    client = talk(({"error_code": -708, "error_message": "wrong token"}, 400))
    outcome = client.approve(account(client), PAYMENT, TOKEN, 5)
    assert (type(outcome), outcome.code) == (NotTaken, "credential_refused")


# Accounts.


def test_an_account_is_named_by_its_cid(talk):
    client = talk(b"")
    assert client.account({"secret_key": KEY}).id == "TC0ONETIME"
    assert client.account({"secret_key": KEY, "cid": "C123456789"}).id == "C123456789"
    assert KEY not in repr(client.account({"secret_key": KEY}))


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"secret_key": ""},
        {"secret_key": "short"},
        {"secret_key": KEY + "\r\nX: 1"},
        {"secret_key": KEY + " "},
        {"secret_key": KEY, "cid": ""},
        {"secret_key": KEY, "cid": "TC0/../../x"},
        {"secret_key": KEY, "base_url": "http://169.254.169.254"},
    ],
)
def test_an_odd_account_is_refused_without_quoting_it(talk, credentials):
    with pytest.raises(ValueError, match=r"account|secret_key|cid") as caught:
        talk(b"").account(credentials)
    assert "CANARY" not in str(caught.value)
    assert "169" not in str(caught.value)


@pytest.mark.parametrize("base", ["http://open-api.kakaopay.com", "https://u@a.example", "x", ""])
def test_a_gateway_address_must_be_safe(gateway_http, base):
    with pytest.raises(ValueError, match="URL"):
        KakaoPay(base, gateway_http(), now_us=lambda: NOW)


# Secrets.


def test_no_evidence_or_message_holds_a_secret(talk):
    said = f"bad {KEY} {TOKEN} approve_url({URLS.approved}) does not match"
    client = talk(({"error_code": -799, "error_message": said}, 400))
    prepared, approved, *_ = calls(client)
    assert isinstance(prepared, Refused)
    assert prepared.message == f"bad *** {TOKEN} approve_url(***) does not match"
    assert b"canary" not in prepared.evidence.replace(TOKEN.encode(), b"").lower()
    assert TOKEN.encode() not in approved.evidence
    assert KEY.encode() not in approved.evidence


CANARIES = [
    f"Authorization: SECRET_KEY {KEY}\r\nHost: a",
    f"authorization: DEV_SECRET_KEY {KEY}",
    f"Authorization: KakaoAK {'canary0123456789' * 2}",
    "Authorization: Bearer canary",
    "{'Authorization': 'Basic canary'}",
    f"{{'Authorization': 'SECRET_KEY {KEY}'}}",
    '{"Authorization": "Basic canary"}',
    f"key {KEY} leaked",
    f"GET /return/x/approved?pg_token={TOKEN} HTTP/1.1",
    f"GET /approved?a=b&pg_token={TOKEN}&c=d",
    f"next=%3Fpg_token%3D{TOKEN}",
    json.dumps({"pg_token": TOKEN}),
    json.dumps({"pg_token": TOKEN}, indent=2),
    json.dumps({"pg_token": 'can"ary'}),
    json.dumps(json.dumps({"pg_token": TOKEN})),
    repr({"pg_token": TOKEN, "tid": "T1"}),
    "PG_TOKEN=canary",
    "STRADA_KAKAOPAY_SECRET_KEY=canary",
    "cid_secret=canary",
    "KakaoPay(secret_key='canary')",
    json.dumps({"approval_url": URLS.approved, "fail_url": URLS.failed}),
    f"approve_url({URLS.approved}) does not match",
    json.dumps({"next_redirect_pc_url": "https://pay.example/canary"}),
    json.dumps({"ios_app_scheme": "kakaotalk://canary"}),
    json.dumps({"partner_user_id": "canary@example.com"}),
    json.dumps({"card_info": {"bin": "canary", "approved_id": "canary"}}),
]


@pytest.mark.parametrize("transcript", CANARIES)
def test_a_transcript_is_scrubbed(talk, transcript):
    scrubbed = talk(b"").scrub(transcript)
    assert "canary" not in scrubbed.lower()
    assert "***" in scrubbed


def test_scrubbing_leaves_the_rest(talk):
    said = json.dumps({"tid": TID, "pg_token": TOKEN, "total_amount": 11_000})
    scrubbed = talk(b"").scrub(said)
    assert TID in scrubbed
    assert "11000" in scrubbed
    assert talk(b"").scrub(scrubbed) == scrubbed


def test_a_real_conversation_is_scrubbed(talk):
    client = talk((APPROVED,))
    client.approve(account(client), PAYMENT, TOKEN, 5)
    sent = talk.there.requests[0].decode()
    assert "CANARY" in sent
    assert "canary" not in client.scrub(sent).lower()
