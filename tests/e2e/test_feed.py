"""The feed of a real server: a stream hears of a payment soon, and ends when the server does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests
from e2e.town import Town

SOON_S = 5
"""At most so far behind, API.md says; the worker of this town runs at its real pace."""
DRAINED_S = 20
"""A stream lives for minutes: who waited for its end would take longer than this."""


def heard(lines: Iterator[str]) -> dict[str, Any]:
    """The next entry that a stream brings."""
    found: dict[str, Any] = json.loads(next(one for one in lines if one.startswith("data: "))[6:])
    return found


def test_a_stream_hears_of_a_payment_soon_and_ends_with_the_server(
    build_town: Callable[..., Town],
) -> None:
    town = build_town()
    headers = {"Authorization": f"Bearer {town.key}", "Accept": "text/event-stream"}
    url = f"{town.url}/v1/events"
    with requests.get(url, headers=headers, stream=True, timeout=60) as stream:
        lines = stream.iter_lines(chunk_size=1, decode_unicode=True)
        assert next(lines).startswith("retry: ")
        made, begun = town.create(), time.monotonic()
        assert heard(lines)["stream"] == made["id"]
        assert time.monotonic() - begun < SOON_S
        begun = time.monotonic()
        assert town.server.stop() == 0
        assert time.monotonic() - begun < DRAINED_S
        assert not any(line.startswith("data: ") for line in lines)
