"""The Merkle tree of RFC 9162 as pure functions: append, root, proofs, and checking both proofs.

It refuses to know where nodes are kept: `Nodes` gives the hash of any complete subtree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

Nodes = Callable[[int, int], bytes]
"""(level, place) → hash of the complete subtree over leaves [place·2^level, (place+1)·2^level)."""
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry_hash: bytes) -> bytes:
    """SHA-256(0x00 ‖ the 32 bytes of an entry's hash)."""
    return hashlib.sha256(b"\x00" + entry_hash).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: what is needed to take further leaves."""

    def __init__(self, size: int, nodes: Nodes) -> None:
        self.size = size
        self._peaks = {
            level: nodes(level, (size >> level) - 1)
            for level in range(size.bit_length())
            if size >> level & 1
        }

    def extend(self, leaves: Sequence[bytes]) -> Iterator[tuple[int, int, list[bytes]]]:
        """Take leaves; level by level, from 1, the first place and the hashes that they complete.

        The leaves are taken when the last of it was asked for.
        """
        level, place, row = 0, self.size, list(leaves)
        self.size += len(row)
        while row:
            if place & 1:
                row.insert(0, self._peaks.pop(level))
            if len(row) & 1:
                self._peaks[level] = row.pop()
            row = [node_hash(*pair) for pair in zip(row[::2], row[1::2], strict=True)]
            level, place = level + 1, place >> 1
            if row:
                yield level, place, row

    def root(self) -> bytes:
        """The root over all leaves taken so far."""
        return _fold(self._peaks[level] for level in sorted(self._peaks))


def append(
    size: int, leaves: Iterable[bytes], nodes: Nodes
) -> tuple[list[tuple[int, int, bytes]], bytes]:
    """The nodes that these leaves complete in a tree of `size`, and the new root."""
    frontier = Frontier(size, nodes)
    made = [
        (level, place, found)
        for level, first, row in frontier.extend(list(leaves))
        for place, found in enumerate(row, first)
    ]
    return made, frontier.root()


def root(size: int, nodes: Nodes) -> bytes:
    """The root of the first `size` leaves; of none it is SHA-256 of nothing."""
    return Frontier(size, nodes).root()


def inclusion(position: int, size: int, nodes: Nodes) -> list[bytes]:
    """The audit path of the leaf at `position` in the tree of the first `size` leaves."""
    if not 0 <= position < size:
        raise ValueError("a proof needs a position inside the tree")
    return _path(position, 0, size, nodes)


def _path(position: int, start: int, end: int, nodes: Nodes) -> list[bytes]:
    if end - start == 1:
        return []
    middle = start + _split(end - start)
    if position < middle:
        return [*_path(position, start, middle, nodes), _range(middle, end, nodes)]
    return [*_path(position, middle, end, nodes), _range(start, middle, nodes)]


def consistency(first: int, second: int, nodes: Nodes) -> list[bytes]:
    """The proof that the tree of `second` leaves extends that of `first`."""
    if not 0 <= first <= second:
        raise ValueError("a consistency proof goes from a smaller tree to a larger one")
    if first in (0, second):
        return []
    return _subproof(first, 0, second, True, nodes)


def _subproof(first: int, start: int, end: int, whole: bool, nodes: Nodes) -> list[bytes]:
    if first == end - start:
        return [] if whole else [_range(start, end, nodes)]
    half = _split(end - start)
    middle = start + half
    if first <= half:
        return [*_subproof(first, start, middle, whole, nodes), _range(middle, end, nodes)]
    return [*_subproof(first - half, middle, end, False, nodes), _range(start, middle, nodes)]


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def _range(start: int, end: int, nodes: Nodes) -> bytes:
    """The root over leaves [start, end), where start is a multiple of the range's subtree size."""
    peaks = []
    while start < end:
        level = (end - start).bit_length() - 1
        peaks.append(nodes(level, start >> level))
        start += 1 << level
    return _fold(reversed(peaks))


def _fold(peaks: Iterable[bytes]) -> bytes:
    """One root over complete subtrees, the rightmost (smallest) first."""
    found: bytes | None = None
    for peak in peaks:
        found = peak if found is None else node_hash(peak, found)
    return EMPTY_ROOT if found is None else found


def root_from_inclusion(leaf: bytes, position: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that an audit path leads to (RFC 9162, 2.1.3.2); raises ValueError for none."""
    if not 0 <= position < size:
        raise ValueError("the position is outside the tree")
    place, last, found = position, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ValueError("the path is too long")
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise ValueError("the path is too short")
    return found


def included(leaf: bytes, position: int, size: int, path: Sequence[bytes], head: bytes) -> bool:
    """Whether an audit path proves that the leaf is at `position` under the root `head`."""
    try:
        return root_from_inclusion(leaf, position, size, path) == head
    except ValueError:
        return False


def extends(first: int, second: int, before: bytes, after: bytes, path: Sequence[bytes]) -> bool:
    """Whether a proof shows that root `after` of `second` leaves extends `before` of `first`."""
    if not 0 <= first <= second:
        return False
    if first in (0, second):
        expected = EMPTY_ROOT if first == 0 else after
        return not path and before == expected
    return _extends(first, second, before, after, list(path))


def _extends(first: int, second: int, before: bytes, after: bytes, path: list[bytes]) -> bool:
    """RFC 9162, 2.1.4.2."""
    if not first & first - 1:
        path = [before, *path]
    if not path:
        return False
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and (old, new) == (before, after)
