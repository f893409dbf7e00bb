"""Big books made fast: honest payments, copied under new ids and inserted in bulk."""

from __future__ import annotations

import itertools
import random
import re
import tempfile
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

_ID = re.compile(r"\b(txn|op)_[0-9a-z]{26}\b")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
BATCH = 2_000
"""Payments inserted in one write transaction."""


@dataclass(frozen=True)
class Mould:
    """One honest payment: its row, its entries' texts and its personal values."""

    row: dict[str, Any]
    entries: list[dict[str, Any]]
    personal: list[dict[str, Any]]


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
    personal = store.rows("SELECT * FROM personal WHERE stream = ?", (txn,))
    return Mould(row, entries, personal)


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


def fill(store: Store, honest: list[Mould], entries: int, dice: random.Random) -> None:
    """Insert copies of honest payments until there are `entries` more entries, or a few beyond."""
    made, left = itertools.cycle(honest), entries
    while left > 0:
        with store.write():
            for mould in itertools.islice(made, BATCH):
                left -= len(mould.entries)
                _insert(store, mould, dice)
                if left <= 0:
                    break


def _insert(store: Store, mould: Mould, dice: random.Random) -> None:
    named: dict[str, str] = {}

    def renamed(found: re.Match[str]) -> str:
        old = found.group()
        if old not in named:
            named[old] = f"{found.group(1)}_0{''.join(dice.choices(_ALPHABET, k=25))}"
        return named[old]

    head, rows = ZERO_HASH, []
    number = f"T{dice.randrange(10**19):019d}"
    for old in mould.entries:
        text = _ID.sub(renamed, old["entry"])
        if mould.row["provider_ref"]:
            text = text.replace(mould.row["provider_ref"], number)
        text = re.sub(r'"prev_hash":"[0-9a-f]{64}"', f'"prev_hash":"{head}"', text)
        head = hash_of(text.encode())
        rows.append(old | {"stream": named[old["stream"]], "entry": text, "hash": head})
    row = mould.row | {"id": named[mould.row["id"]], "head_hash": head}
    row |= {"order_slot": None, "return_token": None}
    row["provider_ref"] = row["provider_ref"] and number
    if row["intent_op"]:
        row["intent_op"] = renamed(_ID.match(row["intent_op"]))  # type: ignore[arg-type]
    put(store, "transactions", row)
    for entry in rows:
        put(store, "entries", entry)
        put(store, "outbox", {"stream": entry["stream"], "seq": entry["seq"]})
    for kept in mould.personal:
        put(store, "personal", kept | {"stream": row["id"]})


def put(store: Store, table: str, row: dict[str, Any]) -> None:
    """Insert one row."""
    marks = ", ".join("?" * len(row))
    store.db.execute_sql(
        f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values())
    )
