"""The universal check: what must be true of a database after any fault, whatever the fault was.

It holds the database against the gateway's own ledger, against what callers were told, and against
itself, and returns every breach in words; nothing found is an empty list. It refuses to take the
database's word for money, and changes nothing.

    breaches(store, ledger=path, steps=steps, output=text, secrets=[key]) == []
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.entry import BOOK
from engine.store import Store
from engine.verify import replay, verify

Line = Mapping[str, Any]
"""A movement of money: `partner_order_id` (the transaction), `event` (`charge` or `refund`),
`amount`, `payload` (the operation's id, or None)."""

_SETTLES = {"approve": "approval_confirmed", "refund": "refund_settled"}
_SHOWN = ("status", "version", "captured_amount", "refunded_amount")


@dataclass(slots=True)
class Step:
    """One call of a client; `status` is None while no whole answer has come.

    call: the event's HTTP name, or `create`. key: the idempotency key. body: the answer, parsed.
    sent: the body of the request.
    """

    call: str
    txn: str | None = None
    key: str | None = None
    status: int | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    sent: Mapping[str, Any] = field(default_factory=dict)


def breaches(
    database: Store | str,
    *,
    ledger: Path | Iterable[Line],
    steps: Sequence[Step] = (),
    output: str = "",
    secrets: Iterable[str] = (),
) -> list[str]:
    """Every breach found in a database at rest: nothing may be in flight at it any more.

    database: a Store, or its URL. ledger: the simulator's file, or its lines. steps: what clients
    asked for and were told. output: what all processes printed. secrets: what may be nowhere.
    """
    store = Store(database) if isinstance(database, str) else database
    lines = read_ledger(ledger) if isinstance(ledger, Path) else list(ledger)
    try:
        return [
            *_whole(store),
            *_together(store),
            *_concluded(store),
            *_true_to(lines, store),
            *_asked_for(lines, store, steps),
            *_acknowledged(store, steps),
            *_secret(store, output, list(secrets)),
        ]
    finally:
        if isinstance(database, str):
            store.close()


def read_ledger(path: Path) -> list[Line]:
    """The lines of a simulator's ledger file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def lines_of(books: Mapping[str, Any]) -> list[Line]:
    """The books of a house's told gateway as lines of a ledger."""
    kinds = {"payment": "charge", "refund": "refund"}
    return [
        {
            "partner_order_id": charge.order.transaction,
            "event": kinds[action.kind],
            "amount": action.amount,
            "payload": action.operation,
        }
        for charge in books.values()
        for action in charge.actions
    ]


# ---- the database against itself


def _whole(store: Store) -> Iterator[str]:
    """Chain whole, every step legal, row == fold; and the file itself is sound."""
    for bad in verify(store).findings:
        yield f"log: {bad.stream} {bad.seq}: expected {bad.expected}"
    for row in store.rows("PRAGMA integrity_check"):
        if (said := next(iter(row.values()))) != "ok":
            yield f"file: {said}"
    for row in store.rows("PRAGMA foreign_key_check"):
        yield f"file: a row of {row['table']} refers to none"


def _together(store: Store) -> Iterator[str]:
    """Row, log, outbox, operation and idempotency key of a step came in one commit."""
    published = "SELECT stream, seq FROM outbox"
    if store.row("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'tree'"):
        published += " UNION ALL SELECT stream, seq FROM tree"
    for row in store.rows(f"SELECT stream, seq FROM entries EXCEPT SELECT * FROM ({published})"):
        yield f"step: entry {row['stream']} {row['seq']} never reached the outbox"
    operations = {row["id"]: row for row in store.rows("SELECT * FROM operations")}
    yield from _operations_of_the_log(store, operations)
    for key in store.rows("SELECT route, code, operation FROM idempotency"):
        operation = operations.get(key["operation"])
        if key["operation"] is not None and operation is None:
            yield f"step: the key of {key['route']} names an operation that is not there"
        if key["code"] is None and (operation is None or operation["state"] != "open"):
            yield f"step: the key of {key['route']} waits for an answer that nobody will give"
    for op in operations.values():
        if op["idem_key"] and op["state"] == "settled" and not _answered(store, op):
            yield f"step: {op['id']} is settled and its key has no answer"


def _operations_of_the_log(store: Store, operations: Mapping[str, Any]) -> Iterator[str]:
    asked: set[str] = set()
    settled: set[str] = set()
    for row in store.rows("SELECT event, entry FROM entries WHERE kind = 'transition'"):
        op = json.loads(row["entry"]).get("data", {}).get("op")
        if row["event"] in _SETTLES:
            asked.add(op)
        elif row["event"] in _SETTLES.values():
            settled.add(op)
    moving = {op["id"] for op in operations.values() if op["kind"] in _SETTLES}
    for op in asked ^ moving:
        yield f"step: {op} is in {'the log' if op in asked else 'the table'} only"
    done = {op for op in moving if operations[op]["state"] == "settled"}
    for op in settled ^ done:
        yield f"step: {op} is settled in {'the log' if op in settled else 'the table'} only"


def _answered(store: Store, op: Mapping[str, Any]) -> bool:
    sql = "SELECT 1 FROM idempotency WHERE operation = ? AND code IS NOT NULL"
    return store.row(sql, (op["id"],)) is not None


def _concluded(store: Store) -> Iterator[str]:
    """No operation stays open, unless somebody was called; no credential outlives its operation."""
    rows = store.rows(
        "SELECT o.id, o.kind, o.state, o.credential IS NOT NULL AS held, t.needs_review, t.status "
        "FROM operations o JOIN transactions t ON t.id = o.txn"
    )
    for row in rows:
        if row["state"] == "open" and not row["needs_review"]:
            yield f"open: {row['kind']} {row['id']} of a payment in {row['status']}"
        if row["state"] != "open" and row["held"]:
            yield f"secret: {row['id']} is over and its credential is kept"


# ---- against the gateway


def _true_to(lines: Sequence[Line], store: Store) -> Iterator[str]:
    """What moved at the gateway is what the engine shows, or somebody was called, with a reason."""
    rows = {row["id"]: row for row in store.rows("SELECT * FROM transactions")}
    for txn in {line["partner_order_id"] for line in lines} - set(rows):
        yield f"ledger: money moved for {txn}, which is no transaction"
    for txn, row in rows.items():
        mine = [line for line in lines if line["partner_order_id"] == txn]
        charges = [line["amount"] for line in mine if line["event"] == "charge"]
        refunds = [line["amount"] for line in mine if line["event"] == "refund"]
        if len(charges) > 1:
            yield f"ledger: {txn} was charged {len(charges)} times"
        truth, shown = (
            (sum(charges), sum(refunds)),
            (row["captured_amount"], row["refunded_amount"]),
        )
        if truth != shown and not row["needs_review"]:
            yield f"ledger: {txn} moved {truth}, shown as {shown} in {row['status']}, no review"


def _asked_for(lines: Sequence[Line], store: Store, steps: Sequence[Step]) -> Iterator[str]:
    """At most one effect for each operation, and for each request of a client."""
    effects = Counter((line["event"], line["payload"]) for line in lines if line["payload"])
    for (event, op), times in effects.items():
        if times > 1:
            yield f"ledger: {event} of {op} happened {times} times"
        if store.row("SELECT 1 FROM operations WHERE id = ?", (op,)) is None:
            yield f"ledger: {event} of {op}, which is no operation"
    wanted = Counter(txn for call, txn, _ in _requests(steps) if call == "refund")
    given = Counter(line["partner_order_id"] for line in lines if line["event"] == "refund")
    for txn in given if steps else ():
        if given[txn] > wanted[txn]:
            yield f"ledger: {wanted[txn]} refunds of {txn} were asked for, {given[txn]} happened"
    made = store.row("SELECT count(*) AS n FROM transactions")
    orders = sum(call == "create" for call, _, _ in _requests(steps))
    if steps and made is not None and made["n"] > orders:
        yield f"step: {orders} orders were made, {made['n']} transactions stand"


def _requests(steps: Sequence[Step]) -> set[tuple[str, str | None, object]]:
    """Requests, a repeat with the same idempotency key being the same one."""
    return {
        (step.call, None if step.call == "create" else step.txn, step.key or id(step))
        for step in steps
    }


# ---- against the callers


def _acknowledged(store: Store, steps: Sequence[Step]) -> Iterator[str]:
    """Whatever a caller was told is a state that the log went through."""
    for step in steps:
        if step.status is None or "version" not in step.body:
            continue
        txn = step.body.get("id") or step.body.get("transaction_id")
        if not any(_is_told(step.body, was) for was in _history(store, str(txn))):
            told = {name: step.body.get(name) for name in (*_SHOWN, "log_seq")}
            yield f"acknowledged: {step.call} was told {told}, which the log does not hold"


def _history(store: Store, stream: str) -> Iterator[Mapping[str, Any]]:
    if stream == BOOK:
        return
    try:
        for step in replay(store, stream):
            if (now := step.after) is not None:
                yield {
                    **{name: getattr(now, name) for name in _SHOWN},
                    "current_status": now.status,
                    "log_seq": now.head_seq,
                }
    except ValueError:
        return  # a broken log is named by `_whole`


def _is_told(body: Mapping[str, Any], was: Mapping[str, Any]) -> bool:
    names = (*_SHOWN, "current_status", "log_seq")
    return all(body[name] == was[name] for name in names if name in body and name in was)


def _secret(store: Store, output: str, secrets: Sequence[str]) -> Iterator[str]:
    """No secret is in what the processes printed, nor readable in the database's files."""
    stored = b"".join(
        file.read_bytes()
        for file in store.path.parent.glob(store.path.name + "*")
        if file.is_file() and not file.name.endswith(("-shm", ".lock"))
    )
    for number, secret in enumerate(secrets, 1):
        if secret in output:
            yield f"secret: number {number} was printed"
        if secret.encode() in stored:
            yield f"secret: number {number} lies readable in the database"
