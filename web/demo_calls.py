"""The demo's glass floor: the HTTP calls behind each payment, in memory, for the page to show.

Every text is masked before it is kept. It refuses to exist outside `strada demo`.
"""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections import deque
from typing import Any

from flask import Flask, Response, g, request

from web.redaction import redact

WATCHER = "Strada-Demo"
"""Header: `watch` marks the page's own reading, which is not shown; `reported` a client's call."""
MOST = 2_000
LONGEST = 6_000
_TRANSACTION = re.compile(r"txn_[0-9a-z]{26}")
_TID = re.compile(r'"tid":\s?"(T[0-9A-Za-z]+)"')


class Calls:
    """The last MOST calls, each with the transaction it belongs to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._kept: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MOST)
        self._tids: dict[str, str] = {}

    def of(self, transaction: str) -> list[dict[str, Any]]:
        """The calls of one transaction, in the order in which they began."""
        with self._lock:
            found = [call for owner, call in self._kept if owner == transaction]
        return sorted(found, key=lambda call: int(call["at"]))

    def add(self, call: dict[str, Any], *texts: str) -> None:
        """Keep a call, when one of these texts names its transaction."""
        with self._lock:
            owner = self._owner("\n".join(texts))
            if owner:
                self._kept.append((owner, {"id": next(self._numbers)} | call))

    def _owner(self, text: str) -> str | None:
        named, tid = _TRANSACTION.search(text), _TID.search(text)
        if named and tid:
            self._tids[tid[1]] = named[0]
        return named[0] if named else self._tids.get(tid[1]) if tid else None


def listen_to_strada(app: Flask, calls: Calls) -> None:
    """Keep what reaches Strada: the shop's, the browser's and the customer's calls."""

    def listen(response: Response) -> Response:
        path = request.path
        if request.headers.get(WATCHER) != "watch" and path.startswith("/v1/transactions"):
            who = "client" if "Bearer txn_" in request.headers.get("Authorization", "") else "shop"
            _keep(calls, who, "strada", response)
        elif path.startswith("/return/"):
            _keep(calls, "customer", "strada", response)
        return response

    _install(app, listen)


def listen_to_gateway(app: Flask, calls: Calls) -> None:
    """Keep what reaches the gateway's API."""

    def listen(response: Response) -> Response:
        if request.path.startswith("/online/"):
            who = "client" if request.headers.get(WATCHER) == "reported" else "strada"
            _keep(calls, who, "gateway", response)
        return response

    _install(app, listen)


def _install(app: Flask, listen: Any) -> None:
    def begin() -> None:
        g.begun_at = time.monotonic()
        request.get_data(cache=True)  # so that it can be read again

    app.extensions.pop("quick", None)  # whose answers would not come by here
    app.before_request(begin)
    app.after_request(listen)


def _keep(calls: Calls, caller: str, called: str, response: Response) -> None:
    path, location = request.full_path.rstrip("?"), response.headers.get("Location", "")
    asked = request.get_data(as_text=True)
    silent = response.is_streamed and not response.direct_passthrough
    said = "" if silent or (not response.is_json and not location) else response.get_data(True)
    took_ms = round((time.monotonic() - g.get("begun_at", time.monotonic())) * 1000)
    call = {
        "at": int(time.time() * 1000) - took_ms,
        "took_ms": took_ms,
        "caller": caller,
        "called": called,
        "method": request.method,
        "url": redact(request.host_url.rstrip("/") + path),
        "authorization": redact(request.headers.get("Authorization", "")) or None,
        "idempotency_key": request.headers.get("Idempotency-Key"),
        "request": _shown(asked),
        "status": None if silent else response.status_code,
        "response": _shown(said) if not location else None,
        "location": redact(location) or None,
    }
    calls.add(call, path, asked, said, location)


def _shown(text: str) -> str | None:
    return redact(text)[:LONGEST] or None
