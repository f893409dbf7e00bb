"""What Strada promises, as somebody would know it who has the chart and the gateway's ledger only.

`Charted` predicts what an event may lead to, `Known` folds a payment's log by itself, `Watch` holds
both against the resource and the ledger after every step. No guard or fold of the engine is used,
except where the promise is that the engine's own fold equals its row.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from faults.inprocess import World

from engine.fold import COLUMNS
from engine.verify import replay

COMES_BACK = {("approving", "approve"), ("refunding", "refund"), ("refunding", "complete")}
"""(state, wire name): told `operation_in_flight` rather than `illegal_transition` (API.md)."""


@dataclass
class Known:
    """A payment as its log tells it, read entry by entry."""

    txn: str
    flow: str
    amount: int
    tax_free: int
    status: str = "created"
    seq: int = 0
    version: int = 0
    captured: int = 0
    refunded: int = 0
    attempts: int = 0
    expires_at: int = 0
    completed_at: int | None = None
    intent_source: str | None = None
    reference: str | None = None
    operations: dict[str, str] = field(default_factory=dict)
    keyed: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused_at: list[int] = field(default_factory=list)

    @property
    def refundable(self) -> int:
        return self.captured - self.refunded


@dataclass(frozen=True)
class Asked:
    """What an event carries, as guards see it."""

    now: int = 0
    amount: int = 0
    captured: int = 0
    refunded_total: int = 0
    target: str = ""


HOLDS: Mapping[str, Callable[[Known, Asked], bool]] = {
    "attempts<5": lambda known, asked: known.attempts < 5,
    "captured==amount": lambda known, asked: asked.captured == known.amount,
    "completed_at==null": lambda known, asked: known.completed_at is None,
    "now>=expires_at": lambda known, asked: asked.now >= known.expires_at,
    "amount<=refundable": lambda known, asked: 1 <= asked.amount <= known.refundable,
    "amount==refundable": lambda known, asked: asked.amount == known.refundable,
    "remaining==0": lambda known, asked: known.captured == asked.refunded_total,
    "remaining>0": lambda known, asked: known.captured > asked.refunded_total,
    "target==intent.source": lambda known, asked: asked.target == known.intent_source,
}
"""The guards of `engine/README.md`, section 6, written a second time."""


class Charted:
    """The chart as `GET /v1/chart` serves it."""

    def __init__(self, served: Mapping[str, Any]) -> None:
        self.edges: dict[tuple[str, str], list[tuple[str, str | None]]] = {}
        self.wire = {event["id"]: event["http"] for event in served["events"] if event["http"]}
        self.event_of = {wire: event for event, wire in self.wire.items()}
        self.closed = {state["id"] for state in served["states"] if state["closed"]}
        for edge in served["transitions"]:
            place = (edge["source"], edge["event"])
            self.edges.setdefault(place, []).append((edge["target"], edge["guard"]))

    def allowed(self, state: str) -> set[str]:
        """Wire names of the events that a caller may fire in a state."""
        return {self.wire[event] for at, event in self.edges if at == state and event in self.wire}

    def predict(self, known: Known, wire: str, asked: Asked) -> tuple[str, str | None]:
        """(`legal`, target), or the problem code and the guard that refuses."""
        if (known.status, wire) in COMES_BACK:
            return "operation_in_flight", None
        edges = self.edges.get((known.status, self.event_of[wire]), [])
        if not edges:
            return "illegal_transition", None
        for target, guard in edges:
            if guard is None or HOLDS[guard](known, asked):
                return "legal", target
        return "guard_refused", edges[0][1]


class Watch:
    """Every payment of a world, held against its promises after each step."""

    def __init__(self, world: World, chart: Charted) -> None:
        self.world, self.chart = world, chart
        self.known: dict[str, Known] = {}
        self.walked: Counter[tuple[str, str, str]] = Counter()

    # ---- the log

    def look(self) -> dict[str, list[dict[str, Any]]]:
        """Read what is new in every log and check every promise; the new entries by payment."""
        return {txn: self._look_at(known) for txn, known in self.known.items()}

    def _look_at(self, known: Known) -> list[dict[str, Any]]:
        store = self.world.strada.store
        rows = store.rows(
            "SELECT entry FROM entries WHERE stream = ? AND seq > ? ORDER BY seq",
            (known.txn, known.seq),
        )
        fresh = [json.loads(row["entry"]) for row in rows]
        version = known.version
        for entry in fresh:
            self._observe(known, entry)
        row = store.row("SELECT * FROM transactions WHERE id = ?", (known.txn,))
        assert row is not None
        known.version = row["version"]
        moved = sum(entry["kind"] == "transition" for entry in fresh)
        assert row["version"] - version >= moved, "P13: the version counts every transition"
        if all(entry["kind"] == "refusal" for entry in fresh):
            assert version in (0, row["version"]), "a refusal does not move the version"
        self._check_row(known, row, bool(fresh))
        self._check_truth(known, row)
        return fresh

    def _observe(self, known: Known, entry: Mapping[str, Any]) -> None:
        """P8, P13: one more entry, legal by the chart and the guards as we read them."""
        data, event = entry["data"], entry["event"]
        assert entry["seq"] == known.seq + 1, "P13: no gap in seq"
        known.seq += 1
        if entry["kind"] == "refusal":
            known.refused_at.append(entry["occurred_at"])
        if entry["kind"] != "transition":
            assert entry["source"] == entry["target"] == known.status
            return
        if event == "create":
            known.expires_at = data["expires_at"]
            return
        assert entry["source"] == known.status, "P8: it goes on from where it was"
        edges = dict(self.chart.edges.get((known.status, event), []))
        assert entry["target"] in edges, f"P8: {known.status} {event} {entry['target']}"
        guard = edges[entry["target"]]
        self.walked[known.status, event, entry["target"]] += 1
        amounts = {
            name: data[name] for name in ("amount", "captured", "refunded_total") if name in data
        }
        asked = Asked(now=entry["occurred_at"], target=entry["target"], **amounts)
        assert guard is None or HOLDS[guard](known, asked), f"P8: {event} although not {guard}"
        self._fold(known, entry, data)
        known.status = entry["target"]

    def _fold(self, known: Known, entry: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        match entry["event"]:
            case "make_ready":
                known.reference, known.expires_at = data["reference"], data["expires_at"]
            case "approve" | "refund" as kind:
                known.attempts += kind == "approve"
                known.intent_source = entry["source"]
                known.operations[data["op"]] = "open"
                if entry["key"]:
                    known.keyed[kind, entry["key"]] += 1
            case "approval_confirmed" | "charge_found":
                known.captured, known.reference = data["captured"], data["reference"]
            case "refund_settled" | "refund_found":
                known.refunded = data["refunded_total"]
            case "complete":
                known.completed_at = entry["occurred_at"]
        if data.get("op") in known.operations and entry["event"] not in ("approve", "refund"):
            known.operations[data["op"]] = entry["event"]

    # ---- the row and the ledger

    def _check_row(self, known: Known, row: Mapping[str, Any], moved: bool) -> None:
        """P1, P7: the row is what the log says, by our reading and by the engine's own."""
        assert 0 <= row["refunded_amount"] <= row["captured_amount"] <= row["amount"], "P1"
        seen = (row["status"], row["head_seq"], row["captured_amount"], row["refunded_amount"])
        assert seen == (known.status, known.seq, known.captured, known.refunded), "P7"
        if moved:
            *_, last = replay(self.world.strada.store, known.txn)
            differs = [name for name in COLUMNS if getattr(last.after, name) != row[name]]
            assert differs == [], f"P7: the row differs from its fold in {differs}"

    def _check_truth(self, known: Known, row: Mapping[str, Any]) -> None:
        """P2, P3, and no refund that the gateway did not make, nor one twice."""
        charges, refunds = self.truth(known.txn)
        assert len(charges) <= 1, "P2: charged twice"
        if known.captured:
            (charge,) = charges
            mine = (known.reference, row["account"], row["customer_id"] or known.txn)
            assert mine == (charge["tid"], charge["cid"], charge["partner_user_id"]), "P3"
            assert known.captured == charge["amount"] == row["amount"], "P3: another amount"
        totals = [0, *accumulate(line["amount"] for line in refunds)]
        assert known.refunded in totals, f"refunded {known.refunded}, the gateway: {totals}"
        made = Counter(line["payload"] for line in refunds if line["payload"])
        assert set(made.values()) <= {1}, "a refund was made twice"
        again = {
            key for (kind, key), times in known.keyed.items() if kind == "refund" and times > 1
        }
        assert not again, "P10: one key refunded twice"

    def truth(self, txn: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The ledger's charges and refunds of a payment."""
        lines = [
            line for line in self.world.books.ledger.lines() if line["partner_order_id"] == txn
        ]
        charges = [line for line in lines if line["event"] == "charge"]
        return charges, [line for line in lines if line["event"] == "refund"]

    def check_resource(self, known: Known, resource: Mapping[str, Any], etag: str | None) -> None:
        """The resource shows what we know of the payment, and offers what the chart offers."""
        assert resource["status"] == known.status
        assert set(resource["allowed_events"]) == self.chart.allowed(known.status)
        assert resource["refundable_amount"] == known.refundable
        assert (resource["pending"] is not None) == (known.status in ("approving", "refunding"))
        assert etag == f'"{known.version}"' == f'"{resource["version"]}"'
