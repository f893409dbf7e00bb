"""A server that only answers: what the load client does beside it is the most it can ever show.

Run as a program it prints its port and serves until standard input ends.
"""

from __future__ import annotations

import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BODY = b"x" * 1_200
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)


@contextmanager
def idle_server() -> Iterator[int]:
    """Its port, while it runs in a process of its own."""
    command = [sys.executable, str(Path(__file__))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(10)


def main() -> None:
    """Answer each request, none of which has a body or comes in two pieces."""
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    waiting = selectors.DefaultSelector()
    waiting.register(listening, selectors.EVENT_READ)
    waiting.register(sys.stdin, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fileobj is sys.stdin:
                return
            if key.fileobj is listening:
                wire = listening.accept()[0]
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                waiting.register(wire, selectors.EVENT_READ)
            else:
                _answer(waiting, key.fileobj)  # type: ignore[arg-type]


def _answer(waiting: selectors.BaseSelector, wire: socket.socket) -> None:
    if wire.recv(65_536):
        wire.sendall(_ANSWER)
    else:
        waiting.unregister(wire)
        wire.close()


if __name__ == "__main__":
    main()
