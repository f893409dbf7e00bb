"""`strada transactions`: looking at payments from the command line."""

from __future__ import annotations

from itertools import islice

import click

from engine.clock import rfc3339
from engine.journal import MOST
from engine.resource import render, render_all
from engine.review import resolve
from engine.verify import replay
from web.cli.shared import Context, Fail, failing, show_json, show_table, with_json
from web.cli.timeline import lines
from web.cli.travel import book, size_of

_THEN = "id status amount captured_amount refunded_amount currency merchant needs_review".split()


@click.group()
def transactions() -> None:
    """List payments and show one as a timeline.

    \b
    Examples:
      strada transactions list --status approving
      strada transactions list --checkpoint 2026-11-25.checkpoint
      strada transactions show txn_01jd…
    """


@transactions.command("list")
@click.option("--merchant", default=None, help="Only this merchant's.")
@click.option("--status", default=None, help="Only in this state.")
@click.option("--order-id", default=None, help="Only for this order.")
@click.option("--tree-size", type=click.IntRange(0), help="As the book was at this tree size.")
@click.option("--checkpoint", type=click.Path(), help="As the book was at this signed head.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@with_json
@click.pass_obj
@failing
def list_transactions(
    obj: Context,
    merchant: str | None,
    status: str | None,
    order_id: str | None,
    tree_size: int | None,
    checkpoint: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List payments, newest first; as they are, or as the book was at some size of its tree."""
    if tree_size is not None or checkpoint is not None:
        if order_id is not None or (tree_size is not None and checkpoint is not None):
            raise Fail("give --tree-size or --checkpoint, and no --order-id: no log holds it", 2)
        size = size_of(obj.strada, str(tree_size) if checkpoint is None else checkpoint)
        then = list(islice(book(obj.strada, size, merchant, status), limit))
        return show_json(then) if as_json else show_table(_THEN, then)
    wanted = {"merchant": merchant, "status": status, "order_id": order_id}
    given = {name: value for name, value in wanted.items() if value is not None}
    where = " AND ".join(f"{name} = ?" for name in given) or "1 = 1"
    store = obj.strada.store
    rows = store.rows(
        f"SELECT * FROM transactions WHERE {where} ORDER BY id DESC LIMIT ?",
        (*given.values(), limit),
    )
    if as_json:
        return show_json(render_all(store, rows))
    for row in rows:
        row["created"] = rfc3339(row["created_at"])
    columns = ("id", "status", "amount", "currency", "order_id", "merchant", "needs_review")
    show_table((*columns, "created"), rows)
    return None


@transactions.command("show")
@click.argument("transaction")
@with_json
@click.pass_obj
@failing
def show(obj: Context, transaction: str, as_json: bool) -> None:
    """Show one payment: its amounts, and every entry of its log."""
    store = obj.strada.store
    resource = render(store, obj.strada.ledger.load(transaction))
    steps = list(replay(store, transaction))
    if as_json:
        entries = [dict(step.entry.fields) | {"hash": step.entry.hash} for step in steps]
        return show_json({"transaction": resource, "transitions": entries})
    click.echo(
        f"{resource['id']}  {resource['status']}  {resource['amount']:,} {resource['currency']}  "
        f"captured {resource['captured_amount']:,}  refunded {resource['refunded_amount']:,}"
    )
    for line in lines(steps):
        click.echo(line)
    return None


@transactions.command("journal")
@click.argument("transaction")
@with_json
@click.pass_obj
@failing
def journal(obj: Context, transaction: str, as_json: bool) -> None:
    """Show which returns and reports came for a payment, what each led to, and why not."""
    obj.strada.ledger.load(transaction)
    rows = obj.strada.payments.journal.read(transaction, 0, MOST)
    if as_json:
        return show_json(rows)
    for row in rows:
        row["led to"] = "" if row["led_to"] is None else f"entry {row['led_to']['seq']}"
    return show_table(("at", "kind", "verdict", "why", "led to", "request_id"), rows)


@click.command("resolve")
@click.argument("transaction")
@click.option("--reason", required=True, help="Why; it is committed to the log, not shown in it.")
@with_json
@click.pass_obj
@failing
def resolve_review(obj: Context, transaction: str, reason: str, as_json: bool) -> None:
    """Close the review of a payment, after a fresh look at its gateway.

    \b
    Example:
      strada resolve txn_01jd… --reason "KakaoPay confirmed by phone, ticket 4711"
    """
    row = resolve(obj.strada.payments, transaction, reason, obj.actor)
    resource = render(obj.strada.store, row)
    if as_json:
        return show_json(resource)
    click.echo(f"{resource['id']}  {resource['status']}  review closed")
    return None
