"""`strada migrate`, `serve`, `worker`, `doctor`, `config`: running an installation."""

from __future__ import annotations

import logging
import signal
import threading

import click

from engine import chart
from engine.dialect import OLDEST_SQLITE, pragmas, sqlite_version
from engine.errors import EngineError
from engine.vault import DEVELOPMENT_KEY
from web import drawing, wiring
from web.cli.shared import Context, Fail, failing, show_json, show_table, with_json
from web.redaction import configure_logging
from web.server import Unservable, start_roles
from web.server import serve as serve_http
from web.settings import describe


@click.command()
@with_json
@click.pass_obj
@failing
def migrate(obj: Context, as_json: bool) -> None:
    """Prepare the database of STRADA_DATABASE_URL, or bring it up to date."""
    strada = wiring.build(obj.settings)
    try:
        ran = wiring.prepare(strada)
    except BlockingIOError as error:
        raise Fail(str(error)) from error
    if as_json:
        return show_json({"database": str(strada.store.path), "migrations": ran})
    click.echo(f"{strada.store.path}: {', '.join(ran) or 'already up to date'}")
    return None


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--workers", default=1, show_default=True, help="Processes; SQLite takes one.")
@click.option("--no-worker", is_flag=True, help="Leave the background work to `strada worker`.")
@click.pass_obj
@failing
def serve(obj: Context, host: str, port: int, workers: int, no_worker: bool) -> None:
    """Serve the HTTP API, with the background worker inside."""
    if workers != 1:
        raise Fail(
            "--workers 1 is all that SQLite takes: two processes would fight for one write lock",
            2,
        )
    settings = obj.settings
    configure_logging(settings.log_level)
    strada = wiring.build(settings)
    if not strada.store.path.exists():
        raise Fail("the database is not prepared; run: strada migrate")
    try:
        serve_http(strada, host, port, worker=not no_worker)
    except Unservable as error:
        raise Fail(str(error)) from error


@click.command()
@click.option("--once", is_flag=True, help="Do what is due now, print the counts, and exit.")
@with_json
@click.pass_obj
@failing
def worker(obj: Context, once: bool, as_json: bool) -> None:
    """Run the background work apart from the server: expiry, unknowns, the tree over the log."""
    if once:
        done, moved = obj.strada.worker.run_once(), obj.strada.audit.run_once()
        counts = {"expired": done.expired, "looked": done.looked}
        counts |= {"watched": done.watched, "reviewed": done.reviewed}
        counts |= {"rechecked": done.rechecked, "sequenced": moved}
        return show_json(counts) if as_json else click.echo(str(counts))
    configure_logging(obj.settings.log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    logging.getLogger("strada.worker").info("working on %s", obj.strada.store.path)
    for thread in start_roles(obj.strada, stop):
        thread.join()
    return None


@click.command()
@with_json
@click.pass_obj
def doctor(obj: Context, as_json: bool) -> None:
    """Judge this installation: versions, durability, migrations, accounts. Exit 1 on a finding."""
    checks = _checks(obj)
    if as_json:
        show_json([{"check": name, "ok": ok, "detail": detail} for name, ok, detail in checks])
    else:
        for name, ok, detail in checks:
            click.echo(f"{'ok  ' if ok else 'FIX '} {name}: {detail}")
    if not all(ok for _, ok, _ in checks):
        raise SystemExit(1)


def _checks(obj: Context) -> list[tuple[str, bool, str]]:
    settings = obj.settings
    version = ".".join(map(str, sqlite_version()))
    fresh = sqlite_version() >= OLDEST_SQLITE
    checks = [("sqlite", fresh, f"{version} (WAL-reset bug: 3.7.0 to 3.51.2)")]
    strada = wiring.build(settings)
    path = strada.store.path
    if not path.exists():
        return [*checks, ("database", False, f"{path} does not exist; run: strada migrate")]
    try:
        pending = strada.store.pending_migrations()
        found = pragmas(strada.store.db)
    except (EngineError, RuntimeError) as error:
        return [*checks, ("database", False, f"{path} cannot be opened: {error}")]
    durable = found["journal_mode"] == "wal" and found["synchronous"] == 2
    checks += [
        ("database", True, str(path)),
        ("durability", durable, f"journal {found['journal_mode']}, synchronous FULL"),
        ("migrations", not pending, ", ".join(pending) or "up to date"),
        ("chart", chart.load(chart.VERSION) is not None, chart.VERSION),
        ("secret key", True, "the default" if settings.secret_key == DEVELOPMENT_KEY else "set"),
        (
            "kakaopay account",
            bool(settings.kakaopay_secret_key),
            f"default CID {settings.kakaopay_cid}"
            if settings.kakaopay_secret_key
            else "no default; set STRADA_KAKAOPAY_SECRET_KEY, or an account for each merchant",
        ),
    ]
    return checks if pending else [*checks, *_outside(strada)]


def _outside(strada: wiring.Strada) -> list[tuple[str, bool, str]]:
    """What must live outside the database: the signing key, and what was signed last."""
    keys, path = strada.audit.keys, strada.audit.keys.path
    problem = strada.audit.rollback.problem()
    log = ("log", problem is None, "as it was signed" if problem is None else problem.detail)
    if path is not None and not path.exists() and path.parent == keys.folder:
        return [log, ("signing key", True, f"{path} will be made at the first start")]
    try:
        shown = keys.current().text()
    except EngineError as error:
        return [log, ("signing key", False, str(getattr(error, "detail", error)))]
    if path is None:
        return [log, ("signing key", True, f"given by STRADA_AUDIT_SIGNING_KEY: {shown}")]
    private = not path.stat().st_mode & 0o077
    said = f"{path}: {shown}" if private else f"{path} can be read by others; try: chmod 600"
    return [log, ("signing key", private, said)]


@click.command()
@with_json
@click.pass_obj
def config(obj: Context, as_json: bool) -> None:
    """Print each setting with its source; secrets are masked."""
    rows = describe(obj.settings)
    return show_json(rows) if as_json else show_table(("name", "value", "source"), rows)


@click.command("chart")
@click.option(
    "--format",
    "kind",
    default="md",
    show_default=True,
    type=click.Choice(["md", "mermaid", "json", "svg"]),
)
def show_chart(kind: str) -> None:
    """Print the chart that everything is derived from."""
    if kind == "json":
        return show_json(chart.document() | {"version": chart.VERSION})
    text = {"md": chart.markdown, "mermaid": chart.mermaid, "svg": drawing.svg}[kind]()
    click.echo(text, nl=False)
    return None
