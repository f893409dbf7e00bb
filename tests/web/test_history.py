"""Reading what was: time travel, the history as CSV, the chart as a picture."""

from __future__ import annotations

import csv
import io
from xml.etree import ElementTree

import pytest
from storefront import Site

from engine import chart
from engine.clock import rfc3339
from web.drawing import PLACES, svg


def test_a_payment_is_read_as_it_was_at_each_entry(site: Site) -> None:
    txn = site.house.approved()
    path = f"/transactions/{txn}?at_seq="
    seen = [site.call("GET", f"{path}{seq}").get_json() for seq in (1, 2, 3, 4)]
    assert [one["status"] for one in seen] == ["created", "ready", "approving", "approved"]
    assert [one["captured_amount"] for one in seen] == [0, 0, 0, 12_000]
    assert [one["version"] for one in seen] == [1, 2, 3, 4]
    assert {one["next_action"] for one in seen} == {one["pending"] for one in seen} == {None}


def test_a_payment_is_read_as_it_was_at_a_moment(site: Site) -> None:
    txn = site.house.create()
    before = rfc3339(site.house.time.now)
    site.house.time.advance(60)
    site.fire(txn, "cancel")
    then = site.call("GET", f"/transactions/{txn}?at={before}").get_json()
    assert (then["status"], then["allowed_events"]) == ("created", ["ready", "cancel", "fail"])


@pytest.mark.parametrize(
    "query", ["at_seq=9", "at_seq=0", "at=2001-01-01T00:00:00Z", "at=now", "at_seq=1&at=x"]
)
def test_a_time_when_it_was_not_is_422(site: Site, query: str) -> None:
    txn = site.house.create()
    assert site.call("GET", f"/transactions/{txn}?{query}").status_code == 422


def test_the_history_as_csv_has_every_payment_once(site: Site) -> None:
    made = [site.create(order_id=f"={number}+1")["id"] for number in range(3)]
    answer = site.call("GET", "/transactions?limit=1", Accept="text/csv")
    assert answer.mimetype == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["id"] for row in rows] == made[::-1]
    assert {row["amount"] for row in rows} == {"12000"}
    assert all(row["order_id"].startswith("'=") for row in rows), "no formula for a spreadsheet"


def test_csv_honours_filters_and_merchants(site: Site) -> None:
    site.create()
    ready = site.house.ready()
    lines = site.call("GET", "/transactions?status=ready", Accept="text/csv").text.splitlines()
    assert (len(lines), lines[1].startswith(ready)) == (2, True)
    theirs = site.call("GET", "/transactions", key=site.stranger, Accept="text/csv")
    assert len(theirs.text.splitlines()) == 1


def test_the_picture_shows_every_state_and_edge(site: Site) -> None:
    served = site.client.get("/v1/chart", headers={"Accept": "image/svg+xml"})
    assert served.text == svg()
    root = ElementTree.fromstring(served.text)
    assert {g.get("data-state") for g in root.iter() if g.get("data-state")} == set(chart.STATES)
    drawn = {path.get("data-edge") for path in root.iter() if path.get("data-edge")}
    assert {event for label in drawn for event in str(label).split(", ")} == set(chart.EVENTS)
    assert set(PLACES) == set(chart.STATES)


def test_update_status_fires_the_event_that_leads_there(site: Site) -> None:
    txn = site.house.approved()
    path = f"/transactions/{txn}/status"
    assert site.call("PUT", path, {"status": "completed"}).get_json()["status"] == "completed"
    before = site.house.entries(txn)
    again = site.call("PUT", path, {"status": "completed"})
    assert (again.status_code, site.house.entries(txn)) == (200, before)
    assert site.call("PUT", path, {"status": "approved"}).status_code == 422
    assert site.call("PUT", path, {"status": "cancelled"}).status_code == 409


def test_a_reported_payment_over_http(site: Site) -> None:
    made = site.create(flow="reported")
    params = made["gateway_params"]
    assert params == {"partner_order_id": made["id"], "partner_user_id": "user-7"}
    reported = site.fire(made["id"], "ready", {"provider_ref": "T0000000000000000000"})
    assert reported.get_json()["reason"] == "reference_mismatch"
    assert site.fire(made["id"], "ready", {}).status_code == 422
