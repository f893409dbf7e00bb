"""Serving: waitress with threads, the worker inside, one process on an SQLite file.

It refuses a second server on the same file, and a database that was not migrated.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from flask import Flask
from waitress.server import create_server

from engine.dialect import exclusive
from engine.errors import LogBehind
from web.app import create_app
from web.framing import Channel
from web.loop import Loop
from web.threads import Threads
from web.wiring import Strada

CONNECTIONS = 2000
"""Half-sent requests cost a connection each, not a thread: 200 of them must not starve the rest."""
ACCEPTED = 64
"""Connections taken in one turn of the loop, at most."""
LONGEST_HEAD = 32 * 1024
"""First line and headers; beyond it the answer is 400."""
DRAIN_S = 25
"""How long SIGTERM waits for requests under way; with the rest of the exit it is under 30 s."""
_LOG = logging.getLogger("strada.serve")


class Unservable(RuntimeError):
    """The server cannot start; the message says what to do."""


def serve(strada: Strada, host: str, port: int, *, worker: bool = True) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises Unservable."""
    pending = strada.store.pending_migrations()
    if pending:
        raise Unservable("the database is not up to date; run: strada migrate")
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive(_lock_path(strada), "taken"))
        except BlockingIOError as error:
            raise Unservable(
                f"another strada serve is running on {strada.store.path}: one SQLite file is "
                "served by one process"
            ) from error
        _say_if_behind(strada)
        app = create_app(strada, worker_inside=worker)
        stop = threading.Event()
        for thread in start_roles(strada, stop) if worker else ():
            stack.callback(thread.join, DRAIN_S)
        stack.callback(stop.set)
        run(app, host, port, strada.settings.threads)


def _say_if_behind(strada: Strada) -> None:
    """Tell the operator at once; what is read is served, and each write is refused by itself."""
    try:
        strada.store.guard.before_write()
    except LogBehind as behind:
        _LOG.error("nothing will be written: %s", behind.detail)
        _LOG.error("restore the newest database, or: strada audit accept-rollback --reason …")


def start_roles(strada: Strada, stop: threading.Event) -> list[threading.Thread]:
    """Run the worker and the audit role until `stop` is set, each in a thread of its own.

    A gateway that hangs keeps the worker waiting; entries must not wait for their place meanwhile.
    """
    roles = {"worker": strada.worker.run, "audit": strada.audit.run}
    threads = [
        threading.Thread(target=run, args=(stop,), name=name, daemon=True)
        for name, run in roles.items()
    ]
    for thread in threads:
        thread.start()
    return threads


def listen(app: Flask, host: str, port: int, threads: int) -> Any:
    """A waitress server bound to an address; raises Unservable when it is taken."""
    sockets: dict[int, Any] = {}
    quick = app.extensions.get("quick")
    dispatcher: Any = Loop(app.extensions["strada"].store, Threads(threads), quick)
    try:
        server = create_server(
            app,
            map=sockets,
            host=host,
            port=port,
            _dispatcher=dispatcher,
            ident=None,
            connection_limit=CONNECTIONS,
            cleanup_interval=15,
            channel_timeout=60,
            max_request_header_size=LONGEST_HEAD,
            max_request_body_size=1 << 20,
            clear_untrusted_proxy_headers=True,
            asyncore_use_poll=True,  # select() dies of the 1024th connection
        )
    except OSError as error:
        raise Unservable(f"cannot listen on {host}:{port}: {error.strerror}") from error
    for socket in sockets.values():
        socket.channel_class = Channel
        if hasattr(socket, "task_dispatcher"):
            socket.pull_trigger = dispatcher.waking(socket.pull_trigger)
            socket.handle_accept = partial(_accept_all, socket, socket.handle_accept)
    server.asyncore = dispatcher
    return server


def _accept_all(server: Any, accept: Callable[[], None]) -> None:
    """Accept whoever waits, not one in each turn of the loop, which may serve many meanwhile."""
    for _ in range(ACCEPTED):
        before = len(server.active_channels)
        accept()
        if len(server.active_channels) == before or not server.readable():
            break


def run(app: Flask, host: str, port: int, threads: int) -> None:
    """Serve an app in this thread until a signal ends it."""
    server = listen(app, host, port, threads)
    drain = partial(server.task_dispatcher.shutdown, cancel_pending=False, timeout=DRAIN_S)
    server.task_dispatcher.shutdown = partial(_shut_down, app, drain)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, partial(_end, server))
    _LOG.info("listening on http://%s:%s", host, server.effective_port)
    server.run()


def _shut_down(app: Flask, drain: Callable[[], object]) -> None:
    """Event streams would outlive the patience of whoever sent the signal: they end first."""
    streams = app.extensions.get("streams")
    if streams is not None:
        streams.end()
    drain()


def _end(server: Any, number: int, frame: Any) -> None:
    server.asyncore.end()


def _lock_path(strada: Strada) -> Any:
    path = strada.store.path
    return path.with_name(path.name + "-serve.lock")
