"""What each problem means, in English and Korean: status, title, detail, cause, cure; a table.

It refuses to hold behaviour: `web.problems` renders it, the `/problems/<code>` pages print it.
A detail may name `{parameters}`; their values are always ours, never the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "ko"]


class Phrase(str):
    """A sentence in both languages: an English string that also knows its Korean."""

    ko: str

    def __new__(cls, en: str, ko: str) -> Phrase:
        """Keep the English as the string itself."""
        phrase = super().__new__(cls, en)
        phrase.ko = ko
        return phrase

    def within(self, language: Language) -> str:
        """The sentence in this language."""
        return self.ko if language == "ko" else str(self)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem; `retry_after_s` is sent as Retry-After unless the raiser knows better."""

    code: str
    status: int
    title: Phrase
    detail: Phrase
    cause: Phrase
    cure: Phrase
    retry_after_s: int | None = None


_KINDS = (
    Kind(
        "malformed_json",
        400,
        Phrase("The body is not acceptable JSON", "본문이 올바른 JSON이 아닙니다"),
        Phrase("The request body could not be read.", "요청 본문을 읽을 수 없습니다."),
        Phrase(
            "The body is broken JSON, or JSON that two readers could understand differently: "
            "a repeated key, NaN, bad UTF-8, too deep a nesting, a number out of range.",
            "JSON이 깨졌거나 해석이 갈릴 수 있습니다. "
            "중복 키, NaN, 잘못된 UTF-8, 지나친 중첩, 범위를 벗어난 수가 그 예입니다.",
        ),
        Phrase(
            "Send one JSON object in UTF-8, without a byte order mark, each key once.",
            "BOM 없는 UTF-8 JSON 객체 하나를, 키가 겹치지 않게 보내십시오.",
        ),
    ),
    Kind(
        "idempotency_key_required",
        400,
        Phrase("An idempotency key is required", "멱등성 키가 필요합니다"),
        Phrase(
            "This call moves money and needs an Idempotency-Key header.",
            "돈이 움직이는 호출이므로 Idempotency-Key 헤더가 필요합니다.",
        ),
        Phrase(
            "A refund without a key could happen twice when the request is repeated.",
            "키가 없는 환불은 요청이 반복되면 두 번 처리될 수 있습니다.",
        ),
        Phrase(
            "Make a random key for each refund you intend, and repeat it with every retry.",
            "환불마다 무작위 키를 만들고, 재시도할 때 같은 키를 쓰십시오.",
        ),
    ),
    Kind(
        "invalid_header",
        400,
        Phrase("A request header is not valid", "요청 헤더가 올바르지 않습니다"),
        Phrase("The header {header} is not valid.", "{header} 헤더가 올바르지 않습니다."),
        Phrase(
            "The header has the wrong form, or was sent twice.",
            "헤더의 형식이 틀렸거나 두 번 전송되었습니다.",
        ),
        Phrase(
            "Send it once. Idempotency-Key: 8 to 255 visible ASCII characters; "
            'If-Match: "<version>".',
            "한 번만 보내십시오. Idempotency-Key는 보이는 ASCII 8–255자, "
            'If-Match는 "<version>" 형식입니다.',
        ),
    ),
    Kind(
        "unauthenticated",
        401,
        Phrase("Authentication is needed", "인증이 필요합니다"),
        Phrase(
            "No valid key came with this request.",
            "이 요청에 유효한 키가 없습니다.",
        ),
        Phrase(
            "The Authorization header is absent, not a Bearer token, or its key is unknown, "
            "revoked or too old.",
            "Authorization 헤더가 없거나 Bearer 형식이 아니거나, "
            "키가 알려지지 않았거나 폐기 또는 만료되었습니다.",
        ),
        Phrase(
            "Send Authorization: Bearer with a secret key (strada keys create) or with the "
            "transaction's client secret.",
            "Authorization: Bearer 뒤에 비밀 키(strada keys create) 또는 "
            "거래의 client secret을 넣어 보내십시오.",
        ),
    ),
    Kind(
        "insufficient_scope",
        403,
        Phrase("The key may not do this", "이 키로는 할 수 없는 작업입니다"),
        Phrase(
            "The key is valid but lacks the scope for this call.",
            "키는 유효하지만 이 호출에 필요한 권한 범위가 없습니다.",
        ),
        Phrase(
            "Each key holds scopes (payments, audit, admin); a client secret may only read its "
            "transaction and fire ready, approve, cancel and fail.",
            "키마다 권한 범위(payments, audit, admin)가 있습니다. client secret은 "
            "그 거래의 조회와 ready, approve, cancel, fail만 할 수 있습니다.",
        ),
        Phrase(
            "Use a key with the scope, or create one: strada keys create --scope.",
            "권한이 있는 키를 쓰거나 strada keys create --scope로 만드십시오.",
        ),
    ),
    Kind(
        "not_found",
        404,
        Phrase("There is no such thing", "찾을 수 없습니다"),
        Phrase("Nothing was found at this address.", "이 주소에는 아무것도 없습니다."),
        Phrase(
            "The path or the id is unknown, or belongs to another merchant.",
            "경로나 id가 없거나 다른 가맹점의 것입니다.",
        ),
        Phrase(
            "Check the id, and that the key belongs to the merchant who made it.",
            "id와, 키가 그것을 만든 가맹점의 것인지 확인하십시오.",
        ),
    ),
    Kind(
        "unknown_event",
        404,
        Phrase("There is no such event", "없는 이벤트입니다"),
        Phrase(
            "Transactions have no public event of this name.",
            "거래에 이런 이름의 공개 이벤트가 없습니다.",
        ),
        Phrase(
            "The last part of the path is not an event that callers may fire.",
            "경로의 마지막 부분이 호출할 수 있는 이벤트가 아닙니다.",
        ),
        Phrase(
            "Use one of the http names of GET /v1/chart, such as ready, approve or refund.",
            "GET /v1/chart의 http 이름(ready, approve, refund 등)을 쓰십시오.",
        ),
    ),
    Kind(
        "method_not_allowed",
        405,
        Phrase("This method is not allowed here", "허용되지 않는 메서드입니다"),
        Phrase(
            "The address exists, but not for this method.",
            "주소는 있지만 이 메서드는 지원하지 않습니다.",
        ),
        Phrase(
            "The request used a method that the address does not serve.",
            "주소가 지원하지 않는 메서드로 요청했습니다.",
        ),
        Phrase("Use a method of the Allow header.", "Allow 헤더의 메서드를 쓰십시오."),
    ),
    Kind(
        "illegal_transition",
        409,
        Phrase("The transaction's state does not allow this", "현재 상태에서 할 수 없습니다"),
        Phrase(
            "The transaction is {current_status}; {event} cannot happen there.",
            "거래가 {current_status} 상태이므로 {event}을(를) 할 수 없습니다.",
        ),
        Phrase(
            "The chart has no arrow for this event from the present state; often another "
            "request was faster.",
            "현재 상태에서 이 이벤트로 가는 전이가 없습니다. "
            "다른 요청이 먼저 처리된 경우가 많습니다.",
        ),
        Phrase(
            "Read the transaction and choose one of allowed_events.",
            "거래를 다시 읽고 allowed_events 중에서 고르십시오.",
        ),
    ),
    Kind(
        "operation_in_flight",
        409,
        Phrase("Another operation is under way", "다른 작업이 진행 중입니다"),
        Phrase(
            "The gateway has not yet answered an earlier operation on this transaction.",
            "이 거래의 앞선 작업에 결제사가 아직 답하지 않았습니다.",
        ),
        Phrase(
            "One operation at a time may be open at the gateway, and its outcome is not known.",
            "결제사 작업은 한 번에 하나만 열 수 있는데, 그 결과를 아직 모릅니다.",
        ),
        Phrase(
            "Wait for Retry-After, read the transaction, then decide again.",
            "Retry-After만큼 기다린 뒤 거래를 읽고 다시 결정하십시오.",
        ),
        retry_after_s=1,
    ),
    Kind(
        "approval_not_taken",
        409,
        Phrase("Nothing was charged", "결제되지 않았습니다"),
        Phrase(
            "The gateway took no money and the customer must act again.",
            "결제사가 청구하지 않았으며 고객이 다시 진행해야 합니다.",
        ),
        Phrase(
            "The approval was too early, or its credential was used up or wrong.",
            "승인이 너무 일렀거나, 인증값이 이미 쓰였거나 틀렸습니다.",
        ),
        Phrase(
            "Send the customer to next_action again, then approve with the new credential.",
            "고객을 next_action으로 다시 보내고 새 인증값으로 승인하십시오.",
        ),
    ),
    Kind(
        "order_in_progress",
        409,
        Phrase("This order is already being paid", "이미 결제가 진행 중인 주문입니다"),
        Phrase(
            "Another transaction of the same order is open.",
            "같은 주문의 다른 거래가 열려 있습니다.",
        ),
        Phrase(
            "Two open payments of one order could charge the customer twice.",
            "한 주문에 결제가 둘 열리면 고객이 두 번 청구될 수 있습니다.",
        ),
        Phrase(
            "Go on with the transaction named here, or cancel it first.",
            "여기 표시된 거래를 계속하거나, 먼저 취소하십시오.",
        ),
    ),
    Kind(
        "order_already_paid",
        409,
        Phrase("This order is already paid", "이미 결제된 주문입니다"),
        Phrase(
            "Another transaction of the same order has been paid.",
            "같은 주문의 다른 거래가 이미 결제되었습니다.",
        ),
        Phrase(
            "An order is paid once; the order_id was used by a paid transaction.",
            "주문은 한 번만 결제됩니다. order_id가 결제된 거래에 쓰였습니다.",
        ),
        Phrase(
            "Show the customer the transaction named here, or use a new order_id.",
            "여기 표시된 거래를 고객에게 보이거나 새 order_id를 쓰십시오.",
        ),
    ),
    Kind(
        "idempotency_in_flight",
        409,
        Phrase("The first request with this key still runs", "같은 키의 요청이 처리 중입니다"),
        Phrase(
            "A request with the same Idempotency-Key has not ended yet.",
            "같은 Idempotency-Key를 가진 요청이 아직 끝나지 않았습니다.",
        ),
        Phrase(
            "The request was repeated before the first one was answered.",
            "첫 요청의 응답이 나오기 전에 요청이 반복되었습니다.",
        ),
        Phrase(
            "Repeat it with the same key after Retry-After.",
            "Retry-After 뒤에 같은 키로 다시 보내십시오.",
        ),
        retry_after_s=1,
    ),
    Kind(
        "version_mismatch",
        412,
        Phrase("The transaction has changed", "거래가 그사이 바뀌었습니다"),
        Phrase(
            "The version in If-Match is not the present one.",
            "If-Match의 버전이 현재 버전과 다릅니다.",
        ),
        Phrase(
            "Somebody changed the transaction after you read it.",
            "읽은 뒤에 다른 곳에서 거래를 바꾸었습니다.",
        ),
        Phrase(
            "Read it again, decide again, and send the new ETag.",
            "다시 읽고 다시 결정하여 새 ETag로 보내십시오.",
        ),
    ),
    Kind(
        "body_too_large",
        413,
        Phrase("The body is too large", "본문이 너무 큽니다"),
        Phrase("A request body may have 64 KiB.", "요청 본문은 64 KiB까지입니다."),
        Phrase("The body was longer than any request needs.", "본문이 필요 이상으로 깁니다."),
        Phrase(
            "Send less: metadata holds 20 keys of 500 characters.",
            "줄여서 보내십시오. metadata는 500자 값 20개까지입니다.",
        ),
    ),
    Kind(
        "unsupported_media_type",
        415,
        Phrase("The body must be JSON", "본문은 JSON이어야 합니다"),
        Phrase(
            "Content-Type must be application/json.",
            "Content-Type은 application/json이어야 합니다.",
        ),
        Phrase(
            "The body came with another type, or compressed.",
            "본문의 형식이 다르거나 압축되어 있습니다.",
        ),
        Phrase(
            "Send plain JSON with Content-Type: application/json.",
            "Content-Type: application/json으로 압축 없는 JSON을 보내십시오.",
        ),
    ),
    Kind(
        "invalid_request",
        422,
        Phrase("The request is not valid", "요청이 올바르지 않습니다"),
        Phrase(
            "The fields listed in errors are not valid.",
            "errors에 적힌 항목이 올바르지 않습니다.",
        ),
        Phrase(
            "A field is absent, unknown, of the wrong type, or out of its limits.",
            "빠졌거나 알 수 없거나, 형식이 틀렸거나 한도를 벗어난 항목이 있습니다.",
        ),
        Phrase(
            "Correct each pointer. Integers are JSON integers: not strings, not 100.0.",
            "각 pointer를 고치십시오. 정수는 문자열이나 100.0이 아닌 JSON 정수여야 합니다.",
        ),
    ),
    Kind(
        "guard_refused",
        422,
        Phrase("A rule refused this", "규칙에 따라 거절되었습니다"),
        Phrase("The rule {guard} refused: {reason}.", "{guard} 규칙이 거절했습니다: {reason}."),
        Phrase(
            "The state allows the event, but the transaction's amounts or references do not.",
            "상태는 맞지만 거래의 금액이나 참조가 조건에 맞지 않습니다.",
        ),
        Phrase(
            "Read the transaction (refundable_amount, provider_ref) and change the request.",
            "거래의 refundable_amount, provider_ref를 읽고 요청을 고치십시오.",
        ),
    ),
    Kind(
        "tax_free_amount_required",
        422,
        Phrase("The tax-free part is needed", "비과세 금액이 필요합니다"),
        Phrase(
            "A partial refund must say how much of it is tax-free.",
            "부분 환불은 그중 비과세 금액이 얼마인지 밝혀야 합니다.",
        ),
        Phrase(
            "Part of what is left was tax-free, and no rule says which part is given back.",
            "남은 금액에 비과세분이 있으나 어느 쪽을 돌려줄지 정할 수 없습니다.",
        ),
        Phrase(
            "Send tax_free_amount, 0 if none of it is.",
            "tax_free_amount를 보내십시오. 없으면 0입니다.",
        ),
    ),
    Kind(
        "idempotency_key_reused",
        422,
        Phrase("The idempotency key was used before", "이미 사용된 멱등성 키입니다"),
        Phrase(
            "This Idempotency-Key belongs to a different request.",
            "이 Idempotency-Key는 다른 요청에 쓰였습니다.",
        ),
        Phrase(
            "The same key came with another body or another If-Match.",
            "같은 키가 다른 본문이나 다른 If-Match와 함께 왔습니다.",
        ),
        Phrase(
            "Repeat the first request unchanged, or use a new key for a new intent.",
            "첫 요청을 그대로 반복하거나, 새 요청에는 새 키를 쓰십시오.",
        ),
    ),
    Kind(
        "unsupported_by_provider",
        422,
        Phrase("The gateway cannot do this", "결제사가 지원하지 않습니다"),
        Phrase(
            "The chosen provider does not offer what was asked.",
            "선택한 결제사는 이 요청을 지원하지 않습니다.",
        ),
        Phrase(
            "Gateways differ in currencies, partial refunds, and flows.",
            "결제사마다 통화, 부분 환불, 결제 흐름이 다릅니다.",
        ),
        Phrase(
            "Choose another provider, currency or flow.",
            "다른 결제사, 통화 또는 흐름을 고르십시오.",
        ),
    ),
    Kind(
        "rate_limited",
        429,
        Phrase("Too many requests", "요청이 너무 많습니다"),
        Phrase(
            "This key has used up its requests for the moment.",
            "이 키로 보낼 수 있는 요청을 잠시 다 썼습니다.",
        ),
        Phrase(
            "The merchant's share is limited so that all are served.",
            "모두가 쓸 수 있도록 가맹점마다 한도가 있습니다.",
        ),
        Phrase(
            "Wait for Retry-After and slow down.",
            "Retry-After만큼 기다리고 속도를 줄이십시오.",
        ),
        retry_after_s=1,
    ),
    Kind(
        "internal_error",
        500,
        Phrase("Something broke on our side", "서버에 문제가 생겼습니다"),
        Phrase(
            "The request ended in a fault of the server.",
            "서버의 결함으로 요청이 끝나지 못했습니다.",
        ),
        Phrase(
            "A defect. It is logged under the request_id; whether the request took effect is "
            "what the transaction says.",
            "결함입니다. request_id로 기록되었으며, "
            "요청이 반영되었는지는 거래를 읽으면 알 수 있습니다.",
        ),
        Phrase(
            "Read the transaction, then repeat with the same Idempotency-Key; report the "
            "request_id.",
            "거래를 읽은 뒤 같은 Idempotency-Key로 다시 보내고, request_id를 알려 주십시오.",
        ),
    ),
    Kind(
        "gateway_surprise",
        502,
        Phrase("The gateway's answer made no sense", "결제사의 응답을 이해할 수 없습니다"),
        Phrase(
            "The gateway answered, but not what its interface promises. Nothing was charged.",
            "결제사가 약속과 다른 응답을 보냈습니다. 청구된 것은 없습니다.",
        ),
        Phrase(
            "The gateway has a fault, or something between us answered for it.",
            "결제사의 장애이거나, 중간의 다른 장비가 대신 응답했습니다.",
        ),
        Phrase("Try again after Retry-After.", "Retry-After 뒤에 다시 시도하십시오."),
        retry_after_s=5,
    ),
    Kind(
        "gateway_unavailable",
        503,
        Phrase("The gateway is away", "결제사에 연결할 수 없습니다"),
        Phrase(
            "The gateway could not be reached and nothing was started.",
            "결제사에 연결할 수 없었고 시작된 작업은 없습니다.",
        ),
        Phrase(
            "The gateway is down, or was so lately and is given time to recover.",
            "결제사가 멈췄거나, 최근 장애로 회복을 기다리는 중입니다.",
        ),
        Phrase("Try again after Retry-After.", "Retry-After 뒤에 다시 시도하십시오."),
        retry_after_s=5,
    ),
    Kind(
        "storage_unavailable",
        503,
        Phrase("The storage is away", "저장소를 쓸 수 없습니다"),
        Phrase(
            "The database could not be used and nothing was started.",
            "데이터베이스를 쓸 수 없었고 시작된 작업은 없습니다.",
        ),
        Phrase(
            "The database is down, full, or locked for longer than we wait.",
            "데이터베이스가 멈췄거나 가득 찼거나, 오래 잠겨 있습니다.",
        ),
        Phrase("Try again after Retry-After.", "Retry-After 뒤에 다시 시도하십시오."),
        retry_after_s=5,
    ),
    Kind(
        "gateway_timeout",
        504,
        Phrase("The gateway did not answer in time", "결제사가 제때 응답하지 않았습니다"),
        Phrase(
            "The gateway was too slow; this call moves no money and may be repeated.",
            "결제사의 응답이 늦었습니다. 돈이 움직이지 않는 호출이라 반복해도 됩니다.",
        ),
        Phrase(
            "The gateway or the network between us is slow.",
            "결제사나 중간 네트워크가 느립니다.",
        ),
        Phrase("Try again after Retry-After.", "Retry-After 뒤에 다시 시도하십시오."),
        retry_after_s=5,
    ),
)

CATALOGUE: Mapping[str, Kind] = {kind.code: kind for kind in _KINDS}

REASONS: Mapping[tuple[str, str], Phrase] = {
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
}
"""Sharper details, used when the problem carries this `reason`."""
