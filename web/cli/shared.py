"""What every command shares: settings read once, output as text or JSON, failures with a cure."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from engine.errors import EngineError, Missing, StorageTrouble
from web.settings import SettingError, Settings, read
from web.wiring import Strada, build

F = TypeVar("F", bound=Callable[..., Any])


class Fail(Exception):
    """A command failed; the message says what to do. Exit code 1, or 2 for wrong usage."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Context:
    """Settings and the wired Strada, made when a command first needs them."""

    def __init__(self) -> None:
        self._strada: Strada | None = None

    @property
    def settings(self) -> Settings:
        """Settings from the environment; fails with what is wrong with them."""
        try:
            return read()
        except SettingError as error:
            raise Fail(str(error), 2) from error

    @property
    def strada(self) -> Strada:
        """A Strada on a migrated database; fails when it is not."""
        if self._strada is None:
            built = build(self.settings)
            if not built.store.path.exists() or built.store.pending_migrations():
                raise Fail("the database is not prepared; run: strada migrate")
            self._strada = built
        return self._strada

    @property
    def actor(self) -> str:
        """Who the book says did it: the user of this machine."""
        name = "".join(c for c in getpass.getuser() if c.isascii() and c.isprintable() and c != " ")
        return f"operator:{name or 'unknown'}"


def with_json(command: F) -> F:
    """Add `--json` to a command."""
    option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
    return option(command)


def failing(command: F) -> F:
    """Turn the engine's errors into failures with an exit code."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except StorageTrouble as trouble:
            raise Fail(f"the database cannot be used: {trouble.detail}") from trouble
        except Missing as error:
            raise Fail("there is none of that name or id in this database") from error
        except EngineError as error:
            raise Fail(error.code.replace("_", " ")) from error
        except OSError as error:
            raise Fail(f"{error.filename or 'the system'}: {error.strerror or error}") from error
        except ValueError as error:
            raise Fail(str(error), 2) from error

    return run  # type: ignore[return-value]


def show_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def show_table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as a table; says so when there are none."""
    console = Console()
    if not rows:
        console.print("(none)", style="dim")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(_text(row[column]) for column in columns))
    console.print(table)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "" if value is None else str(value)
