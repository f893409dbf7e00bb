"""A small threaded HTTP/1.1 server for the simulator, silent and with connections kept alive.

Werkzeug's own closes each connection after one answer; a real gateway does not. It is for
loopback: no TLS, no chunked requests, one thread for each connection.
"""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flask import Flask
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from providers.kakaopay.simulator.gateway import EXTENSION

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.serving import BaseWSGIServer

IDLE_S = 75
"""A connection on which nothing comes for this long is closed."""
MAX_BODY = 1024 * 1024


def serve(app: Flask, host: str, port: int) -> BaseWSGIServer:
    """A bound server; `serve_forever()` runs it, `shutdown()` and `server_close()` end it.

    Port 0 takes a free one: see its `port`. `server_close()` also cuts the open connections and
    cancels effects that were to land later.
    """
    return _Server(host, port, app, _Handler)


class _Server(ThreadedWSGIServer):
    def __init__(self, *args: Any) -> None:
        self._peers: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._peers.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._peers.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        if isinstance(self.app, Flask):
            self.app.extensions[EXTENSION].close()
        with self._lock:
            for peer in self._peers:
                with suppress(OSError):
                    peer.shutdown(socket.SHUT_RDWR)


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_S

    def run_wsgi(self) -> None:
        """One request and its answer; a broken connection ends it quietly."""
        environ = self.make_environ()
        try:
            body = self._request_body()
            if body is None:
                self.close_connection = True
                self.wfile.write(b"HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\n\r\n")
                return
            environ["wsgi.input"] = io.BytesIO(body)
            self._exchange(environ)
        except OSError:
            self.close_connection = True

    def log(self, type: str, message: str, *args: Any) -> None:
        """Nothing: addresses here hold tokens."""

    def _request_body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        chunked = "Transfer-Encoding" in self.headers
        if chunked or not (length.isascii() and length.isdigit()) or int(length) > MAX_BODY:
            return None
        return self.rfile.read(int(length))

    def _exchange(self, environ: WSGIEnvironment) -> None:
        head: list[Any] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Any:
            head[:] = [status, headers]
            return self.wfile.write

        chunks = self.server.app(environ, start_response)
        try:
            self._send(chunks, head, environ["REQUEST_METHOD"] == "HEAD")
        finally:
            close = getattr(chunks, "close", None)
            if close:
                close()

    def _send(self, chunks: Iterable[bytes], head: list[Any], headless_body: bool) -> None:
        """Head and first bytes in one packet; a length that does not fit ends the connection."""
        sent, waiting = 0, True
        for chunk in chunks:
            self.wfile.write(self._head(*head) + chunk if waiting else chunk)
            waiting = False
            sent += len(chunk)
        if waiting:
            self.wfile.write(self._head(*head))
        promised = {name.lower(): value for name, value in head[1]}.get("content-length")
        if promised != str(sent) and not headless_body:
            self.close_connection = True

    def _head(self, status: str, headers: list[tuple[str, str]]) -> bytes:
        lines = [f"HTTP/1.1 {status}", f"Date: {self.date_time_string()}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if not any(name.lower() == "content-length" for name, _ in headers):
            self.close_connection = True
        if self.close_connection:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
