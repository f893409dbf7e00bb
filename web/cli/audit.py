"""`strada audit`, `strada reconcile`: verify, replay, ask the gateways. Exit 1 on a finding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from engine.entry import MalformedEntry
from engine.fold import Broken
from engine.note import Checkpoint
from engine.payments import Payments
from engine.reconcile import Compared, reconcile
from engine.store import Store
from engine.sweep import audit as audit_all
from engine.verify import Report, replay
from web.cli.export import export_book
from web.cli.heads import COMMANDS, checkpoint_of
from web.cli.progress import counting
from web.cli.shared import Context, Fail, failing, show_json, show_table, with_json
from web.cli.timeline import walk
from web.cli.travel import diff

DAY_US = 86_400 * 1_000_000


@click.group()
def audit() -> None:
    """Check the log without trusting the engine that wrote it.

    \b
    Examples:
      strada audit verify
      strada audit replay txn_01jd…
    """


@audit.command("verify")
@click.option(
    "--checkpoint", "file", type=click.Path(path_type=Path), help="A checkpoint from outside."
)
@click.option("--key", help="Only this public key may have signed it: name+id+base64.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1, 64))
@with_json
@click.pass_obj
@failing
def verify_log(obj: Context, file: Path | None, key: str | None, jobs: int, as_json: bool) -> None:
    """Verify chain, legality, amounts, rows, the tree, and that the log extends a checkpoint.

    Without --checkpoint it is held against the newest one that this machine keeps, if it has one.
    --jobs shares the work among so many processes.
    """
    held = checkpoint_of(obj.strada, file, key)
    report = _run(obj.strada.store, held, jobs, quiet=as_json)
    if as_json:
        show_json(as_dict(report))
    else:
        show_report(report)
    if not report.whole:
        raise SystemExit(1)


def _run(store: Store, held: Checkpoint | None, jobs: int, quiet: bool) -> Report:
    total = store.rows("SELECT COUNT(*) AS n FROM entries")[0]["n"]
    with counting("verifying", "entries", total, quiet) as advance:
        return audit_all(store, held, jobs, advance)


def as_dict(report: Report) -> dict[str, object]:
    """A report as JSON."""
    return {
        "verdict": "whole" if report.whole else "broken",
        "entries": report.entries,
        "streams": report.streams,
        "findings": [
            {"stream": found.stream, "seq": found.seq, "expected": found.expected}
            for found in report.findings
        ],
    }


def show_report(report: Report) -> None:
    """Print a report: the verdict, and the first bad entry of each broken stream."""
    if report.whole:
        click.echo(f"whole: {report.entries} entries in {report.streams} streams")
        return
    click.echo(f"broken: {len(report.findings)} of {report.streams} streams")
    for found in report.findings:
        click.echo(f"{found.stream} {found.seq}: expected {found.expected}")


for command in (*COMMANDS, export_book, diff):
    audit.add_command(command)


@audit.command("replay")
@click.argument("transaction")
@click.option("--step", "pausing", is_flag=True, help="Wait for a key after each entry.")
@with_json
@click.pass_obj
@failing
def replay_log(obj: Context, transaction: str, pausing: bool, as_json: bool) -> None:
    """Fold a payment's log step by step: each entry, and the facts that it changed.

    No gateway is asked.
    """
    steps = []
    try:
        for step in replay(obj.strada.store, transaction):
            steps.append(step)
    except (Broken, MalformedEntry) as error:
        raise Fail(f"{transaction} {len(steps) + 1}: expected {error}") from error
    if not steps:
        raise Fail(f"there is no log for {transaction}")
    if as_json:
        entries = [dict(step.entry.fields) | {"hash": step.entry.hash} for step in steps]
        last = steps[-1].after
        state = {name: getattr(last, name) for name in last.__slots__} if last else None
        return show_json({"transitions": entries, "folded": state})
    console = Console(highlight=False)
    for number, line in enumerate(walk(steps)):
        if pausing and number:
            click.pause()
        console.print(line, soft_wrap=True)
    last = steps[-1].after
    if last is not None:
        click.echo(
            f"folds to {last.status}: captured {last.captured_amount:,}, "
            f"refunded {last.refunded_amount:,} of {last.amount:,} {last.currency}"
        )
    return None


@click.command("reconcile")
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 3650))
@with_json
@click.pass_obj
@failing
def reconcile_books(obj: Context, days: int, as_json: bool) -> None:
    """Hold every payment of the last days against its gateway's truth. Exit 1 on a difference.

    \b
    Example:
      strada reconcile --days 30
    """
    payments = obj.strada.payments
    since = payments.clock.now_us() - days * DAY_US
    found = [asdict(one) for one in _asked(payments, since, quiet=as_json)]
    odd = [one for one in found if one["said"] != "agrees"]
    if as_json:
        show_json(found)
    else:
        show_table(("id", "before", "after", "said"), odd)
        click.echo(f"{len(found)} payments asked about, {len(odd)} differ")
    if odd:
        raise SystemExit(1)


def _asked(payments: Payments, since: int, quiet: bool) -> Iterator[Compared]:
    console = Console(stderr=True)
    columns = (TextColumn("asking"), BarColumn(), TextColumn("{task.completed} payments"))
    with Progress(*columns, console=console, disable=quiet, transient=True) as bar:
        task = bar.add_task("reconcile", total=None)
        for one in reconcile(payments, since):
            bar.advance(task)
            yield one
