"""KakaoPay's shapes and codes: every documented one, and many that are none."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from engine.provider import (
    Action,
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
from providers.http import Answer
from providers.kakaopay import codes, wire

TXN, USER, TID, OP = "txn_1", "user-7", "T1234567890abcdef123", "op_1"
PAYMENT = Payment(OP, TXN, USER, TID, 11_000, "KRW")
REFUND = RefundRequest(4_000, 0, 364, 11_000)
URLS = Urls("https://s.example/a", "https://s.example/c", "https://s.example/f")
ORDER = Order(OP, TXN, USER, "order-1", "커피", 2, 11_000, "KRW", 0, 1_000)

PLATFORM = "-1 -2 -3 -4 -5 -7 -10 -301 -401 -402 -403 -9798 -400 -404 -429 -500 -503"
PAYMENT_CODES = """
-701 -702 -703 -704 -705 -706 -707 -708 -710 -721 -722 -723 -724 -725 -726 -730 -731 -732 -733
-750 -751 -752 -753 -761 -780 -781 -782 -783 -784 -785 -798 -799
"""
DOCUMENTED = sorted(map(int, (PLATFORM + PAYMENT_CODES).split()))
MONEY = """
BANK_ACCOUNT_NOT_FOUND BANK_FIRM_API_FAIL LACK_BALANCE BANK_NOT_CONNECTED CHANNEL_NOT_FOUND
DAILY_CROSSCHECK_INVALID_AUTH_KEY INTERNAL_ERROR INVALID_CANCEL_AMOUNT INVALID_CANCEL_STATUS
INVALID_PAYMENT_KEY ITEM_NOT_FOUND LIMIT_BALANCE LIMIT_ONE_TIME LIMIT_USE_PER_DAY NETWORK_ACL_ERROR
NOT_ENOUGH_BALANCE PAY_ACCOUNT_RESPONSE_ERROR PAY_USER_NOT_FOUND PAYMENT_KEY_EXISTS
TALK_USER_REQUEST_FAIL TALK_USER_RESPONSE_ERROR UNDER_CONSTRUCTION USER_DUPLICATION USER_LOCKED
USER_NOT_FOUND BANK_FIRM_UNKNOWN DEACTIVATED_USER_STATUS BANK_ACCOUNT_BLOCKED BANK_FIRM_UNAVAILABLE
INVALID_CANCEL_STATUS_DEACTIVE
""".split()
STATUSES = """
READY SEND_TMS OPEN_PAYMENT SELECT_METHOD ARS_WAITING AUTH_PASSWORD ISSUED_SID SUCCESS_PAYMENT
PART_CANCEL_PAYMENT CANCEL_PAYMENT FAIL_AUTH_PASSWORD QUIT_PAYMENT FAIL_PAYMENT
""".split()
MAY_ANSWER = {
    "ready": (Refused, Unknown),
    "approve": (Refused, NotTaken, Pending, Unknown),
    "cancel": (Refused, Pending, Unknown),
    "order": (NotFound, Unknown),
}


def answer(body: dict[str, Any] | None, status: int = 200) -> Answer:
    return Answer(status, body, b"" if body is None else json.dumps(body).encode())


def read(verb: str, given: Answer) -> Any:
    match verb:
        case "ready":
            return wire.read_ready(given, 900)
        case "approve":
            return wire.read_approve(given)
        case "cancel":
            return wire.read_cancel(given, PAYMENT, REFUND)
    return wire.read_order(given, "TC0ONETIME", PAYMENT)


def no(verb: str, code: Any, result: Any = None, status: int = 400) -> Any:
    body: dict[str, Any] = {"error_code": code, "error_message": "no"}
    if result is not None:
        body["extras"] = {"method_result_code": result, "method_result_message": "no"}
    return read(verb, answer(body, status))


def won(total: Any, tax_free: Any = 0, vat: Any = 0) -> dict[str, Any]:
    more = {"point": 0, "discount": 0, "green_deposit": 0}
    return {"total": total, "tax_free": tax_free, "vat": vat, **more}


READY = {
    "tid": TID,
    "next_redirect_app_url": "https://pay.example/app",
    "next_redirect_mobile_url": "https://pay.example/mobile",
    "next_redirect_pc_url": "https://pay.example/pc",
    "android_app_scheme": "kakaotalk://kakaopay/pg?url=https://pay.example/app",
    "ios_app_scheme": "kakaotalk://kakaopay/pg?url=https://pay.example/app",
    "created_at": "2026-11-24T10:00:00",
}
NAMES = {"tid": TID, "cid": "TC0ONETIME", "partner_order_id": TXN, "partner_user_id": USER}
APPROVED = {
    "aid": "A1",
    **NAMES,
    "payment_method_type": "MONEY",
    "amount": won(11_000, 0, 1_000),
    "item_name": "커피",
    "item_code": "",
    "quantity": 2,
    "created_at": "2026-11-24T10:00:00",
    "approved_at": "2026-11-24T10:05:30",
    "payload": OP,
}
CANCELLED = {
    "aid": "A2",
    **NAMES,
    "status": "PART_CANCEL_PAYMENT",
    "amount": won(11_000, 0, 1_000),
    "approved_cancel_amount": won(4_000, 0, 364),
    "canceled_amount": won(4_000, 0, 364),
    "cancel_available_amount": won(7_000, 0, 636),
    "payload": OP,
}


def order(status: str = "SUCCESS_PAYMENT", gone: int = 0, **changes: Any) -> dict[str, Any]:
    base = {
        **NAMES,
        "status": status,
        "payment_method_type": "CARD",
        "amount": won(11_000, 0, 1_000),
        "canceled_amount": won(gone),
        "cancel_available_amount": won(11_000 - gone),
        "payment_action_details": [
            {"aid": "A1", "amount": 11_000, "payment_action_type": "PAYMENT", "payload": OP}
        ],
    }
    return {**base, **changes}


GOOD = {"ready": READY, "approve": APPROVED, "cancel": CANCELLED, "order": order()}


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    body = copy.deepcopy(body)
    *outer, last = path.split(".")
    inner = body
    for name in outer:
        inner = inner[name]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return body


def surprise(outcome: Any) -> bool:
    return isinstance(outcome, Unknown) and outcome.kind == "surprise"


# The table of codes.


def test_the_table_has_every_documented_code_and_no_other():
    assert sorted(codes.CODES) == DOCUMENTED


def test_the_table_of_results_has_every_documented_money_code():
    assert [name for name in MONEY if name not in codes.RESULTS] == []


@pytest.mark.parametrize("code", DOCUMENTED)
@pytest.mark.parametrize("verb", MAY_ANSWER)
def test_every_code_means_something_its_verb_may_answer(verb, code):
    outcome = no(verb, code)
    assert isinstance(outcome, MAY_ANSWER[verb])
    assert codes.CODES[code].to(verb) != "surprise" or surprise(outcome)


APPROVE_UNKNOWN = "-1 -7 -500 -503 -9798 -702 -783 -785 -710 -750 -751 -752 -753 -761 -781 -782"
APPROVE_UNKNOWN += " -784 -799"
APPROVE_NOT_TAKEN = "-3 -4 -5 -10 -301 -400 -401 -402 -403 -404 -429 -701 -708 -730 -731 -732 -733"
APPROVE_NOT_TAKEN += " -798"


@pytest.mark.parametrize("code", DOCUMENTED)
def test_approve_is_declined_only_where_nothing_can_be_charged(code):
    unknown, not_taken = ([int(c) for c in t.split()] for t in (APPROVE_UNKNOWN, APPROVE_NOT_TAKEN))
    expected = Unknown if code in unknown else NotTaken if code in not_taken else Refused
    assert type(no("approve", code)) is expected


@pytest.mark.parametrize(
    ("verb", "code", "expected"),
    [
        ("approve", -701, (NotTaken, "not_authenticated")),
        ("approve", -706, (Refused, "order_mismatch")),
        ("approve", -707, (Refused, "user_mismatch")),
        ("approve", -708, (NotTaken, "credential_refused")),
        ("approve", -721, (Refused, "payment_not_found")),
        ("approve", -723, (Refused, "window_expired")),
        ("approve", -725, (Refused, "amount_refused")),
        ("approve", -780, (Refused, "declined")),
        ("cancel", -710, (Refused, "refund_exceeds_remaining")),
        ("cancel", -722, (Refused, "refund_guard_mismatch")),
        ("cancel", -781, (Refused, "refund_declined")),
        ("cancel", -784, (Refused, "not_refundable")),
        ("cancel", -401, (Refused, "credentials_refused")),
        ("ready", -799, (Refused, "domain_not_registered")),
        ("ready", -401, (Refused, "credentials_refused")),
    ],
)
def test_a_no_has_a_telling_name(verb, code, expected):
    outcome = no(verb, code)
    assert (type(outcome), outcome.code) == expected
    assert (outcome.provider_code, outcome.message) == (str(code), "no")


@pytest.mark.parametrize(
    ("verb", "code", "kind"),
    [
        ("approve", -702, "conflict"),
        ("approve", -783, "conflict"),
        ("approve", -785, "conflict"),
        ("cancel", -785, "conflict"),
        ("approve", -500, "unavailable"),
        ("order", -401, "unavailable"),
        ("order", -731, "unavailable"),
        ("order", -785, "conflict"),
        ("cancel", -708, "surprise"),
        ("approve", -710, "surprise"),
        ("ready", -503, "unavailable"),
    ],
)
def test_a_code_that_leaves_it_open_is_unknown(verb, code, kind):
    outcome = no(verb, code)
    assert (type(outcome), outcome.kind) == (Unknown, kind)
    assert outcome.provider_code == str(code)


@pytest.mark.parametrize("verb", MAY_ANSWER)
@pytest.mark.parametrize("code", [-999, 0, 1, 702, -70200])
def test_a_code_that_is_not_listed_is_unknown(verb, code):
    assert surprise(no(verb, code))


@pytest.mark.parametrize("code", DOCUMENTED)
@pytest.mark.parametrize("verb", MAY_ANSWER)
@pytest.mark.parametrize("status", [200, 201, 302, 500, 502])
def test_no_code_is_believed_with_a_wrong_status(verb, code, status):
    assert isinstance(no(verb, code, status=status), Unknown)


@pytest.mark.parametrize("code", ["-708", -708])
def test_a_code_may_be_digits_in_a_string(code):
    outcome = no("approve", code)
    assert (type(outcome), outcome.provider_code) == (NotTaken, "-708")


@pytest.mark.parametrize("code", [True, None, "-7O8", "", -708.0, ["-708"], "٧٠٨"])
def test_a_code_that_is_none_is_unknown(code):
    assert isinstance(no("approve", code), Unknown)


def test_the_legacy_envelope_is_read_too():
    legacy = {"code": -708, "msg": "wrong token"}
    outcome = wire.read_approve(answer(legacy, 400))
    assert (type(outcome), outcome.message) == (NotTaken, "wrong token")


UNSURE = """
BANK_FIRM_API_FAIL INTERNAL_ERROR NETWORK_ACL_ERROR PAY_ACCOUNT_RESPONSE_ERROR
PAYMENT_KEY_EXISTS TALK_USER_REQUEST_FAIL TALK_USER_RESPONSE_ERROR UNDER_CONSTRUCTION USER_LOCKED
INVALID_CANCEL_STATUS 0000 0010 0025 0140 2003
""".split()


@pytest.mark.parametrize("result", sorted(codes.RESULTS))
@pytest.mark.parametrize(("verb", "code"), [("approve", -780), ("cancel", -781)])
def test_a_failed_method_is_a_refusal_unless_it_may_have_acted(verb, code, result):
    outcome = no(verb, code, result)
    expected = (
        Pending if result == "BANK_FIRM_UNKNOWN" else Unknown if result in UNSURE else Refused
    )
    assert type(outcome) is expected
    assert outcome.provider_code == f"{code}:{result}"


@pytest.mark.parametrize("result", ["6666", 6666, "NEW_ONE", "", "a b", {"a": 1}, True])
def test_a_result_that_is_not_listed_leaves_the_code_as_it_is(result):
    assert no("approve", -780, result).code == "declined"
    assert no("cancel", -781, result).code == "refund_declined"


def test_a_locked_user_and_a_concurrent_refund_are_looked_up():
    assert no("approve", -780, "USER_LOCKED").kind == "conflict"
    assert no("cancel", -781, "INVALID_CANCEL_STATUS").kind == "conflict"


def test_a_result_beside_another_code_says_nothing():
    assert no("approve", -706, "USER_LOCKED").code == "order_mismatch"


def test_a_message_cannot_act_on_its_reader():
    body = {"error_code": -708, "error_message": "a\x1b[31m\nb\u202ec" + "d" * 999}
    message = wire.read_approve(answer(body, 400)).message
    assert message.isprintable()
    assert len(message) == 200


@pytest.mark.parametrize("verb", MAY_ANSWER)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, "surprise"),
        (302, "surprise"),
        (404, "surprise"),
        (429, "unavailable"),
        (500, "unavailable"),
        (503, "unavailable"),
    ],
)
def test_an_answer_without_json_is_unknown(verb, status, kind):
    outcome = read(verb, Answer(status, None, b"<html>"))
    assert (outcome.kind, outcome.evidence) == (kind, b"<html>")


# Bodies that we send.


def test_ready_sends_our_transaction_as_their_order():
    body = wire.ready_body("TC0ONETIME", ORDER, URLS)
    assert body["partner_order_id"] == TXN
    assert body["item_code"] == "order-1"
    assert (body["total_amount"], body["tax_free_amount"], body["vat_amount"]) == (11_000, 0, 1_000)
    assert (body["approval_url"], body["cancel_url"], body["fail_url"]) == (
        URLS.approved,
        URLS.cancelled,
        URLS.failed,
    )


def test_approve_sends_the_total_and_our_operation():
    body = wire.approve_body("TC0ONETIME", PAYMENT, "token")
    assert body["total_amount"] == 11_000
    assert body["payload"] == OP
    assert body["pg_token"] == "token"


def test_cancel_sends_the_guard_and_our_operation():
    body = wire.cancel_body("TC0ONETIME", PAYMENT, REFUND)
    assert body["cancel_available_amount"] == 11_000
    assert (body["cancel_amount"], body["cancel_vat_amount"]) == (4_000, 364)
    assert body["payload"] == OP


# Good answers.


def test_ready_is_prepared_with_every_page():
    outcome = wire.read_ready(answer(READY), 900)
    assert isinstance(outcome, Prepared)
    assert (outcome.reference, outcome.expires_at) == (TID, 900)
    assert outcome.next_action == {
        "type": "redirect",
        "pc_url": "https://pay.example/pc",
        "mobile_url": "https://pay.example/mobile",
        "app_url": "https://pay.example/app",
        "android_app_scheme": READY["android_app_scheme"],
        "ios_app_scheme": READY["ios_app_scheme"],
    }


def test_ready_needs_no_app_scheme():
    bare = {name: READY[name] for name in READY if "app" not in name}
    outcome = wire.read_ready(answer(bare), 900)
    assert isinstance(outcome, Prepared)
    assert outcome.next_action["app_url"] is outcome.next_action["ios_app_scheme"] is None


def test_approve_says_what_was_taken_and_for_whom():
    outcome = wire.read_approve(answer(APPROVED))
    assert outcome == Approved(
        outcome.evidence, TID, TXN, USER, 11_000, "KRW", "MONEY", 1_795_482_330_000_000
    )


def test_amounts_may_be_digits_in_strings():
    body = APPROVED | {"amount": {"total": "11000", "tax_free": "0", "vat": "1000"}}
    assert wire.read_approve(answer(body)).captured == 11_000


def test_cancel_gives_cumulative_totals():
    outcome = wire.read_cancel(answer(CANCELLED), PAYMENT, REFUND)
    assert outcome == Refunded(outcome.evidence, TID, 4_000, 0, 364, 7_000)


def test_a_look_up_gives_the_charge_and_its_history():
    details = [
        {"amount": "11000", "payment_action_type": "PAYMENT", "payload": OP},
        {"payment_action_type": "CANCEL", "payload": "rf_1"},
        {"amount": 1_000, "payment_action_type": "CANCEL", "payload": None},
        {"payment_action_type": "ISSUED_SID"},
    ]
    body = order("PART_CANCEL_PAYMENT", 4_000, payment_action_details=details)
    outcome = wire.read_order(answer(body), "TC0ONETIME", PAYMENT)
    assert isinstance(outcome, Charged)
    assert (outcome.captured, outcome.refunded_total, outcome.method) == (11_000, 4_000, "CARD")
    assert outcome.actions == (
        Action("payment", 11_000, OP),
        Action("refund", None, "rf_1"),
        Action("refund", 1_000, None),
    )


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_has_its_meaning(status):
    gone = {"PART_CANCEL_PAYMENT": 4_000, "CANCEL_PAYMENT": 11_000}.get(status, 0)
    outcome = wire.read_order(answer(order(status, gone)), "TC0ONETIME", PAYMENT)
    if status in codes.CHARGED:
        assert (type(outcome), outcome.refunded_total) == (Charged, gone)
    elif status in codes.CLOSED:
        assert (type(outcome), outcome.provider_code) == (Closed, status)
    elif status in codes.STILL_OPEN:
        alive = status == "AUTH_PASSWORD"
        assert outcome.still_payable
        assert (type(outcome), outcome.credential_alive) == (NotCharged, alive)
    else:
        assert surprise(outcome)


def test_the_statuses_are_the_documented_ones():
    known = {*codes.STILL_OPEN, *codes.CLOSED, *codes.CHARGED, *codes.STRANGE}
    assert known == set(STATUSES)
    assert surprise(wire.read_order(answer(order("NEW")), "TC0ONETIME", PAYMENT))


def test_a_look_up_before_a_method_is_chosen_is_read():
    body = {**NAMES, "status": "READY", "amount": won(11_000)}
    assert isinstance(wire.read_order(answer(body), "TC0ONETIME", PAYMENT), NotCharged)


def test_a_charge_of_another_payment_is_passed_on_for_the_engine_to_see():
    body = order(partner_order_id="txn_2")
    assert wire.read_order(answer(body), "TC0ONETIME", PAYMENT).order_id == "txn_2"


# Odd answers.


@pytest.mark.parametrize("status", ["READY", "AUTH_PASSWORD", "QUIT_PAYMENT", "FAIL_PAYMENT"])
@pytest.mark.parametrize("name", ["tid", "cid", "partner_order_id", "partner_user_id"])
def test_no_charge_on_another_payment_says_nothing_of_ours(status, name):
    body = order(status, **{name: "T9other"})
    assert surprise(wire.read_order(answer(body), "TC0ONETIME", PAYMENT))


@pytest.mark.parametrize("name", ["tid", "partner_order_id", "partner_user_id"])
def test_a_refund_of_another_payment_is_a_surprise(name):
    assert surprise(wire.read_cancel(answer(CANCELLED | {name: "T9other"}), PAYMENT, REFUND))


ODD_NUMBERS = [True, -1, 1.0, "", "-1", "1.0", "٣", " 1", "1e3", 2**53, "9" * 17, None, [], ...]


@pytest.mark.parametrize("value", ODD_NUMBERS)
@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("approve", "amount.total"),
        ("approve", "amount.tax_free"),
        ("cancel", "canceled_amount.total"),
        ("cancel", "canceled_amount.vat"),
        ("cancel", "cancel_available_amount.total"),
        ("cancel", "approved_cancel_amount.total"),
        ("order", "amount.total"),
        ("order", "canceled_amount.total"),
    ],
)
def test_an_odd_number_is_a_surprise(verb, path, value):
    assert surprise(read(verb, answer(changed(GOOD[verb], path, value))))


@pytest.mark.parametrize("value", [None, "", 7, [], {}, "a" * 201, ...])
@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("ready", "tid"),
        ("ready", "next_redirect_pc_url"),
        ("ready", "next_redirect_mobile_url"),
        ("approve", "tid"),
        ("approve", "partner_order_id"),
        ("approve", "partner_user_id"),
        ("approve", "amount"),
        ("cancel", "status"),
        ("cancel", "canceled_amount"),
        ("order", "status"),
        ("order", "amount"),
    ],
)
def test_an_odd_or_missing_field_is_a_surprise(verb, path, value):
    assert surprise(read(verb, answer(changed(GOOD[verb], path, value))))


@pytest.mark.parametrize(
    ("verb", "path", "value"),
    [
        ("approve", "approved_at", "yesterday"),
        ("approve", "approved_at", 1_700_000_000),
        ("approve", "payment_method_type", "<b>"),
        ("approve", "amount.vat", 12_000),
        ("approve", "amount.point", -1),
        ("approve", "error_code", -708),
        ("cancel", "status", "SUCCESS_PAYMENT"),
        ("cancel", "status", "CANCEL_PAYMENT"),
        ("cancel", "cancel_available_amount.total", 11_000),
        ("cancel", "approved_cancel_amount.total", 4_001),
        ("order", "canceled_amount.total", 1),
        ("order", "status", "CANCEL_PAYMENT"),
        ("order", "cid", "OTHER"),
        ("order", "payment_action_details", {}),
        ("order", "payment_action_details", [1]),
        ("order", "payment_action_details", [{"payment_action_type": "GIFT"}]),
        ("order", "payment_action_details", [{"payment_action_type": "CANCEL", "amount": -1}]),
        ("order", "payment_action_details", [{"payment_action_type": "CANCEL", "payload": 1}]),
    ],
)
def test_an_answer_at_odds_with_itself_is_a_surprise(verb, path, value):
    assert surprise(read(verb, answer(changed(GOOD[verb], path, value))))


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "//pay.example/pc",
        "/pc",
        "ftp://pay.example/",
        "https://user@pay.example/",
        "https://good.example\\@evil.example/",
        'https://pay.example/"onload=',
        "https://pay.example/결제",
        "https://[pay.example/",
        "https://pay.example/" + "a" * 2048,
    ],
)
@pytest.mark.parametrize("name", ["pc", "mobile", "app"])
def test_a_page_that_a_browser_must_not_open_is_a_surprise(url, name):
    assert surprise(wire.read_ready(answer(READY | {f"next_redirect_{name}_url": url}), 900))


@pytest.mark.parametrize("url", ["javascript:alert(1)", "evilapp://x", "kakaotalk://\n", 7, None])
def test_a_hand_off_to_another_app_is_not_passed_on(url):
    outcome = wire.read_ready(answer(READY | {"ios_app_scheme": url}), 900)
    assert outcome.next_action["ios_app_scheme"] is None


@pytest.mark.parametrize("tid", ["T 1", "T1\n", "../T1", "T1?x", "티", "T" * 101])
def test_a_tid_that_is_unsafe_in_a_path_is_a_surprise(tid):
    assert surprise(wire.read_ready(answer(READY | {"tid": tid}), 900))
