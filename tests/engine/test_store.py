"""Storage: durable connections, writes that wait their turn, failures that stop the step."""

from __future__ import annotations

import threading
from pathlib import Path

import apsw
import peewee
import pytest
from house import House

from engine.book import record
from engine.clock import Clock
from engine.dialect import exclusive, pragmas
from engine.errors import StorageTrouble
from engine.fire import Ledger
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
