"""A verifier written from engine/README.md alone: if it fails here, the page is not enough.

The engine only makes the books. The verifier is the standard library's, and reads the schemas of
`data` from the page itself.
"""

from __future__ import annotations

import copy
import hashlib
import json
import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from house import LOST, House, lost_after, lost_before
from states import BUILD

from engine.review import resolve
from engine.store import Store
from engine.verify import verify

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "engine" / "README.md").read_text(encoding="utf-8")
Dict = dict[str, Any]

# ---- the verifier -------------------------------------------------------------------------------

ACTOR = r"(key|operator):[\x21-\x7e]{1,200}|client|customer|worker|gateway"
FIELDS = (
    "customer_id item_name order_id metadata reason return_url approval_url cancel_url fail_url"
)
COPIES = ("stream", "seq", "kind", "event", "occurred_at")
CHANNELS = ("live", "return", "report", "notice", "worker", "operator")
VERDICTS = ("applied", "duplicate", "contradicts", "early")
GUARDS: dict[str, Callable[[Dict, Dict, Dict], bool]] = {
    "attempts<5": lambda f, e, d: f["attempts"] < 5,
    "captured==amount": lambda f, e, d: d.get("captured", 0) == f["amount"],
    "completed_at==null": lambda f, e, d: f["completed_at"] is None,
    "now>=expires_at": lambda f, e, d: e["occurred_at"] >= f["expires_at"],
    "amount<=refundable": lambda f, e, d: 0 < d.get("amount", 0) <= left(f),
    "amount==refundable": lambda f, e, d: d.get("amount", 0) == left(f),
    "remaining==0": lambda f, e, d: f["captured_amount"] - d.get("refunded_total", 0) == 0,
    "remaining>0": lambda f, e, d: f["captured_amount"] - d.get("refunded_total", 0) > 0,
    "target==intent.source": lambda f, e, d: e["target"] == f["intent_source"],
}


def left(facts: Dict) -> int:
    return int(facts["captured_amount"] - facts["refunded_amount"])


class Bad(Exception):
    pass


def must(holds: object, rule: str) -> None:
    if not holds:
        raise Bad(rule)


def jcs(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def like(pattern: str, value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def part(name: str) -> str:
    """What stands on the page between two markers."""
    return PAGE.partition(f"<!-- {name}:begin -->")[2].partition(f"<!-- {name}:end -->")[0]


def schemas(name: str) -> Dict:
    """A table of section 4, as it stands on the page: event → field (`?` for optional) → type."""
    rows = [line.strip("| ").split(" | ") for line in part(name).strip().splitlines()[2:]]
    return {
        event.strip("`"): {f + q: kind for f, q, kind in re.findall(r"`(\w+)`(\??) (\w+\??)", data)}
        for event, data in rows
    }


KEYS = "v stream seq kind event source target actor request_id key occurred_at chart data prev_hash"
COLUMNS = re.findall(r"`(\w+)`", part("columns"))
INTENT = [name for name in COLUMNS if name.startswith("intent_")]
PLAIN = dict.fromkeys(("stream", "kind", "event", "chart"), "name") | {"prev_hash": "hash"}
PLAIN |= dict.fromkeys(("source", "target", "request_id"), "name?")
PLAIN |= dict.fromkeys(("v", "seq", "occurred_at"), "int")
TRANSITION, NOTE, BOOK = schemas("transition"), schemas("note"), schemas("book")
REFUSAL = dict.fromkeys(TRANSITION, schemas("refusal")["any transition's"])
EVIDENCE = dict.fromkeys(
    ("prepare", "approve", "refund", "look_up"), schemas("evidence")["any of the four"]
)
KINDS = {"transition": TRANSITION, "refusal": REFUSAL, "evidence": EVIDENCE, "note": NOTE}


def typed(kind: str, value: Any) -> bool:
    match kind:
        case "int":
            return type(value) is int and 0 <= value < 2**53
        case "name?":
            return value is None or typed("name", value)
        case "names":
            return isinstance(value, list) and all(typed("name", one) for one in value)
        case "hash":
            return like(r"[0-9a-f]{64}", value)
        case "commitments":
            return isinstance(value, dict) and all(
                name in FIELDS.split() and typed("hash", one) for name, one in value.items()
            )
    return like(r"[\x21-\x7e]{1,255}", value)


def check_form(entry: Any) -> None:
    must(isinstance(entry, dict) and sorted(entry) == sorted(KEYS.split()), "exactly the keys")
    must(all(typed(kind, entry[name]) for name, kind in PLAIN.items()), "types")
    must(entry["v"] == 1 and entry["seq"] >= 1, "v and seq")
    must(like(ACTOR, entry["actor"]), "actor")
    must(entry["key"] is None or typed("hash", entry["key"]), "key")
    must(entry["kind"] in (KINDS if entry["stream"] != "book" else ["note"]), "kind")
    kinds = BOOK if entry["stream"] == "book" else KINDS[entry["kind"]]
    must(entry["event"] in kinds, "an event of its kind")
    schema, data = kinds[entry["event"]], entry["data"]
    types = {name.rstrip("?"): kind for name, kind in schema.items()}
    must(isinstance(data, dict) and data.keys() <= types.keys(), "no other field")
    must({name for name in schema if name[-1] != "?"} <= data.keys(), "every field")
    must(all(typed(types[name], value) for name, value in data.items()), "the type of a field")
    must(entry["kind"] != "evidence" or data["channel"] in CHANNELS, "channel")
    must(entry["kind"] != "evidence" or data["verdict"] in VERDICTS, "verdict")


def first(e: Dict, digest: str) -> Dict:
    d, at = e["data"], e["occurred_at"]
    is_create = (e["kind"], e["event"], e["source"], e["target"])
    must(is_create == ("transition", "create", None, "created"), "create first")
    must(d["amount"] >= 1 and d["tax_free"] + d["vat"] <= d["amount"], "parts of the amount")
    same = {n: d[n] for n in "merchant provider account flow amount currency expires_at".split()}
    facts = {"id": e["stream"], **same, "tax_free_amount": d["tax_free"], "vat_amount": d["vat"]}
    facts |= {"status": "created", "chart": e["chart"], "version": 1, "head_seq": 1}
    facts |= {"head_hash": digest, "last_at": at, "created_at": at, "updated_at": at}
    zeros = "captured_amount refunded_amount refunded_tax_free refunded_vat attempts".split()
    return dict.fromkeys(COLUMNS) | facts | dict.fromkeys(zeros, 0)


def fold(f: Dict, e: Dict, digest: str, closed: set[str]) -> Dict:
    must(e["source"] == f["status"], "source is the state")
    before = f["needs_review"]
    f = f | {"head_seq": e["seq"], "head_hash": digest, "last_at": e["occurred_at"]}
    if e["kind"] == "transition":
        by_event(f, e["event"], e, e["data"])
        moved(f, e, closed)
    else:
        must(e["target"] == f["status"], "target is the state")
        if e["kind"] == "evidence" and e["data"]["verdict"] == "contradicts":
            f["needs_review"] = before or "contradicting_evidence"
        elif e["event"] in ("review_opened", "review_closed"):
            f["needs_review"] = e["data"].get("reason")
    if e["kind"] == "transition" or f["needs_review"] != before:
        f |= {"version": f["version"] + 1, "updated_at": e["occurred_at"]}
    return f


def by_event(f: Dict, event: str, e: Dict, d: Dict) -> None:
    if event == "make_ready":
        f |= {"provider_ref": d["reference"], "expires_at": d["expires_at"]}
    elif event in ("approve", "refund"):
        total = f["amount"] if event == "approve" else f["refunded_amount"] + d["amount"]
        must(d["expected_total"] == total, "expected_total")
        if event == "approve":
            order = (f["amount"], f["tax_free_amount"], f["vat_amount"])
            must((d["amount"], d["tax_free"], d["vat"]) == order, "the whole order")
            f["attempts"] += 1
        f |= {"intent_op": d["op"], "intent_source": e["source"], "intent_total": total}
        f |= {f"intent_{name}": d[name] for name in ("amount", "tax_free", "vat")}
    elif event in ("approval_confirmed", "charge_found"):
        must(1 <= d["captured"] <= f["amount"], "captured")
        must(f["provider_ref"] in (None, d["reference"]), "reference")
        f |= {"captured_amount": d["captured"], "provider_ref": d["reference"]}
        f["approved_at"] = e["occurred_at"]
    elif event in ("refund_settled", "refund_found"):
        give_back(f, event, (d["refunded_total"], d["tax_free_total"], d["vat_total"]))
    elif event == "complete":
        f["completed_at"] = e["occurred_at"]
    elif event == "approval_declined":
        f["failure_code"] = d["code"]


def give_back(f: Dict, event: str, totals: tuple[int, int, int]) -> None:
    past = (f["refunded_amount"], f["refunded_tax_free"], f["refunded_vat"])
    if event == "refund_settled":
        parts = (past[1] + f["intent_tax_free"], past[2] + f["intent_vat"])
        must(totals == (f["intent_total"], *parts), "what the intent announced")
    must(past[0] < totals[0] <= f["captured_amount"], "refunded_total")
    must(past[1] <= totals[1] <= f["tax_free_amount"], "tax_free_total")
    must(past[2] <= totals[2] <= f["vat_amount"], "vat_total")
    f |= dict(zip(("refunded_amount", "refunded_tax_free", "refunded_vat"), totals, strict=True))


def moved(f: Dict, e: Dict, closed: set[str]) -> None:
    if e["event"].startswith("approval_") or e["event"] in ("refund_settled", "refund_rejected"):
        must(e["data"]["op"] == f["intent_op"], "op of the intent")
        f |= dict.fromkeys(INTENT)
        if f["needs_review"] == "outcome_unknown":
            f["needs_review"] = None
    f |= {"status": e["target"], "chart": e["chart"]}
    if f["status"] in closed:
        f["closed_at"] = e["occurred_at"]
    if e["event"] == "charge_found":
        f |= {"needs_review": "captured_unwanted", "closed_at": None}
    elif (f["status"], f["needs_review"]) == ("refunded", "captured_unwanted"):
        f["needs_review"] = None


def chart_of(version: str, folder: Path) -> Dict:
    path = folder / f"{version.removeprefix('sha256:')}.json"
    must(like(r"sha256:[0-9a-f]{64}", version) and path.is_file(), "a released chart")
    chart: Dict = json.loads(path.read_bytes())
    chart.pop("version", None)
    must(f"sha256:{sha(jcs(chart))}" == version, "a chart that hashes to its name")
    return chart


def read(row: Dict) -> Dict:
    raw = row["entry"].encode()
    must(sha(b"strada/entry/1\n", raw) == row["hash"], "hash")
    try:
        entry: Any = json.loads(raw)
        must(jcs(entry) == raw, "canonical")
    except (ValueError, RecursionError) as error:
        raise Bad("JSON") from error
    check_form(entry)
    must(all(entry[name] == row[name] for name in COPIES), "columns repeat the entry")
    return dict(entry)


def step(facts: Dict, entry: Dict, digest: str, charts: Path) -> Dict:
    chart = chart_of(entry["chart"], charts)
    if not facts:
        return first(entry, digest)
    if entry["kind"] == "transition":
        edges = {(t["source"], t["event"], t["target"]): t["guard"] for t in chart["transitions"]}
        edge = (entry["source"], entry["event"], entry["target"])
        must(edge in edges, "an edge of the chart")
        guard = edges[edge]
        must(guard is None or GUARDS[guard](facts, entry, entry["data"]), "the guard")
    return fold(facts, entry, digest, {s["id"] for s in chart["states"] if s["closed"]})


def verify_stream(name: str, book: Dict, charts: Path) -> Iterator[tuple[str, int]]:
    rows = sorted((r for r in book["entries"] if r["stream"] == name), key=lambda r: int(r["seq"]))
    facts: Dict = {}
    head, at, entries = "0" * 64, -1, []
    for number, row in enumerate(rows, 1):
        try:
            entry = read(row)
            must(entry["seq"] == number, "no gap")
            must(entry["prev_hash"] == head and entry["occurred_at"] > at, "the chain")
            head, at = row["hash"], entry["occurred_at"]
            entries.append(entry)
            if name != "book":
                facts = step(facts, entry, head, charts)
        except Bad:
            yield name, row["seq"]
            return
    if name != "book":
        yield from beside(name, facts, entries, book)


def beside(name: str, facts: Dict, entries: list[Dict], book: Dict) -> Iterator[tuple[str, int]]:
    row: Dict = next((r for r in book["transactions"] if r["id"] == name), {})
    if any(column not in row or row[column] != facts[column] for column in facts):
        yield name, facts["head_seq"]
        return
    for kept in (p for p in book["personal"] if p["stream"] == name):
        held = dict(enumerate(entries, 1)).get(kept["seq"], {}).get("data", {})
        for field, (salt, value) in json.loads(kept["fields"]).items():
            parts = (field.encode(), b"\0", bytes.fromhex(salt), value.encode())
            opened = sha(b"strada/commit/1\n", *parts)
            if held.get("commitments", {}).get(field) != opened:
                yield name, kept["seq"]
                return


def findings(book: Dict, charts: Path = ROOT / "engine" / "charts") -> list[tuple[str, int]]:
    """(stream, seq) of the first bad entry of each broken stream; empty when the log is whole."""
    found: list[tuple[str, int]] = []
    for name in sorted({row["stream"] for row in book["entries"]}, key=str.encode):
        found += verify_stream(name, book, charts)
    begun = {row["stream"] for row in book["entries"] if row["seq"] == 1}
    return found + [(row["id"], 1) for row in book["transactions"] if row["id"] not in begun]


# ---- books to verify ----------------------------------------------------------------------------


def dump(store: Store) -> Dict:
    tables = ("entries", "transactions", "personal")
    return {table: store.rows(f"SELECT * FROM {table}") for table in tables}


def eventful(house: House) -> str:
    """One payment with a lost answer, a refusal, tax parts, reasons and a console refund."""
    txn = house.ready(tax_free_amount=2_000, metadata={"cart": "c-9"})
    house.gateway.script["approve"] = [lost_after]
    house.payments.approve(house.caller("key-0001"), txn, "pg-token-1")
    house.work(10)
    house.payments.fire(house.caller(), txn, "complete", "sent")
    house.payments.refund(house.caller(), txn, 3_000, tax_free=1_000, reason="하나 깨짐")
    with pytest.raises(Exception, match="guard_refused"):
        house.payments.refund(house.caller(), txn, 10_000)
    charge = house.gateway.books[house.get(txn)["provider_ref"]]
    charge.refunded += 500
    house.payments.settlement.apply_evidence(
        txn, None, house.gateway.truth(charge.reference), "worker"
    )
    house.merchants.create_key("shop", ["payments", "audit"], False, "operator:test")
    return txn


def reviewed(house: House) -> str:
    """One payment with every kind of entry: early and contradicting evidence, and three notes."""
    txn = house.ready()
    house.gateway.script["approve"] = [lost_before]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    house.work(10)
    house.gateway.script["look_up"] = [LOST] * 1_000
    house.work(3_700, step=50)
    house.gateway.script["look_up"] = []
    house.work(400)
    charge = house.gateway.books[house.get(txn)["provider_ref"]]
    charge.captured += 1
    truth = house.gateway.truth(charge.reference)
    house.payments.settlement.apply_evidence(txn, None, truth, "return")
    charge.captured -= 1
    resolve(house.payments, txn, "the gateway corrected itself", "operator:test")
    return txn


def test_a_book_with_every_kind_of_entry_verifies(house: House) -> None:
    txn = reviewed(house)
    found = [(e["kind"], e["event"]) for e in house.entries(txn) if e["kind"] != "transition"]
    assert {kind for kind, _ in found} == {"evidence", "note"}
    assert {"review_opened", "review_closed"} <= {event for _, event in found}
    assert findings(dump(house.store)) == []


@pytest.mark.parametrize("state", list(BUILD))
def test_every_state_verifies_by_the_page_alone(house: House, state: str) -> None:
    BUILD[state](house)
    assert findings(dump(house.store)) == []


def test_an_eventful_book_verifies_by_the_page_alone(house: House) -> None:
    txn = eventful(house)
    assert findings(dump(house.store)) == []
    assert {e["kind"] for e in house.entries(txn)} == {"transition", "refusal"}


def test_a_clock_that_runs_backwards_does_not_disturb_the_order(house: House) -> None:
    txn = house.create()
    house.time.advance(-86_400)
    house.payments.ready(house.caller(), txn)
    house.payments.approve(house.caller(), txn, "pg-token-1")
    assert findings(dump(house.store)) == []
    assert house.events(txn) == ["create", "make_ready", "approve", "approval_confirmed"]


# ---- tampering ----------------------------------------------------------------------------------


def rehash(book: Dict, stream: str) -> None:
    """Make the chain of a stream whole again, as an insider would, and the row's head with it."""
    head, seq = "0" * 64, 0
    for row in sorted(
        (r for r in book["entries"] if r["stream"] == stream), key=lambda r: r["seq"]
    ):
        entry = json.loads(row["entry"])
        seq = entry["seq"]
        raw = jcs(entry | {"prev_hash": head})
        head = sha(b"strada/entry/1\n", raw)
        row |= {"entry": raw.decode(), "hash": head}
    for row in book["transactions"]:
        if row["id"] == stream:
            row |= {"head_hash": head, "head_seq": seq}


def edit(row: Dict, **changes: Any) -> None:
    entry = json.loads(row["entry"])
    row["entry"] = jcs(entry | changes).decode()
    row |= {
        name: changes[name] for name in ("seq", "kind", "event", "occurred_at") if name in changes
    }


def a_byte(book: Dict, row: Dict, dice: random.Random) -> None:
    at = dice.randrange(len(row["entry"]))
    other = dice.choice([c for c in '09az",:{}' if c != row["entry"][at]])
    row["entry"] = row["entry"][:at] + other + row["entry"][at + 1 :]


def a_copy(book: Dict, row: Dict, dice: random.Random) -> None:
    name = dice.choice(["kind", "event", "occurred_at", "hash"])
    row[name] = row[name] + 1 if name == "occurred_at" else row[name][:-1] + "_"


def a_missing_entry(book: Dict, row: Dict, dice: random.Random) -> None:
    if row["stream"] == "book":
        edit(row, event="key_revoked", data={"key": "key_x"})
        return
    book["entries"].remove(row)


def a_swap(book: Dict, row: Dict, dice: random.Random) -> None:
    other = dice.choice([r for r in book["entries"] if r is not row])
    for name in ("entry", "hash", "kind", "event", "occurred_at"):
        row[name], other[name] = other[name], row[name]


def a_forged_amount(book: Dict, row: Dict, dice: random.Random) -> None:
    numbers = {n: v for n, v in json.loads(row["entry"])["data"].items() if type(v) is int}
    if row["kind"] != "transition" or not numbers:
        a_byte(book, row, dice)
        return
    data = json.loads(row["entry"])["data"]
    name = dice.choice(sorted(numbers))
    edit(row, data=data | {name: numbers[name] + 1})
    rehash(book, row["stream"])


def a_forged_event(book: Dict, row: Dict, dice: random.Random) -> None:
    if row["stream"] == "book":
        a_copy(book, row, dice)
        return
    edit(row, target="refunded" if row["event"] != "create" else "ready")
    rehash(book, row["stream"])


def a_row(book: Dict, row: Dict, dice: random.Random) -> None:
    payment = dice.choice(book["transactions"])
    name = dice.choice(["captured_amount", "version", "updated_at", "attempts", "last_at"])
    payment[name] += 1 if payment[name] == 0 else -1


def a_personal_value(book: Dict, row: Dict, dice: random.Random) -> None:
    kept = dice.choice(book["personal"])
    fields = json.loads(kept["fields"])
    name = dice.choice(sorted(fields))
    fields[name][1] += "!"
    kept["fields"] = json.dumps(fields)


TAMPERINGS = (
    a_byte,
    a_copy,
    a_missing_entry,
    a_swap,
    a_forged_amount,
    a_forged_event,
    a_row,
    a_personal_value,
)


@pytest.mark.parametrize("tamper", TAMPERINGS)
def test_both_verifiers_find_the_same_bad_entry(
    house: House, tmp_path: Path, tamper: Callable[[Dict, Dict, random.Random], None]
) -> None:
    eventful(house)
    reviewed(house)
    BUILD["refunding"](house)
    honest = dump(house.store)
    store = copied(house, tmp_path / "copy.db")
    for seed in range(12):
        dice, book = random.Random(seed), copy.deepcopy(honest)
        tamper(book, dice.choice(book["entries"]), dice)
        found = findings(book)
        assert found, f"{tamper.__name__}, seed {seed}, was not found"
        fill(store, book)
        report = verify(store)
        assert [(one.stream, one.seq) for one in report.findings] == found, report.findings
    store.close()


def copied(house: House, path: Path) -> Store:
    """A copy without triggers and constraints: an insider's database."""
    house.store.db.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(house.store.path, path)
    store = Store(f"sqlite:///{path}")
    for name in ("entries_never_updated", "entries_never_deleted", "entries_in_order"):
        store.db.execute_sql(f"DROP TRIGGER {name}")
    store.db.execute_sql("PRAGMA foreign_keys = 0")
    store.db.execute_sql("PRAGMA ignore_check_constraints = 1")
    return store


def fill(store: Store, book: Dict) -> None:
    for table, rows in book.items():
        store.db.execute_sql(f"DELETE FROM {table}")
        for row in rows:
            marks = ", ".join("?" * len(row))
            store.db.execute_sql(
                f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values())
            )


def test_a_removed_log_leaves_its_row(house: House) -> None:
    txn = house.approved()
    book = dump(house.store)
    book["entries"] = [row for row in book["entries"] if row["stream"] != txn]
    assert findings(book) == [(txn, 1)]


def test_an_erased_value_is_not_reported(house: House) -> None:
    eventful(house)
    assert findings(dump(house.store) | {"personal": []}) == []
