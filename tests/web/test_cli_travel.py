"""Time travel on the command line: lists as of then, differences, and a replay step by step."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from house import House

from web.cli import cli
from web.cli.shared import Fail

Run = Callable[..., Result]


@pytest.fixture
def run(house: House, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on the house's database."""
    monkeypatch.setenv("STRADA_DATABASE_URL", f"sqlite:///{house.store.path}")
    monkeypatch.delenv("STRADA_STATE_DIR", raising=False)
    return lambda *arguments: CliRunner().invoke(cli, list(arguments))


def head(run: Run, file: Path) -> int:
    """Sign the head into a file; its size."""
    done = run("audit", "checkpoint", "--out", str(file), "--json")
    assert done.exit_code == 0, done.output
    return int(json.loads(done.output)["size"])


def test_the_list_is_shown_as_of_a_checkpoint(run: Run, house: House, tmp_path: Path) -> None:
    paid = house.approved()
    file = tmp_path / "head"
    size = head(run, file)
    house.payments.refund(house.caller(), paid, None)
    house.ready()
    for option in (("--checkpoint", str(file)), ("--tree-size", str(size))):
        shown = json.loads(run("transactions", "list", *option, "--json").output)
        assert [(one["id"], one["status"]) for one in shown] == [(paid, "approved")]
    assert "approved" in run("transactions", "list", "--checkpoint", str(file)).output
    none = run("transactions", "list", "--tree-size", str(size), "--status", "refunded", "--json")
    assert json.loads(none.output) == []


def test_a_difference_names_payments_and_totals(run: Run, house: House, tmp_path: Path) -> None:
    paid = house.approved()
    first = head(run, tmp_path / "first")
    house.payments.refund(house.caller(), paid, 1_000)
    house.approved()
    second = head(run, tmp_path / "second")
    arguments = ("audit", "diff", str(tmp_path / "first"), str(second))
    shown = json.loads(run(*arguments, "--json").output)
    assert (shown["from"], shown["to"]) == (first, second)
    assert shown["changed"][0]["id"] == paid
    assert shown["totals"] == {"KRW": {"captured": 12_000, "refunded": 1_000}}
    text = run(*arguments).output
    assert "KRW: captured +12,000, refunded +1,000" in text
    backwards = run("audit", "diff", str(second), str(first))
    assert isinstance(backwards.exception, Fail)
    assert backwards.exception.exit_code == 2


def test_a_size_that_was_never_reached_is_refused(run: Run, tmp_path: Path) -> None:
    for arguments in (
        ("transactions", "list", "--tree-size", "9999"),
        ("audit", "diff", "1", "9999"),
        ("audit", "diff", "1", str(tmp_path / "nothing")),
    ):
        assert isinstance(run(*arguments).exception, Fail)


def test_a_checkpoint_that_the_log_does_not_extend_is_refused(
    run: Run, house: House, tmp_path: Path
) -> None:
    file = tmp_path / "head"
    house.approved()
    head(run, file)
    house.store.db.execute_sql("DROP TRIGGER tree_nodes_never_updated")
    rows = house.store.rows("SELECT level, place, hash FROM tree_nodes")
    house.store.db.execute_sql("UPDATE tree_nodes SET hash = ZEROBLOB(32)")
    refused = run("transactions", "list", "--checkpoint", str(file))
    assert isinstance(refused.exception, Fail)
    assert "does not extend" in str(refused.exception)
    for row in rows:
        house.store.db.execute_sql(
            "UPDATE tree_nodes SET hash = ? WHERE level = ? AND place = ?",
            (row["hash"], row["level"], row["place"]),
        )


def test_a_replay_shows_the_facts_that_each_entry_changed(run: Run, house: House) -> None:
    paid = house.approved()
    shown = run("audit", "replay", paid).output
    assert "captured_amount    0 → 12,000" in shown
    assert "\x1b[" not in shown
    assert "head_hash" not in shown
    assert len(json.loads(run("audit", "replay", paid, "--json").output)["transitions"]) == 4


def test_a_replay_has_colours_on_a_terminal(
    run: Run, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid = house.approved()
    monkeypatch.setitem(os.environ, "FORCE_COLOR", "1")
    assert "\x1b[" in run("audit", "replay", paid).output
