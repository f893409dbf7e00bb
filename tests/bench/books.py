"""Big books made fast: honest payments, copied under new ids and inserted in bulk.

It refuses to make anything that `strada audit verify` would not accept.
"""

from __future__ import annotations

import itertools
import random
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from house import House
from states import BUILD

from engine.book import adopt_chart
from engine.clock import Clock
from engine.entry import ZERO_HASH, hash_of
from engine.fire import Ledger
from engine.store import Store

_CHANGING = re.compile(r'\b(?:txn|op)_[0-9a-z]{26}\b|\bT[0-9]{19}\b|(?<="prev_hash":")[0-9a-f]{64}')
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
BATCH = 2_000
"""Payments inserted in one write transaction."""


NewId = Callable[[str], str]
"""Makes an id with this prefix, never the same twice."""
Template = tuple[tuple[str, str], ...]
"""An entry's text in pieces: what stays, and the id, reference or hash that follows it."""


@dataclass(frozen=True)
class Mould:
    """One honest payment: its row, its entries, their texts in pieces, and what belongs to them."""

    row: dict[str, Any]
    entries: list[dict[str, Any]]
    texts: list[Template]
    operations: list[dict[str, Any]]
    personal: list[dict[str, Any]]

    @property
    def waits(self) -> bool:
        """Whether a worker will do something with this payment some day."""
        moving = ("created", "ready", "approving", "refunding")
        row = self.row
        return row["status"] in moving or row["look_at"] is not None or bool(row["needs_review"])


def moulds() -> list[Mould]:
    """A payment in each state, made by the engine, and the usual one four times more."""
    with tempfile.TemporaryDirectory(prefix="strada-moulds-") as folder:
        house = House(Path(folder) / "moulds.db")
        try:
            ids = [build(house) for build in BUILD.values()]
            ids += [_usual(house) for _ in range(12)]
            return [_mould(house.store, txn) for txn in ids]
        finally:
            house.store.close()


def _usual(house: House) -> str:
    txn = house.approved()
    house.payments.fire(house.caller(), txn, "complete", "sent")
    house.payments.refund(house.caller("key-0001"), txn, 3_000, reason="하나 깨짐")
    return txn


def _mould(store: Store, txn: str) -> Mould:
    row = store.row("SELECT * FROM transactions WHERE id = ?", (txn,))
    assert row is not None
    entries = store.rows("SELECT * FROM entries WHERE stream = ? ORDER BY seq", (txn,))
    texts = [tuple(_pieces(entry["entry"])) for entry in entries]
    operations = store.rows("SELECT * FROM operations WHERE txn = ?", (txn,))
    personal = store.rows("SELECT * FROM personal WHERE stream = ?", (txn,))
    return Mould(row, entries, texts, operations, personal)


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    begin = 0
    for found in _CHANGING.finditer(text):
        yield text[begin : found.start()], found.group()
        begin = found.end()
    yield text[begin:], ""


def prepared(path: Path) -> Path:
    """A migrated database with one merchant and nothing else, in one file."""
    store = Store(f"sqlite:///{path}")
    store.migrate()
    adopt_chart(Ledger(store, Clock()))
    with store.write():
        store.execute("INSERT INTO merchants VALUES ('shop', '[]', '[]', 0)")
    store.db.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    return path


def random_ids(dice: random.Random) -> NewId:
    """Ids in no order."""
    return lambda prefix: f"{prefix}_0{''.join(dice.choices(_ALPHABET, k=25))}"


def fill(store: Store, honest: list[Mould], entries: int, dice: random.Random) -> None:
    """Insert copies of honest payments until there are `entries` more entries, or a few beyond."""
    made, left = itertools.cycle(honest), entries
    new_id = random_ids(dice)
    while left > 0:
        batch = []
        for mould in itertools.islice(made, BATCH):
            batch.append(mould)
            left -= len(mould.entries)
            if left <= 0:
                break
        insert(store, batch, new_id, dice)


def fill_payments(
    store: Store, honest: list[Mould], payments: int, new_id: NewId, dice: random.Random
) -> None:
    """Insert so many copies of honest payments."""
    made = itertools.cycle(honest)
    for begin in range(0, payments, BATCH):
        batch = list(itertools.islice(made, min(BATCH, payments - begin)))
        insert(store, batch, new_id, dice)


def insert(store: Store, batch: list[Mould], new_id: NewId, dice: random.Random) -> None:
    """Insert a copy of each of these payments, all in one commit."""
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for mould in batch:
        _copy(mould, new_id, f"T{dice.randrange(10**19):019d}", rows)
    connection = store.writer
    with store.write():
        for table, some in filter(all, rows.items()):
            marks = ", ".join("?" * len(some[0]))
            sql = f"INSERT INTO {table} ({', '.join(some[0])}) VALUES ({marks})"
            connection.executemany(sql, (tuple(row.values()) for row in some))


def _copy(mould: Mould, new_id: NewId, number: str, rows: dict[str, list[dict[str, Any]]]) -> None:
    old = mould.row
    changed = {"": "", ZERO_HASH: ZERO_HASH}
    if old["provider_ref"]:
        changed[old["provider_ref"]] = number

    def renamed(name: str) -> str:
        if name not in changed:
            changed[name] = new_id(name.partition("_")[0])
        return changed[name]

    txn = renamed(old["id"])
    for entry, pieces in zip(mould.entries, mould.texts, strict=True):
        text = "".join([kept + renamed(name) for kept, name in pieces])
        changed[entry["hash"]] = head = hash_of(text.encode())
        rows["entries"].append(entry | {"stream": txn, "entry": text, "hash": head})
        rows["outbox"].append({"stream": txn, "seq": entry["seq"]})
    row = old | {"id": txn, "head_hash": changed[old["head_hash"]]}
    row |= {"order_slot": None, "return_token": None}
    row["provider_ref"] = old["provider_ref"] and number
    row["intent_op"] = old["intent_op"] and renamed(old["intent_op"])
    rows["transactions"].append(row)
    rows["operations"] += [op | {"id": renamed(op["id"]), "txn": txn} for op in mould.operations]
    rows["personal"] += [kept | {"stream": txn} for kept in mould.personal]
