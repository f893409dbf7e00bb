"""The transaction as callers see it (API.md, "The resource"). It refuses to show a secret."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from engine.chart import allowed_events
from engine.clock import rfc3339
from engine.store import Row, Store

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
REFUND_STATUS = {"open": "pending", "settled": "settled", "rejected": "rejected"}


def render(store: Store, row: Row) -> dict[str, Any]:
    """The resource of a row."""
    return render_all(store, [row])[0]


def render_all(store: Store, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The resources of rows; reads operations once, and only where there can be any."""
    moved = [row["id"] for row in rows if row["attempts"] or row["captured_amount"]]
    operations = _operations(store, moved) if moved else {}
    return [_resource(row, operations.get(row["id"], [])) for row in rows]


def _resource(row: Row, operations: list[Row]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "object": "transaction",
        "status": row["status"],
        "version": row["version"],
        "chart": row["chart"],
        "provider": row["provider"],
        "flow": row["flow"],
        "order_id": row["order_id"],
        "customer_id": row["customer_id"],
        "item_name": row["item_name"],
        "quantity": row["quantity"],
        "amount": row["amount"],
        "currency": row["currency"],
        "tax_free_amount": row["tax_free_amount"],
        "vat_amount": row["vat_amount"],
        "captured_amount": row["captured_amount"],
        "refunded_amount": row["refunded_amount"],
        "refundable_amount": row["captured_amount"] - row["refunded_amount"],
        "provider_ref": row["provider_ref"],
        "payment_method": row["method"],
        "refunds": [_refund(op) for op in operations if op["kind"] == "refund"],
        "next_action": _next_action(row),
        "pending": _pending(row, operations),
        "needs_review": row["needs_review"],
        "allowed_events": list(allowed_events(row["status"])),
        "failure": _failure(row),
        "return_url": json.loads(row["urls"]).get("return_url"),
        "gateway_params": {"partner_order_id": row["id"], "partner_user_id": user_of(row)},
        "expires_at": rfc3339(row["expires_at"]),
        "metadata": json.loads(row["metadata"]),
        "created_at": rfc3339(row["created_at"]),
        "updated_at": rfc3339(row["updated_at"]),
        "approved_at": rfc3339(row["approved_at"]),
        "completed_at": rfc3339(row["completed_at"]),
    }


def for_client(resource: Mapping[str, Any]) -> dict[str, Any]:
    """What the holder of a client secret may see: no metadata, no customer."""
    hidden = {"metadata", "customer_id", "gateway_params"}
    return {key: value for key, value in resource.items() if key not in hidden}


def encode(value: Any) -> str:
    """JSON text as it goes over the wire."""
    return _ENCODER.encode(value)


def user_of(row: Mapping[str, Any]) -> str:
    """The gateway's user id: the merchant's customer, else the transaction."""
    return str(row["customer_id"] or row["id"])


def _operations(store: Store, transactions: list[str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    marks = ", ".join("?" * len(transactions))
    for op in store.rows(
        f"SELECT * FROM operations WHERE txn IN ({marks}) AND kind <> 'prepare' "
        "ORDER BY txn, created_at, id",
        transactions,
    ):
        found.setdefault(op["txn"], []).append(op)
    return found


def _refund(op: Row) -> dict[str, Any]:
    return {
        "id": op["id"],
        "amount": op["amount"],
        "tax_free_amount": op["tax_free"],
        "vat_amount": op["vat"],
        "reason": op["reason"],
        "status": REFUND_STATUS[op["state"]],
        "at": rfc3339(op["settled_at"] or op["created_at"]),
    }


def _next_action(row: Row) -> Any:
    if row["status"] != "ready" or row["next_action"] is None:
        return None
    return json.loads(row["next_action"])


def _pending(row: Row, operations: list[Row]) -> dict[str, Any] | None:
    for op in operations:
        if op["id"] == row["intent_op"]:
            return {
                "operation": op["id"],
                "kind": op["kind"],
                "since": rfc3339(op["created_at"]),
                "attempts": op["looks"],
                "next_check_at": rfc3339(op["next_check_at"]),
                "last_evidence": op["last_evidence"],
            }
    return None


def _failure(row: Row) -> dict[str, Any] | None:
    if row["failure_code"] is None:
        return None
    return {
        "code": row["failure_code"],
        "message": row["failure_message"],
        "provider_code": row["failure_provider_code"],
    }
