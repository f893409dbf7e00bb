"""Signed heads: the exact note, what is refused, the key's file, rotation, what is kept outside."""

from __future__ import annotations

import base64
import re
import stat
import threading
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from house import House

from engine.audit import RECORD_S, Audit
from engine.book import set_setting, setting
from engine.dialect import exclusive
from engine.errors import LogBehind, StorageTrouble
from engine.note import BadNote, Checkpoint, PublicKey, open_note, public_of, sign
from engine.outside import KEY_FILE, PUBLIC_FILE, Kept, SigningKeys, create_file, replace_file
from engine.tree import leaf_hash, node_hash

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
HEAD = Checkpoint("strada/log_1", 7, bytes(range(32)))
KEY = public_of(HEAD.origin, PRIVATE)
NOTE = sign(HEAD, PRIVATE)


def pem(key: object) -> str:
    made: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined]
    return made.decode()


# ---- the note


def test_the_note_is_three_lines_and_a_signature() -> None:
    root = base64.b64encode(HEAD.root).decode()
    text = f"strada/log_1\n7\n{root}\n"
    signature = base64.b64encode(KEY.id + PRIVATE.sign(text.encode())).decode()
    assert f"{text}\n\u2014 strada/log_1 {signature}\n" == NOTE
    assert open_note(NOTE, [KEY]) == HEAD


def test_keys_and_ids_are_those_of_other_tools() -> None:
    line = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    signed = b"If you think cryptography is the answer to your problem,\n"
    signed += b"then you don't know what your problem is.\n"
    signature = base64.b64decode(
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )
    key = PublicKey.parse(line)
    assert (key.text(), key.id) == (line, signature[:4])
    Ed25519PublicKey.from_public_bytes(key.raw).verify(signature[4:], signed)


def test_the_page_shows_a_checkpoint_that_opens() -> None:
    page = (Path(__file__).resolve().parents[2] / "engine" / "README.md").read_text("utf-8")
    shown = page.partition("<!-- checkpoint:begin -->")[2].partition("<!-- checkpoint:end -->")[0]
    key = PublicKey.parse(shown.partition("Public key: `")[2].partition("`")[0])
    note = shown.partition("```\n")[2].partition("```")[0]
    hashes = [bytes.fromhex(one) for one in re.findall("Its hash: `([0-9a-f]{64})`", page)]
    leaves = [leaf_hash(one) for one in hashes]
    assert open_note(note, [key]) == Checkpoint(key.name, 2, node_hash(*leaves))
    assert public_of(key.name, PRIVATE) == key
    assert [one.hex() in page for one in leaves] == [True, True]


def test_other_signatures_beside_ours_are_passed_over() -> None:
    witness = f"\u2014 witness.example/w1 {base64.b64encode(bytes(76)).decode()}\n"
    assert open_note(NOTE + witness, [KEY]) == HEAD


FORGED = {
    "another size": NOTE.replace("\n7\n", "\n8\n"),
    "another name": NOTE.replace("log_1", "log_2"),
    "another root": NOTE.replace("AAECAwQF", "AAECAwQG"),
    "a zero before the size": NOTE.replace("\n7\n", "\n07\n"),
    "no blank line": NOTE.replace("\n\n", "\n"),
    "no signature": NOTE.partition("\n\n")[0] + "\n\n",
    "no last newline": NOTE[:-1],
    "a hyphen for the dash": NOTE.replace("\u2014", "-"),
    "windows lines": NOTE.replace("\n", "\r\n"),
    "no padding": NOTE.replace("=\n\n", "\n\n"),
    "a second spelling": f"{NOTE[:-3]}{chr(ord(NOTE[-3]) + 1)}=\n",
    "an unsigned line": NOTE.replace("=\n\n", "=\nmore\n\n"),
    "a broken signature": NOTE[:-10] + "AAAAAAA=\n",
    "nothing": "",
    "a megabyte": NOTE + "x" * 1_000_000,
}


@pytest.mark.parametrize("name", list(FORGED))
def test_what_was_not_signed_like_this_says_nothing(name: str) -> None:
    assert FORGED[name] != NOTE
    with pytest.raises(BadNote):
        open_note(FORGED[name], [KEY])


def test_a_key_that_nobody_knows_signs_for_nobody() -> None:
    stranger = Ed25519PrivateKey.generate()
    with pytest.raises(BadNote, match="no known key"):
        open_note(sign(HEAD, stranger), [KEY])
    forged = NOTE.partition("\u2014")[0] + "\u2014 strada/log_1 "
    forged += base64.b64encode(KEY.id + stranger.sign(HEAD.text().encode())).decode() + "\n"
    with pytest.raises(BadNote, match="did not sign"):
        open_note(forged, [KEY])


@pytest.mark.parametrize(
    "line",
    ["", "a+b", f"{KEY.text()}x", KEY.text().replace("log_1", "log_2"), f"a b{KEY.text()}"],
)
def test_a_public_key_is_read_exactly(line: str) -> None:
    with pytest.raises(BadNote):
        PublicKey.parse(line)


# ---- the key


def keys_in(folder: Path, given: str = "") -> SigningKeys:
    return SigningKeys(folder, lambda: HEAD.origin, given)


def test_the_key_is_made_once_and_is_nobody_elses_to_read(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    first = keys_in(folder).current()
    assert keys_in(folder).current() == first
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert b"BEGIN PRIVATE KEY" in (folder / KEY_FILE).read_bytes()


def test_of_two_first_starts_one_key_remains(tmp_path: Path) -> None:
    found: list[PublicKey] = []
    starts = [
        threading.Thread(target=lambda: found.append(keys_in(tmp_path).current())) for _ in range(8)
    ]
    for one in starts:
        one.start()
    for one in starts:
        one.join(20)
    assert len(found) == 8
    assert set(found) == {keys_in(tmp_path).current()}


def test_what_an_older_key_signed_still_verifies(tmp_path: Path) -> None:
    keys = keys_in(tmp_path)
    old = keys.sign(HEAD)
    before, after = keys.rotate()
    assert keys.current() == after != before
    assert keys.known() == [before, after]
    assert open_note(old, keys.known()) == open_note(keys.sign(HEAD), keys.known()) == HEAD
    with pytest.raises(BadNote):
        open_note(old, [after])


def test_a_new_key_is_known_before_it_signs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, order, replace = keys_in(tmp_path), [], Path.replace
    keys.current()

    def noting(path: Path, target: Path) -> Path:
        order.append(target.name)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", noting)
    keys.rotate()
    assert order == [PUBLIC_FILE, KEY_FILE]


@pytest.mark.parametrize("as_path", [True, False])
def test_a_given_key_signs_and_is_not_rotated(tmp_path: Path, as_path: bool) -> None:
    file = tmp_path / "key.pem"
    file.write_text(pem(PRIVATE))
    keys = keys_in(tmp_path / "state", str(file) if as_path else pem(PRIVATE))
    assert keys.sign(HEAD) == NOTE
    assert not (tmp_path / "state" / KEY_FILE).exists()
    with pytest.raises(ValueError, match="STRADA_AUDIT_SIGNING_KEY"):
        keys.rotate()


@pytest.mark.parametrize(
    "given",
    ["-----BEGIN PRIVATE KEY-----\nno\n", "nowhere.pem", pem(generate_private_key(65537, 2048))],
)
def test_a_key_that_is_none_is_said_so(tmp_path: Path, given: str) -> None:
    with pytest.raises(StorageTrouble) as trouble:
        keys_in(tmp_path, given).sign(HEAD)
    assert "key" in trouble.value.detail


# ---- files


def test_a_write_that_fails_leaves_the_file_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept(tmp_path / "kept")
    kept.write(NOTE)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for step in ("write", "replace"):
        with monkeypatch.context() as patched:
            if step == "write":
                patched.setattr("os.fsync", full)
            else:
                patched.setattr(Path, "replace", full)
            with pytest.raises(StorageTrouble):
                kept.write("half")
    assert kept.read([KEY]) == HEAD
    assert [file.name for file in tmp_path.iterdir()] == ["kept"]


def test_of_two_that_create_a_file_the_first_stays(tmp_path: Path) -> None:
    create_file(tmp_path / "one", b"first")
    create_file(tmp_path / "one", b"second")
    replace_file(tmp_path / "two", b"first")
    replace_file(tmp_path / "two", b"second")
    assert [(tmp_path / name).read_bytes() for name in ("one", "two")] == [b"first", b"second"]
    assert len(list(tmp_path.iterdir())) == 2


# ---- making them


def noted(house: House, event: str) -> int:
    return len(house.store.rows("SELECT 1 FROM entries WHERE event = ?", (event,)))


def test_a_head_covers_all_that_is_in_the_log(house: House) -> None:
    house.approved()
    signed = house.audit.checkpoints.head()
    assert signed.checkpoint.size == len(house.store.rows("SELECT 1 FROM entries"))
    assert signed == house.audit.checkpoints.head()
    assert open_note(signed.note, house.audit.keys.known()) == signed.checkpoint


def test_checkpoints_do_not_call_for_checkpoints(house: House) -> None:
    house.approved()
    sizes = [house.audit.checkpoints.record("operator:test").checkpoint.size for _ in range(9)]
    assert noted(house, "checkpoint_made") == 1
    assert len(set(sizes)) == 2
    house.approved()
    house.audit.checkpoints.record("operator:test")
    assert noted(house, "checkpoint_made") == 2


def test_an_idle_house_grows_by_nothing(house: House) -> None:
    for _ in range(10):
        house.audit.run_once()
        house.time.advance(RECORD_S)
    grown = len(house.store.rows("SELECT 1 FROM entries"))
    for _ in range(50):
        house.audit.run_once()
        house.time.advance(RECORD_S)
    assert len(house.store.rows("SELECT 1 FROM entries")) == grown


def test_a_busy_house_notes_one_an_hour(house: House) -> None:
    for _ in range(120):
        house.create()
        house.audit.run_once()
        house.time.advance(60)
    assert noted(house, "checkpoint_made") == 2
    kept = house.audit.checkpoints.kept_checkpoint()
    assert kept is not None
    assert house.audit.tree.size() - kept.size < 5


def test_a_newer_checkpoint_outside_stays(house: House) -> None:
    house.create()
    older = house.audit.checkpoints.head()
    house.create()
    newer = house.audit.checkpoints.head()
    assert house.audit.checkpoints.keep(newer) is True
    assert house.audit.checkpoints.keep(older) is False
    assert house.audit.checkpoints.kept_checkpoint() == newer.checkpoint


def test_a_rotation_is_in_the_book(house: House) -> None:
    house.audit.checkpoints.record("operator:test")
    before, after = house.audit.checkpoints.rotate_key("operator:test")
    assert noted(house, "signing_key_adopted") == 2
    assert house.audit.known_keys() == [before, after]
    (house.state / "audit-public-keys.txt").unlink()
    assert set(house.audit.known_keys()) == {before, after}


def test_a_rotation_that_died_is_noted_at_the_next_start(house: House) -> None:
    house.audit.checkpoints.record("operator:test")
    house.audit.keys.rotate()
    house.time.advance(RECORD_S)
    house.audit.run_once()
    assert noted(house, "signing_key_adopted") == 2


@pytest.mark.parametrize("content", [None, b"no key at all", b"\xff"])
def test_public_keys_that_cannot_be_read_are_said_so(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / PUBLIC_FILE
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(StorageTrouble):
        keys_in(tmp_path).current()


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_kept_checkpoint_that_cannot_be_read_stops_writing(
    house: House, content: bytes | None
) -> None:
    path = house.audit.kept.path
    if content is None:
        path.mkdir(parents=True)
    else:
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    problem = house.audit.rollback.problem()
    assert problem
    assert problem.reason == "untrusted"
    house.audit.kept.set_aside("unreadable")
    assert house.create()


def test_what_was_set_aside_already_is_no_trouble(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "checkpoint")
    kept.set_aside("lost")
    assert list(tmp_path.iterdir()) == []


def test_a_root_of_another_length_is_no_root() -> None:
    with pytest.raises(BadNote, match="32 bytes"):
        open_note(sign(Checkpoint(HEAD.origin, 7, bytes(31)), PRIVATE), [KEY])


def test_while_another_keeps_a_checkpoint_ours_waits(house: House) -> None:
    path = house.audit.kept.path
    path.parent.mkdir(parents=True, exist_ok=True)
    signed = house.audit.checkpoints.head()
    with exclusive(path.with_name(f"{path.name}.lock"), "taken"):
        assert house.audit.checkpoints.keep(signed) is False
    assert house.audit.checkpoints.keep(signed) is True


def test_a_log_without_a_name_says_what_to_run(house: House, tmp_path: Path) -> None:
    name = setting(house.ledger, "log") or ""
    house.store.db.execute_sql("DELETE FROM settings WHERE name = 'log'")
    with pytest.raises(StorageTrouble) as raised:
        Audit(house.ledger, tmp_path / "elsewhere").checkpoints.head()
    assert "strada migrate" in raised.value.detail
    with house.store.write():
        set_setting(house.ledger, "log", name)


TROUBLES = {
    "nothing is written: an older log": LogBehind("behind", "an older log"),
    "the tree waits for the database: full": StorageTrouble("full"),
    "a round of the audit role failed": ValueError("anything else"),
}


@pytest.mark.parametrize("said", list(TROUBLES))
def test_a_round_that_fails_is_logged_and_the_next_one_comes(
    house: House, caplog: pytest.LogCaptureFixture, said: str
) -> None:
    def fail() -> None:
        raise TROUBLES[said]

    house.create()
    house.overtaken(fail)
    stop = threading.Event()
    auditor = threading.Thread(target=house.audit.run, args=(stop,))
    auditor.start()
    while auditor.is_alive() and house.store.row("SELECT 1 FROM outbox"):
        time.sleep(0.01)
    stop.set()
    auditor.join(20)
    assert said in [record.getMessage() for record in caplog.records]
    kept = house.audit.checkpoints.kept_checkpoint()
    assert kept
    assert kept.size == len(house.store.rows("SELECT 1 FROM entries"))
