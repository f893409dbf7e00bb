"""A demo in this process, as a customer's browser calls its shop over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from e2e.town import free_port

from web.cli.demo import HOST, Town, town
from web.server import listen
from web.settings import Settings

STREAM = "text/event-stream"
WITHIN_S = 30


@dataclass(frozen=True, slots=True)
class Shop:
    """A running demo, as a customer's browser calls it."""

    url: str
    built: Town

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        headers = {"Sec-Fetch-Site": "same-origin"} | more.pop("headers", {})
        with requests.Session() as browser:
            browser.trust_env = False
            url = f"{self.url}/demo{path}"
            return browser.request(
                method, url, json=body, headers=headers, timeout=WITHIN_S, **more
            )

    def order(self, number: str) -> str:
        made = self.call("POST", "/api/orders", {"order": number, "flow": "client"})
        return str(made.json()["transaction"]["id"])

    def listen(self, transaction: str, **headers: str) -> requests.Response:
        path = f"/v1/events?transaction={transaction}"
        return self.call("GET", path, headers={"Accept": STREAM} | headers, stream=True)

    def log(self, transaction: str) -> list[dict[str, Any]]:
        data = self.call("GET", f"/v1/transactions/{transaction}/transitions").json()["data"]
        return list(data)


@contextmanager
def opened(folder: Path) -> Iterator[Shop]:
    """A shop that is open for the block."""
    port = free_port()
    with town(Settings(), folder, port) as built:
        server = listen(built.app, HOST, port, 24)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        yield Shop(f"http://{HOST}:{port}", built)
        built.app.extensions["streams"].end()
        server.task_dispatcher.shutdown()
        server.close()
        thread.join(5)
