"""The bundle's verifier knows every rule by itself: a line forged with right hashes is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from house import House
from tamper import eventful, reviewed, standalone

from engine.canonical import canonical
from engine.entry import ZERO_HASH, hash_of
from engine.tree import EMPTY_ROOT, append, inclusion, leaf_hash, root

Entry = dict[str, Any]
Change = Callable[[Entry], Any]
CHARTS = Path(__file__).resolve().parents[2] / "engine" / "charts"
VERIFY = standalone()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    """The entries of two eventful payments."""
    house = House(tmp_path_factory.mktemp("rules") / "strada.db")
    eventful(house)
    reviewed(house)
    rows = house.store.rows("SELECT entry FROM entries ORDER BY stream, seq")
    house.store.close()
    return [json.loads(row["entry"]) for row in rows]


def judged(entries: list[Entry], folder: Path, chained: bool = True) -> set[tuple[str, int]]:
    """What the verifier names in the streams (not the tree) when an insider rehashed them all."""
    heads: dict[str, str] = {}
    lines = []
    for position, entry in enumerate(entries):
        if chained:
            entry["prev_hash"] = heads.get(entry["stream"], ZERO_HASH)
        raw = canonical(entry)
        heads[entry["stream"]] = hash_of(raw)
        line = {"position": position, "hash": hash_of(raw), "entry": raw.decode()}
        lines.append(json.dumps(line))
    (folder / "log.jsonl").write_text("\n".join(lines))
    (folder / "charts").symlink_to(CHARTS)
    judge = VERIFY.Verifier(folder, None, None)
    judge.run()
    return {(name, seq) for name, (seq, _) in judge.found.items() if name != "tree"}


def at(event: str, kind: str = "transition") -> Callable[[Entry], bool]:
    return lambda entry: (entry["event"], entry["kind"]) == (event, kind)


def data(**changes: Any) -> Change:
    return lambda entry: entry["data"].update(changes)


def field(**changes: Any) -> Change:
    return lambda entry: entry.update(changes)


FORGED: dict[str, tuple[Callable[[Entry], bool], Change]] = {
    "amount of zero": (at("create"), data(amount=0)),
    "tax above the amount": (at("create"), data(tax_free=99_999)),
    "target of create": (at("create"), field(target="ready")),
    "approve of less": (at("approve"), data(amount=1)),
    "approve of another total": (at("approve"), data(expected_total=1)),
    "captured less": (at("approval_confirmed"), data(captured=11_999)),
    "another reference": (at("approval_confirmed"), data(reference="T0")),
    "another operation": (at("approval_confirmed"), data(op="op_x")),
    "an edge that is none": (at("approval_confirmed"), field(target="completed")),
    "another source": (at("complete"), field(source="ready")),
    "refund of too much": (at("refund"), data(amount=99_999, expected_total=99_999)),
    "refund to another total": (at("refund"), data(expected_total=1)),
    "refunded less": (at("refund_settled"), data(refunded_total=2_999)),
    "refunded tax-free less": (at("refund_settled"), data(tax_free_total=0)),
    "refund found of nothing": (at("refund_found"), data(refunded_total=3_000)),
    "refund found of all": (at("refund_found"), data(refunded_total=12_000)),
    "a note that moves": (at("review_opened", "note"), field(target="failed")),
    "an unknown field": (at("make_ready"), data(more=1)),
    "a missing field": (at("make_ready"), lambda entry: entry["data"].pop("op")),
    "a text for a number": (at("make_ready"), data(expires_at="1")),
    "true for a number": (at("create"), field(v=True)),
    "an unknown event": (at("make_ready"), field(event="made_ready")),
    "an unknown kind": (at("make_ready"), field(kind="book")),
    "an unknown verdict": (at("look_up", "evidence"), data(verdict="maybe")),
    "an unknown actor": (at("approve"), field(actor="mallory")),
    "a name with a space": (at("approve"), field(request_id="a b")),
    "an unknown chart": (at("approve"), field(chart="sha256:" + "0" * 64)),
    "a state in the book": (at("key_created", "note"), field(source="created")),
    "a number for names": (at("key_created", "note"), data(scopes=[1])),
    "a commitment of no field": (at("create"), data(commitments={"name": "0" * 64})),
    "time standing still": (at("approve"), field(occurred_at=1)),
    "a seq left out": (at("approve"), field(seq=7)),
}


@pytest.mark.parametrize("name", list(FORGED))
def test_each_rule_is_held_alone(log: list[Entry], tmp_path: Path, name: str) -> None:
    chosen, change = FORGED[name]
    entries: list[Entry] = json.loads(json.dumps(log))
    forged = next(entry for entry in entries if chosen(entry))
    change(forged)
    assert (forged["stream"], forged["seq"]) in judged(entries, tmp_path)


def test_an_honest_log_breaks_no_rule(log: list[Entry], tmp_path: Path) -> None:
    assert judged(json.loads(json.dumps(log)), tmp_path) == set()


def test_a_broken_chain_is_named(log: list[Entry], tmp_path: Path) -> None:
    entries: list[Entry] = json.loads(json.dumps(log))
    forged = next(entry for entry in entries if entry["seq"] == 3)
    forged["prev_hash"] = "1" * 64
    found = judged(entries, tmp_path, chained=False)
    assert (forged["stream"], 3) in found


def test_ed25519_agrees_with_the_library() -> None:
    private = Ed25519PrivateKey.generate()
    key = private.public_key().public_bytes_raw()
    for number in range(8):
        text = bytes([number]) * number
        signature = private.sign(text)
        assert VERIFY.signed(key, text, signature)
        assert not VERIFY.signed(key, text + b"x", signature)
        wrong = bytearray(signature)
        wrong[number * 8] ^= 1
        assert not VERIFY.signed(key, text, bytes(wrong))
    high = int.from_bytes(signature[32:], "little") + VERIFY.L
    assert not VERIFY.signed(key, text, signature[:32] + high.to_bytes(32, "little"))


@pytest.mark.parametrize("text", ["no JSON", "[" * 100_000, "[]", '{"b":1,"a":2}'])
def test_what_is_no_entry_is_named_whatever_its_hash(text: str) -> None:
    with pytest.raises(VERIFY.Bad, match="canonical JSON"):
        VERIFY.read(text, hash_of(text.encode()))


def test_an_empty_book_has_the_root_of_nothing() -> None:
    assert VERIFY.Tree().root() == EMPTY_ROOT


def test_a_key_that_is_no_point_signs_nothing() -> None:
    private = Ed25519PrivateKey.generate()
    signature = private.sign(b"text")
    assert VERIFY.signed(private.public_key().public_bytes_raw(), b"text", signature)
    for off_the_curve in (b"\x02" + bytes(31), b"\xff" * 32, b"\x01" + bytes(30) + b"\x80"):
        assert not VERIFY.signed(off_the_curve, b"text", signature)


@pytest.mark.parametrize("size", range(1, 18))
def test_its_proofs_are_those_of_the_tree(size: int) -> None:
    hashes = [bytes([number]) * 32 for number in range(size)]
    made, _ = append(0, [leaf_hash(one) for one in hashes], lambda level, place: b"")
    nodes = {(level, place): digest for level, place, digest in made}
    nodes |= {(0, place): leaf_hash(one) for place, one in enumerate(hashes)}
    for place, one in enumerate(hashes):
        path = [step.hex() for step in inclusion(place, size, lambda *at: nodes[at])]
        assert VERIFY.climb(one, place, size, path) == root(size, lambda *at: nodes[at])
        with pytest.raises(VERIFY.Bad):
            VERIFY.climb(one, place, size, [*path, "00" * 32])
