"""The command line: what it prints, what it exits with, and what it says when typed wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from web.cli import cli
from web.cli.shared import Fail

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("STRADA_DATABASE_URL", f"sqlite:///{tmp_path / 'strada.db'}")
    monkeypatch.setenv("STRADA_KAKAOPAY_SECRET_KEY", "DEV" + "A" * 37)
    runner = CliRunner()

    def call(*arguments: str, given: str = "") -> Result:
        return runner.invoke(cli, list(arguments), input=given)

    assert call("migrate").exit_code == 0
    return call


def test_a_key_is_made_listed_and_revoked(run: Run) -> None:
    made = json.loads(
        run("keys", "create", "--merchant", "shop", "--scope", "audit", "--json").output
    )
    assert made["key"].startswith("sk_test_")
    listed = json.loads(run("keys", "list", "--json").output)
    assert [(one["id"], one["merchant"], one["scopes"]) for one in listed] == [
        (made["id"], "shop", ["audit"])
    ]
    assert made["key"].startswith(listed[0]["prefix"])
    assert run("keys", "revoke", made["id"]).exit_code == 0
    assert json.loads(run("keys", "list", "--json").output) == []


def test_a_merchants_origins_are_normalised(run: Run) -> None:
    arguments = ("--return-origin", "HTTPS://Shop.Example:443", "--app-scheme", "Strada-Shop")
    row = json.loads(run("merchants", "set", "shop", *arguments, "--json").output)
    assert row == {"name": "shop", "origins": ["https://shop.example"], "schemes": ["strada-shop"]}


@pytest.mark.parametrize(
    "arguments",
    [
        ("merchants", "set", "shop", "--return-origin", "https://shop.example/path"),
        ("merchants", "set", "shop", "--app-scheme", "javascript"),
        ("merchants", "set", "a b", "--app-scheme", "shop-app"),
        ("accounts", "set", "shop", "kakaopay", "--cid", "not a cid"),
        ("serve", "--workers", "4"),
    ],
)
def test_wrong_values_are_refused_as_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    failed = run(*arguments, given="DEV" + "B" * 37 + "\n")
    assert isinstance(failed.exception, Fail)
    assert failed.exception.exit_code == 2


def test_an_account_keeps_its_secret(run: Run, tmp_path: Path) -> None:
    secret = "DEV" + "C" * 37
    shown = run("accounts", "set", "shop", "kakaopay", "--cid", "C123456789", given=secret + "\n")
    assert shown.exit_code == 0
    assert secret not in shown.output
    listed = json.loads(run("accounts", "list", "--json").output)
    assert listed == [{"merchant": "shop", "provider": "kakaopay", "account": "C123456789"}]
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes()


def test_doctor_is_content_with_a_prepared_database(run: Run) -> None:
    checks = json.loads(run("doctor", "--json").output)
    assert all(check["ok"] for check in checks)


def test_doctor_finds_a_database_that_is_not_there(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRADA_DATABASE_URL", f"sqlite:///{tmp_path / 'other.db'}")
    said = run("doctor")
    assert (said.exit_code, "strada migrate" in said.output) == (1, True)
    assert not (tmp_path / "other.db").exists()


def test_an_empty_log_is_whole(run: Run) -> None:
    report = json.loads(run("audit", "verify", "--json").output)
    assert (report["verdict"], report["entries"]) == ("whole", 1)


def test_what_is_not_there_is_said_so(run: Run) -> None:
    for arguments in (("transactions", "show", "txn_x"), ("audit", "replay", "txn_x")):
        failed = run(*arguments)
        assert isinstance(failed.exception, Fail)
        assert failed.exception.exit_code == 1


def test_a_folder_that_cannot_be_made_is_said_so(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("STRADA_DATABASE_URL", f"sqlite:///{tmp_path / 'file' / 'strada.db'}")
    failed = run("migrate")
    assert isinstance(failed.exception, Fail)
    assert str(tmp_path / "file") in str(failed.exception)


@pytest.mark.parametrize("kind", ["md", "mermaid", "json", "svg"])
def test_the_chart_is_printed(run: Run, kind: str) -> None:
    assert "captured_unwanted" in run("chart", "--format", kind).output


def test_an_unprepared_database_names_the_cure(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRADA_DATABASE_URL", f"sqlite:///{tmp_path / 'other.db'}")
    assert "strada migrate" in str(run("keys", "list").exception)


def test_a_book_is_exported_and_checks_itself(run: Run, tmp_path: Path) -> None:
    run("keys", "create", "--merchant", "shop", "--scope", "audit")
    made = run("audit", "export", "--out", str(tmp_path / "book"), "--json")
    assert (made.exit_code, json.loads(made.stdout)["complete"]) == (0, True), made.output
    verifier = tmp_path / "book" / "verify.py"
    command = [sys.executable, "-I", str(verifier), str(tmp_path / "book")]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0
    assert run("audit", "verify", "--jobs", "2").stdout.startswith("whole: ")


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (("--from", "yesterday"), 2),
        (("--to", "2026-13-01"), 2),
        (("--merchant", "nobody"), 1),
        (("--from", "2026-11-01", "--to", "2026-11-02T00:00:00+09:00"), 0),
    ],
)
def test_what_is_exported_must_make_sense(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], exit_code: int
) -> None:
    done = run("audit", "export", "--out", str(tmp_path / "book"), *arguments)
    assert run_code(done) == exit_code, done.output


def test_an_export_overwrites_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "mine").touch()
    assert run_code(run("audit", "export", "--out", str(tmp_path / "book"))) == 2


def run_code(done: Result) -> int:
    """The exit code of a command, also of one that failed before `main` could say so."""
    return done.exception.exit_code if isinstance(done.exception, Fail) else done.exit_code
