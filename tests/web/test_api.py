"""The contract over HTTP: what callers send, what they get, and what they can never see."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from house import LOST, lost_after
from states import BUILD
from storefront import Site

from engine import chart
from engine.provider import NotTaken

EDGES = {(edge.source, edge.event) for edge in chart.TRANSITIONS}


def test_a_payment_over_http_from_order_to_refund(site: Site) -> None:
    txn = site.create()["id"]
    assert site.fire(txn, "ready").get_json()["next_action"]["type"] == "redirect"
    assert site.fire(txn, "approve").get_json()["status"] == "approved"
    assert site.fire(txn, "complete").get_json()["status"] == "completed"
    part = site.fire(txn, "refund", {"amount": 3_000, "reason": "하나 깨짐"}).get_json()
    assert (part["status"], part["refundable_amount"]) == ("partially_refunded", 9_000)
    assert part["refunds"][0]["reason"] == "하나 깨짐"
    assert site.fire(txn, "refund", {}).get_json()["status"] == "refunded"


def test_the_created_resource_has_every_promised_field(site: Site) -> None:
    made = site.create(metadata={"cart": "c-9"}, quantity=3, return_url="https://shop.example/done")
    expected = (
        "id object status version chart provider flow order_id customer_id item_name quantity "
        "amount currency tax_free_amount vat_amount captured_amount refunded_amount "
        "refundable_amount provider_ref refunds next_action pending needs_review allowed_events "
        "failure return_url gateway_params expires_at metadata created_at updated_at approved_at "
        "completed_at client_secret"
    ).split()
    assert set(expected) <= set(made)
    assert (made["vat_amount"], made["status"], made["version"]) == (1091, "created", 1)
    assert made["gateway_params"]["partner_order_id"] == made["id"]


@pytest.mark.parametrize("event", list(chart.HTTP_NAMES.values()))
@pytest.mark.parametrize("state", list(chart.STATES))
def test_http_accepts_exactly_the_charts_edges(site: Site, state: str, event: str) -> None:
    txn = BUILD[state](site.house)
    answer = site.fire(txn, event)
    legal = (state, chart.EVENT_OF_HTTP[event]) in EDGES
    assert (answer.status_code in (200, 202)) == legal
    if not legal:
        problem = answer.get_json()
        assert answer.status_code == 409
        assert problem["code"] in ("illegal_transition", "operation_in_flight")
        assert problem["current_status"] == state
        assert problem["allowed_events"] == list(chart.allowed_events(state))


def test_an_event_of_evidence_is_unknown_to_http(site: Site) -> None:
    txn = site.create()["id"]
    for event in ("approval_confirmed", "make_ready", "expire", "__class__", "charge_found"):
        answer = site.fire(txn, event)
        assert (answer.status_code, answer.get_json()["code"]) == (404, "unknown_event")


def test_an_unknown_outcome_is_202_and_shows_what_we_wait_for(site: Site) -> None:
    txn = site.create()["id"]
    site.fire(txn, "ready")
    site.house.gateway.script["approve"] = [lost_after]
    answer = site.fire(txn, "approve")
    pending = answer.get_json()["pending"]
    assert (answer.status_code, pending["kind"]) == (202, "approve")
    site.house.work(10)
    assert site.call("GET", f"/transactions/{txn}").get_json()["status"] == "approved"


def test_a_wrong_token_is_409_with_the_ready_resource(site: Site) -> None:
    txn = site.create()["id"]
    site.fire(txn, "ready")
    site.house.gateway.script["approve"] = [NotTaken(b"no", "wrong_token", "-708", "")]
    problem = site.fire(txn, "approve").get_json()
    assert problem["code"] == "approval_not_taken"
    assert problem["transaction"]["status"] == "ready"


def test_a_gateway_without_an_answer_is_504_and_can_be_tried_again(site: Site) -> None:
    txn = site.create()["id"]
    site.house.gateway.script["prepare"] = [LOST]
    answer = site.fire(txn, "ready")
    assert (answer.status_code, answer.get_json()["code"]) == (504, "gateway_timeout")
    assert answer.headers["Retry-After"]
    assert site.fire(txn, "ready").status_code == 200


# ---- idempotency and versions


def test_a_repeat_is_replayed_to_the_byte(site: Site) -> None:
    body = site.order()
    first = site.call("POST", "/transactions", body, Idempotency_Key="create-0001")
    again = site.call("POST", "/transactions", body, Idempotency_Key='"create-0001"')
    assert again.data == first.data
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Request-Id"] != first.headers["Request-Id"]


def test_metadata_speaks_any_language(site: Site) -> None:
    body = site.order() | {"metadata": {"장바구니": "초코파이"}}
    first = site.call("POST", "/transactions", body, Idempotency_Key="create-0001")
    assert first.status_code == 201
    assert first.json["metadata"] == {"장바구니": "초코파이"}
    again = site.call("POST", "/transactions", body, Idempotency_Key="create-0001")
    assert again.data == first.data


def test_a_replayed_refusal_keeps_its_body(site: Site) -> None:
    txn = site.create()["id"]
    first = site.fire(txn, "complete", Idempotency_Key="complete-1")
    again = site.fire(txn, "complete", Idempotency_Key="complete-1")
    assert (again.status_code, again.data) == (409, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_key_reused_for_another_body_is_422(site: Site) -> None:
    txn = site.house.approved()
    site.fire(txn, "refund", {"amount": 1}, Idempotency_Key="refund-0001")
    answer = site.fire(txn, "refund", {"amount": 2}, Idempotency_Key="refund-0001")
    assert answer.get_json()["code"] == "idempotency_key_reused"
    assert site.house.gateway.refunded == 1


def test_a_refund_needs_a_key(site: Site) -> None:
    txn = site.house.approved()
    answer = site.call("POST", f"/transactions/{txn}/refund", {})
    assert (answer.status_code, answer.get_json()["code"]) == (400, "idempotency_key_required")
    assert site.house.gateway.refunded == 0


def test_etag_and_if_match_guard_a_stale_client(site: Site) -> None:
    txn = site.create()["id"]
    tag = site.call("GET", f"/transactions/{txn}").headers["ETag"]
    site.fire(txn, "ready")
    stale = site.fire(txn, "cancel", If_Match=tag)
    assert (stale.status_code, stale.get_json()["code"]) == (412, "version_mismatch")
    fresh = site.call("GET", f"/transactions/{txn}").headers["ETag"]
    assert site.fire(txn, "cancel", If_Match=fresh).status_code == 200


def test_a_dry_run_says_and_does_nothing(site: Site) -> None:
    txn = site.house.approved()
    before = site.house.entries(txn)
    said = site.fire(txn, "refund?dry_run=true", {"amount": 99_999}).get_json()
    assert (said["accepted"], said["reason"]) == (False, "refund_exceeds_balance")
    said = site.fire(txn, "complete?dry_run=true").get_json()
    assert (said["accepted"], said["target"]) == (True, "completed")
    assert site.house.entries(txn) == before


# ---- who may do what


def test_nobody_without_a_key(site: Site) -> None:
    for key in ("", "sk_test_" + "a" * 52, "txn_x_secret_y", "Basic"):
        answer = site.call("GET", "/transactions", key=key)
        assert (answer.status_code, answer.get_json()["code"]) == (401, "unauthenticated")


def test_a_revoked_key_is_useless(site: Site) -> None:
    key_id = next(k["id"] for k in site.house.merchants.list_keys() if k["merchant"] == "else")
    site.house.merchants.revoke_key(key_id, "operator:test")
    assert site.call("GET", "/transactions", key=site.stranger).status_code == 401


def test_an_auditor_reads_and_fires_nothing(site: Site) -> None:
    txn = site.create()["id"]
    assert site.call("GET", f"/transactions/{txn}/transitions", key=site.auditor).status_code == 200
    assert site.fire(txn, "cancel", key=site.auditor).status_code == 403


def test_another_merchants_payment_looks_absent(site: Site) -> None:
    txn = site.create()["id"]
    absent = "txn_" + "0" * 26
    for path in ("", "/transitions"):
        theirs = site.call("GET", f"/transactions/{txn}{path}", key=site.stranger).get_json()
        nobodys = site.call("GET", f"/transactions/{absent}{path}", key=site.stranger).get_json()
        assert theirs["code"] == nobodys["code"] == "not_found"
    assert site.fire(txn, "cancel", key=site.stranger).status_code == 404
    assert site.call("GET", "/transactions", key=site.stranger).get_json()["data"] == []


def test_a_client_secret_acts_on_its_own_payment_only(site: Site) -> None:
    mine, other = site.create(metadata={"cart": "c-9"}), site.create()
    secret = mine["client_secret"]
    seen = site.call("GET", f"/transactions/{mine['id']}", key=secret).get_json()
    assert not {"metadata", "customer_id"} & set(seen)
    assert site.fire(mine["id"], "ready", key=secret).status_code == 200
    assert site.fire(mine["id"], "refund", {}, key=secret).status_code == 403
    assert site.fire(mine["id"], "complete", key=secret).status_code == 403
    assert site.fire(other["id"], "cancel", key=secret).status_code == 404
    assert site.call("GET", "/transactions", key=secret).status_code == 403


def test_a_client_secret_dies_a_day_after_closing(site: Site) -> None:
    made = site.create()
    site.fire(made["id"], "cancel")
    assert (
        site.call("GET", f"/transactions/{made['id']}", key=made["client_secret"]).status_code
        == 200
    )
    site.house.time.advance(86_401)
    assert (
        site.call("GET", f"/transactions/{made['id']}", key=made["client_secret"]).status_code
        == 401
    )


# ---- bad input


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"{", 400, "malformed_json"),
        (b'{"amount":1,"amount":2}', 400, "malformed_json"),
        (b'{"amount":NaN}', 400, "malformed_json"),
        (b"[" * 60_000, 400, "malformed_json"),
        (b"\xff\xfe{\x00}\x00", 400, "malformed_json"),
        (b"[]", 400, "malformed_json"),
        (b'{"a":"' + b"x" * 70_000 + b'"}', 413, "body_too_large"),
    ],
)
def test_bad_bodies_get_their_documented_answer(
    site: Site, raw: bytes, status: int, code: str
) -> None:
    answer = site.call("POST", "/transactions", raw=raw)
    assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    assert site.house.store.rows("SELECT id FROM transactions") == []


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"amount": "100"}, "/amount"),
        ({"amount": 100.0}, "/amount"),
        ({"amount": True}, "/amount"),
        ({"amount": 0}, "/amount"),
        ({"amount": 10**12 + 1}, "/amount"),
        ({"amount": ...}, "/amount"),
        ({"surprise": 1}, "/surprise"),
        ({"order_id": "a b"}, "/order_id"),
        ({"item_name": "\u202e"}, "/item_name"),
        ({"flow": "sideways"}, "/flow"),
        ({"expires_in": 59}, "/expires_in"),
        ({"metadata": {"a": 1}}, "/metadata/a"),
        ({"tax_free_amount": 12_001}, "/tax_free_amount"),
        ({"flow": "client"}, "/approval_url"),
        ({"return_url": "https://evil.example/"}, "/return_url"),
        ({"return_url": "https://shop.example@evil.example/"}, "/return_url"),
        ({"return_url": "https://evil.example\\@shop.example/"}, "/return_url"),
        ({"return_url": "javascript:alert(1)"}, "/return_url"),
        ({"return_url": "other-app://paid"}, "/return_url"),
        ({"return_url": "https://shop.example/?status=approved"}, "/return_url"),
    ],
)
def test_wrong_fields_are_pointed_at(site: Site, change: dict[str, Any], pointer: str) -> None:
    answer = site.call("POST", "/transactions", site.order(**change))
    problem = answer.get_json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert problem["errors"][0]["pointer"] == pointer
    assert site.house.store.rows("SELECT id FROM transactions") == []


@pytest.mark.parametrize(
    "change", [{"currency": "USD"}, {"provider": "nobody"}], ids=["currency", "provider"]
)
def test_what_a_gateway_cannot_do_is_refused_before_it_is_asked(
    site: Site, change: dict[str, Any]
) -> None:
    answer = site.call("POST", "/transactions", site.order(**change))
    assert (answer.status_code, answer.get_json()["code"]) == (422, "unsupported_by_provider")
    assert site.house.gateway.calls == []


@pytest.mark.parametrize("txn", ["x", "txn_", "txn_" + "0" * 26, "txn_" + "u" * 26, "a" * 10_000])
def test_forged_ids_are_absent(site: Site, txn: str) -> None:
    for method, path in (("GET", ""), ("POST", "/cancel"), ("GET", "/transitions")):
        assert site.call(method, f"/transactions/{txn}{path}").status_code == 404


def test_a_body_that_is_not_json_is_415(site: Site) -> None:
    headers = {"Authorization": f"Bearer {site.key}"}
    answer = site.client.post("/v1/transactions", data={"amount": "1"}, headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (415, "unsupported_media_type")


def test_a_wrong_method_names_the_right_ones(site: Site) -> None:
    answer = site.call("DELETE", "/transactions")
    assert (answer.status_code, answer.get_json()["code"]) == (405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


# ---- reading


def test_the_list_pages_by_key_newest_first(site: Site) -> None:
    made = [site.create()["id"] for _ in range(5)]
    first = site.call("GET", "/transactions?limit=3").get_json()
    rest = site.call("GET", f"/transactions?limit=3&cursor={first['next_cursor']}").get_json()
    assert [one["id"] for one in first["data"] + rest["data"]] == made[::-1]
    assert (first["has_more"], rest["has_more"], rest["next_cursor"]) == (True, False, None)


def test_the_list_filters(site: Site) -> None:
    site.create()
    ready = site.house.ready()
    found = site.call("GET", "/transactions?status=ready").get_json()["data"]
    assert [one["id"] for one in found] == [ready]
    assert site.call("GET", "/transactions?needs_review=true").get_json()["data"] == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=1&limit=2", "cursor=x", "status=paid", "page=2"]
)
def test_bad_list_parameters_are_422(site: Site, query: str) -> None:
    assert site.call("GET", f"/transactions?{query}").status_code == 422


def test_the_log_is_read_with_hashes_that_recompute(site: Site) -> None:
    txn = site.house.approved()
    data = site.call("GET", f"/transactions/{txn}/transitions").get_json()["data"]
    assert [entry["seq"] for entry in data] == [1, 2, 3, 4]
    for before, after in itertools.pairwise(data):
        assert after["prev_hash"] == before["hash"]


def test_the_log_pages(site: Site) -> None:
    txn = site.house.approved()
    first = site.call("GET", f"/transactions/{txn}/transitions?limit=3").get_json()
    path = f"/transactions/{txn}/transitions?cursor={first['next_cursor']}"
    rest = site.call("GET", path).get_json()
    assert [e["seq"] for e in first["data"] + rest["data"]] == [1, 2, 3, 4]


def test_the_chart_is_served_and_found_by_version(site: Site) -> None:
    now = site.client.get("/v1/chart").get_json()
    assert site.client.get(f"/v1/chart/{now['version']}").get_json() == now
    assert chart.version_of(now) == now["version"]
    mermaid = site.client.get("/v1/chart", headers={"Accept": "text/vnd.mermaid"})
    assert mermaid.text == chart.mermaid()
    assert site.client.get("/v1/chart/sha256:0").status_code == 404


def test_health_and_readiness(site: Site) -> None:
    assert site.client.get("/healthz").get_json() == {"status": "ok"}
    assert site.client.get("/readyz").status_code == 200


def test_problems_speak_korean_when_asked(site: Site) -> None:
    korean = site.call("GET", "/transactions/x", Accept_Language="ko-KR,ko;q=0.9").get_json()
    english = site.call("GET", "/transactions/x").get_json()
    assert korean["title"] != english["title"]
    assert korean["type"] == english["type"] == "/problems/not_found"


def test_every_answer_carries_its_request_id_and_no_secret(site: Site) -> None:
    answer = site.call("POST", "/transactions", raw=b'{"sk_test_canary": ')
    assert answer.headers.getlist("Request-Id") == [answer.get_json()["request_id"]]
    assert "canary" not in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert json.loads(answer.data)["instance"] == "/v1/transactions"
