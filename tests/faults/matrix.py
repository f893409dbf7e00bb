"""Running cells: many worlds at once, beside an honest one that says what the machine can do."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults import judge
from faults.cell import Cell
from faults.watch import Money
from faults.world import World

SCALE = 20.0
AT_ONCE = 12
LINGER_S = 5.0
"""How long a world is watched after its end, in the protocol's seconds: more may come."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a cell came to: the promises it broke, how many faults fired, and when it knew.

    truth_s: from when the truth could be known until it was shown, in the protocol's seconds.
    """

    cell: str
    broken: tuple[str, ...]
    fired: int = 0
    truth_s: float = 0.0


class Control:
    """An honest call again and again, beside the cells: its slowest is the slack of theirs."""

    def __init__(self, folder: Path, scale: float) -> None:
        self._folder = folder
        self._scale = scale
        self._stop = threading.Event()
        self._trouble: Exception | None = None
        self._slowest_s = 0.0
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Control:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join(120)
        assert self._trouble is None, self._trouble

    def slack_s(self) -> float:
        """The longest that an honest call has taken so far."""
        return self._slowest_s

    def _run(self) -> None:
        world = World(self._folder, self._scale)
        try:
            while not self._stop.is_set():
                began = time.monotonic()
                world.honest()
                self._slowest_s = max(self._slowest_s, time.monotonic() - began)
                self._stop.wait(0.2)
        except Exception as error:
            self._trouble = error
        finally:
            world.close()


def run(
    cells: Sequence[Cell], folder: Path, scale: float = SCALE, at_once: int = AT_ONCE
) -> list[Ran]:
    """Run cells, `at_once` of them at a time."""
    with Control(folder / "control", scale) as control, ThreadPoolExecutor(at_once) as pool:
        begun = [
            pool.submit(_run, cell, folder / f"{number}", scale, control)
            for number, cell in enumerate(cells)
        ]
        return [one.result() for one in begun]


def _run(cell: Cell, folder: Path, scale: float, control: Control) -> Ran:
    world = World(folder, cell.scale or scale, cell.deadline_s)
    try:
        return _played(cell, world, control)
    except (Exception, SystemExit) as error:
        return Ran(cell.name, (f"{type(error).__name__}: {error}", traceback.format_exc()))
    finally:
        world.close()


def _played(cell: Cell, world: World, control: Control) -> Ran:
    cell.play(world)
    if not world.back_at:
        world.back()
    assert world.watch is not None
    patience_s = (judge.SETTLE_S + judge.TRUTH_S + LINGER_S) / world.scale
    world.watch.until(cell.ended, patience_s + 5 * control.slack_s())
    world.pass_time(LINGER_S)
    world.watch.stop()
    broken = judge.faults(cell, world, Money.of(world.ledger()), control.slack_s())
    truth_s = 0.0 if broken else judge.truth_s(cell, world) * world.scale
    return Ran(cell.name, tuple(broken), world.fired() + world.unreached, truth_s)
