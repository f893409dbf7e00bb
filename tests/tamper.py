"""Tampering, as an insider with the database would: one change at a time, drawn by seeded dice.

A `Book` is a copy of an honest database without triggers and constraints; each tampering is rolled
back when its block ends.
"""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from house import LOST, House, lost_after, lost_before
from states import BUILD

from engine.canonical import canonical
from engine.entry import BOOK, ZERO_HASH, hash_of
from engine.erasure import Erasure
from engine.fold import COLUMNS
from engine.reading import Payment
from engine.review import resolve
from engine.store import Row, Store
from engine.swift import row_of
from engine.tree import append, leaf_hash
from engine.verify import replay

TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger'"


def standalone() -> ModuleType:
    """The bundle's verifier, loaded as a file: no module of ours imports it."""
    path = Path(__file__).resolve().parents[1] / "engine" / "bundle" / "verify.py"
    spec = importlib.util.spec_from_file_location("verify_bundle", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def history(house: House) -> None:
    """A payment in every state, and two with every kind of entry."""
    for build in BUILD.values():
        build(house)
    eventful(house)
    reviewed(house)
    erased(house)


def erased(house: House) -> str:
    """One payment with a reason, whose customer left."""
    order = house.order(order_id=None, customer_id="user-8")
    txn = house.payments.create(house.caller(), order).txn
    house.payments.ready(house.caller(), txn)
    house.payments.approve(house.caller(), txn, "pg-token-1")
    house.payments.refund(house.caller(), txn, 1_000, reason="하나 깨짐")
    Erasure(house.ledger, house.vault).erase_customer("shop", "user-8", "operator:test")
    return txn


def eventful(house: House) -> str:
    """One payment with a lost answer, a refusal, tax parts, reasons and a console refund."""
    txn = house.ready(
        tax_free_amount=2_000,
        metadata={"cart": "c-9"},
        urls={"return_url": "https://shop.example/"},
    )
    house.gateway.script["approve"] = [lost_after]
    house.payments.approve(house.caller("key-0001"), txn, "pg-token-1")
    house.work(10)
    house.payments.fire(house.caller(), txn, "complete", "sent")
    house.payments.refund(house.caller(), txn, 3_000, tax_free=1_000, reason="하나 깨짐")
    with pytest.raises(Exception, match="guard_refused"):
        house.payments.refund(house.caller(), txn, 10_000)
    charge = house.gateway.books[house.get(txn)["provider_ref"]]
    charge.refunded += 500
    house.payments.settlement.apply_evidence(
        txn, None, house.gateway.truth(charge.reference), "worker"
    )
    house.merchants.create_key("shop", ["payments", "audit"], False, "operator:test")
    return txn


def reviewed(house: House) -> str:
    """One payment with early and contradicting evidence, and three notes."""
    txn = house.ready()
    house.gateway.script["approve"] = [lost_before]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    house.work(10)
    house.gateway.script["look_up"] = [LOST] * 1_000
    house.work(3_700, step=50)
    house.gateway.script["look_up"] = []
    house.work(400)
    charge = house.gateway.books[house.get(txn)["provider_ref"]]
    charge.captured += 1
    truth = house.gateway.truth(charge.reference)
    house.payments.settlement.apply_evidence(txn, None, truth, "return")
    charge.captured -= 1
    resolve(house.payments, txn, "the gateway corrected itself", "operator:test")
    return txn


@dataclass(frozen=True)
class Done:
    """What was tampered with; `named` are the places a verifier may name for it."""

    what: str
    named: frozenset[tuple[str, int]]
    """Of these a verifier must name one; seq 0 stands for any place."""

    @classmethod
    def at(cls, what: str, stream: str, *places: int) -> Done:
        """Something done to a stream."""
        return cls(f"{what} {stream} {places}", frozenset((stream, seq) for seq in places))


Mutation = Callable[["Book", random.Random], Done]


class Book:
    """A copy of an honest database, open to an insider."""

    def __init__(self, house: House, path: Path) -> None:
        house.store.db.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(house.store.path, path)
        self.store = Store(f"sqlite:///{path}")
        self.sql("PRAGMA foreign_keys = 0")
        self.sql("PRAGMA ignore_check_constraints = 1")
        for row in self.store.rows(TRIGGERS):
            self.sql(f"DROP TRIGGER {row['name']}")

    def sql(self, text: str, *params: Any) -> None:
        """Run one statement."""
        self.store.db.execute_sql(text, params)

    @contextmanager
    def tampered(self, mutation: Mutation, dice: random.Random) -> Iterator[Done]:
        """The book with one thing changed, for the block."""
        with self.store.db.atomic() as step:
            try:
                yield mutation(self, dice)
            finally:
                step.rollback()

    def pick(self, dice: random.Random, table: str, where: str = "1") -> Row:
        """One row of a table."""
        rows = self.store.rows(f"SELECT * FROM {table} WHERE {where} ORDER BY 1, 2")
        return dice.choice(rows)

    def texts(self) -> list[tuple[bytes, bytes, bytes]]:
        """(kind, event, bytes) of every entry."""
        rows = self.store.rows("SELECT kind, event, entry FROM entries")
        return [(r["kind"].encode(), r["event"].encode(), r["entry"].encode()) for r in rows]


# ---- one change each ----------------------------------------------------------------------------

TEXTS = {
    "entries": ("kind", "event", "hash", "entry", "stream"),
    "personal": ("fields", "stream"),
}
NUMBERS = {"entries": ("occurred_at", "seq"), "personal": ("seq",)}
ROW_TEXTS = (
    "merchant provider account flow currency status chart head_hash provider_ref failure_code "
    "needs_review intent_op intent_source customer_id item_name order_id metadata urls id"
).split()
ROW_NUMBERS = (
    "amount tax_free_amount vat_amount version head_seq last_at expires_at created_at updated_at "
    "captured_amount refunded_amount refunded_tax_free refunded_vat attempts approved_at "
    "completed_at closed_at intent_amount intent_tax_free intent_vat intent_total"
).split()
KEY = {"entries": "stream = ? AND seq = ?", "personal": "stream = ? AND seq = ?"}


def _flipped(value: str, dice: random.Random) -> bytes:
    raw = bytearray(value.encode())
    raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
    return bytes(raw)


def a_flipped_bit(book: Book, dice: random.Random) -> Done:
    table = dice.choice(["entries"] * 4 + ["personal"])
    row = book.pick(dice, table)
    column = dice.choice(TEXTS[table])
    raw = _flipped(row[column], dice)
    sql = f"UPDATE {table} SET {column} = CAST(? AS TEXT) WHERE {KEY[table]}"
    book.sql(sql, raw, row["stream"], row["seq"])
    moved = (table, column) == ("personal", "stream")
    name = raw.decode("utf-8", "backslashreplace") if moved else row["stream"]
    return Done.at(f"a bit of {table}.{column}", name, row["seq"])


def a_changed_number(book: Book, dice: random.Random) -> Done:
    table = dice.choice(["entries"] * 3 + ["personal"])
    row = book.pick(dice, table)
    column = dice.choice(NUMBERS[table])
    other = row[column] + dice.choice([1_000, 10**6, 2**40])
    sql = f"UPDATE {table} SET {column} = ? WHERE {KEY[table]}"
    book.sql(sql, other, row["stream"], row["seq"])
    named = other if table == "personal" else row["seq"]
    return Done.at(f"{table}.{column}", row["stream"], named)


def an_edited_row(book: Book, dice: random.Random) -> Done:
    row = book.pick(dice, "transactions")
    column = dice.choice(ROW_TEXTS + ROW_NUMBERS)
    old = row[column]
    if column in ROW_NUMBERS:
        new: Any = 1 if old is None else dice.choice([None, old ^ (1 << dice.randrange(40))])
        if new is None and column not in _nullable():
            new = old + 1
        book.sql(f"UPDATE transactions SET {column} = ? WHERE id = ?", new, row["id"])
    else:
        raw = b"x" if old is None or old == "" else _flipped(old, dice)
        book.sql(f"UPDATE transactions SET {column} = CAST(? AS TEXT) WHERE id = ?", raw, row["id"])
    return Done.at(f"transactions.{column}", row["id"], 1, row["head_seq"])


def _nullable() -> set[str]:
    return {"approved_at", "completed_at", "closed_at"} | {
        name for name in ROW_NUMBERS if name.startswith("intent_")
    }


def a_deleted_entry(book: Book, dice: random.Random) -> Done:
    row = book.pick(dice, "entries", "stream <> 'book'")
    book.sql("DELETE FROM entries WHERE stream = ? AND seq = ?", row["stream"], row["seq"])
    return Done.at("no", row["stream"], row["seq"])


def an_inserted_entry(book: Book, dice: random.Random) -> Done:
    """A copy of an entry put in after it, hashes computed anew from there on."""
    row = book.pick(dice, "entries", "stream <> 'book'")
    later = _rows(book, row["stream"], row["seq"])
    for one in reversed(later[1:]):
        _write(book, one, seq=one["seq"] + 1)
    forged = dict(json.loads(row["entry"]))
    forged |= {"seq": row["seq"] + 1, "occurred_at": row["occurred_at"]}
    _insert(book, row, forged)
    _rechain(book, row["stream"])
    return Done.at("a copy put in", row["stream"], row["seq"] + 1)


def a_swap(book: Book, dice: random.Random) -> Done:
    """Two entries of one stream change places, hashes computed anew."""
    row = book.pick(dice, "entries", "stream <> 'book' AND seq > 1")
    before = _rows(book, row["stream"], row["seq"] - 1)[0]
    _write(book, row, entry=before["entry"])
    _write(book, before, entry=row["entry"])
    _rechain(book, row["stream"])
    return Done.at("swapped with the next", row["stream"], before["seq"])


def a_strangers_entry(book: Book, dice: random.Random) -> Done:
    """The entry of another place, as it stands."""
    row, other = book.pick(dice, "entries"), book.pick(dice, "entries")
    if row["entry"] == other["entry"]:
        return a_strangers_entry(book, dice)
    _write(book, row, entry=other["entry"], hash=other["hash"])
    return Done.at("a stranger's entry at", row["stream"], row["seq"])


def a_new_date(book: Book, dice: random.Random) -> Done:
    """An entry dated before the one before it, hashes computed anew."""
    row = book.pick(dice, "entries", "stream <> 'book' AND seq > 1")
    before = _rows(book, row["stream"], row["seq"] - 1)[0]
    forged = json.loads(row["entry"]) | {"occurred_at": before["occurred_at"] - dice.randrange(9)}
    _write(book, row, entry=canonical(forged).decode())
    _rechain(book, row["stream"])
    return Done.at("dated back", row["stream"], row["seq"])


def a_forged_amount(book: Book, dice: random.Random) -> Done:
    """An amount changed, hashes computed anew, the row's head with them."""
    rows = book.store.rows("SELECT * FROM entries WHERE kind = 'transition' ORDER BY 1, 2")
    row = dice.choice([one for one in rows if _numbers(one)])
    entry = json.loads(row["entry"])
    name = dice.choice(_numbers(row))
    entry["data"][name] += dice.choice([1, 1_000])
    _write(book, row, entry=canonical(entry).decode())
    _rechain(book, row["stream"])
    return Done.at(f"data.{name}", row["stream"], row["seq"])


def a_forged_event(book: Book, dice: random.Random) -> Done:
    """A transition that leads elsewhere, hashes computed anew, the row's head with them."""
    row = book.pick(dice, "entries", "kind = 'transition'")
    entry = json.loads(row["entry"])
    others = {"ready", "approved", "completed", "refunded", "failed"} - {entry["target"]}
    entry["target"] = dice.choice(sorted(others))
    _write(book, row, entry=canonical(entry).decode())
    _rechain(book, row["stream"])
    return Done.at("target", row["stream"], row["seq"])


def a_cut_out(book: Book, dice: random.Random) -> Done:
    """An entry taken out, the later ones numbered and hashed anew."""
    row = book.pick(dice, "entries", "stream <> 'book' AND seq > 1")
    later = _rows(book, row["stream"], row["seq"] + 1)
    book.sql("DELETE FROM entries WHERE stream = ? AND seq = ?", row["stream"], row["seq"])
    for one in later:
        _write(book, one, seq=one["seq"] - 1)
    _rechain(book, row["stream"])
    return Done.at("cut out", row["stream"], row["seq"])


def a_renamed_stream(book: Book, dice: random.Random) -> Done:
    """A payment under another name everywhere but in the bytes of its entries."""
    row = book.pick(dice, "transactions")
    other = f"{row['id'][:-1]}_"
    for table in ("entries", "personal", "tree", "transactions"):
        column = "id" if table == "transactions" else "stream"
        book.sql(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", other, row["id"])
    return Done.at("renamed to", other, 1)


def a_removed_log(book: Book, dice: random.Random) -> Done:
    row = book.pick(dice, "transactions")
    book.sql("DELETE FROM entries WHERE stream = ?", row["id"])
    return Done.at("no log", row["id"], 1)


def a_removed_row(book: Book, dice: random.Random) -> Done:
    row = book.pick(dice, "transactions")
    book.sql("DELETE FROM transactions WHERE id = ?", row["id"])
    return Done.at("no row", row["id"], row["head_seq"])


def a_bare_rewrite(book: Book, dice: random.Random) -> Done:
    """An entry rewritten with a right hash of its own, and nothing after it."""
    row = book.pick(dice, "entries")
    forged = json.loads(row["entry"]) | {"actor": "operator:mallory"}
    raw = canonical(forged)
    _write(book, row, entry=raw.decode(), hash=hash_of(raw))
    return Done.at("the actor of", row["stream"], row["seq"])


MUTATIONS: tuple[Mutation, ...] = (
    a_flipped_bit,
    a_changed_number,
    an_edited_row,
    a_deleted_entry,
    an_inserted_entry,
    a_swap,
    a_strangers_entry,
    a_new_date,
    a_forged_amount,
    a_forged_event,
    a_cut_out,
    a_renamed_stream,
    a_removed_log,
    a_removed_row,
    a_bare_rewrite,
)
"""What a log shows without any help from outside."""


def a_spoilt_leaf(book: Book, dice: random.Random) -> Done:
    row = book.pick(dice, "tree")
    column = dice.choice(["hash", "stream", "seq"])
    if column == "seq":
        book.sql("UPDATE tree SET seq = ? WHERE position = ?", row["seq"] + 500, row["position"])
    else:
        sql = f"UPDATE tree SET {column} = CAST(? AS TEXT) WHERE position = ?"
        book.sql(sql, _flipped(row[column], dice), row["position"])
    places = range(row["seq"], row["seq"] + 2)
    moved = Done.at(f"tree.{column}", row["stream"], *places)
    return Done(moved.what, moved.named | {(_text(book, row["position"]), row["seq"])})


def _text(book: Book, position: int) -> str:
    sql = "SELECT CAST(stream AS BLOB) AS name FROM tree WHERE position = ?"
    return str(book.store.rows(sql, (position,))[0]["name"].decode("utf-8", "backslashreplace"))


def a_spoilt_node(book: Book, dice: random.Random) -> Done:
    row = book.pick(dice, "tree_nodes")
    raw = bytearray(row["hash"])
    raw[dice.randrange(32)] ^= 1 << dice.randrange(8)
    sql = "UPDATE tree_nodes SET hash = ? WHERE level = ? AND place = ?"
    book.sql(sql, bytes(raw), row["level"], row["place"])
    last = ((row["place"] + 1) << row["level"]) - 1
    leaf = book.store.rows("SELECT * FROM tree WHERE position = ?", (last,))[0]
    return Done.at("a node", leaf["stream"], leaf["seq"])


def a_silent_erasure(book: Book, dice: random.Random) -> Done:
    """Personal values gone, and the book says nothing of it."""
    row = book.pick(dice, "personal")
    book.sql("DELETE FROM personal WHERE stream = ? AND seq = ?", row["stream"], row["seq"])
    return Done.at("no values of", row["stream"], row["seq"])


def a_spoilt_erasure(book: Book, dice: random.Random) -> Done:
    """A row of `erasures` gone, at another place, or under another note."""
    row = book.pick(dice, "erasures")
    where = "WHERE stream = ? AND seq = ?"
    column = dice.choice(["", "stream", "seq", "book_seq"])
    raw = _flipped(row["stream"], dice)
    if column == "stream":
        sql = f"UPDATE erasures SET stream = CAST(? AS TEXT) {where}"
        book.sql(sql, raw, row["stream"], row["seq"])
    elif column:
        book.sql(f"UPDATE erasures SET {column} = {column} + 50 {where}", row["stream"], row["seq"])
    else:
        book.sql(f"DELETE FROM erasures {where}", row["stream"], row["seq"])
    done = Done.at(f"erasures.{column}", row["stream"], row["seq"], row["seq"] + 50, 1)
    others = {(BOOK, row["book_seq"]), (raw.decode("utf-8", "backslashreplace"), row["seq"])}
    return Done(done.what, done.named | others)


def a_value_come_back(book: Book, dice: random.Random) -> Done:
    """A row that shows what was erased."""
    row = book.pick(dice, "transactions", "erased_at IS NOT NULL")
    column = dice.choice(["customer_id", "item_name", "order_id", "metadata", "urls"])
    value = '{"note":"x"}' if column in ("metadata", "urls") else "x"
    book.sql(f"UPDATE transactions SET {column} = ? WHERE id = ?", value, row["id"])
    return Done.at(f"erased {column}", row["id"], 1)


ERASURE_MUTATIONS: tuple[Mutation, ...] = (a_silent_erasure, a_spoilt_erasure, a_value_come_back)
"""What the account of what is no longer held shows."""
TREE_MUTATIONS: tuple[Mutation, ...] = (a_spoilt_leaf, a_spoilt_node)
"""What the tree itself shows."""


def a_removed_stream(book: Book, dice: random.Random) -> Done:
    """A payment gone without a trace, the tree grown anew; of erased ones the book still tells."""
    remove(book, book.pick(dice, "transactions", "erased_at IS NULL")["id"])
    return Done.at("nothing left of a payment", "tree", 0)


def remove(book: Book, stream: str) -> None:
    """Take a payment out of every table of the log, and grow the tree anew."""
    for sql in (
        "DELETE FROM entries WHERE stream = ?",
        "DELETE FROM personal WHERE stream = ?",
        "DELETE FROM tree WHERE stream = ?",
        "DELETE FROM transactions WHERE id = ?",
    ):
        book.sql(sql, stream)
    _regrow(book)


def a_cut_tail(book: Book, dice: random.Random) -> Done:
    """The last entries of a payment gone, its row set back, the tree grown anew."""
    row = book.pick(dice, "transactions", "head_seq > 1 AND erased_at IS NULL")
    keep = dice.randrange(1, row["head_seq"])
    for table in ("entries", "personal", "tree"):
        book.sql(f"DELETE FROM {table} WHERE stream = ? AND seq > ?", row["id"], keep)
    _set_back(book, row["id"])
    _regrow(book)
    return Done.at("a tail cut off", "tree", 0)


def a_consistent_rewrite(book: Book, dice: random.Random) -> Done:
    """Another actor in one entry; every later hash, the row and the tree computed anew."""
    row = book.pick(dice, "entries")
    forged = json.loads(row["entry"]) | {"actor": "operator:mallory"}
    _write(book, row, entry=canonical(forged).decode())
    _rechain(book, row["stream"])
    sql = "SELECT hash FROM entries e WHERE e.stream = tree.stream AND e.seq = tree.seq"
    book.sql(f"UPDATE tree SET hash = ({sql})")
    _regrow(book)
    return Done.at("rewritten", "tree", 0)


REWRITES: tuple[Mutation, ...] = (a_removed_stream, a_cut_tail, a_consistent_rewrite)
"""What only a checkpoint kept elsewhere shows."""


# ---- an insider's tools -------------------------------------------------------------------------


def _numbers(row: Row) -> list[str]:
    data = json.loads(row["entry"])["data"]
    return sorted(name for name, value in data.items() if type(value) is int)


def _rows(book: Book, stream: str, seq: int = 1) -> list[Row]:
    return book.store.rows(
        "SELECT * FROM entries WHERE stream = ? AND seq >= ? ORDER BY seq", (stream, seq)
    )


def _write(book: Book, row: Row, **changes: Any) -> None:
    sets = ", ".join(f"{name} = ?" for name in changes)
    book.sql(
        f"UPDATE entries SET {sets} WHERE stream = ? AND seq = ?",
        *changes.values(),
        row["stream"],
        row["seq"],
    )


def _insert(book: Book, row: Row, entry: dict[str, Any]) -> None:
    raw = canonical(entry)
    values = row | {"seq": entry["seq"], "entry": raw.decode(), "hash": hash_of(raw)}
    marks = ", ".join("?" * len(values))
    book.sql(f"INSERT INTO entries ({', '.join(values)}) VALUES ({marks})", *values.values())


def _rechain(book: Book, stream: str) -> None:
    """Make the chain of a stream whole again, its columns and the row's head with it."""
    head, seq, at = ZERO_HASH, 0, 0
    for row in _rows(book, stream):
        entry = json.loads(row["entry"]) | {"prev_hash": head, "seq": row["seq"]}
        raw = canonical(entry)
        head, seq, at = hash_of(raw), row["seq"], entry["occurred_at"]
        copies = {name: entry[name] for name in ("kind", "event", "occurred_at")}
        _write(book, row, entry=raw.decode(), hash=head, **copies)
    sql = "UPDATE transactions SET head_hash = ?, head_seq = ?, last_at = ? WHERE id = ?"
    book.sql(sql, head, seq, at, stream)
    _flatter(book, stream)


def _flatter(book: Book, stream: str) -> None:
    """Make the row what the fast verifier would like to see, when it would take these entries."""
    rows = book.store.rows("SELECT * FROM entries WHERE stream = ? ORDER BY seq", (stream,))
    raw = [tuple(v.encode() if isinstance(v, str) else v for v in r.values()) for r in rows]
    read = Payment()
    if stream == BOOK or not read.read(stream.encode(), raw, []):
        return
    sets = ", ".join(f"{name} = ?" for name in COLUMNS)
    wanted = [v.decode() if isinstance(v, bytes) else v for v in row_of(read.now)]
    book.sql(f"UPDATE transactions SET {sets} WHERE id = ?", *wanted, stream)


def _set_back(book: Book, stream: str) -> None:
    """Make the row what its log folds to."""
    *_, last = replay(book.store, stream)
    assert last.after is not None
    sets = ", ".join(f"{name} = ?" for name in COLUMNS)
    values = [getattr(last.after, name) for name in COLUMNS]
    book.sql(f"UPDATE transactions SET {sets} WHERE id = ?", *values, stream)


def _regrow(book: Book) -> None:
    """Number the leaves anew and compute every node, as the sequencer would have."""
    rows = book.store.rows("SELECT stream, seq, hash FROM tree ORDER BY position")
    book.sql("DELETE FROM tree")
    book.sql("DELETE FROM tree_nodes")
    for position, row in enumerate(rows):
        book.sql("INSERT INTO tree VALUES (?, ?, ?, ?)", position, *row.values())
    leaves = [leaf_hash(bytes.fromhex(row["hash"])) for row in rows]
    for node in append(0, leaves, lambda level, place: b"")[0]:
        book.sql("INSERT INTO tree_nodes VALUES (?, ?, ?)", *node)
    book.sql("DELETE FROM feed")
    book.sql(
        "INSERT INTO feed (merchant, position) SELECT t.merchant, tree.position FROM tree "
        "JOIN transactions t ON t.id = tree.stream"
    )
