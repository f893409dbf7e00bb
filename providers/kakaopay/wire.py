"""KakaoPay's shapes: our commands as its request bodies, its answers as our outcomes. Pure.

It refuses to repair an answer: a field that is missing, odd or at odds with another makes the whole
answer a surprise, which is unknown. Amounts are whole won; they arrive as integers or as digits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from engine.provider import (
    Action,
    Approved,
    ApproveOutcome,
    Charged,
    Closed,
    LookUpOutcome,
    NotCharged,
    NotFound,
    NotTaken,
    Order,
    Payment,
    Pending,
    Prepared,
    PrepareOutcome,
    Refunded,
    RefundOutcome,
    RefundRequest,
    Refused,
    Unknown,
    Urls,
)
from providers.http import Answer
from providers.kakaopay.codes import CHARGED, CLOSED, STILL_OPEN, Verb, meaning

CURRENCY = "KRW"
KST = timezone(timedelta(hours=9))
"""The wire's times name no zone."""
MAX_AMOUNT = 2**53 - 1
ITEM_CODE_LIMIT = 100
MESSAGE_LIMIT = 200
TEXT_LIMIT = 200
URL_LIMIT = 2048
APP_SCHEMES = frozenset({"kakaotalk", "intent"})

_WHOLE = re.compile(r"[0-9]{1,16}")
_CODE = re.compile(r"-?[0-9]{1,6}")
_RESULT = re.compile(r"[A-Za-z0-9_]{1,64}")
_REFERENCE = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_METHOD = re.compile(r"[A-Z_]{1,20}")
_NOT_IN_URL = re.compile(r"[^\x21-\x7e]|[\\<>\"'`]")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")
_KINDS = {"PAYMENT": "payment", "CANCEL": "refund"}


class Odd(ValueError):
    """An answer that makes no sense; the message names the field."""


class Amount(NamedTuple):
    """The parts of an amount object that we use, in won."""

    total: int
    tax_free: int
    vat: int


# Our commands as their bodies.


def ready_body(cid: str, order: Order, urls: Urls) -> dict[str, Any]:
    """The body of `ready`. Our transaction is their order id; the merchant's goes into item_code."""
    body = {
        "cid": cid,
        "partner_order_id": order.transaction,
        "partner_user_id": order.user,
        "item_name": order.item_name,
        "quantity": order.quantity,
        "total_amount": order.amount,
        "tax_free_amount": order.tax_free,
        "vat_amount": order.vat,
        "approval_url": urls.approved,
        "cancel_url": urls.cancelled,
        "fail_url": urls.failed,
    }
    if len(order.order_id) <= ITEM_CODE_LIMIT:
        body["item_code"] = order.order_id
    return body


def approve_body(cid: str, payment: Payment, credential: str) -> dict[str, Any]:
    """The body of `approve`; the total makes the gateway compare what we mean with what it has."""
    return {
        "cid": cid,
        "tid": payment.reference,
        "partner_order_id": payment.transaction,
        "partner_user_id": payment.user,
        "pg_token": credential,
        "total_amount": payment.amount,
        **_payload(payment),
    }


def cancel_body(cid: str, payment: Payment, refund: RefundRequest) -> dict[str, Any]:
    """The body of `cancel`; a remaining amount other than the guard makes the gateway refuse."""
    return {
        "cid": cid,
        "tid": payment.reference,
        "cancel_amount": refund.amount,
        "cancel_tax_free_amount": refund.tax_free,
        "cancel_vat_amount": refund.vat,
        "cancel_available_amount": refund.expected_remaining,
        **_payload(payment),
    }


def order_body(cid: str, payment: Payment) -> dict[str, Any]:
    """The body of `order`, the look-up."""
    return {"cid": cid, "tid": payment.reference}


def _payload(payment: Payment) -> dict[str, str]:
    """Our operation id, which comes back in the gateway's history."""
    return {} if payment.operation is None else {"payload": payment.operation}


# Their answers as our outcomes.


def read_ready(answer: Answer, expires_at: int) -> PrepareOutcome:
    """What an answer to `ready` means; `expires_at` in UTC microseconds."""
    try:
        body = _good(answer)
        if body is not None:
            return _prepared(body, answer.raw, expires_at)
        no = _no("ready", answer)
        return no if isinstance(no, Refused | Unknown) else _misread(answer)
    except Odd as odd:
        return Unknown(answer.raw, "surprise", str(odd))


def read_approve(answer: Answer) -> ApproveOutcome:
    """What an answer to `approve` means. Whether it is our payment is for the engine to weigh."""
    try:
        body = _good(answer)
        if body is not None:
            return _approved(body, answer.raw)
        no = _no("approve", answer)
        return _misread(answer) if isinstance(no, NotFound) else no
    except Odd as odd:
        return Unknown(answer.raw, "surprise", str(odd))


def read_cancel(answer: Answer, payment: Payment, refund: RefundRequest) -> RefundOutcome:
    """What an answer to `cancel` means; one about another payment or amount is a surprise."""
    try:
        body = _good(answer)
        if body is not None:
            return _refunded(body, answer.raw, payment, refund)
        no = _no("cancel", answer)
        return _misread(answer) if isinstance(no, NotFound | NotTaken) else no
    except Odd as odd:
        return Unknown(answer.raw, "surprise", str(odd))


def read_order(answer: Answer, cid: str, payment: Payment) -> LookUpOutcome:
    """What an answer to `order` means.

    Only a charge is passed on when it names another payment: the engine must see that. Anything
    less about another payment says nothing about ours, and is a surprise.
    """
    try:
        body = _good(answer)
        if body is not None:
            return _truth(body, answer.raw, cid, payment)
        no = _no("order", answer)
        return no if isinstance(no, NotFound | Unknown) else _misread(answer)
    except Odd as odd:
        return Unknown(answer.raw, "surprise", str(odd))


def _good(answer: Answer) -> dict[str, Any] | None:
    """The body of a success, None for anything that is none; raises Odd for both at once."""
    if answer.status != 200:
        return None
    if answer.body is None:
        raise Odd("HTTP 200 without a JSON object")
    if "error_code" in answer.body:
        raise Odd("HTTP 200 with an error_code")
    return answer.body


def _misread(answer: Answer) -> Unknown:
    """A class that the table must not give to this verb; its test keeps us from coming here."""
    return Unknown(answer.raw, "surprise", f"HTTP {answer.status}")


def _prepared(body: Mapping[str, Any], raw: bytes, expires_at: int) -> Prepared:
    pages: dict[str, str | None] = {
        "type": "redirect",
        "pc_url": _page(body, "next_redirect_pc_url"),
        "mobile_url": _page(body, "next_redirect_mobile_url"),
        "app_url": None,
        "android_app_scheme": _scheme(body, "android_app_scheme"),
        "ios_app_scheme": _scheme(body, "ios_app_scheme"),
    }
    if body.get("next_redirect_app_url") is not None:
        pages["app_url"] = _page(body, "next_redirect_app_url")
    return Prepared(raw, _reference(body), pages, expires_at)


def _approved(body: Mapping[str, Any], raw: bytes) -> Approved:
    """There is no status field here: HTTP 200 is the success."""
    return Approved(
        raw,
        _reference(body),
        _text(body, "partner_order_id"),
        _text(body, "partner_user_id"),
        _amount(body, "amount").total,
        CURRENCY,
        _method(body),
        _moment(body, "approved_at"),
    )


def _refunded(
    body: Mapping[str, Any], raw: bytes, payment: Payment, refund: RefundRequest
) -> Refunded:
    _require_ours(body, payment)
    whole, gone = _amount(body, "amount"), _amount(body, "canceled_amount")
    left = _amount(body, "cancel_available_amount")
    _require_sums(whole, gone, left)
    _require_status(_text(body, "status"), whole, gone)
    if _amount(body, "approved_cancel_amount").total != refund.amount:
        raise Odd("approved_cancel_amount is not what we asked for")
    if not gone.total:
        raise Odd("canceled_amount is nothing")
    return Refunded(raw, _reference(body), gone.total, gone.tax_free, gone.vat, left.total)


def _truth(body: Mapping[str, Any], raw: bytes, cid: str, payment: Payment) -> LookUpOutcome:
    status = _text(body, "status")
    if status in CHARGED:
        return _charged(body, raw, status, cid)
    _require_ours(body, payment)
    _require_account(body, cid)
    if status in CLOSED:
        return Closed(raw, CLOSED[status], status)
    if status in STILL_OPEN:
        return NotCharged(
            raw,
            _reference(body),
            _text(body, "partner_order_id"),
            _text(body, "partner_user_id"),
            _amount(body, "amount").total,
            CURRENCY,
            still_payable=True,
            credential_alive=STILL_OPEN[status],
        )
    raise Odd("status")


def _charged(body: Mapping[str, Any], raw: bytes, status: str, cid: str) -> Charged:
    _require_account(body, cid)
    whole = _amount(body, "amount")
    gone = Amount(0, 0, 0)
    if status != "SUCCESS_PAYMENT" or body.get("canceled_amount") is not None:
        gone = _amount(body, "canceled_amount")
    if body.get("cancel_available_amount") is not None:
        _require_sums(whole, gone, _amount(body, "cancel_available_amount"))
    _require_status(status, whole, gone)
    return Charged(
        raw,
        _reference(body),
        _text(body, "partner_order_id"),
        _text(body, "partner_user_id"),
        whole.total,
        CURRENCY,
        gone.total,
        gone.tax_free,
        gone.vat,
        _actions(body),
        _method(body),
    )


def _actions(body: Mapping[str, Any]) -> tuple[Action, ...]:
    entries = body.get("payment_action_details")
    if entries is None:
        return ()
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Odd("payment_action_details")
    actions = [_action(entry) for entry in entries]
    return tuple(action for action in actions if action is not None)


def _action(entry: Mapping[str, Any]) -> Action | None:
    """One movement; None for a subscription id that was issued, which moves no money."""
    kind = _text(entry, "payment_action_type")
    if kind == "ISSUED_SID":
        return None
    if kind not in _KINDS:
        raise Odd("payment_action_type")
    amount = None if entry.get("amount") is None else _whole(entry, "amount")
    operation = None if entry.get("payload") is None else _text(entry, "payload", empty=True)
    return Action("payment" if kind == "PAYMENT" else "refund", amount, operation or None)


# What does not fit together.


def _require_ours(body: Mapping[str, Any], payment: Payment) -> None:
    ours = {
        "tid": payment.reference,
        "partner_order_id": payment.transaction,
        "partner_user_id": payment.user,
    }
    for name, expected in ours.items():
        if body.get(name) != expected:
            raise Odd(f"{name} is not ours")


def _require_account(body: Mapping[str, Any], cid: str) -> None:
    if body.get("cid", cid) != cid:
        raise Odd("cid is not ours")


def _require_sums(whole: Amount, gone: Amount, left: Amount) -> None:
    if gone.total + left.total != whole.total:
        raise Odd("canceled_amount and cancel_available_amount do not make up amount")


def _require_status(status: str, whole: Amount, gone: Amount) -> None:
    fits = {
        "SUCCESS_PAYMENT": gone.total == 0 < whole.total,
        "PART_CANCEL_PAYMENT": 0 < gone.total < whole.total,
        "CANCEL_PAYMENT": 0 < gone.total == whole.total,
    }
    if not fits.get(status, False):
        raise Odd("status does not fit the amounts")
    if gone.tax_free > whole.tax_free or gone.vat > whole.vat:
        raise Odd("canceled_amount exceeds amount")


# A no.


def _no(verb: Verb, answer: Answer) -> Refused | NotTaken | NotFound | Pending | Unknown:
    """Any answer that is no success. A 5xx is never a refusal, whatever its body says."""
    code, result = _codes(answer.body)
    shown = None if code is None else f"{code}:{result}" if result else str(code)
    if code is None or answer.status >= 500:
        kind = "unavailable" if answer.status >= 500 or answer.status == 429 else "surprise"
        return Unknown(answer.raw, kind, f"HTTP {answer.status}", shown)
    if not 400 <= answer.status:
        return Unknown(answer.raw, "surprise", f"HTTP {answer.status} with a code", shown)
    means, ours = meaning(verb, code, result)
    shown = shown or str(code)
    match means:
        case "refused":
            return Refused(answer.raw, ours, shown, _message(answer.body))
        case "not_taken":
            return NotTaken(answer.raw, ours, shown, _message(answer.body))
        case "not_found":
            return NotFound(answer.raw, shown)
        case "pending":
            return Pending(answer.raw, shown)
        case "conflict" | "unavailable" | "surprise":
            return Unknown(answer.raw, means, ours, shown)


def _codes(body: Mapping[str, Any] | None) -> tuple[int | None, str | None]:
    """The error code, of either generation, and the method's own result code."""
    if body is None:
        return None, None
    code = body.get("error_code", body.get("code"))
    if isinstance(code, str) and _CODE.fullmatch(code):
        code = int(code)
    if isinstance(code, bool) or not isinstance(code, int):
        return None, None
    extras = body.get("extras")
    result = extras.get("method_result_code") if isinstance(extras, dict) else None
    if isinstance(result, int) and not isinstance(result, bool):
        result = str(result)
    fits = isinstance(result, str) and _RESULT.fullmatch(result)
    return code, result if fits else None


def _message(body: Mapping[str, Any] | None) -> str:
    """Their words, for people: cut to size, with nothing in them that could act on a reader."""
    said = (body or {}).get("error_message", (body or {}).get("msg"))
    return _UNSEEN.sub(" ", said)[:MESSAGE_LIMIT] if isinstance(said, str) else ""


# Fields.


def _text(body: Mapping[str, Any], name: str, *, empty: bool = False) -> str:
    value = body.get(name)
    if not isinstance(value, str) or len(value) > TEXT_LIMIT or not (value or empty):
        raise Odd(name)
    return value


def _reference(body: Mapping[str, Any]) -> str:
    if not _REFERENCE.fullmatch(tid := _text(body, "tid")):
        raise Odd("tid")
    return tid


def _whole(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name)
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_AMOUNT:
        raise Odd(name)
    return value


def _amount(body: Mapping[str, Any], name: str) -> Amount:
    given = body.get(name)
    if not isinstance(given, dict):
        raise Odd(name)
    amount = Amount(_whole(given, "total"), _whole(given, "tax_free"), _whole(given, "vat"))
    for part in ("point", "discount", "green_deposit"):
        if given.get(part) is not None and _whole(given, part) > amount.total:
            raise Odd(f"{name}.{part}")
    if amount.tax_free + amount.vat > amount.total:
        raise Odd(f"{name} is less than its parts")
    return amount


def _method(body: Mapping[str, Any]) -> str | None:
    if body.get("payment_method_type") is None:
        return None
    if not _METHOD.fullmatch(method := _text(body, "payment_method_type")):
        raise Odd("payment_method_type")
    return method


def _moment(body: Mapping[str, Any], name: str) -> int | None:
    """Korean time without a zone → UTC microseconds; None when it is not there."""
    if body.get(name) is None:
        return None
    try:
        moment = datetime.fromisoformat(_text(body, name))
    except ValueError:
        raise Odd(name) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=KST)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _page(body: Mapping[str, Any], name: str) -> str:
    """An address that a browser may be sent to."""
    url = body.get(name)
    if not isinstance(url, str) or len(url) > URL_LIMIT or _NOT_IN_URL.search(url):
        raise Odd(name)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Odd(name) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise Odd(name)
    return url


def _scheme(body: Mapping[str, Any], name: str) -> str | None:
    """A hand-off to KakaoTalk, if there is one; another app's is not passed on."""
    url = body.get(name)
    if not isinstance(url, str) or len(url) > URL_LIMIT or _NOT_IN_URL.search(url):
        return None
    return url if url.partition(":")[0] in APP_SCHEMES else None
