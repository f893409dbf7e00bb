"""`strada audit export`: the book, or a part of it, as files that anyone can check without us."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from engine.clock import parse_rfc3339
from engine.export import Bundle, Scope
from web import bundle
from web.cli.progress import counting
from web.cli.shared import Context, Fail, failing, show_json, with_json


@click.command("export")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A new folder.")
@click.option("--merchant", help="This merchant's payments only.")
@click.option("--from", "since", help="Payments created at or after: a date or RFC 3339.")
@click.option("--to", "until", help="Payments created before: a date or RFC 3339.")
@with_json
@click.pass_obj
@failing
def export_book(
    obj: Context,
    out: Path,
    merchant: str | None,
    since: str | None,
    until: str | None,
    as_json: bool,
) -> None:
    """Write the log, its charts, checkpoints and a verifier to a folder, and note it in the book.

    \b
    Example:
      strada audit export --out book
      python book/verify.py book
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise Fail(f"{out} is not an empty folder", 2)
    scope = Scope(merchant, _moment(since), _moment(until))
    strada = obj.strada
    if merchant is not None:
        strada.merchants.get(merchant)
    made = Bundle.begin(strada.ledger, strada.audit, scope, obj.actor)
    with counting("exporting", "entries", made.count(), quiet=as_json) as advance:
        bundle.write(out, made.files(bundle.page, advance))
    if as_json:
        return show_json({"folder": str(out)} | made.manifest())
    what = "the whole book" if scope.whole else "a part of the book"
    click.echo(f"{out}: {what}, {made.count()} entries, under a head of {made.size}")
    return click.echo(f"check it:  python {out / 'verify.py'} {out}")


def _moment(text: str | None) -> int | None:
    """A date (its first moment, UTC) or an RFC 3339 time, in UTC microseconds."""
    if text is None:
        return None
    try:
        if len(text) == 10:
            text = datetime.fromisoformat(text).replace(tzinfo=UTC).isoformat()
        return parse_rfc3339(text)
    except ValueError as error:
        raise Fail(f"{text} is neither a date nor an RFC 3339 time", 2) from error
