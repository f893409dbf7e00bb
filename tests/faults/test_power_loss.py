"""Power loss: whatever of the unsynced writes survives, nothing acknowledged is lost or halved.

`STRADA_POWER_SEED=7` repeats a run; the seed is printed with its counts.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest
from faults.disk import Disk, Event, inserted, io_error
from faults.lives import (
    NOTHING,
    Head,
    Witness,
    broken_promises,
    commit_order,
    halves,
    live,
    out_of_turn,
    put,
    unsettled,
)
from faults.power import Image, Platter, images
from house import House

from engine.errors import EngineError, StorageTrouble
from engine.store import Store

SEED = int(os.environ.get("STRADA_POWER_SEED") or time.time_ns() % 1_000_000)
LEAST_IMAGES = 1_000
LEAST_OF_A_WAY = 100
WORKED_ON = 15
"""On every so manieth image the engine starts and works until money is settled."""


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of images are written."""
    in_memory = Path("/dev/shm")
    place = in_memory if os.access(in_memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place, prefix="strada-power-") as folder:
        yield Path(folder)


def _taped(memory: Path, life: Callable[[Witness, Disk], None]) -> list[Event]:
    """Everything that a life wrote, from an empty folder on."""
    (memory / "live").mkdir()
    with inserted(tape=True) as disk:
        house = House(memory / "live" / "strada.db")
        life(Witness(house, disk), disk)
        house.store.close()
    return disk.tape


def _findings(memory: Path, image: Image, order: Mapping[Head, int]) -> list[str]:
    """What is wrong with an image once SQLite has recovered it."""
    folder = memory / "image"
    seen = image.seen or NOTHING
    try:
        store = put(image.files, folder)
        found = [*broken_promises(store, seen), *halves(store), *out_of_turn(store, order)]
        store.close()
        if image.seen and image.number % WORKED_ON == 0:
            found += unsettled(folder, seen)
    except (EngineError, apsw.Error) as error:
        found = [f"unusable: {error!r} {getattr(error, 'detail', '')}"]
    shutil.rmtree(folder)
    return [f"point {image.point}, {image.way}: {said}" for said in found]


def _survey(memory: Path, tape: Sequence[Event], platter: Platter, a_point: int = 2) -> list[str]:
    """The findings of all images; stops at the first image that has any."""
    order = commit_order(tape)
    for image in images(tape, platter, a_point):
        if found := _findings(memory, image, order):
            return found
    return []


def _platter() -> Platter:
    return Platter(random.Random(SEED))


def _lives(*pragmas: tuple[str, Any]) -> Callable[[Witness, Disk], None]:
    return lambda witness, disk: live(witness, *pragmas)


def test_power_loss_takes_nothing_that_was_acknowledged(
    memory: Path, record_property: Callable[[str, object], None]
) -> None:
    platter, tape = _platter(), _taped(memory, _lives())
    found = _survey(memory, tape, platter)
    counts = platter.counts
    record_property(
        "fault",
        f"power loss: {counts['images']} images at {len(tape)} points, {counts['torn']} torn, "
        f"{counts['noise']} with noise, {counts['reordered']} reordered; "
        f"acknowledged steps lost: {len(found)}; STRADA_POWER_SEED={SEED}",
    )
    assert found == [], f"STRADA_POWER_SEED={SEED}"
    assert counts["images"] >= LEAST_IMAGES
    assert min(counts[way] for way in ("torn", "noise", "reordered")) >= LEAST_OF_A_WAY


CONTROLS = {
    "a commit that is not synced": (("synchronous", 1), "lost: "),
    "a commit that is the unsynced end of a journal": (("journal_mode", "delete"), "lost: "),
    "a journal in memory": (("journal_mode", "memory"), ""),
    "no journal": (("journal_mode", "off"), ""),
}
"""Pragma, and what the first finding says: without a journal on disk it may be anything."""


@pytest.mark.parametrize("control", CONTROLS)
def test_the_survey_sees_what_less_durability_loses(memory: Path, control: str) -> None:
    tape = _taped(memory, _lives(CONTROLS[control][0]))
    found = _survey(memory, tape, _platter(), a_point=1)
    assert any(CONTROLS[control][1] in said for said in found), found


class Hasty(Store):
    """A store that commits a step when the next one begins, so that answers come too early."""

    @contextmanager
    def write(self) -> Iterator[None]:
        connection = self._mine.connection = self.writer
        if connection.in_transaction:
            connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        yield


def test_the_survey_sees_an_answer_before_its_commit(memory: Path) -> None:
    def life(witness: Witness, disk: Disk) -> None:
        witness.house.store.__class__ = Hasty
        witness.step(witness.house.payments.create, witness.house.order())
        witness.step(witness.house.payments.create, witness.house.order())
        witness.house.store.writer.execute("COMMIT")

    found = _survey(memory, _taped(memory, life), _platter(), a_point=1)
    assert any("lost" in said for said in found)


def test_the_survey_sees_a_checkpoint_that_lied(memory: Path) -> None:
    def life(witness: Witness, disk: Disk) -> None:
        fault = disk.fail("lie", Exception(), "strada.db")
        live(witness)
        assert fault.fired

    found = _survey(memory, _taped(memory, life), _platter(), a_point=1)
    assert found


def test_a_checkpoint_whose_sync_failed_loses_nothing(memory: Path) -> None:
    def life(witness: Witness, disk: Disk) -> None:
        connection = witness.house.store.writer
        connection.wal_autocheckpoint(0)
        first = witness.approved()
        disk.fail("sync", io_error(apsw.SQLITE_IOERR_FSYNC), "strada.db", times=1)
        with pytest.raises(apsw.IOError):
            connection.wal_checkpoint()
        witness.refund(first, 1_000)
        connection.wal_checkpoint()
        witness.ready()

    tape = _taped(memory, life)
    assert [event.kind for event in tape].count("failed_sync") == 1
    assert _survey(memory, tape, _platter(), a_point=1) == []


def test_a_commit_whose_sync_failed_leaves_the_rest_whole(memory: Path) -> None:
    def life(witness: Witness, disk: Disk) -> None:
        txn = witness.approved()
        fault = disk.fail("sync", io_error(apsw.SQLITE_IOERR_FSYNC), "-wal", times=1)
        for _ in range(3):
            with pytest.raises(StorageTrouble):
                witness.step(witness.house.payments.fire, txn, "complete", None)
        assert fault.fired == 1
        assert witness.house.status(txn) == "approved"

    assert _survey(memory, _taped(memory, life), _platter()) == []
