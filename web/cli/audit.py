"""`strada audit`: verify the log, replay a payment. Exit 1 when anything is not as it should be."""

from __future__ import annotations

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from engine.entry import MalformedEntry
from engine.fold import Broken
from engine.store import Store
from engine.verify import Report, replay, verify
from web.cli.shared import Context, Fail, failing, show_json, with_json
from web.cli.timeline import lines


@click.group()
def audit() -> None:
    """Check the log without trusting the engine that wrote it.

    \b
    Examples:
      strada audit verify
      strada audit replay txn_01jd…
    """


@audit.command("verify")
@with_json
@click.pass_obj
@failing
def verify_log(obj: Context, as_json: bool) -> None:
    """Verify chain, legality, amounts, and that every row is what its log folds to."""
    report = _run(obj.strada.store, quiet=as_json)
    if as_json:
        show_json(as_dict(report))
    else:
        show_report(report)
    if not report.whole:
        raise SystemExit(1)


def _run(store: Store, quiet: bool) -> Report:
    total = store.rows("SELECT COUNT(*) AS n FROM entries")[0]["n"]
    columns = (
        TextColumn("verifying"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.speed} entries/s"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=quiet, transient=True) as bar:
        task = bar.add_task("verify", total=total)
        return verify(store, lambda count: bar.advance(task, count))


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


@audit.command("replay")
@click.argument("transaction")
@with_json
@click.pass_obj
@failing
def replay_log(obj: Context, transaction: str, as_json: bool) -> None:
    """Fold a payment's log step by step. No gateway is asked."""
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
    for line in lines(steps):
        click.echo(line)
    last = steps[-1].after
    if last is not None:
        click.echo(
            f"folds to {last.status}: captured {last.captured_amount:,}, "
            f"refunded {last.refunded_amount:,} of {last.amount:,} {last.currency}"
        )
    return None
