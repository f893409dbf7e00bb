"""The tree's arithmetic, held against pymerkle and against the plain recursion of RFC 9162."""

from __future__ import annotations

import hashlib
import random
from functools import cache

import pytest
from pymerkle import InmemoryTree, verify_consistency, verify_inclusion

from engine import tree

POWERS = sorted({n for k in range(8) for n in (2**k - 1, 2**k, 2**k + 1)})
SIZES = (*POWERS, 6, 11, 100, 200)
LARGEST = max(SIZES)
HASHES = [hashlib.sha256(b"entry %d" % number).digest() for number in range(LARGEST)]


@cache
def other(size: int) -> InmemoryTree:
    """An independent tree over the same entries."""
    built = InmemoryTree(algorithm="sha256")
    for one in HASHES[:size]:
        built.append_entry(one)
    return built


@cache
def grown() -> dict[tuple[int, int], bytes]:
    """Every complete subtree of the largest tree."""
    nodes = {(0, place): tree.leaf_hash(one) for place, one in enumerate(HASHES)}
    made, _ = tree.append(0, [nodes[0, place] for place in range(LARGEST)], node)
    nodes |= {(level, place): found for level, place, found in made}
    return nodes


def node(level: int, place: int) -> bytes:
    return grown()[level, place]


def plain_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1, as it is written there."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    pair = plain_root(leaves[:split]) + plain_root(leaves[split:])
    return hashlib.sha256(b"\x01" + pair).digest()


@pytest.mark.parametrize("size", SIZES)
def test_the_root_of_every_size_is_the_standards(size: int) -> None:
    leaves = [hashlib.sha256(b"\x00" + one).digest() for one in HASHES[:size]]
    assert tree.root(size, node) == plain_root(leaves)
    if size:
        assert tree.root(size, node) == other(size).get_root()


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 63, 64, 65, 127, 199])
def test_growing_in_pieces_makes_the_same_nodes(cut: int) -> None:
    leaves = [node(0, place) for place in range(LARGEST)]
    first, _ = tree.append(0, leaves[:cut], node)
    second, root = tree.append(cut, leaves[cut:], node)
    made = {(level, place): found for level, place, found in (*first, *second)}
    assert made == {key: found for key, found in grown().items() if key[0]}
    assert root == tree.root(LARGEST, node)


@pytest.mark.parametrize("size", [size for size in SIZES if size])
def test_an_audit_path_is_what_pymerkle_proves(size: int) -> None:
    head = tree.root(size, node)
    for position in {*range(min(size, 9)), size // 2, size - 2, size - 1} - {-1}:
        path = tree.inclusion(position, size, node)
        theirs = other(size).prove_inclusion(position + 1, size).serialize()["path"]
        leaf = node(0, position)
        assert [leaf.hex(), *(one.hex() for one in path)] == _from_the_leaf(theirs, leaf)
        assert tree.included(leaf, position, size, path, head)
        verify_inclusion(leaf, head, other(size).prove_inclusion(position + 1, size))


def _from_the_leaf(theirs: list[str], leaf: bytes) -> list[str]:
    """pymerkle's path holds the leaf as well."""
    assert theirs[0] == leaf.hex()
    return theirs


@pytest.mark.parametrize("first", [size for size in SIZES if size])
@pytest.mark.parametrize("second", [1, 2, 3, 7, 8, 9, 31, 64, 65, 127, 129, 200])
def test_a_consistency_proof_holds_here_and_there(first: int, second: int) -> None:
    if first > second:
        with pytest.raises(ValueError, match="smaller"):
            tree.consistency(first, second, node)
        return
    before, after = tree.root(first, node), tree.root(second, node)
    path = tree.consistency(first, second, node)
    assert tree.extends(first, second, before, after, path)
    verify_consistency(before, after, other(LARGEST).prove_consistency(first, second))


@pytest.mark.parametrize("size", [2, 3, 8, 11, 100, 129])
def test_a_wrong_path_proves_nothing(size: int) -> None:
    dice, head = random.Random(size), tree.root(size, node)
    for position in range(size):
        path, leaf = tree.inclusion(position, size, node), node(0, position)
        wrong = [*path]
        wrong[dice.randrange(len(path))] = bytes(32)
        assert not tree.included(leaf, position, size, wrong, head)
        assert not tree.included(leaf, position, size, path[:-1], head)
        assert not tree.included(leaf, position, size, [*path, head], head)
        assert not tree.included(leaf, (position + 1) % size, size, path, head)
        assert not tree.included(leaf, position + size, size, path, head)


@pytest.mark.parametrize(("first", "second"), [(1, 2), (3, 7), (4, 8), (6, 11), (64, 129)])
def test_a_wrong_extension_is_refused(first: int, second: int) -> None:
    before, after = tree.root(first, node), tree.root(second, node)
    path = tree.consistency(first, second, node)
    assert not tree.extends(first, second, after, after, path)
    assert not tree.extends(first, second, before, before, path)
    assert not tree.extends(first, second, before, after, path[:-1])
    assert not tree.extends(first, second, before, after, [*path, after])
    assert not tree.extends(first, second, before, after, [bytes(32), *path[1:]])
    assert not tree.extends(second, first, after, before, path)


@pytest.mark.parametrize(("small", "large"), [(4, 7), (4, 8), (8, 129)])
def test_a_proof_about_a_smaller_tree_says_nothing_of_a_larger(small: int, large: int) -> None:
    before, head = tree.root(3, node), tree.root(small, node)
    assert tree.extends(3, small, before, head, tree.consistency(3, small, node))
    assert not tree.extends(3, large, before, head, tree.consistency(3, small, node))
    path = tree.inclusion(0, small, node)
    assert tree.included(node(0, 0), 0, small, path, head)
    assert not tree.included(node(0, 0), 0, large, path, head)


def test_the_ends_of_consistency_need_no_path() -> None:
    head = tree.root(5, node)
    assert tree.consistency(0, 5, node) == tree.consistency(5, 5, node) == []
    assert tree.extends(0, 5, tree.EMPTY_ROOT, head, [])
    assert not tree.extends(0, 5, head, head, [])
    assert tree.extends(5, 5, head, head, [])
    assert not tree.extends(5, 5, tree.EMPTY_ROOT, head, [])


@pytest.mark.parametrize(("position", "size"), [(-1, 5), (5, 5), (0, 0)])
def test_no_path_leads_from_outside(position: int, size: int) -> None:
    with pytest.raises(ValueError, match="inside"):
        tree.inclusion(position, size, node)


def test_a_tree_that_grew_needs_a_path() -> None:
    before, after = tree.root(5, node), tree.root(9, node)
    path = tree.consistency(5, 9, node)
    assert tree.extends(5, 9, before, after, path)
    assert not tree.extends(5, 9, before, after, [])
