"""A process that has imported Strada and forks a `strada …` command whenever it is told to.

It saves each start the second that imports take, and nothing else: the child runs the command line
from its beginning to the interpreter's end. Orders come in as JSON lines, answers leave as such. It
refuses to outlive whoever started it: at the end of its input its children are killed.

An order to `fork` names `argv`, `env`, the `output` file, and the `clock` file that shifts the
child's wall clock; `fault`, if any, is where `faults.points` kills it; `gate` is a file that must
exist before it starts, so that a tracer can attach.
"""

from __future__ import annotations

import importlib
import json
import mmap
import os
import signal
import struct
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faults import points

from engine import dialect
from web import quick
from web.cli import COMMANDS
from web.cli import main as strada

GATE_S = 30
CHECKPOINT_PAGES = 25
"""A payment's life is to see a few checkpoints, which else come once in many payments."""
_POLL_S = 0.002


def main() -> None:
    """Take orders until the input ends."""
    for module in {place.partition(":")[0] for place in COMMANDS.values()}:
        importlib.import_module(f"web.cli.{module}")
    children: set[int] = set()
    orders = os.fdopen(0, "rb")
    while line := orders.readline():
        order = json.loads(line)
        if order["do"] == "fork":
            pid = os.fork()
            if pid == 0:
                _become(order)
                return strada()  # its end is this interpreter's end, as for any command
            children.add(pid)
            _answer({"pid": pid})
        else:
            code = _wait(order["pid"], order["within_s"])
            if code is not None:
                children.discard(order["pid"])
            _answer({"code": code})
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _answer(answer: Mapping[str, Any]) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


def _wait(pid: int, within_s: float) -> int | None:
    """The exit code of a child, minus its signal when one killed it; None while it lives."""
    ends = time.monotonic() + within_s
    while True:
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= ends:
            return None
        time.sleep(_POLL_S)


def _become(order: Mapping[str, Any]) -> None:
    output = os.open(order["output"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    sys.stdout.reconfigure(line_buffering=True)  # what is printed is to be seen, whatever dies
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(Path(order["output"]).parent)
    sys.argv = ["strada", *order["argv"]]
    _shift(order["clock"])
    dialect.BACKSTOP_PAGES = CHECKPOINT_PAGES
    if order["gate"]:  # strace is coming, which counts calls thread by thread: one serves all
        quick.PATHS.clear()
        _wait_for(Path(order["gate"]))
    if order["fault"]:
        points.arm(**order["fault"])


def _shift(path: str) -> None:
    """Make the wall clock read what the machine's says plus the nanoseconds in a shared file."""
    with open(path, "rb") as file:
        shared = mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)
    true = time.time_ns

    def time_ns() -> int:
        shift: int = struct.unpack("<q", shared[:8])[0]
        return true() + shift

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9


def _wait_for(path: Path) -> None:
    ends = time.monotonic() + GATE_S
    while not path.exists():
        if time.monotonic() > ends:
            raise SystemExit("nobody attached")
        time.sleep(_POLL_S)


if __name__ == "__main__":
    main()
