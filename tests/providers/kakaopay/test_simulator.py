"""The simulated gateway over real HTTP: its protocol, its money, its pages and its faults."""

from __future__ import annotations

import html
import json
import re
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import requests
import segno

from providers.kakaopay.simulator import create_app, serve

KEY = "DEV" + "A1B2C3D4E5" * 3 + "F6G7H8I"
SHOP = "http://localhost:8000"
SPOILS = ["hang", "reset", "http_500", "http_503", "truncated", "empty", "html", "huge", "drip"]
SPOILS += ["gzip", "redirect"]


class Gateway:
    """A running simulator and the few words that tests say to it."""

    def __init__(self, ledger: Path, **settings: Any) -> None:
        self.ledger_file = ledger
        self.server = serve(create_app(ledger=ledger, **settings), "127.0.0.1", 0)
        self.base = f"http://127.0.0.1:{self.server.port}"
        self.http = requests.Session()
        self.http.trust_env = False
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self) -> None:
        self.http.close()
        self.server.shutdown()
        self.thread.join()

    def call(self, verb: str, key: str = KEY, **fields: Any) -> requests.Response:
        headers = {"Authorization": f"SECRET_KEY {key}"}
        if "simulate" in fields:
            headers["Strada-Simulate"] = fields.pop("simulate")
        url = f"{self.base}/online/v1/payment/{verb}"
        fields = {"cid": "TC0ONETIME", **fields}
        return self.http.post(
            url, json=fields, headers=headers, timeout=5, allow_redirects=False, stream=True
        )

    def control(self, path: str, **body: Any) -> Any:
        url = f"{self.base}/_simulator/{path}"
        answer = self.http.post(url, json=body) if body else self.http.get(url)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ready(self, **changes: Any) -> requests.Response:
        return self.call("ready", **(ORDER | changes))

    def prepared(self, **changes: Any) -> dict[str, Any]:
        answer = self.ready(**changes)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def pay(self, ready: dict[str, Any], action: str = "approve", **more: Any) -> str:
        url = ready["next_redirect_pc_url"]
        return str(self.control("pay", url=url, action=action, **more)["redirect"])

    def approve(self, known: str, token: str, **changes: Any) -> requests.Response:
        ids: dict[str, Any] = {"partner_order_id": "order-1", "partner_user_id": "user-1"}
        return self.call("approve", **(ids | {"tid": known, "pg_token": token} | changes))

    def authenticated(self, **changes: Any) -> tuple[str, str]:
        ready = self.prepared(**changes)
        return ready["tid"], self.pay(ready).partition("pg_token=")[2]

    def charged(self, **changes: Any) -> str:
        tid, token = self.authenticated(**changes)
        assert self.approve(tid, token).status_code == 200
        return tid

    def cancel(self, known: str, won: int, **changes: Any) -> requests.Response:
        asked: dict[str, Any] = {"tid": known, "cancel_amount": won, "cancel_tax_free_amount": 0}
        return self.call("cancel", **(asked | changes))

    def order(self, tid: str, **changes: Any) -> dict[str, Any]:
        body: dict[str, Any] = self.call("order", tid=tid, **changes).json()
        return body

    def ledger(self) -> list[tuple[str, int]]:
        lines = self.ledger_file.read_text().splitlines() if self.ledger_file.exists() else []
        return [(line["event"], line["amount"]) for line in map(json.loads, lines)]


ORDER: dict[str, Any] = {
    "partner_order_id": "order-1",
    "partner_user_id": "user-1",
    "item_name": "커피 콩",
    "quantity": 1,
    "total_amount": 11000,
    "tax_free_amount": 0,
    "approval_url": f"{SHOP}/approved/1",
    "cancel_url": f"{SHOP}/cancelled/1",
    "fail_url": f"{SHOP}/failed/1",
}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    running = Gateway(tmp_path / "ledger.jsonl")
    yield running
    running.stop()


def code(answer: requests.Response) -> int:
    assert set(answer.json()) <= {"error_code", "error_message", "extras"}
    return int(answer.json()["error_code"])


# ready


def test_ready_answers_the_documented_fields(gateway: Gateway) -> None:
    body = gateway.prepared()
    assert set(body) == {
        "tid",
        "next_redirect_app_url",
        "next_redirect_mobile_url",
        "next_redirect_pc_url",
        "created_at",
    }
    assert re.fullmatch(r"T[0-9a-f]{19}", body["tid"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", body["created_at"])
    path = r"/mockup/bridge/pc/pg/one-time/payment/[0-9a-f]{64}"
    assert re.fullmatch(re.escape(gateway.base) + path, body["next_redirect_pc_url"])


def test_app_schemes_are_sent_when_asked_for(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "l", send_app_schemes=True, public_url="https://pay.test/")
    body = gateway.prepared()
    gateway.stop()
    assert body["android_app_scheme"].startswith("kakaotalk://kakaopay/pg?url=https%3A%2F%2Fpay")


def test_numbers_may_travel_as_strings(gateway: Gateway) -> None:
    ready = gateway.prepared(total_amount="2200", quantity="1", tax_free_amount="0")
    assert gateway.order(ready["tid"])["amount"]["vat"] == 200


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"cid": "TCSUBSCRIP"}, -731),
        ({"cid": None}, -2),
        ({"partner_order_id": None}, -2),
        ({"partner_order_id": "x" * 101}, -2),
        ({"partner_user_id": "\ud800"}, -2),
        ({"item_name": ""}, -2),
        ({"quantity": 0}, -2),
        ({"quantity": True}, -2),
        ({"total_amount": 10.5}, -2),
        ({"total_amount": "١٢٣"}, -2),
        ({"total_amount": -1}, -2),
        ({"total_amount": 2**31}, -2),
        ({"total_amount": 0}, -725),
        ({"tax_free_amount": 11001}, -722),
        ({"vat_amount": 11001}, -722),
        ({"install_month": 13}, -2),
        ({"payment_method_type": "POINTS"}, -705),
        ({"approval_url": f"{SHOP}/{'x' * 255}"}, -2),
        ({"approval_url": "myshop://approved"}, -799),
        ({"cancel_url": "http://shop.example/"}, -799),
        ({"fail_url": "http://localhost@shop.example/"}, -799),
        ({"fail_url": "http://shop.example\\@localhost/"}, -799),
        ({"fail_url": "http://shop.example@localhost/"}, -799),
        ({"fail_url": "http://local\thost/"}, -799),
        ({"fail_url": "http://[::1/"}, -799),
    ],
)
def test_ready_refuses(gateway: Gateway, changes: dict[str, Any], expected: int) -> None:
    answer = gateway.ready(**changes)
    assert (answer.status_code, code(answer)) == (400, expected)


def test_a_strange_domain_is_named_in_the_message(gateway: Gateway) -> None:
    message = gateway.ready(approval_url="https://a.example/x").json()["error_message"]
    assert message == "approve_url(https://a.example/x) does not match registered website domain."


def test_registered_domains_are_exact_origins(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "l", allowed_domains=["http://localhost:8000"])
    good, bad = gateway.ready(), gateway.ready(fail_url="http://localhost:8001/")
    gateway.stop()
    assert (good.status_code, code(bad)) == (200, -799)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", (400, -400)),
        ("SECRET_KEY PRD123", (401, -401)),
        (f"KakaoAK {KEY}", (401, -401)),
        (f"DEV_SECRET_KEY {KEY}", (200, 0)),
    ],
)
def test_the_key_is_checked(gateway: Gateway, header: str, expected: tuple[int, int]) -> None:
    url = gateway.base + "/online/v1/payment/ready"
    headers = {"Authorization": header} if header else {}
    answer = gateway.http.post(url, json={"cid": "TC0ONETIME", **ORDER}, headers=headers)
    assert (answer.status_code, answer.json().get("error_code", 0)) == expected


def test_a_form_or_a_wrong_address_gets_a_documented_shape(gateway: Gateway) -> None:
    auth = {"Authorization": f"SECRET_KEY {KEY}"}
    url = gateway.base + "/online/v1/payment/ready"
    assert code(gateway.http.post(url, data=ORDER, headers=auth)) == -2
    assert code(gateway.http.get(url, headers=auth)) == -404
    assert code(gateway.call("orders")) == -404


def test_a_key_reaches_its_own_cid_only(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "l", secret_keys={"one": "CID1", "two": "CID2"})
    tid = gateway.call("ready", "one", **(ORDER | {"cid": "CID1"})).json()["tid"]
    other = gateway.call("order", "two", cid="CID2", tid=tid)
    foreign = gateway.call("order", "two", cid="CID1", tid=tid)
    gateway.stop()
    assert (code(other), code(foreign)) == (-721, -731)


# approve


def test_approve_charges_and_has_no_status_field(gateway: Gateway) -> None:
    tid, token = gateway.authenticated()
    body = gateway.approve(tid, token, payload="ours", total_amount="11000").json()
    assert re.fullmatch(r"A[0-9a-f]{19}", body["aid"])
    assert "status" not in body
    assert (body["payload"], body["payment_method_type"]) == ("ours", "MONEY")
    assert body["amount"]["vat"] == 1000
    assert gateway.ledger() == [("charge", 11000)]


def test_authentication_alone_moves_no_money(gateway: Gateway) -> None:
    tid, _ = gateway.authenticated()
    assert gateway.order(tid)["status"] == "AUTH_PASSWORD"
    assert gateway.ledger() == []


def test_a_card_payment_tells_of_the_card(gateway: Gateway) -> None:
    ready = gateway.prepared(install_month=3)
    token = gateway.pay(ready, method="CARD").partition("pg_token=")[2]
    assert gateway.approve(ready["tid"], token).json()["card_info"]["install_month"] == "03"
    assert gateway.order(ready["tid"])["selected_card_info"]["install_month"] == 3


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"partner_order_id": "another"}, -706),
        ({"partner_user_id": "another"}, -707),
        ({"pg_token": "0" * 20}, -708),
        ({"tid": "T" + "0" * 19}, -721),
        ({"total_amount": 10999}, -725),
        ({"payload": "x" * 201}, -2),
    ],
)
def test_approve_refuses(gateway: Gateway, changes: dict[str, Any], expected: int) -> None:
    tid, token = gateway.authenticated()
    assert code(gateway.approve(tid, token, **changes)) == expected
    assert gateway.ledger() == []


def test_approve_waits_for_the_customer(gateway: Gateway) -> None:
    assert code(gateway.approve(gateway.prepared()["tid"], "0" * 20)) == -701


def test_a_payment_is_approved_once(gateway: Gateway) -> None:
    tid, token = gateway.authenticated()
    gateway.approve(tid, token)
    assert code(gateway.approve(tid, token)) == -702
    assert gateway.ledger() == [("charge", 11000)]


def test_after_fifteen_minutes_approve_is_too_late(gateway: Gateway) -> None:
    tid, token = gateway.authenticated()
    gateway.control("clock", advance_s=900)
    assert code(gateway.approve(tid, token)) == -723
    assert gateway.order(tid)["status"] == "QUIT_PAYMENT"


def test_the_window_holds_until_its_last_second(gateway: Gateway) -> None:
    tid, token = gateway.authenticated()
    gateway.control("clock", advance_s=890)
    assert gateway.approve(tid, token).status_code == 200


def test_a_second_approve_meanwhile_is_a_duplicate(gateway: Gateway) -> None:
    tid, token = gateway.authenticated()
    slow: list[requests.Response] = []
    hint = "approve=slow;delay_s=0.4"
    first = threading.Thread(target=lambda: slow.append(gateway.approve(tid, token, simulate=hint)))
    first.start()
    time.sleep(0.15)
    assert code(gateway.approve(tid, token)) == -785
    assert code(gateway.cancel(tid, 1000)) == -785
    first.join()
    assert slow[0].status_code == 200


def test_ten_approves_at_once_charge_once(gateway: Gateway) -> None:
    tid, token = gateway.authenticated()
    codes: list[int] = []

    def go() -> None:
        codes.append(gateway.approve(tid, token).json().get("error_code", 0))

    threads = [threading.Thread(target=go) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes.count(0) == 1
    assert set(codes) <= {0, -702, -785}
    assert gateway.ledger() == [("charge", 11000)]


# cancel and order


def test_partial_cancels_add_up(gateway: Gateway) -> None:
    tid = gateway.charged()
    first = gateway.cancel(tid, 4000, payload="one").json()
    assert first["status"] == "PART_CANCEL_PAYMENT"
    assert first["approved_cancel_amount"]["total"] == 4000
    last = gateway.cancel(tid, 7000, cancel_available_amount=7000).json()
    assert last["status"] == "CANCEL_PAYMENT"
    assert last["canceled_amount"] == last["amount"]
    assert last["cancel_available_amount"]["total"] == 0
    assert gateway.ledger() == [("charge", 11000), ("refund", 4000), ("refund", 7000)]


def test_rounding_never_gives_back_more_vat_than_was_taken(gateway: Gateway) -> None:
    tid = gateway.charged(total_amount=24)
    parts = [gateway.cancel(tid, 6).json()["approved_cancel_amount"]["vat"] for _ in range(4)]
    assert parts == [1, 1, 0, 0]


def test_rounding_leaves_no_vat_behind(gateway: Gateway) -> None:
    tid = gateway.charged(total_amount=1000)
    assert gateway.order(tid)["amount"]["vat"] == 91
    gateway.cancel(tid, 500)
    body = gateway.cancel(tid, 500).json()
    assert body["canceled_amount"] == body["amount"]


@pytest.mark.parametrize(
    ("won", "changes", "expected"),
    [
        (11001, {}, -710),
        (0, {}, -2),
        (1000, {"cancel_available_amount": 10000}, -722),
        (1000, {"cancel_tax_free_amount": 1}, -722),
        (1000, {"cancel_vat_amount": 1001}, -722),
        (1000, {"tid": "T" + "f" * 19}, -721),
    ],
)
def test_cancel_refuses(gateway: Gateway, won: int, changes: dict[str, Any], expected: int) -> None:
    tid = gateway.charged()
    assert code(gateway.cancel(tid, won, **changes)) == expected
    assert gateway.ledger() == [("charge", 11000)]


def test_what_was_not_charged_is_not_cancelled(gateway: Gateway) -> None:
    tid, _ = gateway.authenticated()
    assert code(gateway.cancel(tid, 1000)) == -784


def test_a_cup_deposit_forbids_partial_cancels(gateway: Gateway) -> None:
    tid = gateway.charged(green_deposit=300)
    assert code(gateway.cancel(tid, 1000)) == -784
    assert gateway.cancel(tid, 11000).json()["canceled_amount"]["green_deposit"] == 300


def test_order_lists_every_movement(gateway: Gateway) -> None:
    tid, token = gateway.authenticated()
    gateway.approve(tid, token, payload="ours")
    gateway.cancel(tid, 1000)
    body = gateway.order(tid)
    details = body["payment_action_details"]
    assert [d["payment_action_type"] for d in details] == ["PAYMENT", "CANCEL"]
    assert [d.get("payload") for d in details] == ["ours", None]
    assert [d["amount"] for d in details] == [11000, 1000]
    assert body["cancel_available_amount"]["total"] == 10000


def test_a_refund_in_the_gateways_console_shows(gateway: Gateway) -> None:
    tid = gateway.charged()
    gateway.control("console_refund", tid=tid, amount=11000)
    assert gateway.order(tid)["status"] == "CANCEL_PAYMENT"
    assert gateway.control("ledger")["entries"][-1]["payload"] is None


def test_a_ledger_line_holds_the_running_sums(gateway: Gateway) -> None:
    tid = gateway.charged()
    gateway.cancel(tid, 1000, payload="why")
    line = gateway.control("ledger")["entries"][-1]
    assert line.pop("at").endswith("+00:00")
    assert re.fullmatch(r"A[0-9a-f]{19}", line.pop("aid"))
    assert line == {
        "event": "refund",
        "cid": "TC0ONETIME",
        "tid": tid,
        "partner_order_id": "order-1",
        "partner_user_id": "user-1",
        "amount": 1000,
        "tax_free": 0,
        "vat": 91,
        "payload": "why",
        "charged_total": 11000,
        "refunded_total": 1000,
    }


# Faults


def provoke(gateway: Gateway, tid: str, token: str) -> bytes | str:
    """What a careful client can read of an approve: bytes, or the name of the failure."""
    try:
        answer = gateway.approve(tid, token)
        raw = answer.raw.read(decode_content=False)
        assert isinstance(raw, bytes)
        if answer.status_code != 200:
            return f"HTTP {answer.status_code}"
        return raw
    except Exception as failure:
        return type(failure).__name__


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("spoil", SPOILS)
def test_a_spoilt_answer_leaves_true_books(gateway: Gateway, spoil: str, when: str) -> None:
    tid, token = gateway.authenticated()
    gateway.control("faults", on="approve", kind=f"{spoil}_{when}", delay_s=0.1)
    heard = provoke(gateway, tid, token)
    heard_well = isinstance(heard, bytes) and b'"aid"' in heard
    assert heard_well == (when == "after" and spoil in ("drip", "huge"))
    assert gateway.ledger() == ([("charge", 11000)] if when == "after" else [])
    [fault] = gateway.control("faults")["faults"]
    assert (fault["fired"], fault["remaining"]) == (1, 0)


@pytest.mark.parametrize(
    ("kind", "heard"),
    [
        ("hang_after", "ConnectionError"),
        ("reset_after", "ConnectionError"),
        ("http_500_before", "HTTP 500"),
        ("http_503_before", "HTTP 503"),
        ("truncated_after", "ProtocolError"),
        ("empty_after", b""),
        ("redirect_after", "HTTP 302"),
    ],
)
def test_a_client_hears(gateway: Gateway, kind: str, heard: bytes | str) -> None:
    tid, token = gateway.authenticated()
    gateway.control("faults", on="approve", kind=kind, delay_s=0.1)
    assert provoke(gateway, tid, token) == heard


def test_a_hang_lasts_as_long_as_asked(gateway: Gateway) -> None:
    tid, token = gateway.authenticated()
    began = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        gateway.approve(tid, token, simulate="approve=hang_before;delay_s=0.3")
    assert 0.3 <= time.monotonic() - began < 2
    assert gateway.approve(tid, token).status_code == 200


def test_a_reset_is_a_reset(gateway: Gateway) -> None:
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        gateway.ready(simulate="ready=reset_before")


def test_a_dripping_answer_is_whole_in_the_end(gateway: Gateway) -> None:
    began = time.monotonic()
    answer = gateway.ready(simulate="ready=drip_after;delay_s=0.4")
    assert answer.json()["tid"]
    assert time.monotonic() - began > 0.3


def test_a_huge_answer_is_ten_megabytes(gateway: Gateway) -> None:
    assert len(gateway.ready(simulate="ready=huge_before").content) > 10 * 2**20


def test_a_bomb_is_small_until_it_is_opened(gateway: Gateway) -> None:
    answer = gateway.ready(simulate="ready=gzip_before")
    packed = answer.raw.read(decode_content=False)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(packed) < 100_000 < 2**24 < len(zlib.decompress(packed, 31))


def test_whoever_follows_the_redirect_is_counted(gateway: Gateway) -> None:
    answer = gateway.ready(simulate="ready=redirect_before")
    gateway.http.post(answer.headers["Location"])
    assert gateway.control("healthz")["elsewhere"] == 1


@pytest.mark.parametrize("expired", [False, True])
def test_a_late_charge_lands_after_a_no(gateway: Gateway, expired: bool) -> None:
    tid, token = gateway.authenticated()
    with pytest.raises(requests.ConnectionError):
        gateway.approve(tid, token, simulate="approve=late;delay_s=0.3")
    if expired:
        gateway.control("clock", advance_s=901)
    assert gateway.order(tid)["status"] == ("QUIT_PAYMENT" if expired else "AUTH_PASSWORD")
    assert gateway.ledger() == []
    time.sleep(0.5)
    assert gateway.order(tid)["status"] == "SUCCESS_PAYMENT"


def test_a_late_charge_never_charges_twice(gateway: Gateway) -> None:
    tid, token = gateway.authenticated()
    with pytest.raises(requests.ConnectionError):
        gateway.approve(tid, token, simulate="approve=late;delay_s=0.2")
    assert gateway.approve(tid, token).status_code == 200
    time.sleep(0.4)
    assert gateway.ledger() == [("charge", 11000)]


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("wrong_amount", "amount"),
        ("wrong_tid", "tid"),
        ("wrong_order", "partner_order_id"),
        ("wrong_user", "partner_user_id"),
    ],
)
def test_a_lie_changes_one_field_and_no_book(gateway: Gateway, kind: str, field: str) -> None:
    tid, token = gateway.authenticated()
    told = gateway.approve(tid, token, simulate=f"approve={kind}").json()
    true = gateway.order(tid)
    shared = told.keys() & true.keys()
    assert [name for name in sorted(shared) if told[name] != true[name]] == [field]
    assert gateway.ledger() == [("charge", 11000)]


@pytest.mark.parametrize(("kind", "lines"), [("error", 0), ("error_after", 1)])
def test_a_scripted_error_has_the_documented_shape(gateway: Gateway, kind: str, lines: int) -> None:
    tid, token = gateway.authenticated()
    script = {"kind": kind, "code": -780, "method_result_code": "LACK_BALANCE"}
    gateway.control("faults", on="approve", tid=tid, **script)
    answer = gateway.approve(tid, token)
    assert (answer.status_code, code(answer)) == (400, -780)
    assert answer.json()["error_message"] == "approval failure!"
    assert answer.json()["extras"]["method_result_code"] == "LACK_BALANCE"
    assert len(gateway.ledger()) == lines


def test_a_failed_cancel_says_why(gateway: Gateway) -> None:
    answer = gateway.cancel(gateway.charged(), 1000, simulate="cancel=error")
    assert (code(answer), answer.json()["extras"]["method_result_code"]) == (-781, "6666")


def test_a_lagging_query_shows_the_truth_of_before(gateway: Gateway) -> None:
    tid, token = gateway.authenticated()
    gateway.approve(tid, token, simulate="approve=lag;delay_s=0.3")
    assert gateway.order(tid)["status"] == "AUTH_PASSWORD"
    time.sleep(0.4)
    assert gateway.order(tid)["status"] == "SUCCESS_PAYMENT"
    assert gateway.order(tid, simulate="order=lag;delay_s=30")["status"] == "AUTH_PASSWORD"


def test_a_fault_hits_its_own_order_so_many_times(gateway: Gateway) -> None:
    script = {"on": "ready", "kind": "http_503_before", "times": 2}
    gateway.control("faults", partner_order_id="order-2", **script)
    assert gateway.ready().status_code == 200
    answers = [gateway.ready(partner_order_id="order-2").status_code for _ in range(3)]
    assert answers == [503, 503, 200]


def test_the_script_can_be_cleared(gateway: Gateway) -> None:
    gateway.control("faults", on="ready", kind="reset_before")
    gateway.http.delete(gateway.base + "/_simulator/faults")
    assert gateway.control("faults")["faults"] == []
    assert gateway.ready().status_code == 200


def test_a_fault_that_makes_no_sense_is_refused(gateway: Gateway) -> None:
    url = gateway.base + "/_simulator/faults"
    for wrong in ({"kind": "explode"}, {"kind": "slow", "delay_s": -1}, {"kind": "slow", "x": 1}):
        assert gateway.http.post(url, json={"on": "ready", **wrong}).status_code == 400
    assert code(gateway.ready(simulate="ready=explode")) == -2


def test_a_gateway_that_is_down_resets(gateway: Gateway) -> None:
    gateway.control("down", down=True)
    with pytest.raises(requests.ConnectionError):
        gateway.ready()
    gateway.control("down", down=False)
    assert gateway.ready().status_code == 200


# The customer


def test_the_customer_comes_back_with_a_token(gateway: Gateway) -> None:
    ready = gateway.prepared(approval_url=f"{SHOP}/approved?order=1")
    assert re.fullmatch(
        re.escape(f"{SHOP}/approved?order=1&pg_token=") + "[0-9a-f]{20}", gateway.pay(ready)
    )


@pytest.mark.parametrize(
    ("action", "back", "status", "refused"),
    [
        ("cancel", "cancelled", "QUIT_PAYMENT", -783),
        ("fail", "failed", "FAIL_PAYMENT", -783),
        ("expire", "failed", "QUIT_PAYMENT", -723),
    ],
)
def test_a_customer_may_not_pay(
    gateway: Gateway, action: str, back: str, status: str, refused: int
) -> None:
    ready = gateway.prepared()
    assert gateway.pay(ready, action) == f"{SHOP}/{back}/1"
    assert gateway.order(ready["tid"])["status"] == status
    assert code(gateway.approve(ready["tid"], "0" * 20)) == refused


def test_a_customer_decides_once(gateway: Gateway) -> None:
    ready = gateway.prepared()
    gateway.pay(ready)
    body = {"url": ready["next_redirect_app_url"], "action": "approve"}
    assert gateway.http.post(gateway.base + "/_simulator/pay", json=body).status_code == 409


def test_the_pc_page_shows_the_phone_page_as_a_qr_code(gateway: Gateway) -> None:
    ready = gateway.prepared()
    answer = gateway.http.get(ready["next_redirect_pc_url"])
    phone = ready["next_redirect_mobile_url"]
    code = segno.make_qr(phone, error="m")
    drawn = code.svg_inline(omitsize=True, border=4, dark="#111", light="#fff")
    assert drawn in answer.text
    assert f'href="{phone}"' in answer.text
    assert "모의 결제" in answer.text
    assert gateway.order(ready["tid"])["status"] == "OPEN_PAYMENT"


def test_pages_carry_no_inline_script_and_a_strict_policy(gateway: Gateway) -> None:
    ready = gateway.prepared()
    for kind in ("pc", "mobile", "app"):
        answer = gateway.http.get(ready[f"next_redirect_{kind}_url"])
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert re.findall(r"<script(?! src=\"/mockup/static/)|\bon\w+=|style=", answer.text) == []
        assert answer.headers["Cache-Control"] == "no-store"
    assert gateway.http.get(gateway.base + "/mockup/static/gateway.js").status_code == 200


def test_a_name_cannot_write_into_the_page(gateway: Gateway) -> None:
    name = "<script>alert(1)</script>"
    answer = gateway.http.get(gateway.prepared(item_name=name)["next_redirect_mobile_url"])
    assert name not in answer.text
    assert html.escape(name) in answer.text


def test_a_phone_alone_goes_back_itself(gateway: Gateway) -> None:
    ready = gateway.prepared()
    phone = ready["next_redirect_mobile_url"]
    answer = gateway.http.post(phone, {"action": "approve"}, allow_redirects=False)
    assert answer.status_code == 303
    token = answer.headers["Location"].partition("?pg_token=")[2]
    assert gateway.approve(ready["tid"], token).status_code == 200


def test_with_a_pc_waiting_the_pc_goes_back_and_nobody_else(gateway: Gateway) -> None:
    ready = gateway.prepared()
    pc, phone = ready["next_redirect_pc_url"], ready["next_redirect_mobile_url"]
    assert gateway.http.get(f"{pc}/status").json() == {"state": "waiting", "remaining_s": 900}
    answer = gateway.http.post(phone, {"action": "approve"}, allow_redirects=False)
    assert "Return to your PC" in answer.text
    assert gateway.http.get(f"{pc}/status").json()["state"] == "approved"
    back = gateway.http.post(f"{pc}/claim", allow_redirects=False)
    assert "pg_token=" in back.headers["Location"]
    again = gateway.http.post(f"{phone}/claim", allow_redirects=False)
    assert (again.status_code, "pg_token" in again.text) == (200, False)


def test_a_fault_can_be_staged_on_the_phone(gateway: Gateway) -> None:
    ready = gateway.prepared()
    form = {"action": "approve", "fault": "wrong_amount"}
    url = ready["next_redirect_mobile_url"]
    answer = gateway.http.post(url, form, allow_redirects=False)
    token = answer.headers["Location"].partition("?pg_token=")[2]
    assert gateway.approve(ready["tid"], token).json()["amount"]["total"] == 12000


def test_an_unknown_page_does_not_exist(gateway: Gateway) -> None:
    url = gateway.base + "/mockup/bridge/pc/pg/one-time/payment/" + "0" * 64
    answer = gateway.http.get(url)
    assert answer.status_code == 404
    assert "이 주소에는 결제가 없습니다" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


# Restart, secrets, and the test API


def test_a_killed_gateway_comes_back_with_its_truth(gateway: Gateway, tmp_path: Path) -> None:
    refunded = gateway.charged()
    gateway.cancel(refunded, 1000)
    tid, token = gateway.authenticated()
    waiting = gateway.prepared()
    gateway.control("clock", advance_s=60)
    before = [gateway.order(t) for t in (refunded, tid, waiting["tid"])]
    with (tmp_path / "ledger.jsonl").open("a") as torn:
        torn.write('{"at": "2026-')
    again = Gateway(tmp_path / "ledger.jsonl")
    assert [again.order(t) for t in (refunded, tid, waiting["tid"])] == before
    assert again.control("clock")["offset_s"] == 60
    assert again.approve(tid, token).status_code == 200
    assert again.pay({"next_redirect_pc_url": waiting["next_redirect_pc_url"]}, "cancel")
    again.stop()
    assert again.ledger() == [("charge", 11000), ("refund", 1000), ("charge", 11000)]


def test_no_secret_is_written_down(
    gateway: Gateway, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tid, token = gateway.authenticated()
    gateway.approve(tid, token)
    gateway.http.get(f"{gateway.base}/nowhere?pg_token={token}")
    written = "".join(path.read_text() for path in tmp_path.iterdir())
    written += "".join(capfd.readouterr())
    assert written.count(tid) > 2
    assert token not in written
    assert KEY not in written


def test_closing_the_gateway_cancels_what_was_to_come(gateway: Gateway) -> None:
    tid, token = gateway.authenticated()
    with pytest.raises(requests.ConnectionError):
        gateway.approve(tid, token, simulate="approve=late;delay_s=0.2")
    gateway.stop()
    time.sleep(0.3)
    assert gateway.ledger() == []


def test_connections_are_kept_alive(gateway: Gateway) -> None:
    with closing(HTTPConnection("127.0.0.1", gateway.server.port, timeout=5)) as connection:
        sockets = set()
        for _ in range(3):
            connection.request("GET", "/_simulator/healthz")
            assert connection.getresponse().read()
            sockets.add(connection.sock)
    assert len(sockets) == 1
    assert None not in sockets


def test_a_time_scale_shortens_windows_and_delays(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "l", time_scale=1000)
    tid = gateway.prepared()["tid"]
    with pytest.raises(requests.ConnectionError):
        gateway.order(tid, simulate="order=hang_before;delay_s=300")
    time.sleep(0.7)
    status = gateway.order(tid)["status"]
    gateway.stop()
    assert status == "QUIT_PAYMENT"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [({"Content-Type": "text/plain"}, 415), ({"Host": "rebound.example"}, 403), ({}, 200)],
)
def test_a_web_page_cannot_use_the_test_api(
    gateway: Gateway, headers: dict[str, str], expected: int
) -> None:
    url = gateway.base + "/_simulator/down"
    headers = {"Content-Type": "application/json"} | headers
    answer = gateway.http.post(url, data='{"down": false}', headers=headers)
    assert answer.status_code == expected


def test_payments_are_listed_without_their_keys(gateway: Gateway) -> None:
    ready = gateway.prepared()
    [listed] = gateway.control("payments")["payments"]
    assert (listed["tid"], listed["status"]) == (ready["tid"], "READY")
    assert ready["next_redirect_pc_url"].rpartition("/")[2] not in json.dumps(listed)
