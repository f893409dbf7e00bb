"""Storage: durable connections, writes that wait their turn, failures that stop the step."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import apsw
import peewee
import pytest
from house import House

from engine.book import record
from engine.clock import Clock
from engine.dialect import LOCK_WAIT_S, DurableSqlite, exclusive, pragmas
from engine.errors import StorageTrouble
from engine.fire import Ledger
from engine.store import _NAMED as NAMED
from engine.store import Store, sqlite_path

CHECKS = (
    "refunded_amount = 12001",
    "captured_amount = 12001",
    "refunded_amount = -1",
    "amount = 0",
    "amount = 12.5",
    "amount = 'many'",
    "refunded_vat = vat_amount + 1",
    "attempts = 6",
    "status = 'approving'",
)


def test_every_connection_is_durable(house: House) -> None:
    found: list[dict[str, object]] = []

    def look() -> None:
        found.append(pragmas(house.store.db))
        house.store.close()

    other = threading.Thread(target=look)
    other.start()
    other.join()
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
    assert found == [expected]


@pytest.mark.parametrize("change", CHECKS)
def test_the_database_refuses_impossible_money(house: House, change: str) -> None:
    txn = house.approved()
    with pytest.raises(peewee.IntegrityError):
        house.store.db.execute_sql(f"UPDATE transactions SET {change} WHERE id = ?", (txn,))


def test_two_connections_that_read_then_write_wait_for_each_other(house: House) -> None:
    failures: list[Exception] = []

    def write_book() -> None:
        store = Store(f"sqlite:///{house.store.path}")
        ledger = Ledger(store, Clock())
        try:
            for _ in range(60):
                with store.write():
                    record(ledger, "merchant_created", {"merchant": "m"}, "operator:test")
        except Exception as error:
            failures.append(error)
        finally:
            store.close()

    writers = [threading.Thread(target=write_book) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []


def test_a_locked_database_is_a_storage_trouble_and_then_works_again(house: House) -> None:
    house.store.writer.setbusytimeout(50)
    holder = apsw.Connection(str(house.store.path))
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageTrouble) as caught:
        house.create()
    holder.execute("ROLLBACK")
    holder.close()
    assert caught.value.retry_after
    assert house.status(house.create()) == "created"


def test_a_full_disk_starts_nothing_at_the_gateway(house: House) -> None:
    txn = house.ready()
    pages = house.store.writer.pragma("page_count")
    house.store.writer.pragma("max_page_count", pages)
    with pytest.raises(StorageTrouble):
        _create_many(house)
    with pytest.raises(StorageTrouble):
        house.payments.approve(house.caller(), txn, "pg-token-1")
    assert "approve" not in house.gateway.calls
    house.store.writer.pragma("max_page_count", pages + 10_000)
    house.payments.approve(house.caller(), txn, "pg-token-1")
    assert house.status(txn) == "approved"


def _create_many(house: House) -> None:
    for _ in range(300):
        house.create()


def test_a_step_that_fails_midway_leaves_nothing(house: House) -> None:
    txn = house.ready()
    house.store.db.execute_sql(
        "CREATE TRIGGER fault BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'fault'); END"
    )
    with pytest.raises(peewee.IntegrityError):
        house.payments.fire(house.caller("key-0001"), txn, "cancel", None)
    house.store.db.execute_sql("DROP TRIGGER fault")
    assert house.status(txn) == "ready"
    assert house.store.rows("SELECT * FROM idempotency WHERE route = 'POST /test'") == []
    assert house.payments.fire(house.caller("key-0001"), txn, "cancel", None).code == "ok"


def test_migrating_twice_does_nothing(house: House) -> None:
    assert house.store.migrate() == []
    assert house.store.pending_migrations() == []


@pytest.mark.parametrize("url", ["sqlite:///", "mysql://x", "strada.db", ""])
def test_a_strange_database_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="STRADA_DATABASE_URL"):
        sqlite_path(url)


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with (
        exclusive(lock, "taken"),
        pytest.raises(BlockingIOError, match="taken"),
        exclusive(lock, "taken"),
    ):
        pass
    with exclusive(lock, "taken"):
        assert lock.exists()


def test_a_transaction_that_sqlite_gave_up_is_no_commit(house: House) -> None:
    with pytest.raises(StorageTrouble) as raised, house.store.write():
        house.store.execute("ROLLBACK")
    assert "gave the transaction up" in raised.value.detail
    assert house.create()


def test_a_write_inside_a_write_is_a_mistake(house: House) -> None:
    with house.store.write(), pytest.raises(RuntimeError, match="wait for itself"):
        house.create()
    assert house.create()


def test_who_waits_for_the_writer_is_told_in_time(house: House) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with house.store.write():
            held.set()
            done.wait(30)
        house.store.close()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    begun = time.monotonic()
    with pytest.raises(StorageTrouble) as raised:
        house.create()
    assert time.monotonic() - begun >= LOCK_WAIT_S
    done.set()
    holder.join(10)
    assert "locked" in raised.value.detail
    assert house.create()


def test_closing_twice_closes_once(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'strada.db'}")
    store.migrate()
    for _ in range(2):
        store.close()
        assert store.db.is_closed()


def test_a_value_that_no_column_holds_is_refused(house: House) -> None:
    with pytest.raises(TypeError, match="set cannot be stored"):
        house.store.rows("SELECT ?", ({1},))


def test_a_database_that_cannot_be_durable_is_not_opened() -> None:
    db = DurableSqlite(":memory:")  # SQLite keeps no write-ahead log for it
    with pytest.raises(RuntimeError, match="did not take the pragmas"):
        db.connect()


def test_an_sqlite_that_loses_data_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlitelibversion", lambda: "3.50.6")
    with pytest.raises(RuntimeError, match=r"3\.50\.6 can lose data"):
        DurableSqlite("strada.db")


def test_a_reader_hinders_emptying_the_log_of_writes(house: House) -> None:
    reader = apsw.Connection(str(house.store.path))
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM entries").fetchall()
    house.create()
    house.store.db.connection().setbusytimeout(50)
    assert house.store.scrub() is False
    reader.close()
    assert house.store.scrub() is True


def test_a_column_that_somebody_adds_is_read_from_then_on(house: House) -> None:
    statement = "SELECT * FROM settings"
    assert "added" not in house.store.rows(statement)[0]
    other = apsw.Connection(str(house.store.path))
    other.execute("ALTER TABLE settings ADD COLUMN added TEXT")
    other.close()
    assert "added" in house.store.rows(statement)[0]


def test_statements_beyond_those_remembered_are_read_as_well(house: House) -> None:
    for number in range(NAMED + 9):
        assert house.store.rows(f"SELECT 1 AS n{number}") == [{f"n{number}": 1}]
