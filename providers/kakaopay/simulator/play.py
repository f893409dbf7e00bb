"""Playing a call, with the fault that the script has for it.

It spoils answers and connections; the books stay true under every fault.
"""

from __future__ import annotations

import gzip
import json
import os
import secrets
import socket
import struct
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from flask import Response, request

from providers.kakaopay.simulator.books import new_id
from providers.kakaopay.simulator.desk import Body
from providers.kakaopay.simulator.faults import SPOILS, Fault
from providers.kakaopay.simulator.gateway import Gateway
from providers.kakaopay.simulator.protocol import Call
from providers.kakaopay.simulator.refusals import Refusal

JSON = "application/json;charset=UTF-8"
HUGE = 10 * 1024 * 1024
BOMB = 32 * 1024 * 1024
"""Bytes that the gzip bomb's few become."""
MAINTENANCE = "<!doctype html><title>점검 중</title><h1>서비스 점검 중입니다</h1>"
DEFAULT_CODES = {"approve": -780, "cancel": -781}


def play(gateway: Gateway, call: Call, fault: Fault | None) -> Response:
    """The answer to a call, or what a fault makes of it."""
    if fault is None:
        return _honest(gateway, call)
    spoil, _, when = fault.kind.rpartition("_")
    if spoil in SPOILS:
        before = when == "before"
        answer = _non_answer(call) if before else _honest(gateway, call)
        return _SPOILERS[spoil](gateway, fault, answer)
    return _PLAYS[fault.kind](gateway, call, fault)


def drop(gateway: Gateway, delay_s: float = 0, *, reset: bool) -> Response:
    """No byte: hold the connection, then end it."""
    peer = request.environ.get("werkzeug.socket")
    return Response(_Silence(gateway, delay_s, peer if reset else None))


def refusal(no: Refusal) -> Response:
    """The documented error shape."""
    return _json(no.shown(), no.http_status)


def _honest(gateway: Gateway, call: Call, **how: Any) -> Response:
    try:
        return _json(gateway.desk.answer(call, gateway.base, **how))
    except Refusal as no:
        return refusal(no)


def _json(body: Body, status: int = 200) -> Response:
    return Response(json.dumps(body, ensure_ascii=False), status, content_type=JSON)


def _non_answer(call: Call) -> Response:
    """Something to spoil when nothing was done: it claims no success."""
    return _json({"tid": call.fields.peek("tid") or "", "padding": "-" * 64})


# Connections and bodies that go wrong.


class _Silence:
    """A body without a byte; asked for one, it ends the connection."""

    def __init__(self, gateway: Gateway, delay_s: float, peer: socket.socket | None) -> None:
        self.gateway, self.delay_s, self.peer = gateway, delay_s, peer

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self.gateway.clock.pause(self.delay_s)
        if self.peer is not None:
            reset_connection(self.peer)
        raise ConnectionAbortedError


def reset_connection(peer: socket.socket) -> None:
    """Close so that the other side sees a reset: linger for zero seconds."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(peer.detach())


def _hang(gateway: Gateway, fault: Fault, answer: Response) -> Response:
    return drop(gateway, fault.delay_s, reset=False)


def _reset(gateway: Gateway, fault: Fault, answer: Response) -> Response:
    return drop(gateway, reset=True)


def _http_error(gateway: Gateway, fault: Fault, answer: Response, *, code: int) -> Response:
    return refusal(Refusal(code))


def _truncated(gateway: Gateway, fault: Fault, answer: Response) -> Response:
    body = answer.get_data()
    answer.set_data(body[: len(body) // 2])
    answer.content_length = len(body)
    return answer


def _empty(gateway: Gateway, fault: Fault, answer: Response) -> Response:
    return Response(b"", content_type=JSON)


def _html(gateway: Gateway, fault: Fault, answer: Response) -> Response:
    return Response(MAINTENANCE, content_type="text/html; charset=utf-8")


def _huge(gateway: Gateway, fault: Fault, answer: Response) -> Response:
    answer.set_data(b" " * HUGE + answer.get_data())
    return answer


def _drip(gateway: Gateway, fault: Fault, answer: Response) -> Response:
    body = answer.get_data()

    def drops() -> Iterator[bytes]:
        for byte in body:
            yield bytes([byte])
            gateway.clock.pause(fault.delay_s / len(body))

    return Response(
        drops(), answer.status_code, {"Content-Length": str(len(body))}, content_type=JSON
    )


def _gzip(gateway: Gateway, fault: Fault, answer: Response) -> Response:
    return Response(_bomb(), headers={"Content-Encoding": "gzip"}, content_type=JSON)


@cache
def _bomb() -> bytes:
    return gzip.compress(b'{"padding":"' + b"0" * BOMB + b'"}', compresslevel=6)


def _redirect(gateway: Gateway, fault: Fault, answer: Response) -> Response:
    away = {"Location": request.host_url.rstrip("/") + "/_simulator/elsewhere"}
    return Response(b"", 302, away)


_SPOILERS: dict[str, Callable[[Gateway, Fault, Response], Response]] = {
    "hang": _hang,
    "reset": _reset,
    "http_500": partial(_http_error, code=-500),
    "http_503": partial(_http_error, code=-503),
    "truncated": _truncated,
    "empty": _empty,
    "html": _html,
    "huge": _huge,
    "drip": _drip,
    "gzip": _gzip,
    "redirect": _redirect,
}

# Calls that go wrong.


def _late(gateway: Gateway, call: Call, fault: Fault) -> Response:
    """Checked now, done later; the caller hears nothing and a query sees nothing until then."""
    try:
        step = gateway.desk.plan(call, gateway.base)
    except Refusal:
        return drop(gateway, reset=True)
    gateway.later(fault.delay_s, step)
    return drop(gateway, reset=True)


def _error(gateway: Gateway, call: Call, fault: Fault) -> Response:
    code = DEFAULT_CODES.get(call.verb, -500) if fault.code is None else fault.code
    return refusal(Refusal(code, method_result_code=fault.method_result_code or ""))


def _error_after(gateway: Gateway, call: Call, fault: Fault) -> Response:
    answer = _honest(gateway, call)
    return _error(gateway, call, fault) if answer.status_code == 200 else answer


def _lag(gateway: Gateway, call: Call, fault: Fault) -> Response:
    if call.verb == "order":
        return _honest(gateway, call, lag_s=fault.delay_s)
    answer = _honest(gateway, call)
    tid = call.fields.peek("tid")
    if tid and answer.status_code == 200:
        gateway.books.hide(tid, gateway.clock.scaled(fault.delay_s))
    return answer


def _slow(gateway: Gateway, call: Call, fault: Fault) -> Response:
    return _honest(gateway, call, wait=lambda: gateway.clock.pause(fault.delay_s))


def _wrong(
    gateway: Gateway, call: Call, fault: Fault, *, lie: Callable[[Body, Fault], None]
) -> Response:
    answer = _honest(gateway, call)
    if answer.status_code == 200:
        body = json.loads(answer.get_data())
        lie(body, fault)
        answer.set_data(json.dumps(body, ensure_ascii=False))
    return answer


def _lie_amount(body: Body, fault: Fault) -> None:
    """In a query all the way through: what is left to cancel still makes up the amount."""
    told = ["approved_cancel_amount"] if "approved_cancel_amount" in body else ["amount"]
    if "payment_action_details" in body and "cancel_available_amount" in body:
        told.append("cancel_available_amount")
    for name in told:
        if name in body:
            body[name]["total"] += fault.by


def _lie_tid(body: Body, fault: Fault) -> None:
    body["tid"] = "T" + new_id()


def _lie_order(body: Body, fault: Fault) -> None:
    body["partner_order_id"] = f"order-{secrets.token_hex(6)}"


def _lie_user(body: Body, fault: Fault) -> None:
    body["partner_user_id"] = f"user-{secrets.token_hex(6)}"


_PLAYS: dict[str, Callable[[Gateway, Call, Fault], Response]] = {
    "late": _late,
    "error": _error,
    "error_after": _error_after,
    "lag": _lag,
    "slow": _slow,
    "wrong_amount": partial(_wrong, lie=_lie_amount),
    "wrong_tid": partial(_wrong, lie=_lie_tid),
    "wrong_order": partial(_wrong, lie=_lie_order),
    "wrong_user": partial(_wrong, lie=_lie_user),
}
