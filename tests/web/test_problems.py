"""Problem documents: complete, in two languages, and never an echo."""

import json
import re
from typing import Any

import pytest

from web.phrases import Phrase
from web.problem_texts import CATALOGUE, REASONS
from web.problems import Problem, negotiate, render
from web.strict_json import Malformed

API_TABLE = {
    400: "malformed_json idempotency_key_required invalid_header",
    401: "unauthenticated",
    403: "insufficient_scope",
    404: "not_found unknown_event",
    405: "method_not_allowed",
    409: "illegal_transition operation_in_flight approval_not_taken order_in_progress "
    "order_already_paid idempotency_in_flight",
    412: "version_mismatch",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "invalid_request guard_refused idempotency_key_reused unsupported_by_provider",
    429: "rate_limited",
    502: "gateway_surprise",
    503: "gateway_unavailable storage_unavailable log_behind_checkpoint",
    504: "gateway_timeout",
}
HANGUL = re.compile("[가-힣]")


def body_of(problem: Problem, language: Any = "en", instance: str = "/v1/x") -> dict[str, Any]:
    body: dict[str, Any] = json.loads(render(problem, "req_1", instance, language)[2])
    return body


@pytest.mark.parametrize(
    ("status", "code"), [(s, code) for s, codes in API_TABLE.items() for code in codes.split()]
)
def test_every_code_of_the_contract_has_its_status(status: int, code: str) -> None:
    assert CATALOGUE[code].status == status


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_renders_in_both_languages(code: str) -> None:
    english, korean = body_of(Problem(code)), body_of(Problem(code), "ko")
    assert {"type", "title", "status", "detail", "instance", "code", "request_id"} <= set(english)
    assert english["type"] == f"/problems/{code}"
    assert HANGUL.search(korean["title"])
    assert HANGUL.search(korean["detail"])
    assert not HANGUL.search(english["title"] + english["detail"])


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_page_has_cause_and_cure(code: str) -> None:
    kind = CATALOGUE[code]
    assert kind.cause
    assert kind.cure
    assert HANGUL.search(kind.cause.ko)
    assert HANGUL.search(kind.cure.ko)


def test_every_reason_belongs_to_a_known_code() -> None:
    assert {code for code, _ in REASONS} <= set(CATALOGUE)


def test_every_malformed_reason_has_a_sentence() -> None:
    named = set(re.findall(r"`(\w+)`", Malformed.__doc__ or "")) - {"reason"}
    assert named == {reason for code, reason in REASONS if code == "malformed_json"}


def test_members_are_carried_and_fill_the_detail() -> None:
    problem = Problem(
        "illegal_transition", current_status="cancelled", event="approve", allowed_events=[]
    )
    body = body_of(problem)
    assert body["current_status"] == "cancelled"
    assert body["allowed_events"] == []
    assert body["detail"] == "The transaction is cancelled; approve cannot happen there."


def test_members_cannot_replace_the_document_s_own() -> None:
    body = body_of(Problem("not_found", status=200, type="x", code="y"))
    assert (body["status"], body["type"], body["code"]) == (404, "/problems/not_found", "not_found")


def test_a_known_reason_sharpens_the_detail() -> None:
    body = body_of(
        Problem("guard_refused", guard="amount<=refundable", reason="refund_exceeds_balance")
    )
    assert body["detail"] == "The refund is more than what is left."
    assert body["reason"] == "refund_exceeds_balance"


def test_phrases_inside_members_are_translated() -> None:
    problem = Problem(
        "invalid_request", errors=[{"pointer": "/a", "detail": Phrase("no", "아니오")}]
    )
    assert body_of(problem)["errors"] == [{"pointer": "/a", "detail": "no"}]
    assert body_of(problem, "ko")["errors"] == [{"pointer": "/a", "detail": "아니오"}]


@pytest.mark.parametrize(
    "path", ["/v1/<script>", "/v1/\r\nX: y", "/v1/한글", "/a?pg_token=1", "/" + "a" * 300, "x", ""]
)
def test_an_odd_path_is_not_echoed(path: str) -> None:
    assert body_of(Problem("not_found"), instance=path)["instance"] == "urn:strada:request:req_1"


def test_a_lone_surrogate_does_not_break_rendering() -> None:
    assert render(Problem("not_found", hint="\ud800"), "req_1", "/", "en")[2].decode("utf-8")


def test_headers_come_along() -> None:
    status, headers, _ = render(
        Problem("method_not_allowed", headers={"Allow": "GET, HEAD"}), "req_1", "/", "ko"
    )
    assert status == 405
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Allow"] == "GET, HEAD"
    assert headers["Content-Language"] == "ko"
    assert headers["Request-Id"] == "req_1"


@pytest.mark.parametrize(
    "code",
    [
        "operation_in_flight",
        "idempotency_in_flight",
        "rate_limited",
        "gateway_surprise",
        "gateway_unavailable",
        "storage_unavailable",
        "log_behind_checkpoint",
        "gateway_timeout",
    ],
)
def test_what_passes_says_when_to_retry(code: str) -> None:
    assert int(render(Problem(code), "r", "/", "en")[1]["Retry-After"]) > 0
    assert render(Problem(code, retry_after=7), "r", "/", "en")[1]["Retry-After"] == "7"


def test_unauthenticated_names_the_scheme() -> None:
    assert "Bearer" in render(Problem("unauthenticated"), "r", "/", "en")[1]["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("ko", "ko"),
        ("KO-kr", "ko"),
        ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", "ko"),
        ("en-US,en;q=0.9,ko;q=0.8", "en"),
        ("fr, ko;q=0.3", "ko"),
        ("fr, de", "en"),
        ("*", "en"),
        ("ko;q=0", "en"),
        ("ko;q=0.5, en;q=0.6", "en"),
        ("ko ; q=0.001", "ko"),
        ("en, ko", "en"),
        ("korean", "en"),
        ("ko;q=\u0660", "en"),
        ("ko;q=9", "en"),
        (";;;,,,ko", "ko"),
        ("x," * 5000 + "ko", "en"),
        ("\x00ko", "en"),
    ],
)
def test_language_is_negotiated(header: str | None, language: str) -> None:
    assert negotiate(header) == language
