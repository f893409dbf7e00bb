"""`strada audit checkpoint`, `proof`, `consistency`, `rotate-key`, `accept-rollback`.

It refuses to print a private key, and to sign a log that does not extend what was signed before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from engine.audit import OutOfTree
from engine.note import BadNote, Checkpoint, PublicKey, open_note
from engine.outside import replace_file
from web.cli.shared import Context, Fail, failing, show_json, with_json
from web.wiring import Strada


@click.command("checkpoint")
@click.option("--out", type=click.Path(path_type=Path), help="Write the note here.")
@with_json
@click.pass_obj
@failing
def sign_head(obj: Context, out: Path | None, as_json: bool) -> None:
    """Sign the head of the log, and note in the book that it was signed. Keep the file elsewhere.

    \b
    Example:
      strada audit checkpoint --out 2026-11-26.checkpoint
    """
    audit = obj.strada.audit
    signed = audit.checkpoints.record(obj.actor)
    if out is not None:
        replace_file(out.absolute(), signed.note.encode())
    if as_json:
        return show_json(audit.shown(signed))
    if out is None:
        return click.echo(signed.note, nl=False)
    return click.echo(f"{out}: {signed.checkpoint.size} entries, {audit.keys.current().text()}")


@click.command("proof")
@click.argument("stream")
@click.argument("seq", type=click.IntRange(1))
@click.option("--size", type=click.IntRange(1), help="Of the tree; by default all there is.")
@click.pass_obj
@failing
def prove_inclusion(obj: Context, stream: str, seq: int, size: int | None) -> None:
    """Print the proof, as JSON, that an entry is in the tree."""
    show_json(_proof(lambda: obj.strada.audit.inclusion(stream, seq, size)))


@click.command("consistency")
@click.argument("first", type=click.IntRange(0))
@click.argument("second", type=click.IntRange(0))
@click.pass_obj
@failing
def prove_consistency(obj: Context, first: int, second: int) -> None:
    """Print the proof, as JSON, that the tree of SECOND entries extends that of FIRST."""
    show_json(_proof(lambda: obj.strada.audit.consistency(first, second)))


def _proof(make: Any) -> Any:
    try:
        return make()
    except OutOfTree as error:
        raise Fail(str(error)) from error


@click.command("rotate-key")
@with_json
@click.pass_obj
@failing
def rotate_key(obj: Context, as_json: bool) -> None:
    """Sign with a new key from now on. What the old one signed still verifies."""
    before, after = obj.strada.audit.checkpoints.rotate_key(obj.actor)
    if as_json:
        return show_json({"before": before.text(), "after": after.text()})
    click.echo(f"before  {before.text()}")
    return click.echo(f"now     {after.text()}")


@click.command("accept-rollback")
@click.option("--reason", required=True, help="Why; kept in the book.")
@with_json
@click.pass_obj
@failing
def accept_rollback(obj: Context, reason: str, as_json: bool) -> None:
    """Go on with a log that is older than what was signed of it, as after restoring a backup.

    Payments that may have moved meanwhile are looked up at their gateways before new ones are
    taken; payments that only the lost log knew stay unknown. Better, if you have it: restore the
    newest database instead.
    """
    if not reason.strip() or len(reason) > 200:
        raise Fail("--reason is 1 to 200 characters", 2)
    found = obj.strada.audit.checkpoints.accept_rollback(reason, obj.actor)
    lost = None if found.lost is None else found.lost.size - found.size
    if as_json:
        shown = {"size": found.size, "lost_entries": lost, "to_look_up": found.rechecks}
        return show_json(shown)
    if lost is not None and lost > 0:
        click.echo(f"{lost} signed entries are lost; the log goes on after {found.size}")
    return click.echo(f"{found.rechecks} payments are looked up before new ones are taken")


def checkpoint_of(strada: Strada, file: Path | None, key: str | None) -> Checkpoint | None:
    """The checkpoint of a file, or the one kept on this machine, or None; fails on a bad one."""
    audit = strada.audit
    try:
        if file is None:
            return audit.checkpoints.kept_checkpoint()
        keys = [PublicKey.parse(key)] if key else audit.known_keys()
        found = open_note(file.read_bytes().decode(), keys)
    except (BadNote, UnicodeDecodeError) as error:
        raise Fail(f"{file or audit.kept.path} is not a checkpoint to trust: {error}") from error
    if found.origin != audit.keys.origin:
        raise Fail(f"{file} is of another log, {found.origin}")
    return found


COMMANDS = (sign_head, prove_inclusion, prove_consistency, rotate_key, accept_rollback)
