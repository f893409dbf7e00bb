"""Bodies: each limit of the contract, at its edge and beyond it."""

import unicodedata
from typing import Any

import pytest

from web.problems import Problem
from web.schemas import (
    ApproveBody,
    Body,
    CreateTransaction,
    ReadyBody,
    ReasonBody,
    RefundBody,
    StatusBody,
    validate,
)

GOOD: dict[str, Any] = {
    "provider": "kakaopay",
    "order_id": "order-1001",
    "item_name": "초코파이 외 2건",
    "amount": 12000,
    "currency": "KRW",
}
CLIENT_URLS = {
    "approval_url": "strada-shop://paid",
    "cancel_url": "https://shop.example/c",
    "fail_url": "https://shop.example/f",
}


def pointers(model: type[Body], data: object) -> list[str]:
    with pytest.raises(Problem) as refused:
        validate(model, data)
    assert refused.value.code == "invalid_request"
    return [error["pointer"] for error in refused.value.members["errors"]]


def test_the_smallest_creation_gets_its_defaults() -> None:
    made = validate(CreateTransaction, GOOD)
    assert (made.quantity, made.tax_free_amount, made.flow, made.expires_in) == (
        1,
        0,
        "server",
        900,
    )
    assert (made.vat_amount, made.metadata, made.return_url) == (None, {}, None)


@pytest.mark.parametrize("name", GOOD)
def test_each_required_field_is_missed(name: str) -> None:
    assert pointers(CreateTransaction, {k: v for k, v in GOOD.items() if k != name}) == [f"/{name}"]


@pytest.mark.parametrize(
    "name", ["amount", "quantity", "tax_free_amount", "vat_amount", "expires_in"]
)
@pytest.mark.parametrize("value", ["100", 100.0, True, [100], {}, 10**12 + 1, -1, 1e3, "١٢٣"])
def test_numbers_are_strict_integers_in_range(name: str, value: object) -> None:
    assert pointers(CreateTransaction, GOOD | {name: value}) == [f"/{name}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("amount", 1),
        ("amount", 10**12),
        ("quantity", 1),
        ("tax_free_amount", 12000),
        ("vat_amount", 12000),
        ("expires_in", 60),
        ("expires_in", 86_400),
        ("order_id", "!" * 99 + "~"),
        ("item_name", "가" * 100),
        ("item_name", "👨‍👩‍👧 선물"),
        ("customer_id", "user-7"),
        ("customer_id", None),
        ("metadata", {f"k{n}": "v" * 500 for n in range(20)}),
        ("metadata", {"note": "두 줄\n메모"}),
        ("flow", "reported"),
        ("return_url", "https://shop.example/" + "a" * 234),
    ],
)
def test_values_at_the_limit_pass(name: str, value: object) -> None:
    assert getattr(validate(CreateTransaction, GOOD | {name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("provider", "Kakao"),
        ("provider", ""),
        ("provider", "../x"),
        ("order_id", ""),
        ("order_id", "a" * 101),
        ("order_id", "a b"),
        ("order_id", "주문"),
        ("order_id", "a\n"),
        ("order_id", 5),
        ("item_name", ""),
        ("item_name", "  "),
        ("item_name", "가" * 101),
        ("item_name", "a\x00b"),
        ("item_name", "a\x1b[31m"),
        ("item_name", "a\x85b"),
        ("item_name", "a\u2028b"),
        ("item_name", "a\u202eb"),
        ("item_name", "a\u200fb"),
        ("item_name", "a\u2066b"),
        ("item_name", "\ud800"),
        ("item_name", "a\u0378"),
        ("item_name", "a\uffff"),
        ("item_name", "a\ue000"),
        ("item_name", None),
        ("customer_id", "a" * 101),
        ("currency", "krw"),
        ("currency", "KRWX"),
        ("currency", "KR1"),
        ("currency", "\uff2b\uff32\uff37"),
        ("currency", "KRW\n"),
        ("flow", "Server"),
        ("flow", None),
        ("expires_in", 59),
        ("expires_in", 86_401),
        ("amount", 0),
        ("quantity", 0),
        ("return_url", "https://shop.example/" + "a" * 235),
        ("return_url", ""),
        ("return_url", "https://shop.example/a b"),
        ("return_url", {}),
        ("metadata", []),
        ("metadata", {f"k{n}": "" for n in range(21)}),
        ("tax_free_amount", 12001),
        ("vat_amount", 12001),
    ],
)
def test_values_beyond_the_limit_are_refused(name: str, value: object) -> None:
    assert pointers(CreateTransaction, GOOD | {name: value}) == [f"/{name}"]


@pytest.mark.parametrize(
    ("metadata", "pointer"),
    [
        ({"cart": 9}, "/metadata/cart"),
        ({"cart": None}, "/metadata/cart"),
        ({"cart": "a" * 501}, "/metadata/cart"),
        ({"cart": {"deep": "x"}}, "/metadata/cart"),
        ({"": "x"}, "/metadata"),
        ({"<b>": 1}, "/metadata"),
        ({"k" * 101: "x"}, "/metadata"),
        ({unicodedata.normalize("NFD", "é"): "x"}, "/metadata"),
    ],
)
def test_metadata_is_flat_text(metadata: object, pointer: str) -> None:
    assert pointers(CreateTransaction, GOOD | {"metadata": metadata}) == [pointer]


def test_names_are_stored_composed() -> None:
    spelled = unicodedata.normalize("NFD", "가" * 100)
    assert validate(CreateTransaction, GOOD | {"item_name": spelled}).item_name == "가" * 100


def test_unknown_fields_are_named_when_harmless() -> None:
    assert pointers(CreateTransaction, GOOD | {"status": "approved"}) == ["/status"]
    assert pointers(CreateTransaction, GOOD | {"<script>": 1}) == [""]


def test_sentences_never_contain_the_input() -> None:
    evil = "EVIL-\u202e"
    data = dict.fromkeys(CreateTransaction.model_fields, evil) | {evil: evil}
    with pytest.raises(Problem) as refused:
        validate(CreateTransaction, data)
    assert "EVIL" not in str(refused.value.members)


def test_the_number_of_faults_is_capped() -> None:
    assert len(pointers(CreateTransaction, {f"x{n}": n for n in range(5000)})) == 20


def test_tax_parts_fit_the_amount_together() -> None:
    parts = {"tax_free_amount": 11_000, "vat_amount": 1_001}
    assert pointers(CreateTransaction, GOOD | parts) == ["/vat_amount"]
    assert validate(CreateTransaction, GOOD | parts | {"vat_amount": 1_000})


def test_the_client_flow_needs_its_urls() -> None:
    assert validate(CreateTransaction, GOOD | {"flow": "client"} | CLIENT_URLS)
    missing = pointers(CreateTransaction, GOOD | {"flow": "client"})
    assert missing == ["/approval_url", "/cancel_url", "/fail_url"]


@pytest.mark.parametrize("model", [ReadyBody, ApproveBody, ReasonBody, RefundBody])
def test_small_bodies_may_be_empty_but_not_loose(model: type[Body]) -> None:
    assert validate(model, {})
    assert pointers(model, {"extra": 1}) == ["/extra"]


@pytest.mark.parametrize(
    ("model", "data", "pointer"),
    [
        (ApproveBody, {"pg_token": ["a", "b"]}, "/pg_token"),
        (ApproveBody, {"pg_token": "a b"}, "/pg_token"),
        (ApproveBody, {"pg_token": ""}, "/pg_token"),
        (ReadyBody, {"provider_ref": 7}, "/provider_ref"),
        (ReasonBody, {"reason": "x" * 201}, "/reason"),
        (ReasonBody, {"reason": "a\r\nb"}, "/reason"),
        (RefundBody, {"amount": 0}, "/amount"),
        (RefundBody, {"amount": "3000"}, "/amount"),
        (RefundBody, {"amount": 10, "tax_free_amount": 11}, "/tax_free_amount"),
        (RefundBody, {"amount": 10, "vat_amount": 11}, "/vat_amount"),
        (StatusBody, {}, "/status"),
        (StatusBody, {"status": None}, "/status"),
        (StatusBody, {"status": "Failed"}, "/status"),
        (StatusBody, [], ""),
    ],
)
def test_small_bodies_refuse_wrong_values(model: type[Body], data: object, pointer: str) -> None:
    assert pointers(model, data) == [pointer]


def test_the_served_schema_is_honest() -> None:
    schema = CreateTransaction.model_json_schema()
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == set(GOOD)
    assert schema["properties"]["order_id"]["maxLength"] == 100
    assert schema["properties"]["metadata"]["maxProperties"] == 20
