"""The end of a soak as a pure question: do log, rows and the gateway's ledger say the same?

It reads nothing and asks nobody; whoever calls it brings what was acknowledged, what is in the
database and what the ledger holds, and gets back a list of complaints, which is empty when all is
well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HELD = frozenset({"approved", "completed", "partially_refunded", "refunded", "captured_unwanted"})
"""States in which the gateway has taken money."""
UNKNOWN = frozenset({"approving", "refunding"})
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Acknowledged:
    """A step that a caller was told of with 200, 201 or 202: it is in the log for ever.

    `event` as the log spells it; `step` tells steps apart and is the same for a repeat.
    """

    txn: str
    event: str
    step: str


def complaints(
    rows: Sequence[Row],
    entries: Iterable[Row],
    ledger: Iterable[Row],
    acknowledged: Iterable[Acknowledged],
) -> list[str]:
    """What does not hold. `rows` and `ledger` as they are stored, `entries` parsed, by seq."""
    logs: dict[str, list[Row]] = defaultdict(list)
    for entry in entries:
        logs[entry["stream"]].append(entry)
    moves: dict[str, list[Row]] = defaultdict(list)
    for line in ledger:
        moves[line["partner_order_id"]].append(line)
    known = {row["id"] for row in rows}
    found = [
        f"{txn}: the gateway moved money for no payment of ours" for txn in moves.keys() - known
    ]
    found += _lost(logs, acknowledged)
    for row in rows:
        found += _payment(row, logs[row["id"]], moves[row["id"]])
    return found


def _lost(logs: Mapping[str, list[Row]], acknowledged: Iterable[Acknowledged]) -> Iterator[str]:
    """Each acknowledged step has a transition of its own in the log."""
    told: dict[str, set[Acknowledged]] = defaultdict(set)
    for step in acknowledged:
        told[step.txn].add(step)
    for txn, steps in told.items():
        logged = Counter(entry["event"] for entry in logs[txn] if entry["kind"] == "transition")
        wanted = Counter(step.event for step in steps)
        for event, times in (wanted - logged).items():
            yield f"{txn}: {event} was acknowledged, and {times} of it are not in the log"


def _payment(row: Row, log: list[Row], moves: list[Row]) -> Iterator[str]:
    txn = row["id"]
    if [entry["seq"] for entry in log] != list(range(1, row["head_seq"] + 1)):
        yield f"{txn}: its log has gaps, or ends before its row does"
    charges = [line for line in moves if line["event"] == "charge"]
    refunds = [line for line in moves if line["event"] == "refund"]
    yield from _effects(row, log, charges, refunds)
    truth = (_sum(charges), _sum(refunds))
    ours = (row["captured_amount"], row["refunded_amount"])
    if (ours != truth or row["status"] in UNKNOWN) and not row["needs_review"]:
        yield f"{txn}: {row['status']} with {ours}, the gateway has {truth}, and nobody looks at it"
    if ours[0] > truth[0] or ours[1] > truth[1]:
        yield f"{txn}: shown {ours}, which is more than the gateway's {truth}"
    if (row["status"] in HELD) != (ours[0] > 0) and row["status"] != "refunding":
        yield f"{txn}: {row['status']} with {ours[0]} captured"


def _effects(row: Row, log: list[Row], charges: list[Row], refunds: list[Row]) -> Iterator[str]:
    """At most one effect for each operation, and none for an operation that is not in the log."""
    if len(charges) > 1:
        yield f"{row['id']}: charged {len(charges)} times"
    intents = {
        entry["data"]["op"]: entry["event"]
        for entry in log
        if entry["kind"] == "transition" and entry["event"] in ("approve", "refund")
    }
    asked = [line["payload"] for line in (*charges, *refunds) if line["payload"]]
    for op, times in Counter(asked).items():
        if times > 1:
            yield f"{row['id']}: {op} had its effect {times} times"
        if op not in intents:
            yield f"{row['id']}: {op} moved money, and no intent of it is in the log"
    keys = Counter(
        entry["key"]
        for entry in log
        if entry["kind"] == "transition" and entry["event"] == "refund" and entry["key"]
    )
    if any(times > 1 for times in keys.values()):
        yield f"{row['id']}: one idempotency key refunded twice"


def _sum(lines: Iterable[Row]) -> int:
    return sum(line["amount"] for line in lines)
