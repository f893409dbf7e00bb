"""The `strada` command. It refuses what the engine would refuse: every command goes through it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module

import click

from web.cli.shared import Context, Fail

COMMANDS: Mapping[str, str] = {
    "demo": "demo:demo",
    "serve": "serving:serve",
    "worker": "serving:worker",
    "migrate": "serving:migrate",
    "doctor": "serving:doctor",
    "config": "serving:config",
    "chart": "serving:show_chart",
    "keys": "merchants:keys",
    "merchants": "merchants:merchants",
    "accounts": "merchants:accounts",
    "simulate": "simulate:simulate",
    "transactions": "transactions:transactions",
    "resolve": "transactions:resolve_review",
    "erase": "erase:erase",
    "reconcile": "audit:reconcile_books",
    "audit": "audit:audit",
}
"""Each command and where it lives; a module is imported when its command is asked for."""


class _Lazy(click.Group):
    """Imports a command when it is needed: `strada serve` does not wait for the demo."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found: click.Command = getattr(import_module(f"web.cli.{module}"), name)
        return found


@click.group(
    cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="strada-payments", prog_name="strada")
@click.pass_context
def cli(context: click.Context) -> None:
    """Strada: payments as explicit state machines, with a log that anyone can check.

    \b
    Start here:
      strada demo              a shop, a simulated gateway and the engine in one process
      strada demo --once       one payment end to end, its timeline and the verifier's verdict
      strada doctor            what is right and wrong with this installation

    Settings come from the environment (STRADA_…); `strada config` lists them.
    Exit codes: 0 fine, 1 a finding or a failure, 2 wrong usage.
    """
    context.obj = Context()


def main() -> None:
    """Entry point of the console script."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Fail as failure:
        click.echo(f"strada: {failure}", err=True)
        sys.exit(failure.exit_code)
