"""`strada erase`: what a person may ask to be forgotten, and what is too old to be kept.

It refuses to erase without a yes, and what a payment that can still move needs.
"""

from __future__ import annotations

from typing import Any

import click

from engine.clock import rfc3339
from engine.erasure import Erased, Erasure, StillOpen
from web.cli.shared import Context, Fail, failing, show_json, show_table, with_json


@click.command()
@click.option("--customer", help="The merchant's id of the customer.")
@click.option("--merchant", help="Whose customer.")
@click.option("--due", is_flag=True, help="What is older than STRADA_RETENTION_DAYS instead.")
@click.option("--yes", is_flag=True, help="Do not ask; with --due: erase, do not only report.")
@click.option("--vacuum", is_flag=True, help="Write the database file anew; nobody can meanwhile.")
@with_json
@click.pass_obj
@failing
def erase(
    obj: Context,
    customer: str | None,
    merchant: str | None,
    due: bool,
    yes: bool,
    vacuum: bool,
    as_json: bool,
) -> None:
    """Erase personal values: a customer's, or those of payments that are too old.

    The log and its proofs stay as they are; `strada audit verify` knows what was erased. A request
    that is repeated with an erased payment's Idempotency-Key is refused, and does nothing.

    \b
    Examples:
      strada erase --customer user-7 --merchant shop
      strada erase --due
    """
    if due == (customer is not None and merchant is not None) or (due and (customer or merchant)):
        raise Fail("give --customer and --merchant, or --due", 2)
    erasure = Erasure(obj.strada.ledger, obj.strada.vault)
    if due:
        return _due(obj, erasure, yes, vacuum, as_json)
    assert customer is not None
    assert merchant is not None
    obj.strada.merchants.get(merchant)
    rows = erasure.of_customer(merchant, customer)
    if rows and not yes:
        click.confirm(f"Erase what {len(rows)} payments hold of this customer?", abort=True)
    try:
        done = erasure.erase_customer(merchant, customer, obj.actor)
    except StillOpen as still:
        raise _refused(still) from still
    return _tell(obj, done, vacuum, as_json)


def _refused(still: StillOpen) -> Fail:
    listed = "\n".join(f"  {transaction}: {why}" for transaction, why in still.payments[:20])
    return Fail(f"nothing was erased; {still}:\n{listed}")


def _due(obj: Context, erasure: Erasure, yes: bool, vacuum: bool, as_json: bool) -> None:
    days = obj.settings.retention_days
    rows, still = erasure.due(days)
    if yes:
        return _tell(obj, erasure.erase_due(days, obj.actor), vacuum, as_json)
    shown: list[dict[str, Any]] = [
        {"id": row["id"], "merchant": row["merchant"], "status": row["status"]}
        | {"updated_at": rfc3339(row["updated_at"])}
        for row in rows
    ]
    if as_json:
        open_ones = [{"id": transaction, "why": why} for transaction, why in still]
        return show_json({"retention_days": days, "due": shown, "open": open_ones})
    show_table(("id", "merchant", "status", "updated_at"), shown)
    click.echo(f"{len(rows)} payments are older than {days} days; to erase them: --due --yes")
    for transaction, why in still:
        click.echo(f"{transaction} is as old and still open: {why}")
    return None


def _tell(obj: Context, done: Erased, vacuum: bool, as_json: bool) -> None:
    clean = obj.strada.store.scrub(vacuum)
    if as_json:
        counts: dict[str, Any] = {"payments": done.payments, "entries": done.entries}
        return show_json(counts | {"scrubbed": clean})
    click.echo(f"erased: {done.entries} entries' values of {done.payments} payments")
    if not clean:
        click.echo("the write-ahead log still holds them: another process reads; run it once more")
    return None
