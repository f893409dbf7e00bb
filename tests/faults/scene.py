"""A place to kill processes in: a gateway that survives, a clock that can jump, a database each.

Strada's processes are forked from a zygote; the gateway's simulator lives in the test process, so
that its ledger is the truth whatever dies. It refuses to share a database between two lives.
"""

from __future__ import annotations

import http.client
import io
import json
import mmap
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.town import GATEWAY_KEY, ROOT

from providers.kakaopay import simulator
from providers.kakaopay.simulator.gateway import EXTENSION

SCALE = 4
"""Every duration of Strada and of the gateway is divided by this."""
JUMP_S = 16.0
"""Longer than a lost call's lease and the gateway's grace for late requests, so scaled."""
START_S = 60.0
SECRET_KEY = "a secret key for tests, canary-7f3a9c"
TRACED = ("pwrite64", "write", "fdatasync", "fsync", "sendto", "sendmsg")
"""System calls by which a process changes the world."""
NONE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Fault:
    """SIGKILL before the `at`-th `step`: a system call when traced, else a step of `points`."""

    step: str
    at: int

    @property
    def traced(self) -> bool:
        """Whether strace does it."""
        return self.step in TRACED

    def __str__(self) -> str:
        return f"{self.step} {self.at}"


class Zygote:
    """Forks commands; see `faults.zygote`."""

    def __init__(self) -> None:
        paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "faults.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
        )
        self._lock = threading.Lock()

    def ask(self, **order: Any) -> dict[str, Any]:
        """Give an order; its answer."""
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        with self._lock:
            self._popen.stdin.write(json.dumps(order).encode() + b"\n")
            self._popen.stdin.flush()
            answer: dict[str, Any] = json.loads(self._popen.stdout.readline())
        return answer

    def close(self) -> None:
        """End it, and with it every child that is left."""
        self._popen.communicate(timeout=START_S)


class Process:
    """One forked command, with its tracer where it has one."""

    def __init__(self, zygote: Zygote, pid: int, tracer: subprocess.Popen[str] | None) -> None:
        self.pid = pid
        self._zygote = zygote
        self._tracer = tracer
        self._code: int | None = None

    def code(self, within_s: float = 0) -> int | None:
        """The exit code (minus the signal that killed it), or None while it lives."""
        if self._code is None:
            self._code = self._zygote.ask(do="wait", pid=self.pid, within_s=within_s)["code"]
            if self._code is not None and self._tracer is not None:
                self._tracer.communicate(timeout=START_S)
        return self._code

    def end(self, number: int = signal.SIGKILL, within_s: float = 35) -> int:
        """Send a signal and wait; the exit code."""
        if self.code() is None:
            os.kill(self.pid, number)
        code = self.code(within_s)
        assert code is not None, "it did not end"
        return code


class Gateway:
    """The simulator in this process; a hook can act just before or just after it obeys a call."""

    def __init__(self, ledger: Path) -> None:
        self.ledger = ledger
        self.calls: list[tuple[str, str | None]] = []
        self.hooks: dict[tuple[str, str], Callable[[], object]] = {}
        self._app = simulator.create_app(ledger=ledger, time_scale=SCALE)
        self._inner = self._app.wsgi_app
        self._app.wsgi_app = self._door  # type: ignore[method-assign]
        self._server = simulator.serve(self._app, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def _door(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        verb = environ["PATH_INFO"].rpartition("/")[2]
        self._note(verb, environ)
        before = self.hooks.pop((verb, "before"), None)
        if before is not None:
            before()
            raise ConnectionAbortedError("the request never arrived")
        answer = self._inner(environ, start_response)
        after = self.hooks.pop((verb, "after"), None)
        if after is not None:
            after()
        return answer

    def _note(self, verb: str, environ: Any) -> None:
        """Remember a call with the operation that it names; `order` names the payment only."""
        if environ["PATH_INFO"].startswith("/online/"):
            raw = environ["wsgi.input"].read()
            environ["wsgi.input"] = io.BytesIO(raw)
            asked = json.loads(raw)
            self.calls.append((verb, asked["tid"] if verb == "order" else asked.get("payload")))

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Use the simulator's test API."""
        with self._app.test_client() as client:
            answer = client.open(f"/_simulator/{path}", method=method, json=body)
            assert answer.status_code < 300, answer.text
            return answer.get_json()

    def advance(self, seconds: float) -> None:
        """Let the gateway's time pass."""
        self._app.extensions[EXTENSION].books.move_clock(seconds)

    def lines(self) -> list[dict[str, Any]]:
        """Every movement of money so far."""
        return [json.loads(line) for line in self.ledger.read_text().splitlines()]

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(START_S)


class Scene:
    """The gateway, the zygote and the clock, shared by the lives of one test process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = quiet_port()
        self.gateway = Gateway(folder / "ledger.jsonl")
        self.gateway.ledger.touch()
        self.zygote = Zygote()
        self._clock_file = folder / "clock"
        self._clock_file.write_bytes(bytes(8))
        with self._clock_file.open("r+b") as file:
            self._clock = mmap.mmap(file.fileno(), 8)
        self._shift_ns = 0
        self._lives = 0
        self._processes: list[Process] = []
        self._template = folder / "template"
        self._template.mkdir()
        self.run(self._template, "migrate")
        said = self.run(self._template, *"keys create --merchant shop --scope payments".split())
        (self._template / "output.log").unlink()  # the one command that has to tell a secret
        self.key = next(word for word in said.split() if word.startswith("sk_test_"))

    def close(self) -> None:
        """End everything."""
        self.zygote.close()
        self.gateway.close()
        self._clock.close()

    def later(self, seconds: float = JUMP_S) -> None:
        """Let time pass, for every process and for the gateway."""
        self._shift_ns += int(seconds * 1e9)
        self._clock[:8] = struct.pack("<q", self._shift_ns)
        self.gateway.advance(seconds)

    def now_us(self) -> int:
        """What the wall clock of the processes says."""
        return (time.time_ns() + self._shift_ns) // 1000

    def send(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] = NONE
    ) -> tuple[int, bytes]:
        """One request to the server on a connection of its own: status and body."""
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_S)
        try:
            wire.request(method, path, body, {**headers, "Connection": "close"})
            answer = wire.getresponse()
            return answer.status, answer.read()
        finally:
            wire.close()

    def home(self) -> Path:
        """A folder with a fresh database: migrated, and with the merchant's key."""
        self._lives += 1
        home = self.folder / f"life-{self._lives}"
        home.mkdir()
        for file in self._template.glob("strada.db*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, home)
        return home

    def environment(self, home: Path) -> dict[str, str]:
        """The settings of every process that works on this home."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "STRADA_DATABASE_URL": f"sqlite:///{home / 'strada.db'}",
            "STRADA_BASE_URL": f"http://127.0.0.1:{self.port}",
            "STRADA_SECRET_KEY": SECRET_KEY,
            "STRADA_KAKAOPAY_BASE_URL": self.gateway.url,
            "STRADA_KAKAOPAY_SECRET_KEY": GATEWAY_KEY,
            "STRADA_TIME_SCALE": str(SCALE),
            "STRADA_CALL_DEADLINE_S": str(10 * SCALE),
            "STRADA_THREADS": "1",  # the n-th step of one thread is the n-th step of the process
        }

    def run(self, home: Path, *arguments: str) -> str:
        """Run a command to its end; all output in this home so far."""
        code = self.start(home, *arguments).code(START_S)
        output = (home / "output.log").read_text()
        assert code == 0, output
        return output

    def start(
        self, home: Path, *arguments: str, fault: Fault | None = None, **settings: str
    ) -> Process:
        """Start a command, to be killed by `fault`."""
        gate = home / "gate"
        gate.unlink(missing_ok=True)
        traced = fault is not None and fault.traced
        pid = self.zygote.ask(
            do="fork",
            argv=arguments,
            env=self.environment(home) | settings,
            output=str(home / "output.log"),
            clock=str(self._clock_file),
            gate=str(gate) if traced else None,
            fault=_points(fault) if fault and not traced else None,
        )["pid"]
        tracer = _attach(pid, fault) if fault and traced else None
        gate.touch()
        self._processes.append(Process(self.zygote, pid, tracer))
        return self._processes[-1]

    def tidy(self) -> None:
        """End what a test left running, and forget what it told the gateway."""
        while self._processes:
            self._processes.pop().end()
        self.gateway.hooks.clear()
        self.gateway.ask("DELETE", "faults")


def quiet_port() -> int:
    """A free port that no outgoing connection can be given while our server is between two lives.

    Systems take those from 32768 upwards.
    """
    first, count = 20_000, 10_000
    for number in range(count):
        port = first + (os.getpid() * 37 + number) % count
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")


def _points(fault: Fault) -> Mapping[str, Any]:
    return {"steps": [fault.step], "at": fault.at}


def _attach(pid: int, fault: Fault) -> subprocess.Popen[str]:
    """A tracer that kills a process, or any of its threads, before its n-th such call."""
    kill = f"inject={fault.step}:signal=SIGKILL:when={fault.at}"
    tracer = subprocess.Popen(
        ["strace", "-f", "-o", os.devnull, "-e", f"trace={fault.step}", "-e", kill, "-p", str(pid)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert tracer.stderr is not None
    said = tracer.stderr.readline()
    assert "attached" in said, said
    return tracer


def can_trace() -> bool:
    """Whether strace is here and may trace."""
    if shutil.which("strace") is None:
        return False
    asked = ["strace", "-o", os.devnull, "-e", "trace=write", sys.executable, "-c", "print('yes')"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=START_S, check=False)
    return done.returncode == 0 and done.stdout == "yes\n"


def wait_until(what: Callable[[], Any], within_s: float, why: str) -> Any:
    """Ask until the answer is true; the answer. Raises TimeoutError."""
    ends = time.monotonic() + within_s
    while not (found := what()):
        if time.monotonic() > ends:
            raise TimeoutError(why)
        time.sleep(0.004)
    return found
