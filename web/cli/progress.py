"""A bar on long work: how much of how much, how fast, how long still. It writes to stderr alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class Rate(ProgressColumn):
    """How many a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Whole numbers, with thousands parted."""
        speed = task.finished_speed or task.speed or 0
        return Text(f"{speed:,.0f} {self._unit}/s")


@contextmanager
def counting(word: str, unit: str, total: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar for the block; it is advanced by what it gives."""
    columns = (
        TextColumn(word),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(unit),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=quiet, transient=True) as bar:
        task = bar.add_task(word, total=total)
        yield lambda count: bar.advance(task, count)
