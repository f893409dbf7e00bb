"""Power loss: from a disk's tape to the images that the disk may hold when the light goes out.

What was synced is there. Of what was not, each image keeps a part of its own: nothing, all, what
came first, some writes without those before them, some sectors of some writes, or noise where a
file was growing. It refuses to be kinder than POSIX: a name counts only when its folder was synced.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from faults.disk import Event

SECTOR = 512
"""What a disk writes as a whole, or not at all."""
WAYS = ("dropped", "kept", "cut", "reordered", "torn", "noise")


@dataclass(slots=True)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Event] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Image:
    """File name → bytes after a power loss; `seen` is the last mark before it."""

    number: int
    point: int
    way: str
    files: dict[str, bytes]
    seen: Any


class Platter:
    """What the disk holds for sure, and what it may hold, as the tape goes on."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._files: dict[int, _File] = {}
        self._names: dict[str, int] = {}
        self._folder: list[tuple[str, int | None]] = []
        self.counts: Counter[str] = Counter()

    def take(self, event: Event) -> None:
        """Move on by one event."""
        file = self._files.setdefault(event.inode, _File())
        match event.kind:
            case "create":
                self._folder.append((event.name, event.inode))
            case "unlink":
                self._folder.append((event.name, None))
            case "write" | "truncate":
                file.pending.append(event)
            case "sync":
                for change in file.pending:
                    _apply(file.durable, change)
                file.pending.clear()
            case "failed_sync":  # the system marks the pages clean: what it did not write is gone
                file.durable = self._survivor(file, "torn")
                file.pending.clear()
            case "sync_folder":
                _settle(self._names, self._folder)
                self._folder.clear()
            case _:
                raise AssertionError(event.kind)

    def image(self, way: str) -> dict[str, bytes]:
        """One state that the disk may be found in."""
        names = dict(self._names)
        last = {"dropped": 0, "kept": len(self._folder)}
        _settle(names, self._folder[: last.get(way, self.rng.randint(0, len(self._folder)))])
        self.counts["images"] += 1
        return {
            name: bytes(self._survivor(self._files[inode], way)) for name, inode in names.items()
        }

    def _survivor(self, file: _File, way: str) -> bytearray:
        found = bytearray(file.durable)
        for change in self._kept(file, way):
            _apply(found, change)
        return found

    def _kept(self, file: _File, way: str) -> Iterator[Event]:
        pending, rng = file.pending, self.rng
        if way == "kept" or not pending:
            yield from pending
        elif way == "cut":
            yield from pending[: rng.randint(0, len(pending))]
        elif way == "reordered":
            kept = [rng.random() < 0.5 for _ in pending]
            self.counts[way] += _out_of_order(kept)
            yield from (change for change, keep in zip(pending, kept, strict=True) if keep)
        elif way in ("torn", "noise"):
            likely = rng.choice((0.1, 0.5, 0.9))
            sectors = [sector for change in pending for sector in _sectors(change)]
            kept = [rng.random() < likely for _ in sectors]
            self.counts[way] += any(kept) and not all(kept)
            for sector, keep in zip(sectors, kept, strict=True):
                if keep:
                    yield sector
                elif way == "noise" and sector.offset >= len(file.durable):
                    yield _noise(sector, rng)


def images(tape: Sequence[Event], platter: Platter, a_point: int = 2) -> Iterator[Image]:
    """Images at every point of the tape; where something was promised or synced, the worst two."""
    seen: Any = None
    for point, event in enumerate(tape):
        if event.kind == "mark":
            seen = event.data
        else:
            platter.take(event)
        settled = event.kind in ("mark", "sync")
        for way in ("dropped", "torn") if settled else platter.rng.sample(WAYS, a_point):
            files = platter.image(way)
            yield Image(platter.counts["images"], point, way, files, seen)


def _apply(content: bytearray, change: Event) -> None:
    if change.kind == "truncate":
        del content[change.offset :]
        content.extend(bytes(change.offset - len(content)))
        return
    content.extend(bytes(max(change.offset - len(content), 0)))
    content[change.offset : change.offset + len(change.data)] = change.data


def _settle(names: dict[str, int], changes: Sequence[tuple[str, int | None]]) -> None:
    for name, inode in changes:
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode


def _sectors(change: Event) -> Iterator[Event]:
    if change.kind == "truncate":
        yield change
        return
    start, end = change.offset, change.offset + len(change.data)
    while start < end:
        stop = min(end, start - start % SECTOR + SECTOR)
        part = change.data[start - change.offset : stop - change.offset]
        yield Event("write", change.inode, change.name, start, part)
        start = stop


def _noise(sector: Event, rng: random.Random) -> Event:
    junk = rng.randbytes(len(sector.data))
    return Event("write", sector.inode, sector.name, sector.offset, junk)


def _out_of_order(kept: Sequence[bool]) -> bool:
    return False in kept and any(kept[kept.index(False) :])
