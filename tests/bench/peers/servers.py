"""The peers as running servers: how each is started, asked, checked and ended.

It refuses to measure a peer that lets an illegal event through.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import load
import requests
from e2e.town import free_port
from peers.install import PYTHON, Missing, restate_server

HERE = Path(__file__).resolve().parent
EVENTS = ("ready", "approve", "complete")
READY_WITHIN_S = 60.0
ORDER = {"amount": 12_000, "item_name": "초코파이 외 2건"}


class Server:
    """The processes of one peer, and what to send to it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.port = free_port()
        self.log = folder / "output.log"
        self._processes: list[subprocess.Popen[bytes]] = []

    def create(self, payment: str) -> bytes:
        """The request that creates a payment."""
        body = json.dumps({"id": payment, **ORDER}).encode()
        return load.request(self.port, "POST", "/payments", None, body)

    def fire(self, payment: str, event: str) -> bytes:
        """The request that fires an event."""
        return load.request(self.port, "POST", f"/payments/{payment}/{event}", None)

    def run(self, *command: str, **environment: str) -> None:
        """Run a command to its end; raises Missing."""
        around = self._environment(environment)
        with self.log.open("ab") as out:
            try:
                code = subprocess.call(
                    command, cwd=HERE, env=around, stdout=out, stderr=out, timeout=120
                )
            except subprocess.TimeoutExpired as error:
                raise Missing(f"{command[0]} took too long") from error
        if code != 0:
            raise Missing(self.last_words())

    def start(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a process that stays, in a group of its own."""
        with self.log.open("ab") as out:
            process = subprocess.Popen(
                command,
                cwd=HERE,
                env=self._environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return kept | {
            "HOME": str(self.folder),
            "PEER_FOLDER": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            **more,
        }

    def check(self) -> None:
        """Wait until it answers, then walk one payment through; raises Missing."""
        self._until_listening()
        walk = [("create", "201"), ("complete", "409"), ("ready", "200"), ("ready", "409")]
        for event, status in [*walk, ("approve", "200"), ("complete", "200")]:
            asked = self.create("check") if event == "create" else self.fire("check", event)
            try:
                found = next(iter(load.run(self.port, 1, [asked]).statuses))
            except subprocess.CalledProcessError as error:
                raise Missing(f"{event} was not answered: {self.last_words()}") from error
            if found != status and {found, status} != {"200", "201"}:
                raise Missing(f"{event} was answered with {found}: {self.last_words()}")

    def _until_listening(self) -> None:
        ends = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < ends:
            if any(process.poll() is not None for process in self._processes):
                raise Missing(self.last_words())
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise Missing(f"it does not listen: {self.last_words()}")

    def last_words(self) -> str:
        """The last line that it printed."""
        said = self.log.read_text(errors="replace") if self.log.exists() else ""
        lines = said.strip().splitlines()
        return lines[-1][:200] if lines else "it ended without a word"

    def close(self) -> None:
        """End what was started, each with its own group."""
        for process in reversed(self._processes):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait(10)


class Restate(Server):
    """The Restate server on its own ports, and the service behind it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = 8080

    def create(self, payment: str) -> bytes:
        """The request that creates a payment."""
        path = f"/Payment/{payment}/create"
        return load.request(self.port, "POST", path, None, json.dumps(ORDER).encode())

    def fire(self, payment: str, event: str) -> bytes:
        """The request that fires an event."""
        return load.request(self.port, "POST", f"/Payment/{payment}/{event}", None)

    def begin(self) -> None:
        """Start both and make them known to each other."""
        bind = ("--bind", "127.0.0.1:9080")
        self.start(str(PYTHON), "-m", "hypercorn", *bind, "restate_peer:app")
        options = ("--base-dir", str(self.folder / "base"), "--node-name", "peer", "--no-logo")
        self.start(str(restate_server()), *options, RESTATE_DISABLE_TELEMETRY="true")
        ends = time.monotonic() + READY_WITHIN_S
        with requests.Session() as admin:
            admin.trust_env = False
            while not self._registered(admin):
                if time.monotonic() > ends:
                    raise Missing(f"it took no deployment: {self.last_words()}")
                time.sleep(0.5)

    def _registered(self, admin: requests.Session) -> bool:
        known = {"uri": "http://127.0.0.1:9080"}
        try:
            answer = admin.post("http://127.0.0.1:9070/deployments", json=known, timeout=10)
        except requests.RequestException:
            return False
        return answer.status_code in (200, 201)


def gunicorn(module: str, workers: int, threads: int) -> Callable[[Path], Server]:
    """A WSGI peer as most who use its framework serve it."""

    def begin(folder: Path) -> Server:
        server = Server(folder)
        server.run(str(PYTHON), "-c", f"import {module}; {module}.prepare()")
        shape = ("--worker-class", "gthread", "--workers", str(workers), "--threads", str(threads))
        address = ("--bind", f"127.0.0.1:{server.port}", "--log-level", "warning")
        server.start(str(PYTHON), "-m", "gunicorn", *shape, *address, f"{module}:app")
        return server

    return begin


def dbos_on_sqlite(folder: Path) -> Server:
    """DBOS with both of its databases in files."""
    server = Server(folder)
    _begin_dbos(server)
    return server


def dbos_on_postgres(folder: Path) -> Server:
    """DBOS on a PostgreSQL of its own, at its defaults: fsync and synchronous_commit on."""
    server = Server(folder)
    try:
        _begin_dbos(server, PEER_DATABASE=_postgres(server))
    except BaseException:
        server.close()
        raise
    return server


def _begin_dbos(server: Server, **environment: str) -> None:
    prepare = "import dbos_peer; dbos_peer.prepare()"
    server.run(str(PYTHON), "-c", prepare, **environment)
    options = ("--port", str(server.port), "--log-level", "warning", "--no-access-log")
    command = (str(PYTHON), "-m", "uvicorn", *options, "dbos_peer:app")
    server.start(*command, PEER_SERVES="1", **environment)


def _postgres(server: Server) -> str:
    """Start a PostgreSQL; the beginning of its databases' addresses. Raises Missing."""
    data, port = server.folder / "postgres", free_port()
    data.mkdir()
    user = _other_user(data)
    initdb, postgres = _program("initdb"), _program("postgres")
    how = ("-U", "peer", "-A", "trust", "-E", "UTF8", "--locale=C")
    server.run(*user, initdb, "-D", str(data), *how)
    options = ("-h", "127.0.0.1", "-p", str(port), "-k", str(data))
    server.start(*user, postgres, "-D", str(data), *options)
    ends, make = time.monotonic() + READY_WITHIN_S, _program("createdb")
    for name in ("workflows", "payments"):
        while True:
            try:
                server.run(make, "-h", "127.0.0.1", "-p", str(port), "-U", "peer", name)
                break
            except Missing:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.3)
    return f"postgresql+psycopg://peer@127.0.0.1:{port}"


def _other_user(data: Path) -> tuple[str, ...]:
    """PostgreSQL refuses to run as root: then `nobody` runs it."""
    if os.getuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        raise Missing("PostgreSQL does not run as root, and there is no setpriv")
    nobody = 65_534
    os.chown(data, nobody, nobody)
    for above in data.parents:
        if not above.stat().st_mode & 0o001 and above != Path("/"):
            above.chmod(above.stat().st_mode | 0o001)
        if above.name.startswith("strada-bench-"):
            break
    return ("setpriv", f"--reuid={nobody}", f"--regid={nobody}", "--clear-groups")


def _program(name: str) -> str:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, places)))
    if found is None:
        raise Missing(f"PostgreSQL is not installed ({name})")
    return found


def restate(folder: Path) -> Server:
    """Restate, which wants the whole of this machine's ports: only in a network of its own."""
    if not os.environ.get("STRADA_BENCH_ALONE"):
        raise Missing("it needs a network namespace of its own (Linux; unshare, ip)")
    server = Restate(folder)
    try:
        server.begin()
    except BaseException:
        server.close()
        raise
    return server


@dataclass(frozen=True)
class Peer:
    """A peer: its packages, and the ways to serve it, of which the fastest is measured."""

    name: str
    packages: Sequence[str]
    ways: Mapping[str, Callable[[Path], Server]] = field(default_factory=dict)


WSGI = ("gunicorn",)
_WORKERS = {"gunicorn, 1 x 8 threads": (1, 8), "gunicorn, 2 x 4 threads": (2, 4)}
PEERS = (
    Peer(
        "Flask + Peewee + python-statemachine",
        (*WSGI, "flask", "peewee", "python-statemachine"),
        {way: gunicorn("naive", *shape) for way, shape in _WORKERS.items()},
    ),
    Peer(
        "Django + DRF + django-fsm-2",
        (*WSGI, "django", "djangorestframework", "django-fsm-2"),
        {way: gunicorn("django_peer", *shape) for way, shape in _WORKERS.items()},
    ),
    Peer("DBOS on SQLite", ("dbos", "fastapi", "uvicorn"), {"uvicorn": dbos_on_sqlite}),
    Peer("DBOS on PostgreSQL", ("dbos", "fastapi", "uvicorn"), {"uvicorn": dbos_on_postgres}),
    Peer("Restate", ("restate-sdk", "hypercorn"), {"restate-server, hypercorn": restate}),
)
