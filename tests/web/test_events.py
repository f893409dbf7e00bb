"""The feed over HTTP: pages, streams that can be resumed, and what ends or refuses them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from storefront import Site

from web.events import BEAT_S, LIFE_S
from web.server import listen
from web.streams import MOST, MOST_OF_ONE, Streams

STREAM = "text/event-stream"
OTHER_SITE = {"Sec-Fetch-Site": "cross-site"}


def get(site: Site, query: str = "", **headers: str) -> Any:
    return site.call("GET", f"/events{query}", **headers)


def grown(site: Site, payments: int = 1) -> None:
    for _ in range(payments):
        site.house.approved()
    site.house.audit.sequencer.drain()


class Open:
    """A stream that is being read; `next()` gives its next piece."""

    def __init__(self, site: Site, query: str = "", key: str | None = None, **more: str) -> None:
        self.answer = get(site, query, Accept=STREAM, **({"key": key} if key else {}), **more)
        assert self.answer.status_code == 200, self.answer.text
        self.pieces: Iterator[bytes] = iter(self.answer.response)

    def next(self) -> str:
        return next(self.pieces).decode()

    def close(self) -> None:
        self.answer.close()


def entries(text: str) -> list[tuple[str, dict[str, Any]]]:
    """(id, entry) of the events in a piece of a stream."""
    blocks = [block.split("\n") for block in text.split("\n\n") if block.startswith("id: ")]
    return [(b[0][4:], json.loads(b[1].removeprefix("data: "))) for b in blocks]


def test_pages_go_on_from_their_cursor(site: Site) -> None:
    grown(site, 3)
    first = get(site, "?limit=5").get_json()
    rest = get(site, f"?after={first['next_cursor']}").get_json()
    assert (len(first["data"]), first["has_more"]) == (5, True)
    assert (len(rest["data"]), rest["has_more"]) == (7, False)
    positions = [one["position"] for one in first["data"] + rest["data"]]
    assert positions == sorted(set(positions))
    again = get(site, f"?after={rest['next_cursor']}").get_json()
    assert (again["data"], again["next_cursor"]) == ([], rest["next_cursor"])


def test_an_item_is_the_entry_with_hash_and_position(site: Site) -> None:
    txn = site.house.approved()
    site.house.audit.sequencer.drain()
    log = site.call("GET", f"/transactions/{txn}/transitions").get_json()["data"]
    items = get(site).get_json()["data"]
    assert [{k: v for k, v in one.items() if k != "position"} for one in items] == log


def test_an_empty_feed_has_no_cursor(site: Site) -> None:
    assert get(site).get_json() == {
        "object": "list",
        "data": [],
        "has_more": False,
        "next_cursor": None,
    }


def test_payments_and_audit_may_read_and_no_client(site: Site) -> None:
    made = site.create()
    assert get(site, key=site.auditor).status_code == 200
    for accept in ("application/json", STREAM):
        assert get(site, key=made["client_secret"], Accept=accept).status_code == 403
        assert get(site, key="", Accept=accept).status_code == 401
    grown(site)
    assert get(site, key=site.stranger).get_json()["data"] == []


@pytest.mark.parametrize("accept", ["application/json", STREAM])
def test_a_strange_cursor_is_refused(site: Site, accept: str) -> None:
    grown(site)
    for after in ("7", "A" * 32, "~" * 32):
        answer = get(site, f"?after={after}", Accept=accept)
        assert answer.status_code == 422
        assert answer.get_json()["errors"][0]["pointer"] == "/query/after"
    assert get(site, Accept=STREAM, Last_Event_ID="x").status_code == 400
    assert get(site, "?limit=3", Accept=STREAM).status_code == 422


def test_a_stream_brings_what_is_there_and_what_comes(site: Site) -> None:
    grown(site)
    stream = Open(site)
    assert stream.next() == "retry: 2000\n\n"
    first = entries(stream.next())
    grown(site)
    later = entries(stream.next())
    stream.close()
    shown = [entry for _, entry in first + later]
    assert shown == get(site).get_json()["data"]


def test_a_stream_is_resumed_where_it_ended(site: Site) -> None:
    grown(site)
    stream = Open(site)
    stream.next()
    seen = entries(stream.next())
    stream.close()
    begun, last = seen[0][0], seen[-1][0]
    grown(site)
    again = Open(site, f"?after={begun}", Last_Event_ID=last)
    again.next()
    rest = entries(again.next())
    again.close()
    assert [one for _, one in seen + rest] == get(site).get_json()["data"]


def test_one_transactions_entries_can_be_had_alone(site: Site) -> None:
    own = site.house.approved()
    grown(site)
    log = site.call("GET", f"/transactions/{own}/transitions").get_json()["data"]
    first = get(site, f"?transaction={own}&limit=1").get_json()
    rest = get(site, f"?transaction={own}&after={first['next_cursor']}").get_json()
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert [one["hash"] for one in first["data"] + rest["data"]] == [one["hash"] for one in log]
    stream = Open(site, f"?transaction={own}")
    stream.next()
    assert [one["hash"] for _, one in entries(stream.next())] == [one["hash"] for one in log]
    grown(site)
    site.house.time.advance(BEAT_S + 1)
    assert stream.next() == ": still here\n\n"  # and nothing of the other
    stream.close()


@pytest.mark.parametrize("accept", ["application/json", STREAM])
def test_anothers_transaction_is_no_part_of_the_feed(site: Site, accept: str) -> None:
    own = site.house.approved()
    site.house.audit.sequencer.drain()
    assert get(site, f"?transaction={own}", key=site.stranger, Accept=accept).status_code == 404
    assert get(site, "?transaction=txn_1", Accept=accept).status_code == 404


def test_the_console_streams_until_it_signs_out(site: Site) -> None:
    grown(site)
    own = {"Sec-Fetch-Site": "same-origin", "Strada-Console": "1"}
    url, accept = "/console/v1/events", {"Accept": STREAM, "Sec-Fetch-Site": "same-origin"}
    assert site.client.get(url, headers=accept).status_code == 401
    site.client.post("/console/session", json={"key": site.key}, headers=own)
    assert site.client.get(url, headers={"Accept": STREAM, **OTHER_SITE}).status_code == 401
    answer = site.client.get(url, headers=accept)
    pieces = iter(answer.response)
    next(pieces)
    assert len(entries(next(pieces).decode())) == 4
    assert site.client.delete("/console/session", headers=own).status_code == 204
    site.house.time.advance(BEAT_S + 1)
    assert next(pieces, None) is None
    answer.close()


def test_silence_is_filled_with_comments(site: Site) -> None:
    stream = Open(site)
    stream.next()
    site.house.time.advance(BEAT_S + 1)
    assert stream.next() == ": still here\n\n"
    stream.close()


def test_a_revoked_key_hears_nothing_more(site: Site) -> None:
    stream = Open(site, key=site.auditor)
    stream.next()
    for row in site.house.merchants.list_keys():
        site.house.merchants.revoke_key(row["id"], "operator:test")
    site.house.time.advance(BEAT_S + 1)
    assert list(stream.pieces) == []
    stream.close()


def test_a_stream_ends_by_itself(site: Site) -> None:
    stream = Open(site)
    stream.next()
    site.house.time.advance(LIFE_S + 1)
    assert list(stream.pieces) == []
    stream.close()


def test_streams_are_few_and_give_their_place_back(site: Site) -> None:
    open_ones = [Open(site) for _ in range(MOST_OF_ONE)]
    refused = get(site, Accept=STREAM)
    assert (refused.status_code, refused.get_json()["code"]) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) > 1
    open_ones.pop().close()
    open_ones.append(Open(site))
    other = Open(site, key=site.stranger)
    for one in (*open_ones, other):
        one.close()


def test_all_streams_together_leave_threads_to_requests() -> None:
    streams = Streams(48)
    assert [streams.take(f"shop-{number}") for number in range(MOST + 1)] == [True] * MOST + [False]
    assert not Streams(5).take("shop")
    streams.release("shop-0")
    assert streams.take("shop-0")


def test_asking_for_the_head_opens_no_stream(site: Site) -> None:
    for _ in range(MOST_OF_ONE + 1):
        answer = site.call("HEAD", "/events", Accept=STREAM)
        assert (answer.status_code, answer.mimetype) == (200, STREAM)


def test_a_stream_over_a_socket_ends_with_its_server(site: Site) -> None:
    server = listen(site.app, "127.0.0.1", 0, 4)
    serving = threading.Thread(target=server.run, daemon=True)
    serving.start()
    url = f"http://127.0.0.1:{server.effective_port}/v1/events"
    headers = {"Authorization": f"Bearer {site.key}", "Accept": STREAM}
    grown(site)
    with requests.get(url, headers=headers, stream=True, timeout=30) as answer:
        lines = answer.iter_lines(decode_unicode=True)
        assert next(lines) == "retry: 2000"
        ids = [next(line for line in lines if line.startswith("id: ")) for _ in range(4)]
        assert len(set(ids)) == 4
        site.app.extensions["streams"].end()
        assert not any(line.startswith("id: ") for line in lines)
    server.close()
    serving.join(10)
