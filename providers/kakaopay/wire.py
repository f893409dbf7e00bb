"""KakaoPay's shapes: our commands as its request bodies, its answers as our outcomes. Pure.

It refuses to repair an answer: a field that is missing, odd or at odds with another makes the whole
answer a surprise, which is unknown. Amounts are whole won; they arrive as integers or as digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

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
    UnknownKind,
    Urls,
)
from providers.http import Answer
from providers.kakaopay import fields
from providers.kakaopay.codes import CHARGED, CLOSED, STILL_OPEN, Verb, meaning

CURRENCY = "KRW"
ITEM_CODE_LIMIT = 100

_KINDS: Mapping[str, Literal["payment", "refund"]] = {"PAYMENT": "payment", "CANCEL": "refund"}


# Our commands as their bodies.


def ready_body(cid: str, order: Order, urls: Urls) -> dict[str, Any]:
    """The body of `ready`: our transaction is their order id, the merchant's is item_code."""
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
    except fields.Odd as odd:
        return Unknown(answer.raw, "surprise", str(odd))


def read_approve(answer: Answer) -> ApproveOutcome:
    """What an answer to `approve` means. Whether it is our payment is for the engine to weigh."""
    try:
        body = _good(answer)
        if body is not None:
            return _approved(body, answer.raw)
        no = _no("approve", answer)
        return _misread(answer) if isinstance(no, NotFound) else no
    except fields.Odd as odd:
        return Unknown(answer.raw, "surprise", str(odd))


def read_cancel(answer: Answer, payment: Payment, refund: RefundRequest) -> RefundOutcome:
    """What an answer to `cancel` means; one about another payment or amount is a surprise."""
    try:
        body = _good(answer)
        if body is not None:
            return _refunded(body, answer.raw, payment, refund)
        no = _no("cancel", answer)
        return _misread(answer) if isinstance(no, NotFound | NotTaken) else no
    except fields.Odd as odd:
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
    except fields.Odd as odd:
        return Unknown(answer.raw, "surprise", str(odd))


def _good(answer: Answer) -> dict[str, Any] | None:
    """The body of a success, None for anything that is none; raises Odd for both at once."""
    if answer.status != 200:
        return None
    if answer.body is None:
        raise fields.Odd("HTTP 200 without a JSON object")
    if "error_code" in answer.body:
        raise fields.Odd("HTTP 200 with an error_code")
    return answer.body


def _misread(answer: Answer) -> Unknown:
    """A class that the table must not give to this verb; its test keeps us from coming here."""
    return Unknown(answer.raw, "surprise", f"HTTP {answer.status}")


def _prepared(body: Mapping[str, Any], raw: bytes, expires_at: int) -> Prepared:
    pages: dict[str, str | None] = {
        "type": "redirect",
        "pc_url": fields.page(body, "next_redirect_pc_url"),
        "mobile_url": fields.page(body, "next_redirect_mobile_url"),
        "app_url": None,
        "android_app_scheme": fields.scheme(body, "android_app_scheme"),
        "ios_app_scheme": fields.scheme(body, "ios_app_scheme"),
    }
    if body.get("next_redirect_app_url") is not None:
        pages["app_url"] = fields.page(body, "next_redirect_app_url")
    return Prepared(raw, fields.reference(body), pages, expires_at)


def _approved(body: Mapping[str, Any], raw: bytes) -> Approved:
    """There is no status field here: HTTP 200 is the success."""
    return Approved(
        raw,
        fields.reference(body),
        fields.text(body, "partner_order_id"),
        fields.text(body, "partner_user_id"),
        fields.amount(body, "amount").total,
        CURRENCY,
        fields.method(body),
        fields.moment(body, "approved_at"),
    )


def _refunded(
    body: Mapping[str, Any], raw: bytes, payment: Payment, refund: RefundRequest
) -> Refunded:
    _require_ours(body, payment)
    whole, gone = fields.amount(body, "amount"), fields.amount(body, "canceled_amount")
    left = fields.amount(body, "cancel_available_amount")
    _require_sums(whole, gone, left)
    _require_status(fields.text(body, "status"), whole, gone)
    if fields.amount(body, "approved_cancel_amount").total != refund.amount:
        raise fields.Odd("approved_cancel_amount is not what we asked for")
    if not gone.total:
        raise fields.Odd("canceled_amount is nothing")
    return Refunded(raw, fields.reference(body), gone.total, gone.tax_free, gone.vat, left.total)


def _truth(body: Mapping[str, Any], raw: bytes, cid: str, payment: Payment) -> LookUpOutcome:
    status = fields.text(body, "status")
    if status in CHARGED:
        return _charged(body, raw, status, cid)
    _require_ours(body, payment)
    _require_account(body, cid)
    if status in CLOSED:
        return Closed(raw, CLOSED[status], status)
    if status in STILL_OPEN:
        return NotCharged(
            raw,
            fields.reference(body),
            fields.text(body, "partner_order_id"),
            fields.text(body, "partner_user_id"),
            fields.amount(body, "amount").total,
            CURRENCY,
            still_payable=True,
            credential_alive=STILL_OPEN[status],
        )
    raise fields.Odd("status")


def _charged(body: Mapping[str, Any], raw: bytes, status: str, cid: str) -> Charged:
    _require_account(body, cid)
    whole = fields.amount(body, "amount")
    gone = fields.Amount(0, 0, 0)
    if status != "SUCCESS_PAYMENT" or body.get("canceled_amount") is not None:
        gone = fields.amount(body, "canceled_amount")
    if body.get("cancel_available_amount") is not None:
        _require_sums(whole, gone, fields.amount(body, "cancel_available_amount"))
    _require_status(status, whole, gone)
    return Charged(
        raw,
        fields.reference(body),
        fields.text(body, "partner_order_id"),
        fields.text(body, "partner_user_id"),
        whole.total,
        CURRENCY,
        gone.total,
        gone.tax_free,
        gone.vat,
        _actions(body),
        fields.method(body),
    )


def _actions(body: Mapping[str, Any]) -> tuple[Action, ...]:
    entries = body.get("payment_action_details")
    if entries is None:
        return ()
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise fields.Odd("payment_action_details")
    actions = [_action(entry) for entry in entries]
    return tuple(action for action in actions if action is not None)


def _action(entry: Mapping[str, Any]) -> Action | None:
    """One movement; None for a subscription id that was issued, which moves no money."""
    kind = fields.text(entry, "payment_action_type")
    if kind == "ISSUED_SID":
        return None
    if kind not in _KINDS:
        raise fields.Odd("payment_action_type")
    amount = None if entry.get("amount") is None else fields.whole(entry, "amount")
    operation = None if entry.get("payload") is None else fields.text(entry, "payload", empty=True)
    return Action(_KINDS[kind], amount, operation or None)


# What does not fit together.


def _require_ours(body: Mapping[str, Any], payment: Payment) -> None:
    ours = {
        "tid": payment.reference,
        "partner_order_id": payment.transaction,
        "partner_user_id": payment.user,
    }
    for name, expected in ours.items():
        if body.get(name) != expected:
            raise fields.Odd(f"{name} is not ours")


def _require_account(body: Mapping[str, Any], cid: str) -> None:
    if body.get("cid", cid) != cid:
        raise fields.Odd("cid is not ours")


def _require_sums(whole: fields.Amount, gone: fields.Amount, left: fields.Amount) -> None:
    if gone.total + left.total != whole.total:
        raise fields.Odd("canceled_amount and cancel_available_amount do not make up amount")


def _require_status(status: str, whole: fields.Amount, gone: fields.Amount) -> None:
    fits = {
        "SUCCESS_PAYMENT": gone.total == 0 < whole.total,
        "PART_CANCEL_PAYMENT": 0 < gone.total < whole.total,
        "CANCEL_PAYMENT": 0 < gone.total == whole.total,
    }
    if not fits.get(status, False):
        raise fields.Odd("status does not fit the amounts")
    if gone.tax_free > whole.tax_free or gone.vat > whole.vat:
        raise fields.Odd("canceled_amount exceeds amount")


# A no.


def _no(verb: Verb, answer: Answer) -> Refused | NotTaken | NotFound | Pending | Unknown:
    """Any answer that is no success. A 5xx is never a refusal, whatever its body says."""
    code, result = fields.codes(answer.body)
    shown = None if code is None else f"{code}:{result}" if result else str(code)
    if code is None or answer.status >= 500:
        down = answer.status >= 500 or answer.status == 429
        kind: UnknownKind = "unavailable" if down else "surprise"
        return Unknown(answer.raw, kind, f"HTTP {answer.status}", shown)
    if answer.status < 400:
        return Unknown(answer.raw, "surprise", f"HTTP {answer.status} with a code", shown)
    means, ours = meaning(verb, code, result)
    assert shown is not None
    match means:
        case "refused":
            return Refused(answer.raw, ours, shown, fields.message(answer.body))
        case "not_taken":
            return NotTaken(answer.raw, ours, shown, fields.message(answer.body))
        case "not_found":
            return NotFound(answer.raw, shown)
        case "pending":
            return Pending(answer.raw, shown)
        case "conflict" | "unavailable" | "surprise":
            return Unknown(answer.raw, means, ours, shown)
