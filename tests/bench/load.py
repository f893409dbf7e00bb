"""A closed-loop load client in a process of its own: keep-alive sockets, requests made beforehand.

It refuses to be the bottleneck: between two requests it only reads an answer's status and length.
Run as a program it reads {"port", "callers", "requests": [base64, …]} as JSON on standard input and
writes {"seconds", "latencies": [seconds, …], "statuses": {status: count}} on standard output.
"""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ANSWER_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """What a run of requests came to."""

    seconds: float
    latencies: list[float]
    statuses: dict[str, int]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """The latency, in milliseconds, that so many percent of the answers stayed within."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1e3


def request(
    port: int, method: str, path: str, key: str | None, body: bytes = b"", **headers: str
) -> bytes:
    """The bytes of one HTTP/1.1 request, with a bearer key unless that is None."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += [f"Authorization: Bearer {key}"] if key else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}"]
    lines += ["Content-Type: application/json"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def run(port: int, callers: int, requests: Sequence[bytes]) -> Load:
    """Send these requests from so many callers at once, in a new process."""
    asked = {
        "port": port,
        "callers": callers,
        "requests": [base64.b64encode(one).decode() for one in requests],
    }
    done = subprocess.run(
        [sys.executable, str(Path(__file__))],
        input=json.dumps(asked),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=600,
    )
    return Load(**json.loads(done.stdout))


class _Callers:
    """Threads that take the next request as soon as they have an answer."""

    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        self._port = port
        self._requests = iter(requests)
        self._lock = threading.Lock()
        self.latencies: list[float] = []
        self.statuses: Counter[str] = Counter()

    def run(self, callers: int) -> float:
        threads = [threading.Thread(target=self._call) for _ in range(callers)]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - begun

    def _call(self) -> None:
        latencies, statuses = [], []
        with socket.create_connection(("127.0.0.1", self._port), ANSWER_WITHIN_S) as wire:
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (asked := self._next()) is not None:
                begun = time.perf_counter()
                wire.sendall(asked)
                statuses.append(_status(wire))
                latencies.append(time.perf_counter() - begun)
        with self._lock:
            self.latencies += latencies
            self.statuses.update(statuses)

    def _next(self) -> bytes | None:
        with self._lock:
            return next(self._requests, None)


def _status(wire: socket.socket) -> str:
    got = b""
    while b"\r\n\r\n" not in got:
        got += _some(wire)
    head, _, body = got.partition(b"\r\n\r\n")
    left = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]) - len(body)
    while left > 0:
        left -= len(_some(wire))
    return head[9:12].decode()


def _some(wire: socket.socket) -> bytes:
    got = wire.recv(65_536)
    if not got:
        raise ConnectionError("the server hung up")
    return got


def main() -> None:
    """Do what standard input asks for."""
    asked = json.load(sys.stdin)
    callers = _Callers(asked["port"], [base64.b64decode(one) for one in asked["requests"]])
    seconds = callers.run(asked["callers"])
    answer = {"seconds": seconds, "latencies": callers.latencies, "statuses": callers.statuses}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
