"""The bundle: what it holds, that it verifies alone, and that nobody gets another's payments."""

from __future__ import annotations

import ast
import io
import json
import os
import random
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from house import START, House
from storefront import Site
from tamper import Book, history, standalone

from engine.audit import Audit
from engine.export import Bundle, Scope, csv_line
from engine.fire import Ledger
from engine.note import Checkpoint, sign
from engine.outside import replace_file
from web import bundle

VERIFIER = Path(__file__).resolve().parents[2] / "engine" / "bundle" / "verify.py"
Run = subprocess.CompletedProcess[str]


def exported(house: House, folder: Path, scope: Scope | None = None) -> Path:
    made = Bundle.begin(house.ledger, house.audit, scope or Scope(), "operator:test")
    bundle.write(folder, made.files(bundle.page))
    return folder


def check(folder: Path, *more: str) -> Run:
    """Run the bundle's own verifier, away from this repository."""
    return run(folder, str(folder), *more)


def run(folder: Path, *args: str) -> Run:
    command = [sys.executable, "-I", str(folder / "verify.py"), *args]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=120, cwd=folder
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Path]]:
    """A house with every kind of entry, and its book."""
    folder = tmp_path_factory.mktemp("export")
    house = House(folder / "strada.db")
    history(house)
    house.audit.checkpoints.record("operator:test")
    house.approved()
    yield house, exported(house, folder / "book")
    house.store.close()


@pytest.fixture
def book(source: tuple[House, Path], tmp_path: Path) -> Path:
    """A copy of the book, to be spoilt."""
    shutil.copytree(source[1], tmp_path / "book")
    return tmp_path / "book"


def test_a_whole_book_verifies_alone(book: Path) -> None:
    done = check(book)
    assert (done.returncode, done.stdout[:6]) == (0, "whole:"), done
    assert len(list((book / "checkpoints").iterdir())) == 2


def test_the_lines_are_the_log_in_tree_order(source: tuple[House, Path]) -> None:
    house, book = source
    lines = [json.loads(line) for line in (book / "log.jsonl").read_text().splitlines()]
    assert [line["position"] for line in lines] == list(range(len(lines)))
    assert {tuple(line) for line in lines} == {("position", "hash", "entry")}
    stored = {row["entry"] for row in house.store.rows("SELECT entry FROM entries")}
    assert {line["entry"] for line in lines} == stored
    assert json.loads(lines[-1]["entry"])["event"] == "exported"


def test_no_personal_value_is_in_it(book: Path) -> None:
    everything = b"".join(path.read_bytes() for path in book.rglob("*") if path.is_file())
    for value in ("초코파이", "user-7", "하나 깨짐", "c-9", "order-1"):
        assert value.encode() not in everything


def test_a_part_verifies_with_its_proofs(house: House, tmp_path: Path) -> None:
    history(house)
    house.time.advance(3_600)
    later = house.time.now
    txn = house.approved()
    part = exported(house, tmp_path / "part", Scope("shop", later))
    done = check(part)
    assert done.returncode == 0, done
    assert "part of a book, 4 entries in 1 streams" in done.stdout
    assert txn in (part / "payments.csv").read_text()


def test_a_merchant_gets_nothing_of_another(house: House, tmp_path: Path) -> None:
    house.merchants.ensure("else", "operator:test")
    house.approved()
    part = exported(house, tmp_path / "part", Scope("else"))
    assert (part / "log.jsonl").read_bytes() == b""
    assert check(part).returncode == 0


def edited(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / name
        path.write_text(change(path.read_text("utf-8")), "utf-8")

    return edit


def _pem(secret: bytes) -> bytes:
    """The public key of a stranger."""
    public = Ed25519PrivateKey.from_private_bytes(secret).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _unsigned(text: str) -> str:
    """A note whose signature has another digit in it."""
    other = "A" if text[-20] != "A" else "B"
    return text[:-20] + other + text[-19:]


def _head(folder: Path) -> Path:
    return max((folder / "checkpoints").iterdir(), key=lambda path: int(path.stem))


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "an amount": (edited("log.jsonl", lambda t: t.replace("12000", "12001", 1)), "the hash of the"),
    "a line less": (edited("log.jsonl", lambda t: t.split("\n", 1)[1]), "position 0"),
    "a cut tail": (edited("log.jsonl", lambda t: "\n".join(t.split("\n")[:-2])), "entries, as"),
    "no line": (edited("log.jsonl", lambda t: ""), "entries, as"),
    "not JSON": (edited("log.jsonl", lambda t: "x\n" + t), "a line with"),
    "no chart": (lambda f: next((f / "charts").iterdir()).unlink(), "a chart that was released"),
    "another chart": (
        lambda f: edited(
            next((f / "charts").iterdir()).relative_to(f).as_posix(),
            lambda t: t.replace('"completed_at==null"', "null", 1),
        )(f),
        "a chart that was released",
    ),
    "another key": (
        lambda f: [
            (f / "public-key.pem").write_bytes(_pem(os.urandom(32))),
            (f / "public-keys.txt").write_text(""),
        ],
        "the signature of a known key",
    ),
    "another signature": (
        lambda f: _head(f).write_text(_unsigned(_head(f).read_text("utf-8")), "utf-8"),
        "checkpoints that can be trusted",
    ),
    "no checkpoint": (
        lambda f: [path.unlink() for path in (f / "checkpoints").iterdir()],
        "checkpoints that can be trusted",
    ),
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_a_changed_bundle_is_broken(book: Path, name: str) -> None:
    change, expected = BROKEN[name]
    change(book)
    done = check(book)
    assert (done.returncode, expected in done.stdout) == (1, True), done
    assert re.match(r"\S+ \d+: expected ", done.stdout)


def test_no_flipped_bit_of_a_bundle_is_a_crash(book: Path) -> None:
    dice, alone = random.Random(5), standalone()
    read = ["log.jsonl"] * 4 + ["public-key.pem", "public-keys.txt"]
    read += [path.relative_to(book).as_posix() for path in book.glob("c*/*")]
    for number in range(120):
        path = book / dice.choice(read)
        honest = path.read_bytes()
        spoilt = bytearray(honest)
        spoilt[dice.randrange(len(spoilt))] ^= 1 << dice.randrange(8)
        path.write_bytes(spoilt)
        judge = alone.Verifier(book, None, None)
        judge.run()
        path.write_bytes(honest)
        assert judge.found or path.name != "log.jsonl", (number, path)


@pytest.mark.parametrize("line", ["[" * 9_999, "5", '{"position":0,"hash":"00","entry":5}', "\xff"])
def test_an_odd_line_is_a_finding(book: Path, line: str) -> None:
    path = book / "log.jsonl"
    path.write_bytes(line.encode("latin-1") + b"\n" + path.read_bytes())
    assert (check(book).returncode, check(book).stderr) == (1, "")


def test_a_part_with_a_strangers_proof_is_broken(house: House, tmp_path: Path) -> None:
    house.approved()
    part = exported(house, tmp_path / "part", Scope("shop"))
    lines = (part / "proofs.jsonl").read_text().splitlines()
    path = json.loads(lines[0])
    path["path"][0] = "0" * 64
    (part / "proofs.jsonl").write_text("\n".join([json.dumps(path), *lines[1:]]))
    done = check(part)
    assert (done.returncode, "leads to the signed root" in done.stdout) == (1, True), done


def test_an_own_checkpoint_shows_a_rewritten_log(
    source: tuple[House, Path], book: Path, tmp_path: Path
) -> None:
    house = source[0]
    other = House(tmp_path / "other" / "strada.db")
    own, strange = tmp_path / "own.txt", tmp_path / "strange.txt"
    replace_file(own, house.audit.checkpoints.at(9).note.encode())
    replace_file(strange, other.audit.checkpoints.head().note.encode())
    other.store.close()
    assert check(book, "--checkpoint", str(own)).returncode == 0
    assert check(book, "--checkpoint", str(strange)).returncode == 1
    key = book / "public-key.pem"
    assert check(book, "--checkpoint", str(own), "--key", str(key)).returncode == 0


def test_a_checkpoint_of_another_log_is_none_of_this(
    source: tuple[House, Path], book: Path, tmp_path: Path
) -> None:
    audit = source[0].audit
    assert audit.keys.path is not None
    private = load_pem_private_key(audit.keys.path.read_bytes(), None)
    assert isinstance(private, Ed25519PrivateKey)
    held, own = tmp_path / "held.txt", Checkpoint(audit.keys.origin, 3, audit.tree.root(3))
    held.write_text(sign(own, private), "utf-8")
    assert check(book, "--checkpoint", str(held)).returncode == 0
    held.write_text(sign(replace(own, origin="strada/log_other"), private), "utf-8")
    assert check(book, "--checkpoint", str(held)).returncode == 1


@pytest.mark.parametrize("args", [[], ["nowhere"], [".", "--key", "nowhere"], [".", "."]])
def test_wrong_usage_exits_two(book: Path, args: list[str]) -> None:
    done = run(book, *args)
    assert (done.returncode, done.stderr[:6]) == (2, "usage:")


def judged_here(*args: str) -> int:
    """The exit code of the verifier in this process, by the file that every bundle copies."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["verify.py", *args])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(VERIFIER), run_name="__main__")
    return int(str(ended.value.code))


def test_the_verifier_says_the_same_in_any_process(
    house: House, book: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house.approved()
    part, head = exported(house, tmp_path / "part", Scope("shop")), str(_head(book))
    key = str(book / "public-key.pem")
    assert judged_here(str(book), "--checkpoint", head, "--key", key) == 0
    assert judged_here(str(part)) == 0
    (part / "proofs.jsonl").write_text("")
    assert judged_here(str(part)) == 1
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in said] == [
        "whole: book",
        "whole: part of a book",
        said[2],
        "broken: part of a book",
    ]
    assert judged_here("nowhere") == 2


def test_the_verifier_stands_alone() -> None:
    text = VERIFIER.read_text("utf-8")
    names = {
        alias.name if isinstance(node, ast.Import) else str(node.module)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names
    assert len(text.splitlines()) <= 400


def test_the_page_asks_nothing_of_anybody(book: Path) -> None:
    text = (book / "index.html").read_text("utf-8")
    assert not re.search(r"\b(?:fetch|XMLHttpRequest|WebSocket|import)\s*\(", text)
    loads = re.findall(r"<(?:script|img|iframe|link)\b[^>]+(?:src|href)=\"?([^\"> ]+)", text)
    assert loads == ["data:,"]
    assert "default-src 'none'" in text


def test_a_name_cannot_end_the_pages_script() -> None:
    text = bundle.page({"lines": ["</script><script>alert(1)</script>"]}).decode()
    assert "</script><script>alert" not in text
    inside = text.partition('id="data">')[2].partition("</script>")[0]
    assert json.loads(inside) == {"lines": ["</script><script>alert(1)</script>"]}


def test_a_large_book_shows_its_newest_payments(source: tuple[House, Path]) -> None:
    house = source[0]
    made = Bundle(house.ledger, house.audit, Scope(), house.audit.checkpoints.head())
    shown = made.shown(20)
    assert shown["embedded"]["complete"] is False
    assert 10 < shown["embedded"]["entries"] == len(shown["lines"]) <= 20
    assert {str(line["position"]) for line in shown["lines"]} == shown["proofs"].keys()
    entries = [json.loads(line["entry"]) for line in shown["lines"]]
    for stream in {entry["stream"] for entry in entries}:
        seqs = [entry["seq"] for entry in entries if entry["stream"] == stream]
        assert seqs == list(range(1, len(house.entries(stream)) + 1))


def test_a_spreadsheet_runs_no_name() -> None:
    assert csv_line(["=1+1", "-2", 3, None]) == b"'=1+1,'-2,3,\r\n"


# ---- over HTTP


def test_a_key_exports_its_merchants_payments(site: Site, tmp_path: Path) -> None:
    txn = site.create()["id"]
    answer = site.call("GET", "/audit/export", key=site.auditor)
    assert (answer.status_code, answer.content_type) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as made:
        made.extractall(tmp_path)
    folder = tmp_path / "strada-book"
    assert check(folder).returncode == 0
    streams = {json.loads(json.loads(line)["entry"])["stream"] for line in _lines(folder)}
    assert streams == {txn}


def _lines(folder: Path) -> list[str]:
    return (folder / "log.jsonl").read_text().splitlines()


def test_an_export_is_noted_and_a_head_is_not(site: Site) -> None:
    def noted() -> int:
        sql = "SELECT COUNT(*) AS n FROM entries WHERE event = 'exported'"
        return int(site.house.store.rows(sql)[0]["n"])

    assert site.call("HEAD", "/audit/export", key=site.auditor).status_code == 200
    assert noted() == 0
    assert site.call("GET", "/audit/export?from=2026-01-01T00:00:00Z", key=site.auditor).data
    assert noted() == 1
    assert site.call("GET", "/audit/export?from=0241-02-22T19:40:47Z", key=site.auditor).data


def test_export_wants_the_audit_scope(site: Site) -> None:
    assert site.call("GET", "/audit/export").status_code == 403
    assert site.call("GET", "/audit/export", key="").status_code == 401
    assert site.call("GET", "/audit/export?from=x", key=site.auditor).status_code == 422


def test_a_time_outside_leaves_nothing(house: House, tmp_path: Path) -> None:
    house.approved()
    part = exported(house, tmp_path / "part", Scope(None, START - 2, START - 1))
    assert (part / "log.jsonl").read_bytes() == b""


def test_a_book_is_exported_with_what_is_no_entry(house: House, tmp_path: Path) -> None:
    house.approved()
    book = Book(house, tmp_path / "spoilt.db")
    book.sql("UPDATE entries SET entry = 'no JSON' WHERE event = 'approve'")
    book.sql("UPDATE entries SET entry = '[]' WHERE event = 'make_ready'")
    ledger = Ledger(book.store, house.ledger.clock)
    audit = Audit(ledger, tmp_path / "state")
    made = Bundle(ledger, audit, Scope(), audit.checkpoints.head())
    bundle.write(tmp_path / "book", made.files(bundle.page))
    book.store.close()
    assert check(tmp_path / "book").returncode == 1
    csv = (tmp_path / "book" / "entries.csv").read_text()
    assert len(csv.splitlines()) == 1 + len(house.store.rows("SELECT 1 FROM entries"))
