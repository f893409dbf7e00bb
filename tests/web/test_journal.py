"""The journal: what came from outside, what became of it, and why it was ignored."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from click.testing import CliRunner
from house import LOST, House
from storefront import Site

from engine.erasure import Erasure
from engine.journal import HOURLY, UNKNOWN_HOURLY
from web.cli import cli

TOKEN = "pg-token-canary"


def come(site: Site, leg: str = "approved", pg_token: str | None = TOKEN, **headers: str) -> Any:
    query = "" if pg_token is None else f"?pg_token={pg_token}"
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return site.client.get(f"/return/{site.house.tokens[-1]}/{leg}{query}", headers=sent)


def rows(site: Site, txn: str) -> list[dict[str, Any]]:
    answer = site.call("GET", f"/transactions/{txn}/journal")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.get_json()["data"]
    return found


def said(site: Site, txn: str) -> list[tuple[str, str]]:
    return [(row["verdict"], row["why"]) for row in rows(site, txn)]


def test_a_return_is_applied_once_and_its_repeat_is_a_duplicate(site: Site) -> None:
    txn = site.house.ready()
    come(site)
    come(site)
    assert said(site, txn) == [("applied", "approve"), ("duplicate", "approved")]
    first, second = rows(site, txn)
    log = site.call("GET", f"/transactions/{txn}/transitions").get_json()["data"]
    entry = log[first["led_to"]["seq"] - 1]
    assert (entry["event"], entry["data"]["op"]) == ("approve", first["led_to"]["operation"])
    assert entry["request_id"] == first["request_id"]
    assert second["led_to"] is None


def test_only_the_hash_of_what_came_is_kept(site: Site) -> None:
    txn = site.house.ready()
    come(site)
    came = json.dumps({"leg": "approved", "pg_token": TOKEN}, separators=(",", ":"))
    assert rows(site, txn)[0]["digest"] == hashlib.sha256(came.encode()).hexdigest()
    assert TOKEN not in repr(site.house.store.rows("SELECT * FROM journal"))


@pytest.mark.parametrize(
    ("leg", "token", "headers", "expected"),
    [
        ("approved", TOKEN, {"Sec_Purpose": "prefetch"}, ("ignored", "prefetch")),
        ("approved", None, {}, ("ignored", "no_credential")),
        ("cancelled", None, {}, ("applied", "cancel")),
    ],
)
def test_a_hit_says_why_it_had_no_effect(
    site: Site, leg: str, token: str | None, headers: dict[str, str], expected: tuple[str, str]
) -> None:
    txn = site.house.ready()
    come(site, leg, token, **headers)
    assert said(site, txn) == [expected]


def test_a_gateway_that_does_not_answer_is_why(site: Site) -> None:
    txn = site.house.ready()
    site.house.gateway.script["look_up"] = [LOST]
    come(site, "failed", None)
    assert said(site, txn) == [("ignored", "nothing_changed")]


def test_a_hit_after_the_closing_is_late(site: Site) -> None:
    txn = site.house.ready()
    come(site, "cancelled", None)
    come(site)
    site.house.time.advance(90_000)
    assert come(site).status_code == 410
    assert said(site, txn)[1:] == [("late", "cancelled"), ("late", "gone")]
    assert rows(site, txn)[1]["led_to"] is not None


def reported(site: Site) -> tuple[str, str]:
    """A reported payment, and its reference at the gateway."""
    made = site.create(flow="reported")["id"]
    row = site.house.ledger.load(made)
    site.house.payments.gateways.prepare(row, "op_x", site.house.gateway.last_urls)
    return made, next(iter(site.house.gateway.books))


def test_reports_say_what_they_led_to(site: Site) -> None:
    txn, reference = reported(site)
    site.fire(txn, "ready", {"provider_ref": "T-foreign"})
    site.fire(txn, "ready", {"provider_ref": reference}, Idempotency_Key="report-1")
    site.fire(txn, "ready", {"provider_ref": reference}, Idempotency_Key="report-1")
    site.fire(txn, "approve", {"provider_ref": reference})
    site.house.gateway.books[reference].captured = 12_000
    site.fire(txn, "approve", {"provider_ref": reference})
    assert said(site, txn) == [
        ("ignored", "reference_mismatch"),
        ("applied", "make_ready"),
        ("duplicate", "idempotent_replay"),
        ("ignored", "not_charged"),
        ("applied", "approval_confirmed"),
    ]
    assert rows(site, txn)[0]["led_to"]["seq"] == 2
    assert {row["kind"] for row in rows(site, txn)} == {"report"}


def test_repeats_do_not_fill_the_database(site: Site) -> None:
    txn = site.house.approved()
    for _ in range(HOURLY + 5):
        come(site)
    assert len(rows(site, txn)) == HOURLY
    site.house.time.advance(3_601)
    come(site)
    assert len(rows(site, txn)) == HOURLY + 1
    for _ in range(UNKNOWN_HOURLY + 5):
        site.client.get("/return/nobody/approved")
    unknown = site.house.store.rows("SELECT * FROM journal WHERE txn IS NULL")
    assert len(unknown) == UNKNOWN_HOURLY


def test_a_journal_is_its_merchants_own(site: Site) -> None:
    made = site.create()
    path = f"/transactions/{made['id']}/journal"
    assert site.call("GET", path, key=site.auditor).status_code == 200
    assert site.call("GET", path, key=site.stranger).status_code == 404
    assert site.call("GET", path, key=made["client_secret"]).status_code == 403


def test_pages_of_a_journal_go_on(site: Site) -> None:
    txn = site.house.approved()
    for _ in range(5):
        come(site)
    first = site.call("GET", f"/transactions/{txn}/journal?limit=3").get_json()
    rest = site.call("GET", f"/transactions/{txn}/journal?cursor={first['next_cursor']}").get_json()
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert first["data"] + rest["data"] == rows(site, txn)


def test_an_erasure_reaches_the_journal(site: Site) -> None:
    txn = site.house.ready()
    come(site)
    Erasure(site.house.ledger, site.house.vault).erase_customer("shop", "user-7", "operator:test")
    assert [row["digest"] for row in rows(site, txn)] == [None]


def test_a_journal_that_cannot_be_written_stops_nothing(site: Site) -> None:
    txn = site.house.ready()
    site.house.store.db.execute_sql("ALTER TABLE journal RENAME TO elsewhere")
    assert come(site).status_code == 200
    assert site.house.status(txn) == "approved"
    site.house.store.db.execute_sql("ALTER TABLE elsewhere RENAME TO journal")


def test_the_command_tells_the_same(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(house)
    txn = house.ready()
    come(site)
    monkeypatch.setenv("STRADA_DATABASE_URL", f"sqlite:///{house.store.path}")
    monkeypatch.delenv("STRADA_STATE_DIR", raising=False)
    shown = CliRunner().invoke(cli, ["transactions", "journal", txn, "--json"])
    assert json.loads(shown.output) == rows(site, txn)
    assert "applied" in CliRunner().invoke(cli, ["transactions", "journal", txn]).output
