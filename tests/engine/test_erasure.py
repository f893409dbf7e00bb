"""Erasure: every trace of a customer goes, and every proof stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from house import LOST, House
from states import BUILD
from tamper import Book

from engine.entry import BOOK
from engine.erasure import REST, Erasure, StillOpen, digest
from engine.errors import Conflict, Invalid
from engine.fire import Ledger
from engine.provider import Refused
from engine.verify import verify
from engine.verify_erasures import verify_erasures

CANARY = "canary-7f3a"
PERSONAL: dict[str, Any] = {
    "customer_id": f"{CANARY}-customer",
    "item_name": f"{CANARY} 초코파이",
    "metadata": {"note": f"{CANARY}-note"},
    "urls": {"return_url": f"https://shop.example/{CANARY}"},
}


def erasure(house: House) -> Erasure:
    return Erasure(house.ledger, house.vault)


def erase(house: House) -> Any:
    return erasure(house).erase_customer("shop", PERSONAL["customer_id"], "operator:test")


def refunded(house: House, order: str, key: str = "refund-key-1") -> str:
    """A payment with everything that can be personal, also in its stored answers."""
    txn = house.payments.create(
        house.caller(f"{key}-create", body="{}"), house.order(order_id=order, **PERSONAL)
    ).txn
    house.payments.ready(house.caller(), txn)
    house.payments.approve(house.caller(), txn, "pg-token-1")
    house.payments.refund(house.caller(key), txn, 1_000, reason=f"{CANARY}-reason")
    return txn


def holding(house: House) -> list[str]:
    """Tables that hold the canary."""
    tables = house.store.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")
    return sorted(
        name
        for name in (row["name"] for row in tables)
        if CANARY in repr(house.store.rows(f"SELECT * FROM {name}"))
    )


def whole(house: House) -> bool:
    house.audit.sequencer.drain()
    return verify(house.store).whole and verify_erasures(house.store) == []


def test_no_table_holds_what_was_erased(house: House) -> None:
    txn = refunded(house, f"{CANARY}-order")
    other = house.approved()
    held = ["idempotency", "operations", "personal", "transactions"]
    assert holding(house) == held
    done = erase(house)
    assert (done.payments, done.entries) == (1, 2)
    assert holding(house) == []
    shown = house.get(txn)
    assert (shown["customer_id"], shown["item_name"], shown["order_id"]) == (None, None, None)
    assert (shown["metadata"], shown["return_url"]) == ({}, None)
    assert (shown["captured_amount"], shown["refunded_amount"]) == (12_000, 1_000)
    assert house.get(other)["customer_id"] == "user-7"
    assert whole(house)


def test_no_byte_of_it_stays_in_the_files(house: House) -> None:
    for number in range(60):
        refunded(house, f"{CANARY}-order-{number}", f"refund-key-{number}")
        if number % 3 == 0:
            house.approved()
        if number == 30:
            house.store.db.execute_sql("PRAGMA wal_checkpoint")
    files = [house.store.path.with_name(house.store.path.name + end) for end in ("", "-wal")]
    assert all(CANARY.encode() in file.read_bytes() for file in files), "nothing to erase"
    assert erase(house).payments == 60
    assert house.store.scrub()
    for file in files:
        assert CANARY.encode() not in file.read_bytes()


def test_the_book_says_it_without_saying_whose(house: House) -> None:
    txn = refunded(house, "order-a")
    erase(house)
    (row,) = house.store.rows("SELECT entry FROM entries WHERE event = 'erased'")
    assert CANARY not in row["entry"]
    whose = house.vault.customer_mac("shop", PERSONAL["customer_id"])
    assert f'"customer":"{whose}"' in row["entry"]
    assert digest([(txn, 1), (txn, 5)]) in row["entry"]


@pytest.mark.parametrize("state", sorted(BUILD))
def test_a_payment_that_can_move_keeps_its_customer(house: House, state: str) -> None:
    txn = BUILD[state](house)
    row = house.ledger.load(txn)
    at_rest = state in REST and row["look_at"] is None
    if at_rest:
        erasure(house).erase_customer("shop", "user-7", "operator:test")
        assert house.get(txn)["customer_id"] is None
    else:
        with pytest.raises(StillOpen) as still:
            erasure(house).erase_customer("shop", "user-7", "operator:test")
        assert still.value.payments[0][0] == txn
        assert house.get(txn)["customer_id"] == "user-7"
    assert whole(house)


def test_a_payment_to_be_looked_at_once_more_keeps_its_customer(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [Refused(b"no", "declined", "-780", "")]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    assert house.ledger.load(txn)["look_at"] is not None
    with pytest.raises(StillOpen):
        erasure(house).erase_customer("shop", "user-7", "operator:test")
    house.work(2_000, step=500)
    assert erasure(house).erase_customer("shop", "user-7", "operator:test").payments == 1


def test_one_open_payment_keeps_all_of_them(house: House) -> None:
    refunded(house, "order-a")
    house.ready(**PERSONAL)
    with pytest.raises(StillOpen):
        erase(house)
    assert "personal" in holding(house)
    assert house.events(BOOK, "note").count("erased") == 0


def test_a_repeated_request_has_no_second_effect(house: House) -> None:
    txn = refunded(house, "order-a")
    erase(house)
    for again in ("refund-key-1", "refund-key-1-create"):
        with pytest.raises(Invalid, match="idempotency_key_reused"):
            house.payments.refund(house.caller(again), txn, 1_000)
    assert house.gateway.refunded == 1_000


def test_an_erased_order_is_not_paid_a_second_time(house: House) -> None:
    txn = refunded(house, "order-a")
    erase(house)
    with pytest.raises(Conflict, match="order_already_paid") as refused:
        house.create(order_id="order-a")
    assert refused.value.extra["transaction_id"] == txn
    house.create(order_id="order-b")


def test_an_erased_payment_is_still_refunded_and_reconciled(house: House) -> None:
    txn = refunded(house, "order-a")
    erase(house)
    house.gateway.script["refund"] = [LOST]
    house.payments.refund(house.caller("refund-key-2"), txn, 2_000)
    house.work(300)
    shown = house.get(txn)
    assert (shown["refunded_amount"], shown["needs_review"]) == (3_000, None)
    assert house.gateway.refunded == 3_000


def test_what_is_due_is_old_and_at_rest(house: House) -> None:
    old = house.approved(**PERSONAL)
    refunding = BUILD["refunding"](house)
    house.time.advance(86_400 * 3)
    new = house.approved()
    rows, still = erasure(house).due(2)
    assert [row["id"] for row in rows] == [old]
    assert [transaction for transaction, _ in still] == [refunding]
    assert erasure(house).erase_due(2, "operator:test").payments == 1
    assert house.get(old)["item_name"] is None
    assert house.get(new)["item_name"] is not None
    assert erasure(house).due(2)[0] == []


GAPS = {
    "values gone without a word": ("DELETE FROM personal WHERE stream = '{held}' AND seq = 1", 1),
    "a record that the book lacks": (
        "DELETE FROM personal WHERE stream = '{held}' AND seq = 1; "
        "INSERT INTO erasures VALUES ('{held}', 1, 1)",
        1,
    ),
    "a record slipped under another": (
        "DELETE FROM personal WHERE stream = '{held}' AND seq = 1; "
        "INSERT INTO erasures SELECT '{held}', 1, MIN(book_seq) FROM erasures; "
        "UPDATE transactions SET erased_at = 1, order_id = NULL, customer_id = NULL, "
        "item_name = NULL, metadata = '{{}}', urls = '{{}}' WHERE id = '{held}'",
        None,
    ),
    "a record that is gone": ("DELETE FROM erasures WHERE stream = '{gone}' AND seq = 1", 1),
    "all records that are gone": ("DELETE FROM erasures", 1),
    "values that came back": ("INSERT INTO personal VALUES ('{gone}', 1, '{{}}')", 1),
    "a row that shows them again": ("UPDATE transactions SET item_name = 'x'", 1),
}


@pytest.mark.parametrize("gap", list(GAPS))
def test_a_silent_gap_is_found(house: House, gap: str) -> None:
    gone, held = refunded(house, "order-a"), house.approved()
    erase(house)
    assert whole(house)
    sql, seq = GAPS[gap]
    house.store.db.execute_sql("DROP TRIGGER erasures_never_deleted")
    house.store.db.execute_sql("SAVEPOINT gap")
    house.store.db.execute_sql(sql.format(gone=gone, held=held))
    found = verify_erasures(house.store)
    house.store.db.execute_sql("ROLLBACK TO gap")
    house.store.db.execute_sql("RELEASE gap")
    assert found
    if seq is None:
        assert [one.stream for one in found] == [BOOK]
    else:
        assert found[0].stream in (gone, held)


@pytest.fixture
def book(house: House, tmp_path: Path) -> Iterator[Book]:
    """A book whose only payment has lost its personal values, without a word."""
    house.approved(**PERSONAL)
    copy = Book(house, tmp_path / "spoilt.db")
    copy.sql("DELETE FROM personal")
    yield copy
    copy.store.close()


def places(book: Book) -> list[int]:
    return [found.seq for found in verify_erasures(book.store)]


def test_an_erasure_that_found_nothing_adds_no_finding(house: House, book: Book) -> None:
    assert places(book) == [1]
    late = Erasure(Ledger(book.store, house.ledger.clock), house.vault)
    done = late.erase_customer("shop", PERSONAL["customer_id"], "operator:test")
    assert (done.payments, done.entries) == (1, 0)
    assert 1 in places(book)
    assert BOOK not in [found.stream for found in verify_erasures(book.store)]


def test_an_entry_that_is_none_commits_to_nothing(book: Book) -> None:
    book.sql("UPDATE entries SET entry = 'no JSON'")
    assert places(book) == []
