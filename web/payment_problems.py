"""What a payment, its gateway or the storage can refuse: state, rules, outages.

It refuses to hold behaviour: a table of texts, gathered by `web.problem_texts`.
"""

from __future__ import annotations

from web.phrases import Kind, Phrase

KINDS = (
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
        "log_behind_checkpoint",
        503,
        Phrase("The log is older than what was signed", "로그가 서명된 상태보다 오래되었습니다"),
        Phrase(
            "The database does not hold all that was signed; nothing is written.",
            "데이터베이스에 서명된 기록이 모두 있지 않아 아무것도 쓰지 않습니다.",
        ),
        Phrase(
            "An older copy of the database was restored, or its log was cut or changed. Payments "
            "taken since are unknown to it and could be taken twice.",
            "이전 데이터베이스 사본이 복원되었거나 로그가 잘리거나 바뀌었습니다. "
            "그 뒤의 결제를 알지 못해 이중 결제가 일어날 수 있습니다.",
        ),
        Phrase(
            "Read as usual; write again later. The operator restores the newest database, or "
            "accepts this one with: strada audit accept-rollback --reason …",
            "읽기는 그대로 됩니다. 쓰기는 나중에 다시 하십시오. 운영자는 최신 데이터베이스를 "
            "복원하거나 strada audit accept-rollback --reason …으로 받아들입니다.",
        ),
        retry_after_s=60,
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
