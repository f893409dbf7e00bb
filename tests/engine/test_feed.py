"""The feed: complete, in order, once each, whatever is written while it is read."""

from __future__ import annotations

import threading

import pytest
from house import House

from engine.clock import Clock
from engine.errors import StorageTrouble
from engine.feed import BadCursor, Feed
from engine.sequencer import Sequencer
from engine.store import Store
from engine.verify_tree import verify_tree

Place = tuple[int, str, int]


def feed(house: House) -> Feed:
    return Feed(house.store, house.vault)


def places(house: House, merchant: str = "shop") -> list[Place]:
    """What the feed must hold, said by tree and rows alone."""
    rows = house.store.rows(
        "SELECT t.position, t.stream, t.seq FROM tree t JOIN transactions x ON x.id = t.stream "
        "WHERE x.merchant = ? ORDER BY t.position",
        (merchant,),
    )
    return [(row["position"], row["stream"], row["seq"]) for row in rows]


def read(found: Feed, limit: int, merchant: str = "shop", after: str | None = None) -> list[Place]:
    """Everything that the feed has, in pages of `limit`."""
    seen: list[Place] = []
    more = True
    while more:
        page = found.page(merchant, after, limit)
        seen += [(i.shown["position"], i.shown["stream"], i.shown["seq"]) for i in page.items]
        after, more = page.cursor, page.more
    return seen


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_the_feed_is_the_merchants_part_of_the_tree(house: House, limit: int) -> None:
    house.merchants.ensure("else", "operator:test")
    for _ in range(3):
        house.approved()
        house.merchants.create_key("else", ["audit"], False, "operator:test")
    assert read(feed(house), limit) == []
    house.audit.sequencer.drain()
    assert len(places(house)) == 12
    assert read(feed(house), limit) == places(house)
    assert read(feed(house), limit, "else") == []


def test_a_last_page_has_a_cursor_to_go_on_from(house: House) -> None:
    house.approved()
    house.audit.sequencer.drain()
    first = feed(house).page("shop", None)
    assert not first.more
    house.approved()
    assert feed(house).page("shop", first.cursor).items == ()
    house.audit.sequencer.drain()
    again = feed(house).page("shop", first.cursor)
    assert [item.shown["seq"] for item in again.items] == [1, 2, 3, 4]


def test_nothing_is_skipped_or_repeated_while_it_grows(house: House) -> None:
    writing, begun = threading.Event(), threading.Event()
    writing.set()

    def write() -> None:
        for number in range(12):
            house.approved()
            if number == 3:
                begun.wait(60)
        house.store.close()

    def place() -> None:
        store = Store(f"sqlite:///{house.store.path}")
        sequencer = Sequencer(store, Clock())
        while writing.is_set():
            sequencer.run_once()
        store.close()

    seen: list[Place] = []
    cursor: str | None = None
    pages = 0
    others = [threading.Thread(target=write) for _ in range(3)]
    placer = threading.Thread(target=place)
    for one in (*others, placer):
        one.start()
    while any(one.is_alive() for one in others):
        page = feed(house).page("shop", cursor, 5)
        seen += [(i.shown["position"], i.shown["stream"], i.shown["seq"]) for i in page.items]
        cursor = page.cursor
        pages += bool(page.items)
        if pages:
            begun.set()
    writing.clear()
    placer.join(60)
    house.audit.sequencer.drain()
    seen += read(feed(house), 100, after=cursor)
    assert pages > 1, "nothing was read while it grew"
    assert seen == places(house)
    assert len(seen) == 3 * 12 * 4


@pytest.mark.parametrize("spoil", ["other merchant", "edited", "garbage", "unpadded"])
def test_a_cursor_that_is_not_ours_is_refused(house: House, spoil: str) -> None:
    house.merchants.ensure("else", "operator:test")
    house.approved()
    house.audit.sequencer.drain()
    cursor = str(feed(house).page("shop", None).cursor)
    last = "A" if cursor[-1] != "A" else "B"
    wrong = {"other merchant": cursor, "edited": cursor[:-1] + last, "garbage": "~" * 32}
    merchant = "else" if spoil == "other merchant" else "shop"
    with pytest.raises(BadCursor):
        feed(house).page(merchant, wrong.get(spoil, cursor[:-1]))


def test_a_cursor_of_a_lost_log_is_refused(house: House) -> None:
    house.approved()
    house.audit.sequencer.drain()
    cursor = str(feed(house).page("shop", None).cursor)
    place = places(house)[-1][0]
    for sql in (
        "DROP TRIGGER tree_never_updated",
        f"UPDATE tree SET hash = '{'0' * 64}' WHERE position = {place}",
    ):
        house.store.db.execute_sql(sql)
    with pytest.raises(BadCursor):
        feed(house).page("shop", cursor)
    kept = house.store.row(
        "SELECT e.hash FROM entries e JOIN tree t ON t.stream = e.stream AND t.seq = e.seq "
        "WHERE t.position = ?",
        (place,),
    )
    assert kept is not None
    house.store.db.execute_sql(f"UPDATE tree SET hash = '{kept['hash']}' WHERE position = {place}")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DELETE FROM feed WHERE position = {}", "a place in its merchant's feed"),
        ("UPDATE feed SET merchant = 'else' WHERE position = {}", "no place in the feed of"),
    ],
)
def test_a_feed_that_was_tampered_with_is_found(house: House, sql: str, said: str) -> None:
    txn = house.approved()
    house.audit.sequencer.drain()
    place = places(house)[2][0]
    for trigger in ("feed_never_deleted", "feed_never_updated", "feed_in_order"):
        house.store.db.execute_sql(f"DROP TRIGGER {trigger}")
    house.store.db.execute_sql(sql.format(place))
    found = verify_tree(house.store)
    assert {(one.stream, one.seq) for one in found} == {(txn, 3)}
    assert said in " ".join(one.expected for one in found)
    house.store.db.execute_sql(f"DELETE FROM feed WHERE position = {place}")
    house.store.db.execute_sql(f"INSERT INTO feed VALUES ('shop', {place})")


def test_a_feed_with_a_hole_is_not_told(house: House) -> None:
    txn = house.approved()
    house.audit.sequencer.drain()
    house.store.db.execute_sql("SAVEPOINT hole")
    house.store.db.execute_sql("DROP TRIGGER entries_never_deleted")
    house.store.db.execute_sql("DELETE FROM entries WHERE stream = ? AND seq = 2", (txn,))
    with pytest.raises(StorageTrouble) as raised:
        feed(house).page("shop", None)
    house.store.db.execute_sql("ROLLBACK TO hole")
    house.store.db.execute_sql("RELEASE hole")
    assert "verify it" in raised.value.detail


def test_a_place_beyond_numbers_is_no_cursor(house: House) -> None:
    with pytest.raises(BadCursor):
        feed(house).page("shop", "_" * 32)
