"""What can be wrong with a request whatever the payment: form, key, address, limits.

It refuses to hold behaviour: a table of texts, gathered by `web.problem_texts`.
"""

from __future__ import annotations

from web.phrases import Kind, Phrase

KINDS = (
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
)
