"""The fast verifier says what the slow one says: on honest books, and on spoilt ones."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from house import House
from states import BUILD
from tamper import MUTATIONS, Book, eventful, history

from engine.canonical import canonical
from engine.entry import ZERO_HASH, check, hash_of
from engine.errors import Conflict
from engine.layout import _KNOWN as KNOWN
from engine.layout import _Known as Known
from engine.patterns import BOOK, COMMITMENTS, NAME, PAYMENT
from engine.provider import NotTaken, Prepared
from engine.reading import Payment
from engine.rewriting import _CUTS as CUTS
from engine.rewriting import STEPS, Steps
from engine.sweep import WORTH_SHARING, audit, sweep
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


# ---- forged with right hashes


def rows_of_stream(house: House, txn: str) -> list[tuple[Any, ...]]:
    """The entries of one payment, as their reader gets them."""
    rows = house.store.rows("SELECT * FROM entries WHERE stream = ? ORDER BY seq", (txn,))
    return [tuple(v.encode() if isinstance(v, str) else v for v in r.values()) for r in rows]


def sealed(fields: dict[str, Any]) -> tuple[Any, ...]:
    text = canonical(fields)
    kind, event = fields["kind"].encode(), fields["event"].encode()
    place = (fields["stream"].encode(), fields["seq"], kind, event, fields["occurred_at"])
    return (*place, hash_of(text).encode(), text)


def forged(rows: list[tuple[Any, ...]], event: str, **data: int) -> list[tuple[Any, ...]]:
    """A payment up to its last entry of this event, whose data says something else."""
    place = max(number for number, row in enumerate(rows) if row[3] == event.encode())
    fields = json.loads(rows[place][6])
    return [*rows[:place], sealed(fields | {"data": fields["data"] | data})]


def grown(rows: list[tuple[Any, ...]], event: str, target: str, data: Any) -> list[Any]:
    """A payment with one more transition."""
    last = json.loads(rows[-1][6])
    fields = last | {"event": event, "source": last["target"], "target": target, "data": data}
    place = {"seq": last["seq"] + 1, "occurred_at": last["occurred_at"] + 1}
    return [*rows, sealed(fields | place | {"prev_hash": rows[-1][5].decode()})]


def taken(rows: list[Any]) -> bool:
    return Payment().read(rows[0][0], rows, [])


BEYOND = 9 * 10**15
FORGED: dict[str, tuple[str, str, dict[str, int]]] = {
    "more tax than money": ("created", "create", {"tax_free": 12_001}),
    "an order's end beyond numbers": ("created", "create", {"expires_at": BEYOND}),
    "a page's end beyond numbers": ("ready", "make_ready", {"expires_at": BEYOND}),
    "less than was ordered": ("approved", "approval_confirmed", {"captured": 11_999}),
    "a refund of more": ("refunding", "refund", {"amount": 12_001, "expected_total": 12_001}),
    "a refund beyond": ("refunding", "refund", {"amount": BEYOND, "expected_total": BEYOND}),
}


@pytest.mark.parametrize("what", list(FORGED))
def test_a_forged_number_is_left_to_the_slow_path(house: House, what: str) -> None:
    state, event, data = FORGED[what]
    rows = rows_of_stream(house, BUILD[state](house))
    assert taken(rows)
    assert not taken(forged(rows, event, **data))


FOUND: dict[str, dict[str, int]] = {
    "more than was taken": {"refunded_total": 12_001},
    "no more than before": {"refunded_total": 3_000},
    "more free of tax than there was": {"tax_free_total": 2_001},
    "more tax than there was": {"vat_total": 12_000},
}


@pytest.mark.parametrize("what", list(FOUND))
def test_a_forged_refund_is_left_to_the_slow_path(house: House, what: str) -> None:
    rows = rows_of_stream(house, eventful(house))
    assert taken(rows)
    assert not taken(forged(rows, "refund_found", **FOUND[what]))


def test_a_sixth_attempt_is_left_to_the_slow_path(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [NotTaken(b"no", "wrong_token", "-702", "")] * 5
    for number in range(5):
        with pytest.raises(Conflict):
            house.payments.approve(house.caller(), txn, f"pg-token-{number}")
    rows = rows_of_stream(house, txn)
    assert taken(rows)
    last = next(row for row in reversed(rows) if row[3] == b"approve")
    assert not taken(grown(rows, "approve", "approving", json.loads(last[6])["data"]))


def test_a_refund_rejected_to_elsewhere_is_left_to_the_slow_path(house: House) -> None:
    txn = BUILD["refunding"](house)
    rows = rows_of_stream(house, txn)
    data = {"code": "not_possible", "op": house.ledger.load(txn)["intent_op"]}
    assert taken(grown(rows, "refund_rejected", "approved", data))
    assert not taken(grown(rows, "refund_rejected", "completed", data))


@pytest.mark.parametrize("event", ["refund_settled", "refund_found"])
def test_money_given_back_in_part_leaves_no_refunded_payment(house: House, event: str) -> None:
    rows = rows_of_stream(house, eventful(house))
    place = max(number for number, row in enumerate(rows) if row[3] == event.encode())
    fields = json.loads(rows[place][6])
    other = {"refunded": "partially_refunded", "partially_refunded": "refunded"}[fields["target"]]
    assert taken([*rows[:place], sealed(fields)])
    assert not taken([*rows[:place], sealed(fields | {"target": other})])


def test_a_second_completion_is_left_to_the_slow_path(house: House) -> None:
    txn = BUILD["partially_refunded"](house)
    rows = grown(rows_of_stream(house, txn), "complete", "completed", {})
    assert taken(rows)
    house.payments.fire(house.caller(), txn, "complete", None)
    house.payments.refund(house.caller(), txn, 1_000)
    rows = rows_of_stream(house, txn)
    assert taken(rows)
    assert not taken(grown(rows, "complete", "completed", {}))


def test_a_layout_that_is_known_takes_no_number_beyond(house: House) -> None:
    rows, whole, head = rows_of_stream(house, house.approved()), BEYOND - 1, ZERO_HASH
    for place, row in enumerate(rows):
        fields = json.loads(row[6])
        large = dict.fromkeys(("amount", "expected_total", "captured"), whole)
        fields["data"] |= {name: large[name] for name in large.keys() & fields["data"].keys()}
        rows[place] = sealed(fields | {"prev_hash": head})
        head = rows[place][5].decode()
    part = dict.fromkeys(("amount", "expected_total", "tax_free", "vat"), whole)
    assert taken(grown(rows, "refund", "refunding", part | {"op": "rf_1"}))
    assert not taken(grown(rows, "refund", "refunding", part | {"op": "rf_1", "vat": BEYOND}))


@pytest.mark.parametrize("stream", [b"", b"x" * 256, b'txn_"', b"txn_\xff"])
def test_a_stream_with_an_odd_name_is_left_to_the_slow_path(stream: bytes) -> None:
    assert not Payment().read(stream, [], [])


def pairs(**changes: Callable[[str, str], Any]) -> Callable[[dict[str, Any]], Any]:
    """Personal values of which some pairs of salt and value are others."""
    return lambda held: held | {name: change(*held[name]) for name, change in changes.items()}


ODD: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a shorter salt": pairs(order_id=lambda salt, value: [salt[2:], value]),
    "a salt in capitals": pairs(order_id=lambda salt, value: [salt.upper(), value]),
    "a salt that is none": pairs(order_id=lambda salt, value: ["x" * 64, value]),
    "more than a pair": pairs(order_id=lambda salt, value: [salt, value, "more"]),
    "a value that is a number": pairs(order_id=lambda salt, value: [salt, 5]),
    "no pair": pairs(order_id=lambda salt, value: 5),
    "another name": lambda held: held | {"phone": held["order_id"]},
    "no name": lambda held: {},
    "no map": lambda held: [held],
}


@pytest.mark.parametrize("what", list(ODD))
def test_odd_personal_values_are_left_to_the_slow_path(house: House, what: str) -> None:
    rows = rows_of_stream(house, house.create())
    (row,) = house.store.rows("SELECT fields FROM personal WHERE stream <> 'book'")
    held = json.loads(row["fields"])
    for values in (held, ODD[what](held)):
        kept = (rows[0][0], 1, json.dumps(values, ensure_ascii=False).encode())
        assert Payment().read(rows[0][0], rows, [kept]) is (values is held)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("order_id", "another"),
        ("item_name", "another"),
        ("customer_id", None),
        ("metadata", '{"a":"b"}'),
        ("urls", "{}"),
        ("urls", '{"return_url":"https://shop.example/other"}'),
        ("urls", "no map"),
    ],
)
def test_a_row_that_repeats_other_values_is_found(
    house: House, column: str, value: str | None
) -> None:
    txn = house.create(urls={"return_url": "https://shop.example/done"})
    honest = house.ledger.load(txn)[column]
    change = f"UPDATE transactions SET {column} = ? WHERE id = ?"
    house.store.db.execute_sql(change, (value, txn))
    report = sweep(house.store)
    house.store.db.execute_sql(change, (honest, txn))
    assert (report.slow, len(report.findings)) == (1, 1)
    assert sweep(house.store).whole


def test_what_is_remembered_of_layouts_and_names_is_bounded(house: House) -> None:
    rows = rows_of_stream(house, BUILD["cancelled"](house))
    fields, steps = json.loads(rows[-1][6]), Steps()
    for length in range(1, 20):
        actor, request = "key:" + "a" * length, "b" * (30 - length)
        raw = sealed(fields | {"actor": actor, "request_id": request})[6]
        read = Payment()
        assert read.read(rows[0][0], rows[:-1], [])
        assert steps.take(read.now, b"cancel", 2, raw, rows[-1][4], rows[0][5]) == b""
    assert [len(known) for known in steps.values()] == [CUTS]
    known = Known(NAME)
    for number in range(KNOWN + 9):
        assert known[b"name-%d" % number] == b"name-%d" % number
    assert len(known) == KNOWN


# ---- many payments, several processes


def test_a_large_book_is_shared_and_told_the_same(house: House, tmp_path: Path) -> None:
    txn = house.approved()
    checkpoint = house.audit.checkpoints.head().checkpoint
    book = Book(house, tmp_path / "large.db")
    names = [row["name"] for row in book.store.rows("PRAGMA table_info(transactions)")]
    values = {"id": "'txn_' || n", "order_slot": "NULL", "return_token": "NULL"}
    values["provider_ref"] = "'T' || n"
    copied = ", ".join(values.get(name, name) for name in names)
    book.sql(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?) "
        f"INSERT INTO transactions SELECT {copied} FROM transactions, numbers WHERE id = ?",
        WORTH_SHARING,
        txn,
    )
    told: list[int] = []
    shared = audit(book.store, checkpoint, 2, told.append)
    assert shared == audit(book.store, checkpoint)
    assert len(shared.findings) == WORTH_SHARING
    assert sum(told) == shared.entries
    book.store.close()
