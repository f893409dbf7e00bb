"""Random tampering is found by both verifiers, which name the right entry; clean books raise none.

`make tamper` does many more of both: TAMPER (mutations), CLEAN (books), TAMPER_SEED.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from bench.books import fill, moulds, prepared
from house import House
from tamper import (
    ERASURE_MUTATIONS,
    MUTATIONS,
    REWRITES,
    TREE_MUTATIONS,
    Book,
    Done,
    history,
    remove,
    standalone,
)

from engine.clock import Clock
from engine.export import Bundle, Scope
from engine.fire import Ledger
from engine.note import Checkpoint, open_note
from engine.sequencer import Sequencer
from engine.store import Store
from engine.sweep import audit
from engine.verify import Finding, verify
from web import bundle

SEED = int(os.environ.get("TAMPER_SEED", "0")) or time.time_ns() % 10**9
COUNT = int(os.environ.get("TAMPER", "300"))
CLEAN = int(os.environ.get("CLEAN", "40"))
ALL = MUTATIONS + ERASURE_MUTATIONS + TREE_MUTATIONS + REWRITES


class Court:
    """A signed book open to tampering, and the two who judge it."""

    def __init__(self, folder: Path) -> None:
        house = House(folder / "honest.db")
        history(house)
        made = Bundle.begin(house.ledger, house.audit, Scope(), "operator:test")
        self.folder, self._house, self._signed = folder / "book", house, made.signed
        bundle.write(self.folder, made.files(bundle.page))
        self._honest = (self.folder / "log.jsonl").read_bytes()
        self.book = Book(house, folder / "spoilt.db")
        self.checkpoint: Checkpoint = open_note(made.signed.note, house.audit.known_keys())
        self._verifier = standalone()
        rows = house.store.rows("SELECT position, stream, seq FROM tree")
        self._placed = {row["position"] + 1: (row["stream"], row["seq"]) for row in rows}
        self.told: dict[str, Counter[str]] = defaultdict(Counter)
        """By tampering: how often it was done, found and named."""

    def engine(self) -> set[tuple[str, int]]:
        """What the engine's verifier names."""
        return named(audit(self.book.store, self.checkpoint).findings)

    def alone(self) -> tuple[bool, set[tuple[str, int]]]:
        """Whether the bundle shows any change, and what its own verifier names: by line, too."""
        ledger = Ledger(self.book.store, Clock())
        made = Bundle(ledger, self._house.audit, Scope(), self._signed)
        log = b"".join(made.log())
        (self.folder / "log.jsonl").write_bytes(log)
        judge = self._verifier.Verifier(self.folder, None, None)
        judge.run()
        found = {(name, seq) for name, (seq, _) in judge.found.items()}
        told = " ".join(expected for _, expected in judge.found.values())
        lines = map(int, re.findall(r"\(line ([0-9]+)\)", told))
        return log != self._honest, found | {self._placed[line] for line in lines}

    def tell(self, mutation: str, **held: object) -> None:
        """Count what held of one tampering."""
        self.told[mutation].update(name for name, one in held.items() if one)

    def table(self) -> str:
        """What was told, a line for each tampering and one for all."""
        names = ["done", "found", "named", "in_bundle", "found_alone", "named_alone"]
        told = {**self.told, "all": sum(self.told.values(), Counter())}
        head = "".join(f"{name:>13}" for name in names)
        lines = [
            f"{what:<24}" + "".join(f"{one[n]:13,}" for n in names) for what, one in told.items()
        ]
        return "\n".join([f"{'tampering':<24}{head}", *lines])

    def close(self) -> None:
        self.book.store.close()
        self._house.store.close()


def named(findings: tuple[Finding, ...]) -> set[tuple[str, int]]:
    return {(found.stream, found.seq) for found in findings}


def holds(done: Done, found: set[tuple[str, int]]) -> bool:
    """Whether one of the places was named; seq 0 stands for any place of that stream."""
    anywhere = {(stream, 0) for stream, _ in found}
    return bool(done.named & (found | anywhere))


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Court]:
    """One book for all tamperings; each is rolled back."""
    print(f"\nTAMPER_SEED={SEED}")  # noqa: T201
    built = Court(tmp_path_factory.mktemp("tamper"))
    yield built
    print(f"\n{built.table()}")  # noqa: T201
    built.close()


def test_nothing_is_found_before_anything_is_done(court: Court) -> None:
    assert court.engine() == set()
    assert court.alone() == (False, set())


@pytest.mark.parametrize("slice_", range(10))
def test_every_random_tampering_is_found_and_named(court: Court, slice_: int) -> None:
    shown = 0
    for number in range(slice_, COUNT, 10):
        dice = random.Random(SEED + number)
        mutation = ALL[number // 10 % len(ALL)]
        with court.book.tampered(mutation, dice) as done:
            where = f"TAMPER_SEED={SEED}, number {number}: {mutation.__name__}, {done.what}"
            found = court.engine()
            assert holds(done, found), f"{where}; the engine named {sorted(found)}"
            changed, alone = court.alone()
            assert changed == bool(alone), f"{where}; verify.py named {sorted(alone)}"
            court.tell(
                mutation.__name__,
                done=True,
                found=found,
                named=holds(done, found),
                in_bundle=changed,
                found_alone=alone,
                named_alone=holds(done, alone),
            )
            named_too = not changed or holds(done, alone)
            assert named_too, f"{where}; verify.py named {sorted(alone)}"
            shown += changed
    assert shown > COUNT // 40


def test_a_rewrite_is_seen_by_a_checkpoint_alone(court: Court) -> None:
    for mutation in REWRITES:
        with court.book.tampered(mutation, random.Random(SEED)):
            assert audit(court.book.store, None).findings == (), mutation.__name__
            assert court.engine() != set()


def test_an_erased_payment_is_missed_without_a_checkpoint(court: Court) -> None:
    (erased,) = court.book.store.rows("SELECT id FROM transactions WHERE erased_at IS NOT NULL")

    def without_it(book: Book, _: random.Random) -> Done:
        remove(book, erased["id"])
        return Done.at("an erased payment removed", erased["id"], 1)

    with court.book.tampered(without_it, random.Random(SEED)):
        found = audit(court.book.store, None).findings
    assert {finding.stream for finding in found} == {erased["id"]}


def treated(path: Path, way: int) -> Path:
    """The same book after what a careful operator does to it."""
    other = path.with_name("other.db")
    connection = apsw.Connection(str(path))
    if way == 1:
        connection.execute("VACUUM")
    elif way == 2:
        target = apsw.Connection(str(other))
        with target.backup("main", connection, "main") as backup:
            backup.step()
        target.close()
    elif way == 3:
        connection.execute("VACUUM INTO ?", (str(other),))
    elif way == 4:
        connection.pragma("wal_checkpoint", "TRUNCATE")
        shutil.copy(path, other)
    connection.close()
    return other if other.exists() else path


def test_no_clean_book_raises_an_alarm(tmp_path: Path) -> None:
    honest = moulds()
    template = prepared(tmp_path / "template.db")
    for number in range(CLEAN):
        dice = random.Random(SEED + number)
        sizes = [0, 1, 7, dice.randrange(30), dice.randrange(300), dice.randrange(2_000)]
        size = 10_000 if number % 100 == 99 else sizes[number % len(sizes)]
        path = tmp_path / str(number) / "strada.db"
        path.parent.mkdir()
        shutil.copy(template, path)
        store = Store(f"sqlite:///{path}")
        fill(store, honest, size, dice)
        Sequencer(store, Clock()).drain()
        store.close()
        store = Store(f"sqlite:///{treated(path, number % 5)}")
        report = audit(store, None)
        assert report.findings == (), f"TAMPER_SEED={SEED}, book {number}"
        assert (report.slow, report.entries >= size) == (0, True)
        if size < 100:
            assert verify(store) == report
        store.close()
        shutil.rmtree(path.parent)
