"""The sequencer: no hole, no double, whoever dies when, and one at a time."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import peewee
import pytest
from house import House

from engine.book import record
from engine.clock import Clock
from engine.errors import StorageTrouble
from engine.proofs import Tree
from engine.sequencer import BATCH, BATCHES_A_ROUND, Sequencer
from engine.store import Row, Store
from engine.verify_tree import verify_tree

ROOT = Path(__file__).resolve().parents[2]


def fill(house: House, entries: int) -> None:
    """Put so many entries into the book."""
    with house.store.write():
        for number in range(entries):
            record(house.ledger, "key_revoked", {"key": f"key_{number}"}, "operator:test")


def count(house: House, table: str) -> int:
    return int(house.store.rows(f"SELECT COUNT(*) AS n FROM {table}")[0]["n"])


def whole(house: House) -> bool:
    """Every entry has its one place, and the tree over them is right."""
    house.audit.sequencer.drain()
    assert (count(house, "tree"), count(house, "outbox")) == (count(house, "entries"), 0)
    return verify_tree(house.store) == []


def test_entries_get_places_in_the_order_of_their_streams(house: House) -> None:
    txns = [house.approved() for _ in range(3)]
    assert house.audit.sequencer.run_once() == count(house, "entries")
    for txn in txns:
        rows = house.store.rows("SELECT seq FROM tree WHERE stream = ? ORDER BY position", (txn,))
        assert [row["seq"] for row in rows] == [1, 2, 3, 4]
    positions = house.store.rows("SELECT position FROM tree ORDER BY position")
    assert [row["position"] for row in positions] == list(range(count(house, "entries")))
    assert whole(house)


def test_growing_by_rounds_is_growing_at_once(house: House) -> None:
    dice = random.Random(7)
    for _ in range(40):
        fill(house, dice.randrange(9))
        house.audit.sequencer.run_once()
    assert whole(house)


def test_a_long_queue_is_moved_in_batches(house: House) -> None:
    fill(house, 2 * BATCH + 1)
    house.approved()
    assert whole(house)


FAULTS = {
    "the lease": "BEFORE INSERT ON leases",
    "the first leaf": "BEFORE INSERT ON tree",
    "a later leaf": "BEFORE INSERT ON tree WHEN NEW.position = 9",
    "a node": "BEFORE INSERT ON tree_nodes WHEN NEW.level = 2",
    "the queue": "BEFORE DELETE ON outbox WHEN OLD.seq = 3",
}


@pytest.mark.parametrize("step", list(FAULTS))
def test_a_batch_that_fails_anywhere_leaves_nothing(house: House, step: str) -> None:
    fill(house, 12)
    waiting = count(house, "outbox")
    house.store.db.execute_sql(
        f"CREATE TRIGGER fault {FAULTS[step]} BEGIN SELECT RAISE(ABORT, 'fault'); END"
    )
    with pytest.raises(peewee.IntegrityError, match="fault"):
        house.audit.sequencer.run_once()
    assert [count(house, name) for name in ("tree", "tree_nodes", "outbox", "leases")] == [
        0,
        0,
        waiting,
        0,
    ]
    house.store.db.execute_sql("DROP TRIGGER fault")
    assert whole(house)


DRAIN = """
import sys
from engine.clock import Clock
from engine.sequencer import Sequencer
from engine.store import Row, Store
Sequencer(Store("sqlite:///" + sys.argv[1]), Clock(scale=50)).drain(1000)
"""


def test_killing_it_again_and_again_loses_and_doubles_nothing(house: House) -> None:
    fill(house, 20 * BATCH)
    killed = 0
    for _ in range(40):
        before = count(house, "tree")
        dead = subprocess.Popen([sys.executable, "-c", DRAIN, str(house.store.path)], cwd=ROOT)
        ends = time.monotonic() + 20
        while count(house, "tree") == before and dead.poll() is None:
            assert time.monotonic() < ends
        dead.send_signal(signal.SIGKILL)
        killed += dead.wait(10) == -signal.SIGKILL
        assert verify_tree(house.store) == []
        if killed == 3 or count(house, "outbox") == 0:
            break
    assert killed, "the sequencer was never killed at work"
    with house.store.write():
        house.store.execute("UPDATE leases SET until = 0")  # it lived by the real clock
    assert whole(house)


def test_two_at_once_place_everything_once(house: House) -> None:
    fill(house, 6 * BATCH)

    def drain() -> None:
        store = Store(f"sqlite:///{house.store.path}")
        Sequencer(store, Clock()).drain()
        store.close()

    both = [threading.Thread(target=drain) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    assert whole(house)


def leased(house: House, until: int) -> None:
    with house.store.write():
        house.store.execute("INSERT INTO leases VALUES ('sequencer', 'another', ?)", (until,))


def test_a_lease_of_another_is_respected_and_outlived(house: House) -> None:
    leased(house, house.time.now + 5_000_000)
    fill(house, 3)
    assert house.audit.sequencer.run_once() == 0
    house.time.advance(5)
    assert house.audit.sequencer.run_once() == count(house, "entries")


def test_waiting_for_another_has_an_end(house: House) -> None:
    leased(house, house.time.now + 500_000_000)
    clock = Clock(house.time.now_us, house.time.monotonic, house.time.advance)
    with pytest.raises(StorageTrouble) as trouble:
        Sequencer(house.store, clock).drain(10)
    house.time.advance(500)
    assert "queue" in trouble.value.detail


def test_one_that_was_overtaken_decides_again(house: House) -> None:
    fill(house, 5)
    late = Sequencer(house.store, house.ledger.clock)
    rows = house.store.rows("SELECT stream, seq, '0' AS hash, 0 AS head FROM outbox")
    stale = late._plan([row | {"hash": "00" * 32} for row in rows])
    assert house.audit.sequencer.run_once() == count(house, "entries")
    assert late._commit(stale, ("", 0), False) is False
    assert whole(house)


class Interrupted(Store):
    """A store whose reader of the queue is overtaken before it reads anything else."""

    overtake: Callable[[], object] | None = None

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        found = super().rows(sql, params)
        if "FROM outbox o" in sql and self.overtake is not None:
            overtake, self.overtake = self.overtake, None
            overtake()
        return found


def test_a_plan_is_made_of_one_moment(house: House) -> None:
    fill(house, 5)
    store = Interrupted(f"sqlite:///{house.store.path}")
    store.overtake = house.audit.sequencer.run_once
    Sequencer(store, house.ledger.clock).run_once()
    store.close()
    assert store.overtake is None
    assert whole(house)


def test_a_lost_place_in_the_queue_is_found_in_the_log(house: House) -> None:
    txn = house.approved()
    with house.store.write():
        house.store.execute("DELETE FROM outbox WHERE stream = ? AND seq < 4", (txn,))
    assert whole(house)


def test_a_queued_entry_that_is_not_there_stops_nobody_else(house: House) -> None:
    txn = house.approved()
    with house.store.write():
        house.store.execute("INSERT INTO outbox VALUES ('a stranger', 1), (?, 9)", (txn,))
    house.audit.sequencer.drain()
    assert Tree(house.store).size() == count(house, "entries")
    assert verify_tree(house.store) == []


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE tree SET hash = '00' WHERE position = 0",
        "DELETE FROM tree WHERE position = 0",
        "INSERT INTO tree VALUES (99, 'txn_x', 1, '00')",
        "INSERT INTO tree SELECT 1 + MAX(position), 'book', 9, '00' FROM tree",
        "REPLACE INTO tree SELECT 1 + MAX(position), 'book', 1, '00' FROM tree",
        "UPDATE tree_nodes SET place = 7",
        "DELETE FROM tree_nodes",
        "REPLACE INTO tree_nodes SELECT * FROM tree_nodes WHERE place = 0",
    ],
)
def test_the_database_itself_refuses_to_change_the_tree(house: House, sql: str) -> None:
    fill(house, 3)
    house.audit.sequencer.run_once()
    with pytest.raises(peewee.IntegrityError, match="tree"):
        house.store.db.execute_sql(sql)


def test_a_round_takes_its_batches_and_no_more(house: House) -> None:
    most = BATCHES_A_ROUND * BATCH
    fill(house, most + 1)
    assert house.audit.sequencer.run_once() == most
    assert whole(house)


def test_what_can_never_be_placed_ends_a_full_batch(house: House) -> None:
    house.audit.sequencer.drain()
    fill(house, BATCH - 1)
    with house.store.write():
        house.store.execute("INSERT INTO outbox VALUES ('a stranger', 1)")
    assert house.audit.sequencer.run_once() == BATCH - 1
    assert count(house, "outbox") == 1


def test_what_is_placed_already_is_not_placed_again(house: House) -> None:
    txn = house.approved()
    size = house.audit.sequencer.drain()
    with house.store.write():
        house.store.execute("INSERT INTO outbox VALUES (?, 2), (?, 3)", (txn, txn))
    assert house.audit.sequencer.drain() == size
    assert whole(house)
