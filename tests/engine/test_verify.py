"""The verifier finds what was tampered with, and names the entry."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peewee
import pytest
from house import House

from engine.canonical import canonical
from engine.entry import hash_of
from engine.store import Store
from engine.verify import replay, verify

TRIGGERS = ("entries_never_updated", "entries_never_deleted", "entries_in_order")


@pytest.fixture
def book(house: House, tmp_path: Path) -> Callable[[str, tuple[Any, ...]], Any]:
    """A copy of a real book without its triggers; returns tamper(sql, params) → report."""
    txn = house.approved()
    house.payments.refund(house.caller("key-0001"), txn, 3_000, reason="broken")
    house.store.db.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def tamper(sql: str, params: tuple[Any, ...] = ()) -> Any:
        copy = tmp_path / "copy.db"
        shutil.copy(house.store.path, copy)
        store = Store(f"sqlite:///{copy}")
        for trigger in TRIGGERS:
            store.db.execute_sql(f"DROP TRIGGER {trigger}")
        store.db.execute_sql(sql.replace(":txn", f"'{txn}'"), params)
        report = verify(store)
        store.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{copy}{suffix}").unlink(missing_ok=True)
        return report

    return tamper


def test_an_untouched_copy_is_whole(book: Any) -> None:
    report = book("SELECT 1")
    assert (report.whole, report.findings) == (True, ())
    assert report.entries >= 6


@pytest.mark.parametrize("seq", range(1, 7))
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("kind", "'note'"),
        ("event", "event || 'x'"),
        ("occurred_at", "occurred_at + 1"),
        ("hash", "'f' || substr(hash, 2)"),
        ("hash", "'0' || substr(hash, 2)"),
        ("entry", 'replace(entry, \'"actor":"\', \'"actor":"x\')'),
        ("entry", "entry || ' '"),
    ],
)
def test_a_changed_column_names_its_entry(book: Any, seq: int, column: str, value: str) -> None:
    report = book(
        f"UPDATE entries SET {column} = {value} WHERE stream = :txn AND seq = {seq} "
        f"AND {column} <> {value}"
    )
    if column != "hash":
        assert not report.whole
    for found in report.findings:
        assert found.seq == seq


def test_a_moved_seq_is_found(book: Any) -> None:
    report = book("UPDATE entries SET seq = 60 WHERE stream = :txn AND seq = 6")
    assert [found.seq for found in report.findings] == [60]


def test_a_missing_entry_is_found(book: Any) -> None:
    report = book("DELETE FROM entries WHERE stream = :txn AND seq = 3")
    assert report.findings[0].expected.startswith("seq 3")


def test_a_cut_tail_shows_in_the_row(book: Any) -> None:
    report = book("DELETE FROM entries WHERE stream = :txn AND seq = 6")
    assert "row." in report.findings[0].expected


def test_a_removed_log_leaves_its_row(book: Any) -> None:
    report = book("DELETE FROM entries WHERE stream = :txn")
    assert "a log for this transaction" in [found.expected for found in report.findings]


@pytest.mark.parametrize(
    "change",
    ["status = 'completed'", "captured_amount = 11999", "refunded_amount = 2999", "version = 9"],
)
def test_an_edited_row_is_not_its_fold(book: Any, change: str) -> None:
    assert not book(f"UPDATE transactions SET {change} WHERE id = :txn").whole


def test_an_altered_personal_value_breaks_its_commitment(book: Any) -> None:
    report = book("UPDATE personal SET fields = replace(fields, 'broken', 'brokeN')")
    assert [found.seq for found in report.findings] == [5]


def test_a_salt_has_one_spelling(house: House, book: Any) -> None:
    kept = house.store.rows("SELECT fields FROM personal WHERE seq = 1")[-1]["fields"]
    salt = json.loads(kept)["item_name"][0]
    other = kept.replace(salt, salt.upper())
    assert other != kept
    report = book("UPDATE personal SET fields = ? WHERE seq = 1", (other,))
    assert [found.seq for found in report.findings] == [1]


@pytest.mark.parametrize(
    "change",
    [
        "item_name = 'gold'",
        "customer_id = 'user-8'",
        "order_id = 'order-9'",
        'urls = \'{"return_url":"https://evil.example/"}\'',
        "urls = 'x'",
        'metadata = \'{"a":"b"}\'',
    ],
)
def test_a_row_copies_what_its_log_commits_to(book: Any, change: str) -> None:
    report = book(f"UPDATE transactions SET {change} WHERE id = :txn")
    assert [found.seq for found in report.findings] == [1]


@pytest.mark.parametrize("fields", ["x", "[]", '{"item_name":1}', '{"item_name":["zz","a"]}'])
def test_odd_personal_values_are_a_finding_not_a_failure(book: Any, fields: str) -> None:
    report = book("UPDATE personal SET fields = ? WHERE seq = 1", (fields,))
    assert [found.seq for found in report.findings] == [1]


def test_personal_values_of_no_entry_are_found(book: Any) -> None:
    report = book("INSERT INTO personal VALUES ('txn_nobody', 3, '{}')")
    assert [(found.stream, found.seq) for found in report.findings] == [("txn_nobody", 3)]


@pytest.mark.parametrize("entry", ["CAST(x'ff' AS TEXT)", "'" + '{"a":' * 5000 + "'", "'[]'", "''"])
def test_odd_bytes_are_a_finding_not_a_failure(book: Any, entry: str) -> None:
    report = book(f"UPDATE entries SET entry = {entry} WHERE stream = :txn AND seq = 2")
    assert [found.seq for found in report.findings] == [2]


@pytest.mark.parametrize("seq", range(1, 6))
def test_an_entry_rewritten_with_a_right_hash_breaks_the_next(
    house: House, book: Any, seq: int
) -> None:
    row = house.store.rows("SELECT stream, entry FROM entries WHERE seq = ?", (seq,))[-1]
    forged = canonical(json.loads(row["entry"]) | {"actor": "operator:mallory"})
    report = book(
        f"UPDATE entries SET entry = ?, hash = ? WHERE stream = :txn AND seq = {seq}",
        (forged.decode(), hash_of(forged)),
    )
    assert [found.seq for found in report.findings] == [seq + 1]


def test_an_erased_personal_value_breaks_nothing(book: Any) -> None:
    assert book("DELETE FROM personal").whole


def test_an_illegal_step_with_a_correct_hash_is_found(house: House, tmp_path: Path) -> None:
    txn = house.create()
    row = house.store.rows("SELECT * FROM entries WHERE stream = ?", (txn,))[0]
    forged = json.loads(row["entry"])
    forged |= {"seq": 2, "event": "complete", "source": "created", "target": "completed"}
    forged |= {"data": {}, "prev_hash": row["hash"], "occurred_at": forged["occurred_at"] + 1}
    raw = canonical(forged)
    copy = tmp_path / "copy.db"
    house.store.db.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(house.store.path, copy)
    store = Store(f"sqlite:///{copy}")
    values = (txn, 2, "transition", "complete", forged["occurred_at"], hash_of(raw), raw.decode())
    store.db.execute_sql("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    found = verify(store).findings[0]
    store.close()
    assert (found.seq, "a transition of its chart" in found.expected) == (2, True)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE entries SET kind = 'note'",
        "DELETE FROM entries",
        "REPLACE INTO entries SELECT * FROM entries WHERE seq = 1 LIMIT 1",
        "INSERT INTO entries SELECT stream, 9, kind, event, occurred_at, hash, entry FROM entries "
        "WHERE seq = 1 LIMIT 1",
    ],
)
def test_the_database_itself_refuses_to_change_the_log(house: House, sql: str) -> None:
    house.create()
    with pytest.raises(peewee.DatabaseError):
        house.store.db.execute_sql(sql)


def test_replay_folds_to_the_row(house: House) -> None:
    txn = house.approved()
    steps = list(replay(house.store, txn))
    last = steps[-1].after
    assert last is not None
    assert (last.status, last.head_seq) == ("approved", 4)
