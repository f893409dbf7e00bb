"""A peer to talk to over real loopback sockets, which answers whatever a test tells it to."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from providers.http import GatewayHttp

Script = Callable[[socket.socket], bool | None]


class Peer:
    """Reads each request whole, then lets the script answer; True keeps the connection."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.heard: Callable[[bytes], object] = lambda request: None
        self.requests: list[bytes] = []
        self.connections = 0
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/pay"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in self.requests]

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._open.add(sock)
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
            with sock:
                while request := whole_request(sock):
                    self.requests.append(request)
                    self.heard(request)
                    if not self.script(sock):
                        return


def whole_request(sock: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got:
        if not (more := sock.recv(65536)):
            return b""
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


def http(body: bytes | dict[str, Any] = b"{}", status: int = 200, *headers: str) -> bytes:
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def says(*answers: bytes) -> Script:
    """Send these in turn, the last one for ever, and keep the connection."""
    left = list(answers)

    def script(sock: socket.socket) -> bool:
        sock.sendall(left.pop(0) if len(left) > 1 else left[0])
        return True

    return script


def says_and_hangs_up(answer: bytes) -> Script:
    def script(sock: socket.socket) -> None:
        sock.sendall(answer)

    return script


def drips(head: bytes, drop: bytes, every_s: float = 0.05) -> Script:
    """Send `head` at once and then a drop at a time, for ever."""

    def script(sock: socket.socket) -> None:
        sock.sendall(head)
        while True:
            sock.sendall(drop)
            time.sleep(every_s)

    return script


def resets(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.fixture
def scripts() -> SimpleNamespace:
    """The words that scripts are made of."""
    return SimpleNamespace(
        http=http, says=says, hangs_up=says_and_hangs_up, drips=drips, resets=resets
    )


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    """Make peers; they end with the test."""
    made: list[Peer] = []

    def make(script: Script, tls: ssl.SSLContext | None = None) -> Peer:
        made.append(Peer(script, tls))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def gateway_http() -> Iterator[Callable[..., GatewayHttp]]:
    """Make clients; their connections are closed after the test."""
    made: list[GatewayHttp] = []

    def make(**settings: Any) -> GatewayHttp:
        made.append(GatewayHttp(**settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """A server's context for 127.0.0.1, and the file that a client has to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([here]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, str(file)
