"""What commands say to a person: without --json, on a book with a history."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner, Result
from house import House
from tamper import Book

from engine.clock import wall_us
from web.cli import cli
from web.cli.audit import DAY_US
from web.cli.shared import Fail

Run = Callable[..., Result]


@pytest.fixture
def run(house: House, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on the house's database, whose clock is the wall's."""
    house.time.now = wall_us()
    monkeypatch.setenv("STRADA_DATABASE_URL", f"sqlite:///{house.store.path}")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("STRADA_STATE_DIR", raising=False)
    return lambda *arguments: CliRunner().invoke(cli, list(arguments))


def said(done: Result) -> str:
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def failed(done: Result) -> str:
    """What a command that fails says."""
    assert isinstance(done.exception, Fail), done.output
    return str(done.exception)


# ---- payments


def test_payments_are_listed_newest_first(run: Run, house: House) -> None:
    older, newer = house.approved(), house.create()
    lines = said(run("transactions", "list")).splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [[newer, "created"], [older, "approved"]]
    assert said(run("transactions", "list", "--status", "failed")) == "(none)\n"
    found = json.loads(said(run("transactions", "list", "--status", "approved", "--json")))
    assert [one["id"] for one in found] == [older]


def test_a_list_of_then_has_no_order_ids(run: Run) -> None:
    for more in (("--order-id", "order-1"), ("--checkpoint", "file")):
        assert "no --order-id" in failed(run("transactions", "list", "--tree-size", "1", *more))


def test_a_payment_is_shown_with_its_log(run: Run, house: House) -> None:
    txn = house.approved()
    house.payments.refund(house.caller(), txn, 1_000)
    with pytest.raises(Exception, match="illegal"):
        house.payments.fire(house.caller(), txn, "cancel", None)
    lines = said(run("transactions", "show", txn)).splitlines()
    assert lines[0].startswith(f"{txn}  partially_refunded  12,000 KRW  captured 12,000")
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3", "4", "5", "6", "7"]
    assert "refusal illegal_transition" in lines[-1]
    shown = json.loads(said(run("transactions", "show", txn, "--json")))
    assert len(shown["transitions"]) == 7


def test_a_review_is_closed_on_the_command_line(run: Run, house: House) -> None:
    txns = [house.create(), house.create()]
    for txn in txns:
        house.payments.settlement.open_review(house.ledger.load(txn), "outcome_unknown")
    because = ("--reason", "the customer called")
    assert said(run("resolve", txns[0], *because)) == f"{txns[0]}  created  review closed\n"
    assert json.loads(said(run("resolve", txns[1], *because, "--json")))["needs_review"] is None
    assert "illegal transition" in failed(run("resolve", txns[0], *because))


# ---- the audit


def test_a_replay_of_a_broken_log_names_the_place(
    run: Run, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    txn = house.approved()
    book = Book(house, tmp_path / "spoilt.db")
    book.sql("UPDATE entries SET entry = REPLACE(entry, '12000', '12001') WHERE seq = 3")
    book.store.close()
    monkeypatch.setenv("STRADA_DATABASE_URL", f"sqlite:///{tmp_path / 'spoilt.db'}")
    assert failed(run("audit", "replay", txn)).startswith(f"{txn} 3: expected ")
    for command in (("transactions", "list", "--tree-size", "5"), ("audit", "diff", "0", "5")):
        assert "cannot be folded" in failed(run(*command))
    broken = run("audit", "verify")
    assert (broken.exit_code, f"{txn} 3: expected" in broken.output) == (1, True)


def test_a_replay_pauses_after_each_entry(run: Run, house: House) -> None:
    lines = said(run("audit", "replay", house.approved(), "--step")).splitlines()
    assert lines[-1] == "folds to approved: captured 12,000, refunded 0 of 12,000 KRW"


def test_what_a_gateway_says_otherwise_is_a_difference(
    run: Run, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRADA_KAKAOPAY_BASE_URL", "http://127.0.0.1:9")
    assert said(run("reconcile")).endswith("0 payments asked about, 0 differ\n")
    assert json.loads(said(run("reconcile", "--json"))) == []
    txn = house.approved()
    differs = run("reconcile")
    assert (differs.exit_code, txn in differs.output) == (1, True)
    assert differs.output.endswith("1 payments asked about, 1 differ\n")
    assert run("reconcile", "--json").exit_code == 1


def test_a_head_is_written_and_a_key_rotated(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "head"
    assert said(run("audit", "checkpoint", "--out", str(file))).startswith(f"{file}: ")
    key = json.loads(said(run("audit", "checkpoint", "--json")))["public_key"]
    lines = said(run("audit", "rotate-key")).splitlines()
    assert lines[0] == f"before  {key}"
    rotated = json.loads(said(run("audit", "rotate-key", "--json")))
    assert lines[1] == f"now     {rotated['before']}"
    assert rotated["after"] != rotated["before"]


@pytest.mark.parametrize("as_json", [True, False])
def test_an_older_log_is_accepted_with_its_losses(
    run: Run, house: House, tmp_path: Path, as_json: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.ready()
    folder = tmp_path / "restored"
    folder.mkdir()
    house.audit.close()
    house.store.db.execute_sql(f"VACUUM INTO '{folder / 'strada.db'}'")
    house.approved()
    house.audit.close()
    monkeypatch.setenv("STRADA_DATABASE_URL", f"sqlite:///{folder / 'strada.db'}")
    monkeypatch.setenv("STRADA_STATE_DIR", str(house.state))
    because = ("--reason", "the disk was lost")
    done = said(run("audit", "accept-rollback", *because, *(["--json"] if as_json else [])))
    if as_json:
        assert json.loads(done).items() >= {"lost_entries": 4, "to_look_up": 1}.items()
    else:
        assert done.splitlines()[0].startswith("4 signed entries are lost; the log goes on")
        assert done.splitlines()[1].startswith("1 payments are looked up")


# ---- erasing


def test_what_is_due_is_told_before_it_goes(
    run: Run, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRADA_RETENTION_DAYS", "1")
    house.time.now -= 3 * DAY_US
    old, still = house.approved(), house.ready()
    lines = said(run("erase", "--due")).splitlines()
    assert lines[1].split()[0] == old
    assert lines[-2].startswith("1 payments are older than 1 days")
    assert lines[-1].startswith(f"{still} is as old and still open: ")


def test_a_reader_that_hinders_scrubbing_is_named(run: Run, house: House) -> None:
    house.approved()
    reader = apsw.Connection(str(house.store.path))
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM entries").fetchall()
    told = said(run("erase", "--customer", "user-7", "--merchant", "shop", "--yes"))
    reader.close()
    assert "another process reads; run it once more" in told


# ---- this installation


def test_settings_and_lists_are_tables(run: Run, house: House) -> None:
    assert "STRADA_DATABASE_URL" in said(run("config"))
    assert json.loads(said(run("config", "--json")))
    house.merchants.change("shop", ["https://shop.example"], ["shop-app"], "operator:test")
    assert "https://shop.example" in said(run("merchants", "list"))
    assert json.loads(said(run("merchants", "list", "--json")))[0]["name"] == "shop"
    assert said(run("accounts", "list")) == "(none)\n"


def test_doctor_says_what_to_fix(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "FIX  kakaopay account: no default" in run("doctor").output
    (tmp_path / "other.db").write_bytes(b"no database at all" * 99)
    monkeypatch.setenv("STRADA_DATABASE_URL", f"sqlite:///{tmp_path / 'other.db'}")
    assert "cannot be opened" in run("doctor").output


def test_a_worker_does_what_is_due_once(run: Run, house: House) -> None:
    house.create(expires_in=60)
    house.time.advance(-100)
    counts = json.loads(said(run("worker", "--once", "--json")))
    assert counts["looked"] == 0
    assert counts.keys() >= {"expired", "watched", "sequenced"}
    assert "sequenced" in said(run("worker", "--once"))


def test_a_word_that_is_no_command_is_wrong_usage(run: Run) -> None:
    assert run("pay").exit_code == 2
    assert "demo" in said(run("--help"))
