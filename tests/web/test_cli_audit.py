"""The command line's part of signing, proving and accepting."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from web.cli import cli
from web.cli.shared import Fail

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on a migrated database."""
    monkeypatch.setenv("STRADA_DATABASE_URL", f"sqlite:///{tmp_path / 'strada.db'}")
    monkeypatch.delenv("STRADA_STATE_DIR", raising=False)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(cli, list(arguments))

    assert call("migrate").exit_code == 0
    return call


def made(run: Run, path: Path) -> str:
    """Write a checkpoint; the public key that signed it."""
    done = run("audit", "checkpoint", "--out", str(path), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["note"] == path.read_text()
    return str(json.loads(done.output)["public_key"])


def test_a_checkpoint_is_written_and_verifies_later(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "head"
    key = made(run, file)
    assert (
        stat.S_IMODE((tmp_path / "strada-state" / "audit-signing-key.pem").stat().st_mode) == 0o600
    )
    run("keys", "create", "--merchant", "shop", "--scope", "audit")
    for extra in ((), ("--key", key)):
        report = json.loads(
            run("audit", "verify", "--checkpoint", str(file), *extra, "--json").output
        )
        assert report["verdict"] == "whole"
    assert run("audit", "checkpoint").output.startswith("strada/log_")


def test_an_edited_checkpoint_is_no_measure(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "head"
    made(run, file)
    lines = file.read_text().split("\n")
    file.write_text("\n".join([lines[0], "1", *lines[2:]]))
    failed = run("audit", "verify", "--checkpoint", str(file))
    assert isinstance(failed.exception, Fail)
    assert "not a checkpoint to trust" in str(failed.exception)


def test_a_pinned_key_refuses_another_signer(run: Run, tmp_path: Path) -> None:
    old = made(run, tmp_path / "old")
    assert run("audit", "rotate-key").exit_code == 0
    new = made(run, tmp_path / "new")
    assert old != new
    for name in ("old", "new"):
        assert run("audit", "verify", "--checkpoint", str(tmp_path / name)).exit_code == 0
    failed = run("audit", "verify", "--checkpoint", str(tmp_path / "old"), "--key", new)
    assert isinstance(failed.exception, Fail)


def test_a_checkpoint_of_another_log_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = made(run, tmp_path / "head")
    monkeypatch.setenv("STRADA_DATABASE_URL", f"sqlite:///{tmp_path / 'other' / 'strada.db'}")
    assert run("migrate").exit_code == 0
    for extra in ((), ("--key", key)):
        failed = run("audit", "verify", "--checkpoint", str(tmp_path / "head"), *extra)
        assert isinstance(failed.exception, Fail)


def test_proofs_are_printed(run: Run) -> None:
    proof = json.loads(run("audit", "proof", "book", "1").output)
    assert (proof["object"], proof["position"]) == ("inclusion_proof", 0)
    shown = json.loads(run("audit", "consistency", "1", str(proof["size"])).output)
    assert shown["to_root"] == proof["root"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("proof", "book", "99"), 1),
        (("consistency", "1", "999"), 1),
        (("consistency", "2", "1"), 1),
        (("accept-rollback", "--reason", "no need"), 2),
        (("accept-rollback", "--reason", " "), 2),
        (("verify", "--checkpoint", "nowhere"), 1),
    ],
)
def test_what_cannot_be_is_said_so(run: Run, arguments: tuple[str, ...], code: int) -> None:
    failed = run("audit", *arguments)
    assert isinstance(failed.exception, Fail)
    assert failed.exception.exit_code == code


def test_doctor_names_the_key_and_what_is_wrong_with_it(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "strada-state" / "audit-signing-key.pem"
    assert "will be made" in str(doctor(run))
    made(run, tmp_path / "head")
    assert doctor(run) == (True, True)
    path.chmod(0o644)
    assert doctor(run) == (True, False)
    path.write_text("no key")
    assert doctor(run) == (True, False)
    (path.parent / "strada.db.checkpoint").write_text("nothing")
    assert doctor(run) == (False, False)


def doctor(run: Run) -> object:
    checks = {one["check"]: one for one in json.loads(run("doctor", "--json").output)}
    if "will be made" in checks["signing key"]["detail"]:
        return checks["signing key"]["detail"]
    return checks["log"]["ok"], checks["signing key"]["ok"]


def test_a_given_key_is_masked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRADA_AUDIT_SIGNING_KEY", "-----BEGIN PRIVATE KEY-----canary")
    assert "canary" not in run("config", "--json").output
    failed = run("audit", "checkpoint")
    assert isinstance(failed.exception, Fail)
    assert "canary" not in str(failed.exception)
