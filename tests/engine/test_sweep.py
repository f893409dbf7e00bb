"""The fast verifier says what the slow one says: on honest books, and on spoilt ones."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from house import House
from states import BUILD
from tamper import MUTATIONS, Book, history

from engine.canonical import canonical
from engine.entry import ZERO_HASH, check, hash_of
from engine.patterns import BOOK, COMMITMENTS, PAYMENT
from engine.provider import Prepared
from engine.reading import Payment
from engine.rewriting import STEPS
from engine.sweep import sweep
from engine.verify import verify


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """A book of every state and every kind of entry, to be tampered with again and again."""
    folder = tmp_path_factory.mktemp("sweep")
    house = House(folder / "honest.db")
    history(house)
    return Book(house, folder / "spoilt.db")


@pytest.mark.parametrize("state", list(BUILD))
def test_an_honest_payment_takes_the_fast_path(house: House, state: str) -> None:
    BUILD[state](house)
    report = sweep(house.store)
    assert (report.slow, report) == (0, verify(house.store))


def test_every_kind_of_entry_takes_the_fast_path(house: House) -> None:
    history(house)
    report = sweep(house.store)
    assert (report.slow, report) == (0, verify(house.store))


def test_rare_spellings_are_left_to_the_slow_path(house: House) -> None:
    house.gateway.script["prepare"] = [Prepared(b"{}", 'T"1', {}, 9_007_199_254_740_991)]
    house.ready()
    report = sweep(house.store)
    assert (report.slow, report) == (1, verify(house.store))


@pytest.mark.parametrize("name", [mutation.__name__ for mutation in MUTATIONS])
def test_fast_and_slow_find_the_same(spoilt: Book, name: str) -> None:
    mutation = next(one for one in MUTATIONS if one.__name__ == name)
    for seed in range(25):
        with spoilt.tampered(mutation, random.Random(seed)) as done:
            assert sweep(spoilt.store) == verify(spoilt.store), (name, seed, done)


def test_two_processes_report_what_one_does(house: House, tmp_path: Path) -> None:
    history(house)
    book = Book(house, tmp_path / "spoilt.db")
    for seed, mutation in enumerate(MUTATIONS[3:]):
        mutation(book, random.Random(seed))
    report = sweep(book.store, jobs=2)
    assert report == verify(book.store)
    assert len(report.findings) > 5
    book.store.close()


def test_what_a_pattern_takes_is_canonical_and_typed(spoilt: Book) -> None:
    dice, taken = random.Random(11), 0
    letters = b'"\\{}[],:0123456789abcdefz- \x00\x7f\xc3'
    for kind, event, text in spoilt.texts():
        pattern = (PAYMENT | BOOK)[kind, event]
        honest = pattern.match(text)
        assert honest, text
        for _ in range(150):
            raw = bytearray(text)
            at = dice.randrange(len(raw))
            raw[at : at + dice.randrange(3)] = bytes(dice.choices(letters, k=dice.randrange(3)))
            found = pattern.match(bytes(raw))
            if found and raw != text and compared(found) == compared(honest):
                taken += 1
                fields = json.loads(raw)
                check(fields)
                assert canonical(fields) == raw
    assert taken > 500


def test_what_is_rewritten_is_canonical_and_typed(spoilt: Book) -> None:
    dice, taken = random.Random(13), 0
    letters = b'"\\{}[],:0123456789abcdefgzAF- _+\x00\x7f\xc3'
    rows = rows_of(spoilt)
    assert sweep(spoilt.store).slow == 0  # every layout is known now
    for place, (stream, seq, kind, event, at, _, raw) in enumerate(rows):
        if kind != b"transition":
            continue
        before = rows[place - seq + 1 : place]
        for turn in range(400):
            changed = bytearray(raw)
            if turn:
                changed[dice.randrange(len(raw))] = dice.choice(letters)
            read = Payment()
            read.read(stream, before, [])
            head = before[-1][5] if before else ZERO_HASH.encode()
            held = STEPS.take(read.now, event, seq, bytes(changed), at, head)
            if held is None or (held and COMMITMENTS(held) is None):
                assert turn
                continue
            taken += turn > 0
            fields = json.loads(changed)
            check(fields)
            assert canonical(fields) == changed
            assert (fields["seq"], fields["stream"].encode()) == (seq, stream)
            assert (fields["occurred_at"], fields["prev_hash"].encode()) == (at, head)
    assert taken > 500


def test_what_stands_beside_transitions_names_its_stream(spoilt: Book) -> None:
    rows, seen = rows_of(spoilt), 0
    for place, (stream, seq, kind, event, at, _, raw) in enumerate(rows):
        if kind != b"transition":
            before = rows[place - seq + 1 : place]
            for name in (stream, b"txn_stranger"):
                text = canonical(json.loads(raw) | {"stream": name.decode()})
                last = (stream, seq, kind, event, at, hash_of(text).encode(), text)
                assert Payment().read(stream, [*before, last], []) == (name == stream)
            seen += 1
    assert seen > 5


def test_other_personal_values_are_not_taken(spoilt: Book) -> None:
    entries: dict[bytes, list[Any]] = {}
    for row in rows_of(spoilt):
        entries.setdefault(row[0], []).append(row)
    kept = spoilt.store.rows("SELECT stream, seq, fields FROM personal ORDER BY 1, 2")
    for one in kept:
        stream, seq = one["stream"].encode(), one["seq"]
        honest = json.loads(one["fields"])
        for name, (salt, value) in honest.items():
            for pair in ((salt, value), (salt[1:] + salt[0], value), (salt, value + "x")):
                fields = json.dumps(honest | {name: pair}, ensure_ascii=False).encode()
                taken = Payment().read(stream, entries[stream], [(stream, seq, fields)])
                assert taken == (pair == (salt, value))


def rows_of(book: Book) -> list[tuple[Any, ...]]:
    """The entries of payments, in the order of streams, as their readers get them."""
    sql = "SELECT * FROM entries WHERE stream <> 'book' ORDER BY stream, seq"
    rows = book.store.rows(sql)
    return [tuple(v.encode() if isinstance(v, str) else v for v in r.values()) for r in rows]


def compared(found: re.Match[bytes]) -> list[bytes]:
    """What a pattern takes as it comes, for its reader to compare."""
    return [found[1], *found.groups()[-5:]]


@pytest.mark.parametrize("jobs", [1, 2])
def test_progress_counts_every_entry(house: House, jobs: int) -> None:
    for build in BUILD.values():
        build(house)
    told: list[int] = []
    report = sweep(house.store, jobs, told.append)
    assert sum(told) == report.entries == verify(house.store).entries


def test_processes_do_not_import_the_program(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    asks = "    with _pool(2) as pool:\n        print(pool.submit(int).result())\n"
    head = "from engine.sweep import _pool\nprint('imported', flush=True)\n"
    program.write_text(f"{head}if __name__ == '__main__':\n{asks}")
    env = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, str(program)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == ["imported", "0"]


def test_a_missing_book_sweeps_whole(tmp_path: Path) -> None:
    house = House(tmp_path / "new.db")
    assert sweep(house.store) == verify(house.store)
    house.store.close()
