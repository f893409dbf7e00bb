"""The bodies of good answers, as the protocol shapes them.

It reads payments and changes none. `approve` has no status field, as on the real wire.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from providers.kakaopay.simulator.clock import wire_time
from providers.kakaopay.simulator.payment import CHARGE, NOTHING, Action, Payment

CARD = {"name": "모의카드", "code": "00", "bin": "000000"}
"""A card of no issuer."""


def page_url(base: str, device: str, page: str) -> str:
    """The address of a pay page; `device` is pc, mobile-web or mobile-app."""
    return f"{base}/mockup/bridge/{device}/pg/one-time/payment/{page}"


def ready(payment: Payment, base: str, with_schemes: bool) -> dict[str, Any]:
    """The tid and where to send the customer."""
    body = {
        "tid": payment.tid,
        "next_redirect_app_url": page_url(base, "mobile-app", payment.page),
        "next_redirect_mobile_url": page_url(base, "mobile-web", payment.page),
        "next_redirect_pc_url": page_url(base, "pc", payment.page),
        "created_at": wire_time(payment.created_at),
    }
    if with_schemes:
        scheme = "kakaotalk://kakaopay/pg?url=" + quote(body["next_redirect_app_url"], safe="")
        body |= {"android_app_scheme": scheme, "ios_app_scheme": scheme}
    return body


def approve(payment: Payment, action: Action) -> dict[str, Any]:
    """The money was taken."""
    return {
        "aid": action.aid,
        **_names(payment),
        "amount": payment.amount.shown(),
        **({"card_info": _card_info(payment)} if payment.method == "CARD" else {}),
        **_item(payment),
        "approved_at": wire_time(action.at),
        **_payload(action),
    }


def cancel(payment: Payment, action: Action, now: float) -> dict[str, Any]:
    """Money was given back; the sums are those right after this cancel."""
    return {
        "aid": action.aid,
        **_names(payment),
        "status": payment.status(now),
        "approved_cancel_amount": action.amount.shown(),
        **_sums(payment),
        **_item(payment),
        **_moments(payment),
        **_payload(action),
    }


def order(payment: Payment, now: float) -> dict[str, Any]:
    """Where a payment stands, with every movement of money."""
    return {
        **_names(payment),
        "status": payment.status(now),
        **_sums(payment),
        **_item(payment),
        **_moments(payment),
        **({"selected_card_info": _selected_card(payment)} if payment.method == "CARD" else {}),
        "payment_action_details": [_detail(action) for action in payment.actions],
    }


def _names(payment: Payment) -> dict[str, Any]:
    return {
        "tid": payment.tid,
        "cid": payment.cid,
        "partner_order_id": payment.partner_order_id,
        "partner_user_id": payment.partner_user_id,
        **({"payment_method_type": payment.method} if payment.method else {}),
    }


def _item(payment: Payment) -> dict[str, Any]:
    return {
        "item_name": payment.item_name,
        "item_code": payment.item_code,
        "quantity": payment.quantity,
        "created_at": wire_time(payment.created_at),
    }


def _sums(payment: Payment) -> dict[str, Any]:
    return {
        "amount": payment.amount.shown(),
        "canceled_amount": payment.refunded.shown(),
        "cancel_available_amount": (payment.remaining if payment.charge else NOTHING).shown(),
    }


def _moments(payment: Payment) -> dict[str, str]:
    charge, refunds = payment.charge, payment.refunds
    return {
        **({"approved_at": wire_time(charge.at)} if charge else {}),
        **({"canceled_at": wire_time(refunds[-1].at)} if refunds else {}),
    }


def _payload(action: Action) -> dict[str, str]:
    return {} if action.payload is None else {"payload": action.payload}


def _detail(action: Action) -> dict[str, Any]:
    return {
        "aid": action.aid,
        "approved_at": wire_time(action.at),
        "amount": action.amount.total,
        "point_amount": 0,
        "discount_amount": 0,
        "green_deposit": action.amount.green_deposit,
        "payment_action_type": "PAYMENT" if action.kind == CHARGE else "CANCEL",
        **_payload(action),
    }


def _card_info(payment: Payment) -> dict[str, str]:
    return {
        "kakaopay_purchase_corp": CARD["name"],
        "kakaopay_purchase_corp_code": CARD["code"],
        "kakaopay_issuer_corp": CARD["name"],
        "kakaopay_issuer_corp_code": CARD["code"],
        "bin": CARD["bin"],
        "card_type": "신용",
        "install_month": f"{payment.install_month:02d}",
        "approved_id": payment.tid[-8:],
        "card_mid": "000000000",
        "interest_free_install": "N",
        "installment_type": "CARD_INSTALLMENT",
        "card_item_code": "000000",
    }


def _selected_card(payment: Payment) -> dict[str, Any]:
    return {
        "card_bin": CARD["bin"],
        "install_month": payment.install_month,
        "card_corp_name": CARD["name"],
        "interest_free_install": "N",
    }
