"""Tree, checkpoints, proofs and erasures, verified from engine/README.md alone (sections 8 and 9).

The engine only makes the books; the verifier is the standard library's. If something fails here,
the page is not enough.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import random
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from house import House
from tamper import eventful, reviewed

from engine.erasure import Erasure
from engine.note import BadNote, open_note
from engine.store import Store
from engine.verify_erasures import verify_erasures
from engine.verify_tree import verify_tree

PAGE = (Path(__file__).resolve().parents[2] / "engine" / "README.md").read_text(encoding="utf-8")
Dict = dict[str, Any]
Place = tuple[str, int]

# ---- the verifier: the tree


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def leaf(digest: str) -> bytes:
    return sha(b"\0", bytes.fromhex(digest))


def node(left: bytes, right: bytes) -> bytes:
    return sha(b"\1", left, right)


def root(leaves: list[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else sha()
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node(root(leaves[:k]), root(leaves[k:]))


def tree_findings(book: Dict) -> set[Place]:
    """The first breach of each of the five rules."""
    rows = sorted(book["tree"], key=lambda row: int(row["position"]))
    rules = (misplaced, out_of_order, unplaced, unfed, fed_wrong)
    return {found for rule in rules for found in list(rule(book, rows))[:1]}


def misplaced(book: Dict, rows: list[Dict]) -> Iterator[Place]:
    held = {(row["stream"], row["seq"]): row["hash"] for row in book["entries"]}
    stored = sorted(book["tree_nodes"], key=lambda row: (row["level"], row["place"]))
    levels = {level: list(some) for level, some in groupby(stored, lambda row: row["level"])}
    leaves: list[bytes] = []
    for number, row in enumerate(rows):
        leaves.append(leaf(row["hash"]))
        right = row["position"] == number
        right = right and held.get((row["stream"], row["seq"])) == row["hash"]
        level = 1
        while (number + 1) % (1 << level) == 0:
            given = (number >> level, root(leaves[-(1 << level) :]))
            next_ = levels[level].pop(0) if levels.get(level) else None
            right = right and next_ is not None and given == (next_["place"], next_["hash"])
            level += 1
        if not right:
            yield row["stream"], row["seq"]
    if any(levels.values()):
        yield "tree", len(rows)


def out_of_order(book: Dict, rows: list[Dict]) -> Iterator[Place]:
    seen = set()
    for row in rows:
        seen.add((row["stream"], row["seq"]))
        if row["seq"] > 1 and (row["stream"], row["seq"] - 1) not in seen:
            yield row["stream"], row["seq"]


def unplaced(book: Dict, rows: list[Dict]) -> Iterator[Place]:
    placed = {(row["stream"], row["seq"]) for row in (*rows, *book["outbox"])}
    places = [(row["stream"], row["seq"]) for row in book["entries"]]
    yield from sorted({*places} - placed, key=lambda one: (one[0].encode(), one[1]))


def unfed(book: Dict, rows: list[Dict]) -> Iterator[Place]:
    merchants = {row["id"]: row["merchant"] for row in book["transactions"]}
    fed = {(row["merchant"], row["position"]) for row in book["feed"]}
    for row in rows:
        merchant = merchants.get(row["stream"])
        if merchant is not None and (merchant, row["position"]) not in fed:
            yield row["stream"], row["seq"]


def fed_wrong(book: Dict, rows: list[Dict]) -> Iterator[Place]:
    merchants = {row["id"]: row["merchant"] for row in book["transactions"]}
    at = {row["position"]: row for row in rows}
    for fed in sorted(book["feed"], key=lambda row: int(row["position"])):
        row = at.get(fed["position"])
        if row is None:
            yield "tree", fed["position"]
        elif merchants.get(row["stream"]) != fed["merchant"]:
            yield row["stream"], row["seq"]


# ---- the verifier: checkpoints and proofs

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int, int]
"""RFC 8032 in projective coordinates: x/z, y/z."""


def plus(a: Point, b: Point) -> Point:
    z, x, y = a[2] * b[2] % P, a[0] * b[0] % P, a[1] * b[1] % P
    e, square = D * x * y % P, z * z
    f, g = square - e, square + e
    cross = (a[0] + a[1]) * (b[0] + b[1]) - x - y
    return z * f * cross % P, z * g * (y + x) % P, f * g % P


def multiple(n: int, point: Point) -> Point:
    total: Point = (0, 1, 1)
    while n:
        total = plus(total, point) if n & 1 else total
        point, n = plus(point, point), n >> 1
    return total


def point_of(raw: bytes) -> Point | None:
    number = int.from_bytes(raw, "little")
    y, odd = number % 2**255, number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (x == 0 and odd):
        return None
    return (P - x if x % 2 != odd else x), y, 1


BASE = point_of((4 * pow(5, -1, P) % P).to_bytes(32, "little")) or (0, 1, 1)


def is_signed(key: bytes, text: bytes, signature: bytes) -> bool:
    """Whether S·B = R + k·A."""
    a, r = point_of(key), point_of(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= L or a is None or r is None:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + text).digest(), "little") % L
    x, y, z = multiple(s, BASE)
    u, v, w = plus(r, multiple(k, a))
    return (x * w - u * z) % P == 0 == (y * w - v * z) % P


class Bad(Exception):
    pass


def must(holds: object, rule: str) -> None:
    if not holds:
        raise Bad(rule)


def unbase64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Bad("base64") from error
    must(base64.b64encode(raw).decode() == text, "base64 in its one spelling")
    return raw


def key_of(line: str) -> tuple[str, bytes]:
    """Name and bytes of a public key as it is written down."""
    name, shown, encoded = line.split("+", 2)
    raw = unbase64(encoded)
    must(len(raw) == 33 and raw[:1] == b"\1", "a key")
    must(sha(name.encode(), b"\n", raw)[:4].hex() == shown, "its id")
    return name, raw[1:]


def opened(note: str, keys: list[tuple[str, bytes]]) -> tuple[int, bytes]:
    """Size and root that a note signs."""
    must(len(note) <= 65_536 and not re.search(r"[\x00-\x09\x0b-\x1f]", note), "its form")
    text, blank, block = note.rpartition("\n\n")
    lines = text.split("\n")
    must(blank and block.endswith("\n") and len(lines) >= 3 and all(lines), "text and signatures")
    must(re.fullmatch("0|[1-9][0-9]{0,15}", lines[1]), "the size")
    must(len(unbase64(lines[2])) == 32, "the root")
    known = {(name, sha(name.encode(), b"\n\1", raw)[:4]): raw for name, raw in keys}
    good = 0
    for line in block[:-1].split("\n"):
        found = re.fullmatch("\u2014 ([^\\s+]+) (.*)", line)
        must(found, "a signature line")
        name, raw = (found[1], unbase64(found[2])) if found else ("", b"")
        key = known.get((name, raw[:4]))
        if key is not None and name == lines[0]:
            must(is_signed(key, f"{text}\n".encode(), raw[4:]), "the signature of a known key")
            good += 1
    must(good, "a signature by a known key")
    return int(lines[1]), unbase64(lines[2])


def included(proof: Dict, keys: list[tuple[str, bytes]]) -> bool:
    f, s = proof["position"], proof["size"] - 1
    r = leaf(proof["hash"])
    held = r.hex() == proof["leaf"] and f < proof["size"]
    for p in map(bytes.fromhex, proof["path"]):
        if s == 0:
            return False
        if f % 2 or f == s:
            r = node(p, r)
            while f and f % 2 == 0:
                f, s = f // 2, s // 2
        else:
            r = node(r, p)
        f, s = f // 2, s // 2
    signed = opened(proof["checkpoint"], keys) == (proof["size"], bytes.fromhex(proof["root"]))
    return held and s == 0 and r.hex() == proof["root"] and signed


def extends(proof: Dict, keys: list[tuple[str, bytes]]) -> bool:
    old, new = bytes.fromhex(proof["from_root"]), bytes.fromhex(proof["to_root"])
    path = [bytes.fromhex(one) for one in proof["path"]]
    if opened(proof["checkpoint"], keys) != (proof["to"], new):
        return False
    if proof["from"] == proof["to"]:
        return old == new and not path
    if proof["from"] == 0:
        return not path and old == sha()
    if proof["from"].bit_count() == 1:
        path.insert(0, old)
    f, s = proof["from"] - 1, proof["to"] - 1
    while f % 2:
        f, s = f // 2, s // 2
    a = b = path[0] if path else b""
    for p in path[1:]:
        if s == 0:
            return False
        if f % 2 or f == s:
            a, b = node(p, a), node(p, b)
            while f and f % 2 == 0:
                f, s = f // 2, s // 2
        else:
            b = node(b, p)
        f, s = f // 2, s // 2
    return bool(path) and s == 0 and (a, b) == (old, new)


# ---- the verifier: erasures


def erasure_findings(book: Dict) -> set[Place]:
    return {*unheld(book), *half_erased(book), *still_shown(book), *unsaid(book)}


def places_of(rows: Iterable[Dict]) -> list[Place]:
    return sorted(
        ((row["stream"], row["seq"]) for row in rows), key=lambda one: (one[0].encode(), one[1])
    )


def unheld(book: Dict) -> Iterator[Place]:
    there = {*places_of(book["personal"]), *places_of(book["erasures"])}
    committing = (
        row for row in book["entries"] if json.loads(row["entry"])["data"].get("commitments")
    )
    lost = [place for place in places_of(committing) if place not in there]
    for _, some in groupby(lost, lambda one: one[0]):
        yield next(some)


def half_erased(book: Dict) -> Iterator[Place]:
    held, written = {*places_of(book["personal"])}, {*places_of(book["entries"])}
    for place in places_of(book["erasures"]):
        if place in held or place not in written:
            yield place


def still_shown(book: Dict) -> Iterator[Place]:
    erased = {stream for stream, seq in places_of(book["erasures"]) if seq == 1}
    for row in book["transactions"]:
        shown = [row[name] for name in ("order_id", "customer_id", "item_name")]
        bare = shown == [None] * 3 and row["metadata"] == row["urls"] == "{}"
        gone = row["id"] in erased
        if gone != (row["erased_at"] is not None) or (gone and not bare):
            yield row["id"], 1


def unsaid(book: Dict) -> Iterator[Place]:
    notes = {
        row["seq"]: json.loads(row["entry"])["data"]
        for row in book["entries"]
        if (row["stream"], row["event"]) == ("book", "erased")
    }
    for seq in {*notes, *(row["book_seq"] for row in book["erasures"])}:
        places = places_of(row for row in book["erasures"] if row["book_seq"] == seq)
        lines = "".join(f"{stream} {number}\n" for stream, number in places)
        told = {
            "entries": len(places),
            "entries_sha256": sha(b"strada/erased/1\n", lines.encode()).hex(),
        }
        if seq not in notes:
            yield places[0]
        elif (places or notes[seq]["entries"]) and not told.items() <= notes[seq].items():
            yield "book", seq


# ---- the page's own example


def test_the_example_on_the_page_verifies() -> None:
    shown = PAGE.partition("<!-- checkpoint:begin -->")[2].partition("<!-- checkpoint:end -->")[0]
    hashes = re.findall("Its hash: `([0-9a-f]{64})`", PAGE)
    leaves = [leaf(one) for one in hashes]
    assert all(f"`{one.hex()}`" in PAGE for one in leaves)
    key = key_of(shown.partition("Public key: `")[2].partition("`")[0])
    assert opened(shown.split("```")[1].removeprefix("\n"), [key]) == (2, root(leaves))


# ---- books to verify


TABLES = "entries transactions personal tree tree_nodes outbox feed erasures"


def dump(store: Store) -> Dict:
    return {table: store.rows(f"SELECT * FROM {table}") for table in TABLES.split()}


def erased(house: House) -> None:
    """Two customers who left, one of them with reasons; the others stay."""
    for customer in ("user-8", "user-9"):
        txn = house.payments.create(
            house.caller(), house.order(order_id=None, customer_id=customer)
        ).txn
        house.payments.ready(house.caller(), txn)
        house.payments.approve(house.caller(), txn, "pg-token-1")
        house.payments.refund(house.caller(), txn, 1_000, reason="하나 깨짐")
        Erasure(house.ledger, house.vault).erase_customer("shop", customer, "operator:test")


@pytest.fixture
def grown(house: House) -> House:
    """A house with every kind of entry, two erasures, two merchants, and entries that wait."""
    eventful(house)
    reviewed(house)
    erased(house)
    house.merchants.ensure("else", "operator:test")
    house.audit.checkpoints.record("operator:test")
    house.create()
    return house


@pytest.fixture
def keys(grown: House) -> list[tuple[str, bytes]]:
    return [key_of(key.text()) for key in grown.audit.known_keys()]


def test_a_book_verifies_by_the_page_alone(grown: House, keys: list[tuple[str, bytes]]) -> None:
    book = dump(grown.store)
    assert (tree_findings(book), erasure_findings(book)) == (set(), set())
    assert book["outbox"]
    assert len(book["erasures"]) == 4
    size, head = opened(grown.audit.checkpoints.head().note, keys)
    rows = sorted(dump(grown.store)["tree"], key=lambda row: int(row["position"]))
    assert head == root([leaf(row["hash"]) for row in rows[:size]])
    assert size == len(rows)


def test_every_proof_holds_by_the_page_alone(grown: House, keys: list[tuple[str, bytes]]) -> None:
    size = grown.audit.sequencer.drain()
    dice = random.Random(1)
    for row in dump(grown.store)["tree"]:
        later = dice.randint(row["position"] + 1, size)
        proof = grown.audit.inclusion(row["stream"], row["seq"], later)
        assert included(proof, keys), proof
        assert not included(proof | {"position": proof["position"] ^ 1}, keys)
        assert not included(proof | {"hash": sha(b"other").hex()}, keys)
        assert not included(proof | {"path": [*proof["path"], sha().hex()]}, keys)
        assert not included(proof | {"path": proof["path"][:-1]}, keys) or not proof["path"]


def test_the_log_only_grew_by_the_page_alone(grown: House, keys: list[tuple[str, bytes]]) -> None:
    size = grown.audit.sequencer.drain()
    for older in range(size + 1):
        proof = grown.audit.consistency(older, size)
        assert extends(proof, keys), proof
        assert not extends(proof | {"from_root": sha(b"other").hex()}, keys)
        assert not extends(proof | {"path": [*proof["path"], sha().hex()]}, keys)


def opens(read: Callable[[str, Any], Any], note: str, keys: Any) -> bool:
    try:
        return bool(read(note, keys))
    except (BadNote, Bad):
        return False


def test_both_open_the_same_notes(grown: House, keys: list[tuple[str, bytes]]) -> None:
    """A character changed, dropped or doubled at each place: no verifier takes what one refuses."""
    note = grown.audit.checkpoints.head().note
    key, other = grown.audit.known_keys(), "\u2014 witness abcd\n"
    spoilt = [note, note + other, note.replace("\n\n", "\nmore\n\n"), note + "\n", note[:-1]]
    for place, old in enumerate(note):
        spoilt += [note[:place] + new + note[place + 1 :] for new in ("", "A", old * 2)]
    taken = 0
    for one in spoilt:
        ours, theirs = opens(open_note, one, key), opens(opened, one, keys)
        assert ours == theirs, one
        taken += ours
    assert 2 <= taken < 10


# ---- tampering


@pytest.fixture
def copied(grown: House, tmp_path: Path) -> Iterator[Store]:
    """A copy without triggers and constraints: an insider's database."""
    grown.store.db.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(grown.store.path, tmp_path / "copy.db")
    store = Store(f"sqlite:///{tmp_path / 'copy.db'}")
    for row in store.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
        store.db.execute_sql(f"DROP TRIGGER {row['name']}")
    store.db.execute_sql("PRAGMA foreign_keys = 0")
    store.db.execute_sql("PRAGMA ignore_check_constraints = 1")
    yield store
    store.close()


def fill(store: Store, book: Dict) -> None:
    for table, rows in book.items():
        store.db.execute_sql(f"DELETE FROM {table}")
        for row in rows:
            marks = ", ".join("?" * len(row))
            sql = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})"
            store.db.execute_sql(sql, tuple(row.values()))


Tamper = Callable[[Dict, random.Random], None]


def dropped(table: str) -> Tamper:
    return lambda book, dice: book[table].remove(dice.choice(book[table]))


def changed(table: str, name: str, new: Callable[[Any], Any]) -> Tamper:
    def change(book: Dict, dice: random.Random) -> None:
        row = dice.choice([one for one in book[table] if one[name] is not None])
        row[name] = new(row[name])

    return change


def exchanged(table: str, *names: str) -> Tamper:
    def exchange(book: Dict, dice: random.Random) -> None:
        one, other = dice.sample(book[table], 2)
        for name in names:
            one[name], other[name] = other[name], one[name]

    return exchange


def added(table: str, **row: Any) -> Tamper:
    return lambda book, dice: book[table].append(dice.choice(book[table]) | row)


def a_value_come_back(book: Dict, dice: random.Random) -> None:
    gone = [row for row in book["transactions"] if row["erased_at"] is not None]
    dice.choice(gone)[dice.choice(["order_id", "customer_id", "item_name"])] = "back"


def a_silent_erasure(book: Dict, dice: random.Random) -> None:
    one = dice.choice(book["personal"])
    book["personal"].remove(one)
    book["erasures"].append({name: one[name] for name in ("stream", "seq")} | {"book_seq": 4})


TAMPERINGS: dict[str, Tamper] = {
    "a leaf less": dropped("tree"),
    "another hash": changed("tree", "hash", lambda old: sha(old.encode()).hex()),
    "hashes exchanged": exchanged("tree", "hash"),
    "places exchanged": exchanged("tree", "stream", "seq"),
    "a later position": changed("tree", "position", lambda old: old + 1_000),
    "another stream": changed("tree", "stream", lambda old: f"{old}_"),
    "a node less": dropped("tree_nodes"),
    "another node": changed("tree_nodes", "hash", sha),
    "a node more": added("tree_nodes", place=5_000),
    "a level more": added("tree_nodes", level=40),
    "an entry less": dropped("entries"),
    "an entry that waits for nothing": dropped("outbox"),
    "a feed with a gap": dropped("feed"),
    "another merchant's feed": changed("feed", "merchant", lambda old: "else"),
    "a feed of nothing": added("feed", position=9_000),
    "personal values lost": dropped("personal"),
    "an erasure forgotten": dropped("erasures"),
    "an erasure of another entry": changed("erasures", "seq", lambda old: old + 1),
    "an erasure of another note": changed("erasures", "book_seq", lambda old: old + 1),
    "an erasure of no note": changed("erasures", "book_seq", lambda old: old + 99),
    "a silent erasure": a_silent_erasure,
    "a value come back": a_value_come_back,
    "a row erased alone": changed("transactions", "erased_at", lambda old: None),
    "values beside their erasure": lambda book, dice: book["personal"].append(
        {"stream": book["erasures"][0]["stream"], "seq": 1, "fields": "{}"}
    ),
}


@pytest.mark.parametrize("name", list(TAMPERINGS))
def test_both_verifiers_find_the_same(copied: Store, name: str) -> None:
    honest = dump(copied)
    for seed in range(6):
        book = copy.deepcopy(honest)
        TAMPERINGS[name](book, random.Random(seed))
        fill(copied, book)
        named = [
            {(one.stream, one.seq) for one in found(copied)}
            for found in (verify_tree, verify_erasures)
        ]
        assert [tree_findings(book), erasure_findings(book)] == named, (name, seed)
        assert named != [set(), set()], (name, seed)


@pytest.mark.parametrize("raw", [b"\xff", b"[]", b"5", b'{"data":5}', b"[" * 9_999])
def test_what_is_no_text_is_a_finding(copied: Store, raw: bytes) -> None:
    note = copied.rows("SELECT MIN(seq) AS seq FROM entries WHERE event = 'erased'")[0]["seq"]
    for sql, where in (
        ("UPDATE entries SET entry = CAST(? AS TEXT) WHERE stream = 'book' AND seq = ?", note),
        ("UPDATE erasures SET stream = CAST(? AS TEXT) WHERE seq = 1 AND book_seq = ?", note),
    ):
        copied.db.execute_sql(sql, (raw, where))
        assert ("book", note) in {(one.stream, one.seq) for one in verify_erasures(copied)}
