"""Request bodies of the document: the schemas that pydantic makes of `web.schemas`, with examples.

It refuses to describe a body anew: what is checked and what is documented are one class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from web import schemas as checked
from web.openapi.shapes import Schema, ref

MODELS: Mapping[str, type[checked.Body]] = {
    "CreateTransaction": checked.CreateTransaction,
    "ReadyRequest": checked.ReadyBody,
    "ApproveRequest": checked.ApproveBody,
    "ReasonRequest": checked.ReasonBody,
    "RefundRequest": checked.RefundBody,
    "StatusRequest": checked.StatusBody,
}
EXAMPLES: Mapping[str, Mapping[str, dict[str, Any]]] = {
    "CreateTransaction": {
        "server": {
            "provider": "kakaopay",
            "order_id": "order-1001",
            "item_name": "초코파이 외 2건",
            "quantity": 3,
            "amount": 12_000,
            "currency": "KRW",
            "return_url": "https://shop.example/done",
            "metadata": {"cart": "c-9"},
        },
        "reported": {
            "provider": "kakaopay",
            "order_id": "order-1002",
            "customer_id": "user-7",
            "item_name": "초코파이 외 2건",
            "amount": 12_000,
            "currency": "KRW",
            "flow": "reported",
        },
    },
    "ReadyRequest": {"server": {}, "reported": {"provider_ref": "T1234567890123456789"}},
    "ApproveRequest": {
        "server": {"pg_token": "xxxxxxxxxxxxxxxxxxxx"},
        "reported": {"provider_ref": "T1234567890123456789"},
    },
    "ReasonRequest": {"plain": {}, "reasoned": {"reason": "고객 요청"}},
    "RefundRequest": {"all": {}, "part": {"amount": 3_000, "reason": "하나 깨짐"}},
    "StatusRequest": {"cancel": {"status": "cancelled", "reason": "고객 요청"}},
}
_TEXTS: Mapping[str, str] = {
    "CreateTransaction": "An order to be paid. `tax_free_amount` and `vat_amount` are parts of "
    "`amount`; a VAT that is not given is computed. Flow `client` needs its three URLs. Names are "
    "printable text, stored in Unicode form NFC.",
    "ReadyRequest": "`provider_ref` in flow `reported`, else nothing.",
    "ApproveRequest": "What the customer's return brought; in flow `reported` the gateway's id.",
    "ReasonRequest": "Why, for the log.",
    "RefundRequest": "Without an amount, all that is left. The tax parts default to their share.",
    "StatusRequest": "The status to reach: `cancelled`, `failed` or `completed`; in flow "
    "`reported` also `ready` and `approved`, with `provider_ref`; or the present one, a no-op.",
}


def schemas() -> dict[str, Schema]:
    """Each body's schema by its name in the document."""
    shapes = {name: _schema(model) for name, model in MODELS.items()}
    for name, text in _TEXTS.items():
        shapes[name]["description"] = text
    shapes["StatusRequest"]["properties"]["status"] = ref("Status")
    return shapes


def request_body(name: str, *, required: bool) -> dict[str, Any]:
    """The request body of an operation, with its examples."""
    examples = {label: {"value": value} for label, value in EXAMPLES[name].items()}
    content = {"application/json": {"schema": ref(name), "examples": examples}}
    return {"required": required, "content": content}


def _schema(model: type[checked.Body]) -> Schema:
    shape = model.model_json_schema()
    assert "$defs" not in shape, "a body is flat"
    return {"type": "object", "additionalProperties": False} | {
        "properties": {name: _plain(part) for name, part in shape["properties"].items()},
        "required": shape.get("required", []),
    }


def _plain(part: Schema) -> Schema:
    """Without what pydantic adds for itself: titles, and null as a default."""
    idle = {"title"} | ({"default"} if part.get("default", ...) is None else set())
    return {key: value for key, value in part.items() if key not in idle}
