"""What verify says of each thing that may be wrong: the stream, the place and the words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from house import House
from tamper import Book

from engine.canonical import canonical
from engine.entry import ZERO_HASH, hash_of
from engine.provider import Refused
from engine.verify import Finding, Report, replay, salt_of, verify, verify_stream

Entry = dict[str, Any]
Insider = Callable[["Desk"], Any]


class Desk:
    """An insider's desk: a copy of an honest book with two payments, a rich one and a bare one."""

    def __init__(self, folder: Path) -> None:
        house = House(folder / "honest.db")
        self.txn = house.ready(metadata={"a": "b"}, urls={"return_url": "https://shop.example/"})
        house.payments.approve(house.caller(), self.txn, "pg-token-1")
        house.payments.refund(house.caller(), self.txn, 3_000, reason="broken")
        house.gateway.script["refund"] = [Refused(b"no", "closed", "-1", "")]
        house.payments.refund(house.caller(), self.txn, 1_000)
        self.bare = house.create(customer_id=None)
        self.book = Book(house, folder / "copy.db")
        house.store.close()
        self.sql = self.book.sql

    def entries(self) -> list[Entry]:
        sql = "SELECT entry FROM entries WHERE stream = ? ORDER BY seq"
        return [json.loads(row["entry"]) for row in self.book.store.rows(sql, (self.txn,))]

    def set(self, table: str, change: str, *params: Any, seq: int = 0) -> None:
        """Change the rich payment's row, or its entry or personal values of this seq."""
        where = f"stream = '{self.txn}' AND seq = {seq}" if seq else f"id = '{self.txn}'"
        self.sql(f"UPDATE {table} SET {change} WHERE {where}", *params)

    def write(self, seq: int, raw: bytes) -> None:
        """Bytes in place of an entry's, with the hash that is theirs."""
        self.set("entries", "entry = CAST(? AS TEXT), hash = ?", raw, hash_of(raw), seq=seq)

    def forge(self, seq: int, data: Entry | None = None, **fields: Any) -> None:
        """Change one entry and compute every hash from there on anew, and the copies with it."""
        entries = self.entries()
        entries[seq - 1].update(fields)
        entries[seq - 1]["data"].update(data or {})
        head = ZERO_HASH
        for at, entry in enumerate(entries, 1):
            raw = canonical(entry | {"prev_hash": head})
            self.write(at, raw)
            copies = (entry["kind"], entry["event"], entry["occurred_at"])
            self.set("entries", "kind = ?, event = ?, occurred_at = ?", *copies, seq=at)
            head = hash_of(raw)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("findings"))
    yield desk
    desk.book.store.close()


@pytest.fixture
def desk(shared: Desk) -> Iterator[Desk]:
    """The book; what a test changes in it is taken back."""
    with shared.book.store.db.atomic() as step:
        yield shared
        step.rollback()


_CANONICAL = "an entry that is canonical JSON"
_COMMITS = "an entry that commits to these personal values"
_OPENS = "the personal values that the entry commits to"
BAD: dict[str, tuple[Insider, int, str]] = {
    "missing": (
        lambda desk: desk.sql("DELETE FROM entries WHERE seq = 3"),
        4,
        "seq 3: an entry is missing or was put in",
    ),
    "unknown chart": (
        lambda desk: desk.forge(3, chart="sha256:" + "0" * 64),
        3,
        "a chart that was released",
    ),
    "no edge": (
        lambda desk: desk.forge(4, target="completed"),
        4,
        "a transition of its chart; ('approving', 'approval_confirmed', 'completed') is none",
    ),
    "a guard": (
        lambda desk: desk.forge(5, {"amount": 12_001, "expected_total": 12_001}),
        5,
        "guard amount<=refundable to hold",
    ),
    "the fold": (
        lambda desk: desk.forge(3, {"vat": 7}),
        3,
        "an approve intent announces the whole order",
    ),
    "the format": (lambda desk: desk.forge(2, actor="mallory"), 2, "a field has the wrong type"),
    "a space": (
        lambda desk: desk.write(2, canonical(desk.entries()[1]) + b" "),
        2,
        _CANONICAL,
    ),
    "no JSON": (lambda desk: desk.write(2, b"x"), 2, _CANONICAL),
    "no object": (lambda desk: desk.write(2, b"[]"), 2, _CANONICAL),
    "a depth": (lambda desk: desk.write(2, b'{"a":' * 5_000), 2, _CANONICAL),
    "a float": (lambda desk: desk.write(2, b"1.5"), 2, _CANONICAL),
    "column seq": (
        lambda desk: desk.set("entries", "seq = 60", seq=8),
        60,
        "column seq to repeat the entry's seq",
    ),
    "column kind": (
        lambda desk: desk.set("entries", "kind = 'note'", seq=2),
        2,
        "column kind to repeat the entry's kind",
    ),
    "column event": (
        lambda desk: desk.set("entries", "event = 'x'", seq=2),
        2,
        "column event to repeat the entry's event",
    ),
    "column time": (
        lambda desk: desk.set("entries", "occurred_at = 1", seq=2),
        2,
        "column occurred_at to repeat the entry's occurred_at",
    ),
    "a removed row": (
        lambda desk: desk.sql("DELETE FROM transactions WHERE id = ?", desk.txn),
        8,
        "a transaction row for this stream",
    ),
    "a number of the row": (
        lambda desk: desk.set("transactions", "refunded_amount = 2999"),
        8,
        "row.refunded_amount to be 3000",
    ),
    "a text of the row": (
        lambda desk: desk.set("transactions", "status = 'approved'"),
        8,
        "row.status to be 'partially_refunded'",
    ),
    "personal values of no entry": (
        lambda desk: desk.sql("INSERT INTO personal VALUES (?, 9, '{}')", desk.txn),
        9,
        _COMMITS,
    ),
    "personal values not committed to": (
        lambda desk: desk.sql(
            "INSERT INTO personal VALUES (?, 2, ?)", desk.txn, '{"reason":["' + "0" * 64 + '","x"]}'
        ),
        2,
        _OPENS,
    ),
    "a changed reason": (
        lambda desk: desk.set("personal", "fields = replace(fields, 'broken', 'x')", seq=5),
        5,
        _OPENS,
    ),
    "a number for a value": (
        lambda desk: desk.set("personal", "fields = replace(fields, '\"broken\"', '1')", seq=5),
        5,
        _OPENS,
    ),
    **{
        f"personal values of {fields[:9]!r}": (
            lambda desk, fields=fields: desk.set("personal", "fields = ?", fields, seq=1),
            1,
            _OPENS,
        )
        for fields in ("x", "[]", '{"item_name":1}', '{"item_name":["z","a"]}', '{"a":' * 5_000)
    },
    **{
        f"the copy of {named} as {value[:40]}": (
            lambda desk, column=column, value=value: desk.set(
                "transactions", f"{column} = ?", value
            ),
            1,
            f"row.{named} to be the value that create commits to",
        )
        for column, value, named in (
            ("customer_id", "user-8", "customer_id"),
            ("item_name", "gold", "item_name"),
            ("order_id", "order-9", "order_id"),
            ("metadata", '{"a":"c"}', "metadata"),
            ("metadata", "{}", "metadata"),
            ("urls", "", "urls"),
            ("urls", "x", "urls"),
            ("urls", "[]", "urls"),
            ("urls", '{"a":' * 5_000, "urls"),
            ("urls", "{}", "return_url"),
            ("urls", '{"return_url":"https://evil.example/"}', "return_url"),
            ("urls", '{"return_url":"https://shop.example/","fail_url":"x"}', "fail_url"),
            ("urls", '{"return_url":"https://shop.example/","odd":"x"}', "odd"),
        )
    },
}
"""What an insider does to the rich payment, the place that is named, what was expected there."""


@pytest.mark.parametrize("name", list(BAD))
def test_each_finding_names_its_place_and_reason(desk: Desk, name: str) -> None:
    insider, seq, expected = BAD[name]
    insider(desk)
    found = verify_stream(desk.book.store, desk.txn.encode())
    assert found == Finding(desk.txn, seq, expected)


def test_a_wrong_hash_is_told_the_right_one(desk: Desk) -> None:
    right = hash_of(canonical(desk.entries()[1]))
    desk.set("entries", "hash = ?", ZERO_HASH, seq=2)
    found = verify_stream(desk.book.store, desk.txn.encode())
    assert found == Finding(desk.txn, 2, f"hash {right}, computed from the stored bytes")


def test_a_broken_chain_is_told_the_hash_before(desk: Desk) -> None:
    forged = canonical(desk.entries()[1] | {"actor": "operator:mallory"})
    desk.write(2, forged)
    found = verify_stream(desk.book.store, desk.txn.encode())
    says = f"prev_hash {hash_of(forged)}, the hash of the entry before"
    assert found == Finding(desk.txn, 3, says)


def test_time_may_not_even_stand_still(desk: Desk) -> None:
    at = desk.entries()[1]["occurred_at"]
    desk.forge(3, occurred_at=at)
    found = verify_stream(desk.book.store, desk.txn.encode())
    assert found == Finding(desk.txn, 3, f"a time after {at}, the entry before")


def test_a_log_may_begin_at_time_zero(desk: Desk) -> None:
    desk.forge(1, occurred_at=0)
    found = verify_stream(desk.book.store, desk.txn.encode())
    assert found is not None
    assert (found.seq, found.expected[:17]) == (8, "row.head_hash to ")


def test_a_stream_under_another_name_is_found(desk: Desk) -> None:
    desk.set("entries", "stream = 'txn_z'", seq=1)
    found = verify_stream(desk.book.store, b"txn_z")
    assert found == Finding("txn_z", 1, "column stream to repeat the entry's stream")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("customer_id = 'x'", "customer_id"),
        ('metadata = \'{"a":"b"}\'', "metadata"),
        ('urls = \'{"fail_url":"x"}\'', "fail_url"),
    ],
)
def test_a_copy_of_what_was_never_given_is_found(desk: Desk, change: str, named: str) -> None:
    desk.sql(f"UPDATE transactions SET {change} WHERE id = ?", desk.bare)
    found = verify_stream(desk.book.store, desk.bare.encode())
    says = f"row.{named} to be the value that create commits to"
    assert found == Finding(desk.bare, 1, says)


def test_an_honest_book_is_reported_whole(desk: Desk) -> None:
    counted = desk.book.store.rows("SELECT COUNT(*) AS n, COUNT(DISTINCT stream) AS s FROM entries")
    report = verify(desk.book.store)
    assert report == Report(counted[0]["n"], counted[0]["s"], ())
    assert (report.whole, report.slow, report.streams) == (True, 3, 3)


def test_each_bad_stream_is_reported_once(desk: Desk) -> None:
    desk.sql("DELETE FROM entries WHERE stream = ?", desk.bare)
    desk.sql("UPDATE entries SET hash = ? WHERE seq > 1", ZERO_HASH)
    desk.sql("INSERT INTO personal VALUES (CAST(x'ff' AS TEXT), 7, '{}')")
    report = verify(desk.book.store)
    found = [(finding.stream, finding.seq) for finding in report.findings]
    places = [("book", 2), (desk.txn, 2), (desk.bare, 1), (desk.bare, 1), ("\\xff", 7)]
    assert (found, report.whole) == (places, False)
    assert [finding.expected for finding in report.findings[2:]] == [
        "a log for this transaction",
        _COMMITS,
        _COMMITS,
    ]


def test_names_that_are_no_text_are_shown(desk: Desk) -> None:
    desk.sql("UPDATE entries SET stream = CAST(x'ff' AS TEXT) WHERE stream = ?", desk.bare)
    desk.sql("UPDATE transactions SET id = CAST(x'fe' AS TEXT) WHERE id = ?", desk.bare)
    desk.sql("UPDATE personal SET stream = CAST(x'fd' AS TEXT) WHERE stream = ?", desk.bare)
    found = [(finding.stream, finding.seq) for finding in verify(desk.book.store).findings]
    assert found == [("\\xff", 1), ("\\xfe", 1), ("\\xfd", 1)]


def test_a_stream_of_nothing_has_nothing_wrong(desk: Desk) -> None:
    assert verify_stream(desk.book.store, b"txn_nobody") is None


def test_values_of_the_book_are_copied_to_no_row(desk: Desk) -> None:
    desk.sql("INSERT INTO personal VALUES ('book', 1, '{}')")
    assert verify_stream(desk.book.store, b"book") is None


def test_erased_personal_values_leave_the_stream_whole(desk: Desk) -> None:
    desk.sql("DELETE FROM personal WHERE seq = 5")
    assert verify_stream(desk.book.store, desk.txn.encode()) is None


def test_replay_gives_every_step_and_stops_at_the_first_bad(desk: Desk) -> None:
    steps = list(replay(desk.book.store, desk.txn))
    assert [step.entry.fields for step in steps] == desk.entries()
    assert [step.entry.raw for step in steps] == [canonical(one) for one in desk.entries()]
    assert [step.after.head_seq for step in steps if step.after] == list(range(1, 9))
    assert [step.after for step in replay(desk.book.store, "book")][:1] == [None]
    desk.set("entries", "hash = ?", ZERO_HASH, seq=3)
    honest = iter(replay(desk.book.store, desk.txn))
    assert [next(honest).entry.fields["seq"] for _ in range(2)] == [1, 2]


def test_a_salt_is_its_one_spelling() -> None:
    assert salt_of("0f" * 32) == b"\x0f" * 32
    for text in ("0F" * 32, "0f" * 31, "zz" * 32):
        with pytest.raises(ValueError, match="a salt") as caught:
            salt_of(text)
        assert str(caught.value) == "a salt is 32 bytes in lower-case hex"
