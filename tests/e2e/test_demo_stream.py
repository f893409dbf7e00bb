"""The demo shop's stream: one order's entries and no other's, few at once, and not for ever."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import requests
from e2e.shop import STREAM, WITHIN_S, Shop

from web.streams import MOST_OF_ONE


@contextmanager
def heard(answer: requests.Response) -> Iterator[Iterator[str]]:
    """The lines of a stream."""
    with answer:
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"].startswith(STREAM)
        yield answer.iter_lines(chunk_size=1, decode_unicode=True)


def entry_of(lines: Iterator[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(next(one for one in lines if one.startswith("data: "))[6:])
    return found


def end_silently(lines: Iterator[str]) -> None:
    """The stream ends soon, and brings no entry before that; its beat keeps this from waiting."""
    ends = time.monotonic() + WITHIN_S
    for one in lines:
        assert not one.startswith("data: ")
        assert time.monotonic() < ends


def test_an_orders_stream_has_its_entries_and_no_others(shop: Shop) -> None:
    own, other = shop.order("ours1234"), shop.order("others12")
    with heard(shop.listen(own)) as lines:
        assert entry_of(lines)["seq"] == 1
        for txn in (other, own):  # the other's comes first: it would be seen before our own
            cancelled = shop.call("POST", f"/v1/transactions/{txn}/cancel", {})
            assert cancelled.json()["status"] == "cancelled"
        entry = entry_of(lines)
        del entry["position"]
        assert entry == shop.log(own)[1]
        shop.built.app.extensions["streams"].end()
        end_silently(lines)


def test_a_stream_goes_on_after_what_was_heard_last(shop: Shop) -> None:
    own = shop.order("again123")
    with heard(shop.listen(own)) as lines:
        last = next(one for one in lines if one.startswith("id: "))[4:]
    shop.call("POST", f"/v1/transactions/{own}/cancel", {})
    with heard(shop.listen(own, **{"Last-Event-ID": last})) as lines:
        assert entry_of(lines)["seq"] == 2


@pytest.mark.parametrize(
    "query", ["", "?transaction=", "?transaction=txn_1", "?transaction=x%26after=x"]
)
def test_the_shops_whole_feed_is_nobodys(shop: Shop, query: str) -> None:
    assert shop.call("GET", f"/v1/events{query}", headers={"Accept": STREAM}).status_code == 404


def test_another_merchants_payment_is_not_heard(shop: Shop) -> None:
    unknown = "txn_" + "0" * 26
    assert shop.listen(unknown).status_code == 404


def test_another_sites_page_holds_no_stream(shop: Shop) -> None:
    own = shop.order("alone123")
    assert shop.listen(own, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_streams_are_few_and_end_with_the_server(shop: Shop) -> None:
    own = shop.order("limit123")
    with ExitStack() as stack:
        opened = [stack.enter_context(heard(shop.listen(own))) for _ in range(MOST_OF_ONE)]
        refused = shop.listen(own)
        assert refused.status_code == 429
        assert refused.json()["code"] == "rate_limited"
        assert int(refused.headers["Retry-After"]) > 1
        assert shop.log(own)  # there are threads left for everybody else
        assert [entry_of(lines)["stream"] for lines in opened] == [own] * MOST_OF_ONE
        shop.built.app.extensions["streams"].end()
        for lines in opened:
            end_silently(lines)
