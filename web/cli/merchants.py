"""`strada keys`, `strada merchants`, `strada accounts`: who may use this installation, and how."""

from __future__ import annotations

import json
import sys

import click

from engine.merchants import SCOPES
from web.cli.shared import Context, Fail, failing, show_json, show_table, with_json
from web.return_urls import UnsafeUrl, parse_app_scheme, parse_origin


@click.group()
def keys() -> None:
    """Make, list and revoke secret keys.

    \b
    Example:
      strada keys create --merchant shop --scope payments --scope audit
    """


@keys.command("create")
@click.option("--merchant", required=True, help="The merchant's name; made when absent.")
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="Repeatable."
)
@with_json
@click.pass_obj
@failing
def create_key(obj: Context, merchant: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Make a secret key. It is shown once and stored hashed."""
    live = obj.settings.production
    key, text = obj.strada.merchants.create_key(merchant, scopes, live, obj.actor)
    made = {"id": key.id, "key": text, "merchant": merchant, "scopes": sorted(key.scopes)}
    if as_json:
        return show_json(made)
    click.echo(text)
    click.echo(f"{key.id} for {merchant}; keep it now, it is not shown again.", err=True)
    return None


@keys.command("list")
@with_json
@click.pass_obj
@failing
def list_keys(obj: Context, as_json: bool) -> None:
    """List keys by their public prefix."""
    found = obj.strada.merchants.list_keys()
    return (
        show_json(found) if as_json else show_table(("id", "prefix", "merchant", "scopes"), found)
    )


@keys.command("revoke")
@click.argument("key_id")
@with_json
@click.pass_obj
@failing
def revoke_key(obj: Context, key_id: str, as_json: bool) -> None:
    """Make a key useless from now on."""
    obj.strada.merchants.revoke_key(key_id, obj.actor)
    return (
        show_json({"id": key_id, "revoked": True}) if as_json else click.echo(f"revoked {key_id}")
    )


@click.group()
def merchants() -> None:
    """Say where a merchant's customers may be sent back to.

    \b
    Example:
      strada merchants set shop --return-origin https://shop.example --app-scheme strada-shop
    """


@merchants.command("set")
@click.argument("name")
@click.option("--return-origin", "origins", multiple=True, help="scheme://host[:port]; repeatable.")
@click.option("--app-scheme", "schemes", multiple=True, help="Such as strada-shop; repeatable.")
@with_json
@click.pass_obj
@failing
def set_merchant(
    obj: Context, name: str, origins: tuple[str, ...], schemes: tuple[str, ...], as_json: bool
) -> None:
    """Replace the return origins and app schemes of a merchant; made when absent."""
    development = not obj.settings.production
    try:
        clean = [parse_origin(text, development=development) for text in origins]
        apps = [parse_app_scheme(text) for text in schemes]
    except UnsafeUrl as unsafe:
        raise Fail(str(unsafe), 2) from unsafe
    obj.strada.merchants.ensure(name, obj.actor)
    merchant = obj.strada.merchants.change(name, clean, apps, obj.actor)
    row = {"name": merchant.name, "origins": merchant.origins, "schemes": merchant.schemes}
    return show_json(row) if as_json else show_table(("name", "origins", "schemes"), [row])


@merchants.command("list")
@with_json
@click.pass_obj
@failing
def list_merchants(obj: Context, as_json: bool) -> None:
    """List merchants."""
    found = [
        {"name": one.name, "origins": one.origins, "schemes": one.schemes}
        for one in obj.strada.merchants.all()
    ]
    return show_json(found) if as_json else show_table(("name", "origins", "schemes"), found)


@click.group()
def accounts() -> None:
    """Give a merchant a gateway account of its own.

    \b
    Example (the secret is read from standard input, so that it stays out of the shell's history):
      strada accounts set shop kakaopay --cid C123456789 < secret.txt
    """


@accounts.command("set")
@click.argument("merchant")
@click.argument("provider", type=click.Choice(["kakaopay"]))
@click.option("--cid", default="TC0ONETIME", show_default=True, help="KakaoPay's merchant code.")
@with_json
@click.pass_obj
@failing
def set_account(obj: Context, merchant: str, provider: str, cid: str, as_json: bool) -> None:
    """Store an account; its secret key comes from standard input and is encrypted."""
    asked = sys.stdin.isatty()
    typed = click.prompt("Secret key", hide_input=True) if asked else sys.stdin.readline()
    credentials = {"secret_key": str(typed).strip(), "cid": cid}
    account = obj.strada.payments.gateways.provider(provider).account(credentials)
    obj.strada.merchants.set_account(merchant, provider, account.id, credentials, obj.actor)
    row = {"merchant": merchant, "provider": provider, "account": account.id}
    return show_json(row) if as_json else click.echo(json.dumps(row))


@accounts.command("list")
@with_json
@click.pass_obj
@failing
def list_accounts(obj: Context, as_json: bool) -> None:
    """List merchants' own accounts, without their secrets."""
    found = obj.strada.merchants.accounts()
    return show_json(found) if as_json else show_table(("merchant", "provider", "account"), found)
