"""The `strada` command. It refuses what the engine would refuse: every command goes through it."""

from __future__ import annotations

import sys

import click

from web.cli import audit, demo, merchants, serving, transactions
from web.cli.shared import Context, Fail


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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


for _module in (demo, serving, merchants, transactions, audit):
    for _command in _module.COMMANDS:
        cli.add_command(_command)


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
