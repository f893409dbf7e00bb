"""What each problem means, by code: status, title, detail, cause and cure in both languages.

It refuses to hold behaviour: `web.problems` renders it, the `/problems/<code>` pages print it.
A detail may name `{parameters}`; their values are always ours, never the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping

from web import payment_problems, request_problems
from web.phrases import Kind, Language, Phrase

__all__ = ["CATALOGUE", "REASONS", "Kind", "Language", "Phrase"]

CATALOGUE: Mapping[str, Kind] = {
    kind.code: kind for kind in request_problems.KINDS + payment_problems.KINDS
}

REASONS: Mapping[tuple[str, str], Phrase] = {
    ("invalid_header", "framing"): Phrase(
        "The first line, the headers or the framing of the request cannot be read.",
        "요청의 첫 줄, 헤더 또는 본문 경계를 읽을 수 없습니다.",
    ),
    ("malformed_json", "not_utf8"): Phrase("The body is not UTF-8.", "본문이 UTF-8이 아닙니다."),
    ("malformed_json", "byte_order_mark"): Phrase(
        "The body starts with a byte order mark.", "본문이 BOM으로 시작합니다."
    ),
    ("malformed_json", "nul_character"): Phrase(
        "The body has a NUL character.", "본문에 NUL 문자가 있습니다."
    ),
    ("malformed_json", "too_deep"): Phrase(
        "The body is nested too deeply.", "본문의 중첩이 너무 깊습니다."
    ),
    ("malformed_json", "syntax"): Phrase(
        "The body is not well-formed JSON.", "본문의 JSON 문법이 틀렸습니다."
    ),
    ("malformed_json", "duplicate_key"): Phrase(
        "An object has the same key twice.", "한 객체에 같은 키가 두 번 있습니다."
    ),
    ("malformed_json", "not_finite"): Phrase(
        "NaN and Infinity are not JSON.", "NaN과 Infinity는 JSON이 아닙니다."
    ),
    ("malformed_json", "number_too_large"): Phrase(
        "A number is out of range.", "범위를 벗어난 수가 있습니다."
    ),
    ("malformed_json", "lone_surrogate"): Phrase(
        "A string has half a surrogate pair.", "짝이 없는 서로게이트가 있습니다."
    ),
    ("malformed_json", "not_an_object"): Phrase(
        "The body must be a JSON object.", "본문은 JSON 객체여야 합니다."
    ),
    ("guard_refused", "refund_exceeds_balance"): Phrase(
        "The refund is more than what is left.", "환불 금액이 남은 금액보다 큽니다."
    ),
    ("guard_refused", "tax_free_exceeds_balance"): Phrase(
        "The tax-free part is more than what is left of it.",
        "비과세 금액이 남은 비과세 금액보다 큽니다.",
    ),
    ("guard_refused", "taxed_exceeds_balance"): Phrase(
        "The taxed part is more than what is left of it.",
        "과세 금액이 남은 과세 금액보다 큽니다.",
    ),
    ("guard_refused", "vat_exceeds_balance"): Phrase(
        "The VAT is more than what is left of it.", "부가세가 남은 부가세보다 큽니다."
    ),
    ("guard_refused", "vat_exceeds_rest"): Phrase(
        "The rest would have more VAT than taxed amount.",
        "남는 부가세가 남는 과세 금액보다 커집니다.",
    ),
    ("guard_refused", "tax_free_must_empty"): Phrase(
        "A refund of all that is left takes all of its tax-free part.",
        "전액 환불은 남은 비과세 금액을 모두 포함해야 합니다.",
    ),
    ("guard_refused", "vat_must_empty"): Phrase(
        "A refund of all that is left takes all of its VAT.",
        "전액 환불은 남은 부가세를 모두 포함해야 합니다.",
    ),
    ("guard_refused", "tax_free_amount_required"): Phrase(
        "A partial refund must say how much of it is tax-free.",
        "부분 환불은 그중 비과세 금액이 얼마인지 밝혀야 합니다.",
    ),
    ("guard_refused", "reference_mismatch"): Phrase(
        "The gateway's payment is not that of this transaction.",
        "결제사의 결제가 이 거래의 것이 아닙니다.",
    ),
    ("log_behind_checkpoint", "looking_up"): Phrase(
        "An older log was accepted; its payments are being looked up before new ones are taken.",
        "이전 로그를 받아들였으며, 새 결제를 받기 전에 기존 결제를 조회하고 있습니다.",
    ),
}
"""Sharper details, used when the problem carries this `reason`."""
