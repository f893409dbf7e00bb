"""HTTP/1.1 framing over waitress, stricter where its parser is lenient; broken HTTP as problems.

It refuses every message whose end two readers could see in different places, and closes the
connection after the refusal, so that nothing that follows can pass for a request of its own:
Content-Length beside Transfer-Encoding, a coding other than one `chunked`, folded headers, bare
line ends in a chunk's size. What waitress says of these in plain text, with bytes of the request in
it, becomes `invalid_header` or `body_too_large` in problem+json.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from waitress.buffers import OverflowableBuffer
from waitress.channel import ClientDisconnected, HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError, TransferEncodingNotImplemented
from waitress.receiver import ChunkedReceiver
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import BadRequest, build_http_date

from web import problems
from web.headers import api_headers, new_request_id
from web.problems import Problem

LONGEST_CHUNK_LINE = 256
"""Sizes take eight digits; extensions mean nothing to us and nobody needs them."""

_FIRST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Z-]+ (?:/|https?://)[!-~]* HTTP/1\.[01]\r\n")
_FOLDED = re.compile(rb"\r\n[ \t]")
_CODING = re.compile(rb"(?i)\r\ntransfer-encoding:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)")
_HOST = re.compile(rb"(?i)\r\nhost:")
_DIGITS = re.compile(rb"[0-9]{1,12}")
_CHUNK_LINE = re.compile(rb"(?P<size>[0-9A-Fa-f]{1,8})[ \t]*(?:;[\t -~]*)?")
_TRAILER = re.compile(rb"[\t -~\x80-\xff]*")


Answering = Callable[[Any], bytes]
"""Takes a request that waitress' parser has read; returns all bytes of its answer."""


class Parser(HTTPRequestParser):
    """One request off the wire."""

    def parse_header(self, header_plus: bytes) -> None:
        """Read the first line and the headers; raises ParsingError."""
        try:
            super().parse_header(header_plus)
            if _ambiguous(header_plus):
                raise ParsingError("ambiguous")
        except (ParsingError, TransferEncodingNotImplemented, ValueError) as error:
            self.expect_continue = False
            raise ParsingError("unreadable") from error
        self.expect_continue = self.expect_continue and self._waits_for_a_body()
        if self.chunked:
            self.body_rcv = Chunks(OverflowableBuffer(self.adj.inbuf_overflow))

    def _waits_for_a_body(self) -> bool:
        """Else, after `100 Continue`, waitress would read the next request into this one."""
        too_large = self.content_length >= self.adj.max_request_body_size
        return self.body_rcv is not None and not too_large


def _ambiguous(head: bytes) -> bool:
    if head == b"GET / HTTP/1.0\r\n":  # waitress' stand-in for headers that are too long
        return False
    if not _FIRST_LINE.match(head) or _FOLDED.search(head) or len(_HOST.findall(head)) > 1:
        return True
    codings, lengths = _CODING.findall(head), _LENGTH.findall(head)
    if codings:
        first_line = head.partition(b"\r\n")[0]
        one = [coding.lower() for coding in codings] == [b"chunked"]
        return not one or bool(lengths) or not first_line.endswith(b"1.1")
    return len(lengths) > 1 or not all(map(_DIGITS.fullmatch, lengths))


class Chunks(ChunkedReceiver):
    """A chunked body, its lines ended by CR LF and nothing else."""

    def __init__(self, buf: OverflowableBuffer) -> None:
        super().__init__(buf)
        self._held = b""
        self._left = 0
        self._expects = self._size

    def received(self, s: bytes) -> int:
        """Take what belongs to the body; returns how many bytes that was."""
        rest, self._held = self._held + s, b""
        while rest and not self.completed and self.error is None:
            if self._left:
                taken = rest[: self._left]
                self.buf.append(taken)
                self._left -= len(taken)
                rest = rest[len(taken) :]
            else:
                rest = self._line(rest)
        return len(s) if self.error else len(s) - len(rest)

    def _line(self, rest: bytes) -> bytes:
        line, ended, after = rest.partition(b"\r\n")
        if len(line) > LONGEST_CHUNK_LINE:
            self.error = BadRequest("too long")
        elif ended:
            self._expects(line)
        else:
            self._held = line
        return after

    def _size(self, line: bytes) -> None:
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            self.error = BadRequest("no size")
            return
        self._left = int(match["size"], 16)
        self._expects = self._end if self._left else self._trailer

    def _end(self, line: bytes) -> None:
        self._expects = self._size
        if line:
            self.error = BadRequest("no end")

    def _trailer(self, line: bytes) -> None:
        self.completed = not line
        if not _TRAILER.fullmatch(line):
            self.error = BadRequest("no trailer")


def message(status: str, headers: Iterable[tuple[str, str]], at_s: float, body: bytes) -> bytes:
    """All bytes of a whole answer, dated `at_s` (seconds since 1970)."""
    lines = [f"HTTP/1.1 {status}"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines.append(f"Date: {build_http_date(int(at_s))}\r\n\r\n")
    return "\r\n".join(lines).encode("latin-1") + body


class Answer(WSGITask):
    """An answer whose head and body leave in one piece, where the app gave it whole.

    The app's headers are spelled and ordered as they should be; what else an answer may need (a
    connection that ends, chunks, HTTP/1.0) is left to waitress.
    """

    def write(self, data: bytes) -> None:
        """Send what the app made; the first piece goes together with the head."""
        if self.wrote_header or not self._is_whole(data):
            super().write(data)
            return
        self.wrote_header = True
        self.content_bytes_written = len(data)
        self.channel.write_soon(message(self.status, self.response_headers, self.start_time, data))

    def _is_whole(self, data: bytes) -> bool:
        request: Any = self.request
        return (
            self.content_length == len(data)
            and self.version == "1.1"
            and self.has_body
            and request.headers.get("CONNECTION", "").lower() != "close"
        )


class Direct:
    """A task that gets the whole answer from a function instead of a WSGI app."""

    close_on_finish = False
    wrote_header = False

    def __init__(self, answer: Answering, channel: Channel, request: Any) -> None:
        self._answer = answer
        self._channel = channel
        self.request = request

    def service(self) -> None:
        """Have the request answered, and write that."""
        answer = self._answer(self.request)
        self.wrote_header = True
        self._channel.write_soon(answer)


class Refused(ErrorTask):
    """The answer to what could not be read as a request. The connection closes after it."""

    def execute(self) -> None:
        """Answer with a problem that repeats nothing of what came."""
        request: Any = self.request
        problem = Problem(
            _CODES.get(request.error.code, "invalid_header"), params={"reason": "framing"}
        )
        language = problems.negotiate(request.headers.get("ACCEPT_LANGUAGE"))
        status, headers, body = problems.render(problem, new_request_id(), "", language)
        self.status = f"{status} {_PHRASES[status]}"
        self.version = "1.1"  # else a client of 1.0 is told to keep the connection, too
        self.response_headers = list((headers | api_headers()).items())
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


_CODES = {413: "body_too_large", 500: "internal_error"}
_PHRASES = {400: "Bad Request", 413: "Content Too Large", 500: "Internal Server Error"}


class Channel(HTTPChannel):
    """A connection that reads and refuses by the rules of this module."""

    parser_class = Parser
    task_class: Any = Answer
    error_task_class = Refused
    _held: list[bytes] | None = None

    @property
    def is_held(self) -> bool:
        """Whether answers are kept back."""
        return self._held is not None

    def hold(self, answer: Answering) -> None:
        """Have `answer` asked for what the next request gets, and keep that back."""
        self._held = []
        self.task_class = partial(Direct, answer)

    def let_go(self, instead: bytes | None = None) -> None:
        """Send what was kept back, or something else instead of it."""
        held = self._held or []
        self._release()
        with suppress(ClientDisconnected):
            super().write_soon(b"".join(held) if instead is None else instead)

    def begin_again(self) -> None:
        """Drop what was kept back, and make the request readable from its beginning."""
        self._release()
        self.requests[0].get_body_stream().seek(0)

    def _release(self) -> None:
        self._held = None
        self.task_class = Answer

    def write_soon(self, data: bytes) -> int:
        """Send, or keep back."""
        if self._held is None:
            return int(super().write_soon(data))
        if not self.connected:
            raise ClientDisconnected
        self._held.append(data)
        return len(data)
