"""The book at every size its tree ever had, held against what was seen at that time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from house import House
from states import BUILD
from tamper import Book

from engine.errors import EngineError
from engine.fold import COLUMNS
from engine.travel import BATCH, book_at, changes


def seen(house: House) -> list[dict[str, Any]]:
    """The payments as their rows say now, newest first."""
    return house.store.rows(f"SELECT {', '.join(COLUMNS)} FROM transactions ORDER BY id DESC")


def folded(house: House, size: int) -> list[dict[str, Any]]:
    return [{name: getattr(one, name) for name in COLUMNS} for one in book_at(house.store, size)]


def test_the_book_is_what_it_was_at_each_size(house: House) -> None:
    kept: dict[int, list[dict[str, Any]]] = {house.audit.sequencer.drain(): []}
    for state in BUILD:
        BUILD[state](house)
        house.time.advance(1)
        kept[house.audit.sequencer.drain()] = seen(house)
    assert len(kept) == len(BUILD) + 1
    for size, rows in kept.items():
        assert folded(house, size) == rows


def test_changes_name_what_moved_and_what_only_wrote(house: House) -> None:
    paid, refused, idle = house.approved(), house.approved(), house.approved()
    first = house.audit.sequencer.drain()
    house.payments.refund(house.caller(), paid, 1_000)
    with pytest.raises(EngineError):
        house.payments.fire(house.caller(), refused, "cancel", None)
    new = house.ready()
    second = house.audit.sequencer.drain()
    found = {one.after.id: one for one in changes(house.store, first, second)}
    assert set(found) == {paid, refused, new}
    assert idle not in found
    assert [found[txn].differs for txn in (paid, refused, new)] == [True, False, True]
    before = found[paid].before
    assert before is not None
    assert (before.refunded_amount, found[paid].after.refunded_amount) == (0, 1_000)
    assert found[new].before is None
    assert list(changes(house.store, second, second)) == []


def test_more_than_a_batch_of_payments_is_told_to_the_end(house: House) -> None:
    txns = [house.create() for _ in range(BATCH + 1)]
    size = house.audit.sequencer.drain()
    assert [one.id for one in book_at(house.store, size)] == txns[::-1]
    assert [one.after.id for one in changes(house.store, 0, size)] == txns


def test_a_payment_without_a_log_is_left_out(house: House, tmp_path: Path) -> None:
    gone, kept = house.approved(), house.approved()
    size = house.audit.sequencer.drain()
    book = Book(house, tmp_path / "spoilt.db")
    book.sql("DELETE FROM entries WHERE stream = ?", gone)
    assert [one.id for one in book_at(book.store, size)] == [kept]
    assert [one.after.id for one in changes(book.store, 0, size)] == [kept]
    book.store.close()
