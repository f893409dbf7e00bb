"""The adapter against the simulated gateway: two readings of one protocol that share no code."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from engine.provider import (
    Approved,
    Charged,
    Closed,
    NotCharged,
    NotFound,
    NotTaken,
    Order,
    Payment,
    Pending,
    Prepared,
    Refunded,
    RefundRequest,
    Refused,
    Unknown,
    Urls,
)
from providers.http import GatewayHttp
from providers.kakaopay.client import KakaoPay
from providers.kakaopay.simulator import create_app, serve

KEY = "DEV" + "A1B2C3D4E5" * 3 + "F6G7H8I"
URLS = Urls(*(f"http://127.0.0.1:8000/{end}" for end in ("a", "c", "f")))
NOW = 1_790_000_000_000_000
SPOILS = "hang reset http_500 http_503 truncated empty html huge drip gzip redirect".split()


class Shop:
    """The adapter and the gateway, with short words for what a shop and a customer do."""

    def __init__(self, ledger: Path) -> None:
        self.server = serve(create_app(ledger=ledger), "127.0.0.1", 0)
        self.base = f"http://127.0.0.1:{self.server.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        self.http = GatewayHttp()
        self.client = KakaoPay(self.base, self.http, now_us=lambda: NOW)
        self.account = self.client.account({"secret_key": KEY})
        self.controls = requests.Session()
        self.controls.trust_env = False

    def stop(self) -> None:
        self.http.close()
        self.controls.close()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def control(self, path: str, **body: Any) -> Any:
        answer = self.controls.post(f"{self.base}/_simulator/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def prepare(self, amount: int = 11_000) -> tuple[Payment, Prepared]:
        order = Order("op_1", "txn_1", "user-7", "order-1", "커피", 1, amount, "KRW", 0, 1_000)
        prepared = self.client.prepare(self.account, order, URLS, 5)
        assert isinstance(prepared, Prepared), prepared
        return Payment("op_1", "txn_1", "user-7", prepared.reference, amount, "KRW"), prepared

    def pay(self, prepared: Prepared, action: str = "approve") -> str:
        redirect = self.control("pay", url=prepared.next_action["pc_url"], action=action)
        query = parse_qs(urlsplit(redirect["redirect"]).query)
        return query.get("pg_token", [""])[0]

    def approve(self, payment: Payment, token: str, deadline_s: float = 5) -> Any:
        return self.client.approve(self.account, payment, token, deadline_s)

    def paid(self) -> Payment:
        payment, prepared = self.prepare()
        assert isinstance(self.approve(payment, self.pay(prepared)), Approved)
        return payment

    def refund(self, payment: Payment, amount: int, left: int, vat: int = 0) -> Any:
        asked = RefundRequest(amount, 0, vat, left)
        return self.client.refund(self.account, payment, asked, 1)

    def look_up(self, payment: Payment) -> Any:
        return self.client.look_up(self.account, payment, 5)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    running = Shop(tmp_path / "ledger.jsonl")
    yield running
    running.stop()


def test_a_payment_from_ready_to_its_last_refund(shop):
    payment, prepared = shop.prepare()
    assert isinstance(shop.look_up(payment), NotCharged)
    approved = shop.approve(payment, shop.pay(prepared))
    assert (approved.order_id, approved.user_id, approved.captured) == ("txn_1", "user-7", 11_000)
    charged = shop.look_up(payment)
    assert (charged.captured, charged.refunded_total) == (11_000, 0)
    assert [(action.kind, action.operation) for action in charged.actions] == [("payment", "op_1")]
    part = shop.refund(payment, 4_000, 11_000, 364)
    assert (part.refunded_total, part.vat_total, part.remaining) == (4_000, 364, 7_000)
    rest = shop.refund(payment, 7_000, 7_000, 636)
    assert (rest.refunded_total, rest.vat_total, rest.remaining) == (11_000, 1_000, 0)
    assert shop.look_up(payment).refunded_total == 11_000


def test_an_authenticated_payment_can_still_be_approved(shop):
    payment, prepared = shop.prepare()
    shop.pay(prepared)
    truth = shop.look_up(payment)
    assert (type(truth), truth.credential_alive) == (NotCharged, True)


@pytest.mark.parametrize("action", ["cancel", "fail", "expire"])
def test_a_payment_that_the_customer_ends_is_closed(shop, action):
    payment, prepared = shop.prepare()
    shop.pay(prepared, action)
    assert isinstance(shop.look_up(payment), Closed)


def test_a_repeated_approve_is_a_conflict_and_the_look_up_tells(shop):
    payment = shop.paid()
    again = shop.approve(payment, "whatever-token")
    assert (type(again), again.kind, again.provider_code) == (Unknown, "conflict", "-702")
    assert isinstance(shop.look_up(payment), Charged)


def test_an_approve_without_authentication_takes_nothing(shop):
    payment, _ = shop.prepare()
    assert shop.approve(payment, "whatever-token").code == "not_authenticated"


def test_a_wrong_token_takes_nothing(shop):
    payment, prepared = shop.prepare()
    shop.pay(prepared)
    outcome = shop.approve(payment, "whatever-token")
    assert (type(outcome), outcome.code) == (NotTaken, "credential_refused")


def test_a_closed_window_is_a_refusal(shop):
    payment, prepared = shop.prepare()
    token = shop.pay(prepared)
    shop.control("clock", advance_s=901)
    outcome = shop.approve(payment, token)
    assert (type(outcome), outcome.code) == (Refused, "window_expired")


def test_an_unknown_tid_is_not_found(shop):
    payment = Payment(None, "txn_1", "user-7", "T0000000000000000000", 1, "KRW")
    assert isinstance(shop.look_up(payment), NotFound)


def test_the_guard_refuses_a_refund_that_counts_on_more(shop):
    outcome = shop.refund(shop.paid(), 1_000, 12_000)
    assert (type(outcome), outcome.code) == (Refused, "refund_guard_mismatch")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("spoil", SPOILS)
def test_a_spoilt_approve_is_unknown_and_the_look_up_tells(shop, spoil, when):
    payment, prepared = shop.prepare()
    token = shop.pay(prepared)
    shop.control("faults", on="approve", kind=f"{spoil}_{when}")
    assert isinstance(shop.approve(payment, token, 0.5), Unknown)
    assert isinstance(shop.look_up(payment), Charged if when == "after" else NotCharged)


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_spoilt_refund_is_unknown_and_the_look_up_tells(shop, spoil):
    payment = shop.paid()
    shop.control("faults", on="cancel", kind=f"{spoil}_after")
    assert isinstance(shop.refund(payment, 4_000, 11_000), Unknown)
    assert shop.look_up(payment).refunded_total == 4_000


@pytest.mark.parametrize(
    ("result", "expected"),
    [("USER_LOCKED", Unknown), ("BANK_FIRM_UNKNOWN", Pending), ("LACK_BALANCE", Refused)],
)
def test_a_failed_method_is_read_by_its_result(shop, result, expected):
    payment, prepared = shop.prepare()
    token = shop.pay(prepared)
    shop.control("faults", on="approve", kind="error", code=-780, method_result_code=result)
    assert type(shop.approve(payment, token)) is expected


def test_a_wrong_key_leaves_the_payment_alive(shop):
    payment, prepared = shop.prepare()
    token = shop.pay(prepared)
    wrong = shop.client.account({"secret_key": "PRD" + KEY[3:]})
    outcome = shop.client.approve(wrong, payment, token, 5)
    assert (type(outcome), outcome.code) == (NotTaken, "credentials_refused")
    assert shop.client.look_up(wrong, payment, 5).kind == "unavailable"
    assert isinstance(shop.approve(payment, token), Approved)


@pytest.mark.parametrize("kind", ["wrong_amount", "wrong_tid", "wrong_order", "wrong_user"])
def test_what_the_gateway_says_of_another_payment_is_shown_to_the_engine(shop, kind):
    payment, prepared = shop.prepare()
    token = shop.pay(prepared)
    shop.control("faults", on="approve", kind=kind)
    said = shop.approve(payment, token)
    assert isinstance(said, Approved)
    told = (said.reference, said.order_id, said.user_id, said.captured)
    assert told != (payment.reference, "txn_1", "user-7", 11_000)


def test_no_evidence_holds_the_token_or_the_key(shop):
    payment, prepared = shop.prepare()
    token = shop.pay(prepared)
    approved = shop.approve(payment, token)
    refunded = shop.refund(payment, 4_000, 11_000)
    assert isinstance(refunded, Refunded)
    for outcome in (prepared, approved, refunded, shop.look_up(payment)):
        assert token.encode() not in outcome.evidence
        assert KEY.encode() not in outcome.evidence
        assert json.loads(outcome.evidence)["tid"] == payment.reference
