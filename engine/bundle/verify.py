"""Verify an exported book of Strada: python verify.py DIR [--checkpoint FILE] [--key FILE].

It needs Python 3.9 and nothing else, and refuses to trust the engine: it shares no code with it and
was written from engine/README.md alone. Exit code 0: whole. 1: broken, the first bad entry of each
broken stream is printed as `stream seq: expected … (line of log.jsonl)`. 2: wrong usage.
"""

# Dense, so that it is read in one sitting.
import base64
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

Dict = dict[str, Any]
Edges = dict[tuple[Any, Any, Any], Any]
ACTOR = r"(key|operator):[\x21-\x7e]{1,200}|client|customer|worker|gateway"
COMMITTED = "customer_id item_name order_id metadata reason return_url approval_url cancel_url fail_url".split()
WORDS = {"channel": "live return report notice worker operator".split(), "verdict": "applied duplicate contradicts early".split()}
TABLE = """
plain v:int stream:name seq:int kind:name event:name source:name? target:name? actor:actor request_id:name? key:hash? occurred_at:int chart:name prev_hash:hash
transition.create merchant:name provider:name account:name flow:name amount:int currency:name tax_free:int vat:int expires_at:int commitments:commitments
transition.make_ready op:name reference:name expires_at:int
transition.approve op:name amount:int tax_free:int vat:int expected_total:int
transition.approval_confirmed op:name captured:int reference:name evidence_sha256:hash
transition.approval_declined op:name code:name
transition.approval_not_taken op:name code:name
transition.complete commitments?:commitments
transition.cancel commitments?:commitments
transition.fail commitments?:commitments
transition.expire expires_at:int
transition.refund op:name amount:int tax_free:int vat:int expected_total:int commitments?:commitments
transition.refund_settled op:name refunded_total:int tax_free_total:int vat_total:int evidence_sha256:hash
transition.refund_rejected op:name code:name
transition.charge_found op?:name captured:int reference:name evidence_sha256:hash
transition.refund_found op?:name refunded_total:int tax_free_total:int vat_total:int evidence_sha256:hash
refusal.* code:name guard:name? amount?:int
evidence.* op?:name channel:channel sha256:hash verdict:verdict
note.refusals_suppressed
note.prepare_refused op:name code:name
note.late_answer op:name sha256:hash
note.late_return outcome:name
note.review_opened reason:name
note.review_closed commitments:commitments sha256?:hash
book.chart_adopted chart:name
book.merchant_created merchant:name
book.merchant_changed merchant:name settings_sha256:hash
book.account_set merchant:name provider:name account:name
book.key_created key:name merchant:name scopes:names
book.key_revoked key:name
book.erased merchant:name customer?:hash payments:int entries:int entries_sha256:hash
book.exported scope:name merchant?:name since?:int until?:int
book.signing_key_adopted key:name public_key:name replaces?:name
book.checkpoint_made size:int root:hash key:name
book.rollback_accepted size:int root:hash checkpoint_size?:int checkpoint_root?:hash commitments:commitments
"""
SCHEMAS = {words[0]: dict(w.split(":") for w in words[1:]) for words in map(str.split, TABLE.strip().splitlines()) }
TRANSITIONS = [name.partition(".")[2] for name in SCHEMAS if name.startswith("transition.")]
GUARDS: dict[str, Callable[[Dict, Dict, Dict], bool]] = {
    "attempts<5": lambda f, e, d: f["attempts"] < 5,
    "captured==amount": lambda f, e, d: d.get("captured", 0) == f["amount"],
    "completed_at==null": lambda f, e, d: f["completed_at"] is None,
    "now>=expires_at": lambda f, e, d: e["occurred_at"] >= f["expires_at"],
    "amount<=refundable": lambda f, e, d: 0 < d.get("amount", 0) <= f["captured"] - f["refunded"],
    "amount==refundable": lambda f, e, d: d.get("amount", 0) == f["captured"] - f["refunded"],
    "remaining==0": lambda f, e, d: f["captured"] - d.get("refunded_total", 0) == 0,
    "remaining>0": lambda f, e, d: f["captured"] - d.get("refunded_total", 0) > 0,
    "target==intent.source": lambda f, e, d: e["target"] == f["intent"].get("source"),
}
class Bad(Exception):
    """What was expected instead."""

def must(holds: object, expected: str) -> None:
    if not holds:
        raise Bad(expected)
def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()
def jcs(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

def typed(kind: str, value: Any) -> bool:
    if kind.endswith("?"):
        return value is None or typed(kind[:-1], value)
    if kind == "int":
        return type(value) is int and 0 <= value < 2**53
    if kind in WORDS:
        return value in WORDS[kind]
    if kind == "names":
        return isinstance(value, list) and all(typed("name", one) for one in value)
    if kind == "commitments":
        return isinstance(value, dict) and all(name in COMMITTED and typed("hash", one) for name, one in value.items())
    pattern = {"hash": "[0-9a-f]{64}", "actor": ACTOR}.get(kind, r"[\x21-\x7e]{1,255}")
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None

def read(text: str, digest: object) -> Dict:
    raw = text.encode("utf-8", "surrogatepass")
    must(sha(b"strada/entry/1\n", raw).hex() == digest, "the hash of the entry's bytes")
    try:
        entry = json.loads(text)
        must(isinstance(entry, dict) and jcs(entry) == raw, "an entry that is canonical JSON")
    except (ValueError, RecursionError):
        raise Bad("an entry that is canonical JSON") from None
    must(entry.keys() == {"data", *SCHEMAS["plain"]}, "exactly the keys of version 1")
    must(isinstance(entry["data"], dict), "data to be an object")
    for name, kind in SCHEMAS["plain"].items():
        must(typed(kind, entry[name]), f"{name} to be of type {kind}")
    must(entry["v"] == 1 and entry["seq"] >= 1, "v 1 and a seq from 1 on")
    check_data(entry)
    return dict(entry)

def check_data(entry: Dict) -> None:
    kind, event = entry["kind"], entry["event"]
    if entry["stream"] == "book":
        must(kind == "note" and entry["source"] is entry["target"] is None, "a note, without states")
        kind = "book"
    elif (kind == "refusal" and event in TRANSITIONS) or (kind == "evidence" and event in ("prepare", "approve", "refund", "look_up")):
        event = "*"
    must(kind not in ("plain", "book") or entry["stream"] == "book", "a kind")
    must(f"{kind}.{event}" in SCHEMAS, "an event of this kind and stream")
    schema = SCHEMAS[f"{kind}.{event}"]
    needed = {name for name in schema if not name.endswith("?")}
    types = {name.rstrip("?"): type_ for name, type_ in schema.items()}
    must(needed <= entry["data"].keys() <= types.keys(), "exactly the fields of its event")
    for name, value in entry["data"].items():
        must(typed(types[name], value), f"data.{name} to be of type {types[name]}")

def first(e: Dict) -> Dict:
    d = e["data"]
    shape = (e["kind"], e["event"], e["source"], e["target"])
    must(shape == ("transition", "create", None, "created"), "create first, from null to created")
    must(1 <= d["amount"] >= d["tax_free"] + d["vat"], "tax parts within a positive amount")
    zeros = dict.fromkeys("attempts captured refunded refunded_tax_free refunded_vat".split(), 0)
    return {**d, **zeros, "status": "created", "intent": {}, "reference": None, "completed_at": None}

def follow(f: Dict, e: Dict, chart: Edges) -> None:
    must(e["source"] == f["status"], f"source {f['status']}")
    if e["kind"] != "transition":
        must(e["target"] == f["status"], "a target that is the source")
        return
    edge = (e["source"], e["event"], e["target"])
    must(edge in chart, f"a transition of its chart; {edge} is none")
    guard = chart[edge]
    must(guard is None or (guard in GUARDS and GUARDS[guard](f, e, e["data"])), f"guard {guard}")
    must(e["event"] != "create", "one create")
    by_event(f, e["event"], e, e["data"])
    if e["event"].startswith("approval_") or e["event"] in ("refund_settled", "refund_rejected"):
        must(e["data"]["op"] == f["intent"].get("op"), "op of the open intent")
        f["intent"] = {}
    f["status"] = e["target"]

def by_event(f: Dict, event: str, e: Dict, d: Dict) -> None:
    if event == "make_ready":
        f.update(reference=d["reference"], expires_at=d["expires_at"])
    elif event == "approve":
        must(d["expected_total"] == f["amount"], "expected_total")
        must(all(d[n] == f[n] for n in ("amount", "tax_free", "vat")), "an intent over the whole order")
        f.update(attempts=f["attempts"] + 1, intent=dict(d, source=e["source"]))
    elif event == "refund":
        must(d["expected_total"] == f["refunded"] + d["amount"], "expected_total")
        f["intent"] = dict(d, source=e["source"])
    elif event in ("approval_confirmed", "charge_found"):
        must(1 <= d["captured"] <= f["amount"], f"captured from 1 to {f['amount']}")
        must(f["reference"] in (None, d["reference"]), f"reference {f['reference']}")
        f.update(captured=d["captured"], reference=d["reference"])
    elif event in ("refund_settled", "refund_found"):
        give_back(f, event, [d["refunded_total"], d["tax_free_total"], d["vat_total"]])
    elif event == "complete":
        f["completed_at"] = e["occurred_at"]
    elif event == "expire":
        must(d["expires_at"] == f["expires_at"], f"expires_at {f['expires_at']}")

def give_back(f: Dict, event: str, totals: list[int]) -> None:
    past = [f["refunded"], f["refunded_tax_free"], f["refunded_vat"]]
    i = f["intent"]
    if event == "refund_settled" and i:
        parts = [i["expected_total"], past[1] + i["tax_free"], past[2] + i["vat"]]
        must(totals == parts, f"totals {parts}, as the intent announced")
    most = [f["captured"], f["tax_free"], f["vat"]]
    within = all(low <= now <= high for low, now, high in zip(past, totals, most))
    must(within and totals[0] > past[0], f"totals above {past} and up to {most}")
    f.update(refunded=totals[0], refunded_tax_free=totals[1], refunded_vat=totals[2])

def charts_of(folder: Path) -> dict[str, Edges]:
    """Version → (source, event, target) → guard, of every chart that hashes to its name."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            chart = json.loads(path.read_bytes())
            chart.pop("version", None)
            edges = {(t["source"], t["event"], t["target"]): t["guard"] for t in chart["transitions"]}
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            continue
        if sha(jcs(chart)).hex() == path.stem:
            found[f"sha256:{path.stem}"] = edges
    return found

class Tree:
    """The root over what was pushed: complete subtrees, the largest first."""
    def __init__(self) -> None:
        self.size, self.peaks = 0, list[bytes]()

    def push(self, digest: bytes) -> None:
        node, place = sha(b"\0", digest), self.size
        while place & 1:
            node, place = sha(b"\1", self.peaks.pop(), node), place >> 1
        self.peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        if not self.peaks:
            return sha()
        root = self.peaks[-1]
        for peak in self.peaks[-2::-1]:
            root = sha(b"\1", peak, root)
        return root

def climb(digest: bytes, place: int, size: int, path: list[str]) -> bytes:
    """RFC 9162, 2.1.3.2: the root that an inclusion proof leads to."""
    must(0 <= place < size, "a position inside the tree")
    last, root = size - 1, sha(b"\0", digest)
    for one in map(bytes.fromhex, path):
        must(last > 0, "a shorter proof")
        if place & 1 or place == last:
            root = sha(b"\1", one, root)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            root = sha(b"\1", root, one)
        place, last = place >> 1, last >> 1
    must(last == 0, "a longer proof")
    return root

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int, int, int]

def add(a: Point, b: Point) -> Point:
    m, n = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return (e * f % P, g * h % P, f * g % P, e * h % P)
def times(scalar: int, point: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    for bit in bin(scalar)[2:]:
        total = add(add(total, total), point) if bit == "1" else add(total, total)
    return total
def decoded(raw: bytes) -> Optional[Point]:
    number = int.from_bytes(raw, "little")
    y, odd = number & (1 << 255) - 1, number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or x * x % P != square or (x == 0 and odd):
        return None
    x = P - x if x & 1 != odd else x
    return (x, y, 1, x * y % P)
def signed(key: bytes, text: bytes, signature: bytes) -> bool:
    """RFC 8032, 5.1.7: S·B − k·A has the bytes of R."""
    point, base = decoded(key), decoded((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= L or point is None or base is None:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + text).digest(), "little") % L
    minus: Point = (P - point[0], point[1], 1, P - point[3])
    x, y, z, _ = add(times(s, base), times(k, minus))
    x, y = x * pow(z, -1, P) % P, y * pow(z, -1, P) % P
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]

def keys_of(text: str) -> list[tuple[str, bytes]]:
    """(name, 32 bytes) of each key: a PEM file names none; else lines of name+id+base64."""
    if text.startswith("-----BEGIN PUBLIC KEY-----"):
        der = base64.b64decode("".join(text.split("\n")[1:-2]))
        must(der[:12].hex() == "302a300506032b6570032100" and len(der) == 44, "an Ed25519 key")
        return [("", der[12:])]
    lines = [line.split("+", 2) for line in text.split("\n") if line]
    return [(name, base64.b64decode(raw)[1:]) for name, _, raw in lines]

def opened(note: str, keys: list[tuple[str, bytes]]) -> tuple[str, int, bytes]:
    """Origin, size and root of a signed note that one of the keys signed."""
    text, blank, block = note.rpartition("\n\n")
    lines = text.split("\n")
    must(blank and len(lines) >= 3 and re.fullmatch("0|[1-9][0-9]{0,15}", lines[1]), "a checkpoint")
    valid = False
    for name, encoded in re.findall("\u2014 ([^ \n]+) ([^ \n]+)\n", block):
        raw = base64.b64decode(encoded)
        for known, key in keys:
            if (name == lines[0] == (known or name) and sha(name.encode(), b"\n\1", key)[:4] == raw[:4]):
                must(signed(key, text.encode() + b"\n", raw[4:]), "a signature by its key")
                valid = True
    must(valid, "the signature of a known key")
    return lines[0], int(lines[1]), base64.b64decode(lines[2])

class Verifier:
    """Reads a bundle once, line by line."""
    def __init__(self, folder: Path, checkpoint: Optional[Path], key: Optional[Path]) -> None:
        self.folder, self.charts = folder, charts_of(folder / "charts")
        self.part = (folder / "proofs.jsonl").exists()
        self.found: dict[str, tuple[int, str]] = {}
        self.streams: dict[str, tuple[int, str, int, Dict]] = {}
        self.tree, self.count, self.heads = Tree(), 0, dict[int, bytes]()
        notes = [*folder.glob("checkpoints/*.txt"), *filter(None, [checkpoint])]
        try:
            keys = [key] if key else [folder / "public-key.pem", folder / "public-keys.txt"]
            known = [one for path in keys for one in keys_of(path.read_text("utf-8"))]
            heads = [opened(path.read_text("utf-8"), known) for path in notes]
            must(heads and len({origin for origin, _, _ in heads}) == 1, "checkpoints of one log")
            for _, size, root in heads:
                must(self.heads.setdefault(size, root) == root, f"one root of size {size}")
        except (Bad, ValueError, OSError) as error:
            self.report("tree", 0, f"checkpoints that can be trusted ({error})")
        self.size = max(self.heads, default=0)

    def report(self, stream: str, seq: int, expected: str) -> None:
        self.found.setdefault(stream, (seq, expected))

    def run(self) -> None:
        log = self.folder / "log.jsonl"
        self.against(0)
        with log.open("rb") as file, (self.folder / "proofs.jsonl" if self.part else log).open("rb") as proofs:
            for line in file:
                self.count += 1
                self.take(line, map(json.loads, proofs))
        if not self.part and self.tree.size != self.size:
            self.report("tree", self.tree.size, f"{self.size} entries, as the newest checkpoint says")

    def take(self, line: bytes, proven: Iterator[Any]) -> None:
        """One line: into the tree whatever it is, and into its stream if that is whole so far."""
        try:
            row = json.loads(line)
            text, digest, position = row["entry"], row["hash"], row["position"]
            leaf = bytes.fromhex(digest)
        except (ValueError, LookupError, TypeError, RecursionError):
            return self.report("tree", self.tree.size, f"a line with position, hash and entry (line {self.count})")
        place, (stream, seq) = self.tree.size, named(text)
        self.tree.push(leaf)
        try:
            must(self.part or position == place, f"position {place}")
            if stream not in self.found:
                self.next(read(text, digest))
            if self.part:
                proof: Any = next(proven, None)
                must(isinstance(proof, dict) and proof["position"] == position, "a proof")
                root = climb(leaf, position, self.size, proof["path"])
                must(root == self.heads.get(self.size), "a proof that leads to the signed root")
        except (Bad, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            self.report(stream, seq, f"{error} (line {self.count})")
        return self.against(self.tree.size)

    def against(self, size: int) -> None:
        if not self.part and size in self.heads and self.heads[size] != self.tree.root():
            self.report("tree", size, f"the root that was signed over the first {size} entries")

    def next(self, e: Dict) -> None:
        seq, head, at, facts = self.streams.get(e["stream"], (0, "0" * 64, -1, {}))
        must(e["seq"] == seq + 1, f"seq {seq + 1}: an entry is missing or was put in")
        must(e["prev_hash"] == head, f"prev_hash {head}")
        must(e["occurred_at"] > at, f"a time after {at}")
        must(e["chart"] in self.charts, "a chart that was released")
        if e["stream"] != "book" and seq:
            follow(facts, e, self.charts[e["chart"]])
        elif e["stream"] != "book":
            facts = first(e)
        digest = sha(b"strada/entry/1\n", jcs(e)).hex()
        self.streams[e["stream"]] = (e["seq"], digest, e["occurred_at"], facts)

def named(text: object) -> tuple[str, int]:
    stream = re.findall(r'"stream":"([^"]+)"', str(text))
    seq = re.findall(r'"seq":([0-9]{1,16})', str(text))
    return (stream[-1] if stream else "?"), int(seq[-1]) if seq else 0

def main(args: list[str]) -> int:
    options: dict[str, Optional[Path]] = {"--checkpoint": None, "--key": None}
    while len(args) > 2 and args[-2] in options:
        options[args[-2]] = Path(args[-1])
        args = args[:-2]
    given = [path for path in options.values() if path]
    folder = Path(args[0]) if len(args) == 1 else None
    if (
        folder is None
        or not (folder / "log.jsonl").is_file()
        or not all(path.is_file() for path in given)
    ):
        sys.stderr.write("usage: python verify.py DIR [--checkpoint FILE] [--key FILE]\n")
        return 2
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    verifier = Verifier(folder, options["--checkpoint"], options["--key"])
    verifier.run()
    for stream, (seq, expected) in sorted(verifier.found.items()):
        print(f"{stream} {seq}: expected {expected}")
    what = "part of a book" if verifier.part else "book"
    verdict = "broken" if verifier.found else "whole"
    print(f"{verdict}: {what}, {verifier.count} entries in {len(verifier.streams)} streams")
    return 1 if verifier.found else 0

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
