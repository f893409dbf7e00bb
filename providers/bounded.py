"""Connections that keep one total deadline, from the name look-up to the last byte.

They refuse to send after the deadline, and know whether a byte was ever handed to the network.
urllib3 and requests count each read anew, so a peer that drips bytes outlives their time-outs.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

Addresses = Sequence[tuple[int, int, int, str, Any]]
"""What `socket.getaddrinfo` returns."""
RESOLVERS = 2
"""Threads for name look-ups, which have no time-out: a stuck one is waited for no longer."""
POOL_SIZE = 16
"""Idle connections kept for each gateway."""


class Resolver:
    """Names to addresses within a given time, on a bounded number of threads."""

    def __init__(self, resolve: Callable[..., Addresses] = socket.getaddrinfo) -> None:
        self._resolve = resolve
        self._threads = ThreadPoolExecutor(RESOLVERS, "strada-resolve")

    def addresses(self, host: str, port: int, left_s: float) -> Addresses:
        """The addresses of a host; raises OSError, of which TimeoutError is one."""
        if _is_address(host):
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        asked = self._threads.submit(self._resolve, host, port, type=socket.SOCK_STREAM)
        try:
            return asked.result(left_s)
        finally:
            asked.cancel()

    def close(self) -> None:
        """End the threads that are idle."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@dataclass(slots=True)
class Call:
    """One call while it runs; `ends` is a moment of `time.monotonic()`."""

    resolver: Resolver
    ends: float
    connect_s: float
    sent: bool = False
    """Whether a byte of the request may have left us."""

    def left(self) -> float:
        """Seconds until the deadline; raises TimeoutError when none are."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left

    def connect_left(self) -> float:
        """How long connecting may still take."""
        return min(self.connect_s, self.left())


CALL: ContextVar[Call] = ContextVar("strada_gateway_call")
"""The call that the present thread makes; urllib3 hands nothing of ours down to a connection."""


class BoundedAdapter(HTTPAdapter):
    """requests' adapter over connections that keep the deadline of `CALL`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As requests does it, with our connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class _Read(io.RawIOBase):
    """A socket's bytes; each read is given the time that is left, and no more."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock = sock
        self._raw = raw
        self._call = CALL.get()

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int | None:
        self._sock.settimeout(self._call.left())
        return self._raw.readinto(into)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer whose status line, headers and body are read within the deadline."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Read(sock, self.fp.detach()))


class _Connection(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        try:
            return _connected(self.host.strip("[]"), self.port or self.default_port)
        except OSError as error:
            # Not an OSError beyond here: urllib3 takes some of those for an answer that waits.
            raise NewConnectionError(self, type(error).__name__) from error

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        call = CALL.get()
        self.sock.settimeout(call.left())
        call.sent = True
        super().send(data)


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def _connected(host: str, port: int) -> socket.socket:
    """A connected socket whose time-out is what a TLS handshake may take."""
    call = CALL.get()
    failure = OSError("the name has no address")
    for family, kind, protocol, _, address in call.resolver.addresses(host, port, call.left()):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(call.connect_left())
            sock.connect(address)
            sock.settimeout(call.connect_left())
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure
