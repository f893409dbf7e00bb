"""Tampering that a chain cannot see is found by the tree, or by a checkpoint kept elsewhere."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bench.books import fill, moulds, prepared
from house import House

from engine.canonical import canonical
from engine.clock import Clock
from engine.entry import hash_of
from engine.fold import COLUMNS
from engine.note import Checkpoint
from engine.proofs import Tree, TreeDamaged
from engine.sequencer import Sequencer
from engine.store import Store
from engine.tree import append, leaf_hash
from engine.verify import replay, verify
from engine.verify_tree import BATCH, TREE, verify_tree

TRIGGERS = "entries_never_updated entries_never_deleted entries_in_order tree_never_updated "
TRIGGERS += "tree_never_deleted tree_in_order tree_nodes_never_updated tree_nodes_never_deleted "
TRIGGERS += "tree_nodes_in_order"


class Insider:
    """Somebody with the database in hand, who can compute hashes as well as we can."""

    def __init__(self, house: House, path: Path) -> None:
        self.txns = [house.approved() for _ in range(3)]
        signed = house.audit.checkpoints.head()
        self.checkpoint: Checkpoint = signed.checkpoint
        house.store.db.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(house.store.path, path)
        self.store = Store(f"sqlite:///{path}")
        for name in (*TRIGGERS.split(), "feed_never_deleted"):
            self.do(f"DROP TRIGGER {name}")
        self.do("PRAGMA foreign_keys = 0")

    def do(self, sql: str, *params: object) -> None:
        self.store.db.execute_sql(sql, params)

    def findings(self, checkpoint: Checkpoint | None = None) -> list[tuple[str, int]]:
        return [(one.stream, one.seq) for one in verify_tree(self.store, checkpoint)]

    def grow_again(self) -> None:
        """Compute the whole tree anew over what the log holds now."""
        rows = self.store.rows(
            "SELECT t.stream, t.seq, e.hash FROM tree t JOIN entries e "
            "ON e.stream = t.stream AND e.seq = t.seq ORDER BY t.position"
        )
        self.do("DELETE FROM feed")
        self.do("DELETE FROM tree")
        self.do("DELETE FROM tree_nodes")
        for position, row in enumerate(rows):
            self.do("INSERT INTO tree VALUES (?, ?, ?, ?)", position, *row.values())
        leaves = [leaf_hash(bytes.fromhex(row["hash"])) for row in rows]
        for node in append(0, leaves, lambda level, place: b"")[0]:
            self.do("INSERT INTO tree_nodes VALUES (?, ?, ?)", *node)
        self.do(
            "INSERT INTO feed SELECT x.merchant, t.position FROM tree t "
            "JOIN transactions x ON x.id = t.stream ORDER BY t.position"
        )

    def row_to_fold(self, txn: str) -> None:
        last = [step.after for step in replay(self.store, txn)][-1]
        sets = ", ".join(f"{name} = ?" for name in COLUMNS)
        values = [getattr(last, name) for name in COLUMNS]
        self.do(f"UPDATE transactions SET {sets} WHERE id = ?", *values, txn)


@pytest.fixture
def insider(house: House, tmp_path: Path) -> Iterator[Insider]:
    built = Insider(house, tmp_path / "copy.db")
    assert verify(built.store).whole
    assert built.findings(built.checkpoint) == []
    yield built
    built.store.close()


def cut_tail(insider: Insider) -> None:
    """The approval of the last payment never happened."""
    txn = insider.txns[-1]
    insider.do("DELETE FROM entries WHERE stream = ? AND seq = 4", txn)
    insider.do("DELETE FROM entries WHERE stream = ? AND seq = 3", txn)
    insider.row_to_fold(txn)


def remove_stream(insider: Insider) -> None:
    """The second payment never was."""
    txn = insider.txns[1]
    for table, column in (("operations", "txn"), ("personal", "stream"), ("transactions", "id")):
        insider.do(f"DELETE FROM {table} WHERE {column} = ?", txn)
    insider.do("DELETE FROM entries WHERE stream = ?", txn)


def rewrite(insider: Insider) -> None:
    """The first payment was made by somebody else; every hash after it is right again."""
    txn, head = insider.txns[0], "0" * 64
    rows = insider.store.rows("SELECT seq, entry FROM entries WHERE stream = ?", (txn,))
    for row in rows:
        fields = json.loads(row["entry"]) | {"prev_hash": head}
        if row["seq"] == 1:
            fields["actor"] = "key:another"
        raw = canonical(fields)
        head = hash_of(raw)
        sql = "UPDATE entries SET entry = ?, hash = ? WHERE stream = ? AND seq = ?"
        insider.do(sql, raw.decode(), head, txn, row["seq"])
    insider.row_to_fold(txn)


CONSISTENT = (cut_tail, remove_stream, rewrite)


@pytest.mark.parametrize("tamper", CONSISTENT)
def test_the_tree_names_what_the_chain_cannot_see(
    insider: Insider, tamper: Callable[[Insider], None]
) -> None:
    tamper(insider)
    assert verify(insider.store).whole
    stream, _ = insider.findings()[0]
    assert (
        stream == insider.txns[{"cut_tail": 2, "remove_stream": 1, "rewrite": 0}[tamper.__name__]]
    )


@pytest.mark.parametrize("tamper", CONSISTENT)
def test_a_checkpoint_sees_what_a_tree_made_anew_hides(
    insider: Insider, tamper: Callable[[Insider], None]
) -> None:
    tamper(insider)
    insider.grow_again()
    assert verify(insider.store).whole
    assert insider.findings() == []
    assert [stream for stream, _ in insider.findings(insider.checkpoint)] == [TREE]


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("UPDATE tree SET hash = '{zeros}' WHERE position = 5", "place"),
        ("UPDATE tree SET hash = 'none' WHERE position = 5", "place"),
        ("DELETE FROM tree WHERE position = 5", "gap"),
        ("UPDATE tree_nodes SET hash = x'{zeros}' WHERE level = 1 AND place = 2", "place"),
        ("DELETE FROM tree_nodes WHERE level = 1 AND place = 2", "place"),
        ("INSERT INTO tree_nodes VALUES (1, 99, x'{zeros}')", TREE),
        ("INSERT INTO tree_nodes VALUES (40, 0, x'{zeros}')", TREE),
        ("INSERT INTO tree SELECT MAX(position) + 1, 'txn_x', 1, '{zeros}' FROM tree", "txn_x"),
    ],
)
def test_an_edited_tree_is_found_at_its_place(insider: Insider, sql: str, found: str) -> None:
    rows = insider.store.rows("SELECT stream, seq FROM tree WHERE position IN (5, 6)")
    places = {"place": rows[0]["stream"], "gap": rows[1]["stream"]}
    insider.do(sql.format(zeros="0" * 64))
    assert insider.findings()[0][0] == places.get(found, found)


def test_swapped_entries_of_a_stream_are_found(insider: Insider) -> None:
    txn = insider.txns[0]
    for seq, other in ((2, 99), (3, 2), (99, 3)):
        insider.do("UPDATE tree SET seq = ? WHERE stream = ? AND seq = ?", other, txn, seq)
    insider.grow_again()
    assert insider.findings() == [(txn, 3)]


def test_an_entry_without_a_place_is_found(insider: Insider) -> None:
    position = insider.store.rows("SELECT MAX(position) AS p FROM tree")[0]["p"]
    row = insider.store.rows("SELECT stream, seq FROM tree WHERE position = ?", (position,))[0]
    insider.do("DELETE FROM tree WHERE position = ?", position)
    insider.grow_again()
    assert insider.findings() == [(row["stream"], row["seq"])]


def test_what_waits_in_the_queue_is_not_missing(house: House) -> None:
    house.audit.sequencer.drain()
    house.approved()
    assert verify_tree(house.store) == []


def test_a_longer_log_extends_an_earlier_checkpoint(house: House) -> None:
    heads = [house.audit.checkpoints.head().checkpoint]
    for _ in range(5):
        house.approved()
        heads.append(house.audit.checkpoints.head().checkpoint)
    assert [verify_tree(house.store, one) for one in heads] == [[]] * 6


def test_verifying_leaves_nothing_open(house: House) -> None:
    for _ in range(3):
        house.approved()
        house.audit.sequencer.drain()
        assert verify_tree(house.store) == []


@pytest.mark.parametrize("level", [0, 3])
def test_a_node_that_is_missing_is_damage(house: House, level: int) -> None:
    house.approved()
    house.audit.sequencer.drain()
    with pytest.raises(TreeDamaged, match=f"of level {level} is missing"):
        Tree(house.store).node(level, 999)


def test_a_checkpoint_of_any_size_is_reached(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{prepared(tmp_path / 'book.db')}")
    fill(store, moulds(), 2 * BATCH + 50, random.Random(1))
    largest = Sequencer(store, Clock()).drain()
    for size in (0, 1, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH, largest):
        head = Checkpoint("strada/log_1", size, Tree(store).root(size))
        assert verify_tree(store, head) == []
        (found,) = verify_tree(store, replace(head, root=bytes(32)))
        assert (found.stream, found.seq) == (TREE, size)
    (found,) = verify_tree(store, replace(head, size=largest + 1))
    assert (found.stream, found.seq) == (TREE, largest)
    store.close()


def test_a_wrong_node_of_a_large_tree_names_its_leaf(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{prepared(tmp_path / 'book.db')}")
    fill(store, moulds(), 2 * BATCH + 50, random.Random(1))
    Sequencer(store, Clock()).drain()
    store.db.execute_sql("DROP TRIGGER tree_nodes_never_updated")
    for level, place in ((1, 0), (1, BATCH - 1), (2, 300), (10, 0), (11, 0)):
        last = ((place + 1) << level) - 1
        (leaf,) = store.rows("SELECT stream, seq FROM tree WHERE position = ?", (last,))
        with store.db.atomic() as step:
            sql = "UPDATE tree_nodes SET hash = ? WHERE level = ? AND place = ?"
            store.db.execute_sql(sql, (bytes(32), level, place))
            (found,) = verify_tree(store)
            step.rollback()
        assert (found.stream, found.seq) == (leaf["stream"], leaf["seq"])
        assert found.expected.startswith(f"node {place} of level {level} ")
    store.close()
