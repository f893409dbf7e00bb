"""The console's door: a session acts as its key, for pages of our own origin and nobody else."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from storefront import Site
from werkzeug.test import TestResponse

from engine.errors import StorageTrouble
from engine.store import Store, Unguarded
from web.app import create_app
from web.sessions import MOST

OWN = {"Sec-Fetch-Site": "same-origin", "Strada-Console": "1"}
DOOR = "/console/v1/transactions"


def enter(site: Site, key: str | None = None, **headers: str) -> TestResponse:
    body = {"key": key or site.key}
    return site.client.post("/console/session", json=body, headers=OWN | headers)


def test_a_session_acts_as_its_key_and_never_shows_it(site: Site) -> None:
    answer = enter(site)
    assert answer.get_json() == {"object": "session", "merchant": "shop", "scopes": ["payments"]}
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/console" in cookie
    assert site.key not in cookie + answer.text
    txn = site.house.approved()
    done = site.client.post(f"{DOOR}/{txn}/complete", json={}, headers=OWN)
    assert done.get_json()["status"] == "completed"
    log = site.call("GET", f"/transactions/{txn}/transitions").get_json()["data"]
    assert log[-1]["actor"].startswith("key:")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Strada-Console": "1"},
        {"Strada-Console": "1", "Sec-Fetch-Site": "cross-site"},
        {"Strada-Console": "1", "Sec-Fetch-Site": "same-site"},
        {"Strada-Console": "1", "Sec-Fetch-Site": "none"},
        {"Strada-Console": "1", "Origin": "https://evil.example"},
        {"Strada-Console": "1", "Origin": "null"},
        {"Strada-Console": "1", "Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    ],
)
def test_another_sites_page_changes_nothing(site: Site, headers: dict[str, str]) -> None:
    enter(site)
    txn = site.house.approved()
    answer = site.client.post(f"{DOOR}/{txn}/complete", json={}, headers=headers)
    assert answer.status_code == 401
    assert site.house.status(txn) == "approved"
    assert (
        site.client.post("/console/session", json={"key": site.key}, headers=headers).status_code
        == 401
    )
    assert site.client.delete("/console/session", headers=headers).status_code == 401
    assert site.client.get("/console/session").status_code == 200


def test_an_old_browser_is_known_by_its_origin(site: Site) -> None:
    enter(site)
    txn = site.house.approved()
    own = {"Strada-Console": "1", "Origin": "http://localhost"}
    assert site.client.post(f"{DOOR}/{txn}/complete", json={}, headers=own).status_code == 200


def test_another_site_reads_nothing(site: Site) -> None:
    enter(site)
    txn = site.house.approved()
    for asker in ("cross-site", "same-site", "none"):
        answer = site.client.get(f"{DOOR}/{txn}", headers={"Sec-Fetch-Site": asker})
        assert answer.status_code == 401
    shown = site.client.get(f"{DOOR}/{txn}", headers=OWN | {"Origin": "https://shop.example"})
    assert "Access-Control-Allow-Origin" not in shown.headers


def test_the_api_itself_takes_no_cookie(site: Site) -> None:
    cookie = {"Cookie": enter(site).headers["Set-Cookie"].partition(";")[0]}
    plain = site.app.test_client(use_cookies=False)
    assert plain.get("/v1/transactions", headers=OWN | cookie).status_code == 401
    assert plain.get("/console/v1/transactions", headers=OWN | cookie).status_code == 200
    assert site.client.get("/console/v1/transactions", headers=OWN).status_code == 200


def test_the_door_takes_no_key(site: Site) -> None:
    bearer = {"Authorization": f"Bearer {site.key}"}
    assert site.client.get(DOOR, headers=OWN | bearer).status_code == 401


def test_a_revoked_key_ends_its_sessions_at_once(site: Site) -> None:
    key, text = site.house.merchants.create_key("shop", ["payments"], False, "operator:test")
    enter(site, text)
    assert site.client.get(DOOR, headers=OWN).status_code == 200
    site.house.merchants.revoke_key(key.id, "operator:test")
    assert site.client.get(DOOR, headers=OWN).status_code == 401


def test_signing_out_ends_the_session_on_the_server(site: Site) -> None:
    cookie = enter(site).headers["Set-Cookie"].partition(";")[0]
    assert site.client.delete("/console/session", headers=OWN).status_code == 204
    site.client.set_cookie(*cookie.split("=", 1), path="/console")
    assert site.client.get(DOOR, headers=OWN).status_code == 401


def test_a_session_ends_after_twelve_hours(site: Site) -> None:
    enter(site)
    site.house.time.advance(12 * 3600 - 1)
    assert site.client.get(DOOR, headers=OWN).status_code == 200
    site.house.time.advance(2)
    assert site.client.get(DOOR, headers=OWN).status_code == 401


def test_a_session_sees_its_own_merchant_only(site: Site) -> None:
    txn = site.house.approved()
    enter(site, site.stranger)
    assert site.client.get(f"{DOOR}/{txn}", headers=OWN).status_code == 404
    assert site.client.get(DOOR, headers=OWN).get_json()["data"] == []


def test_a_session_has_the_scopes_of_its_key(site: Site) -> None:
    txn = site.house.approved()
    enter(site, site.auditor)
    assert site.client.get(f"{DOOR}/{txn}", headers=OWN).status_code == 200
    refused = site.client.post(f"{DOOR}/{txn}/complete", json={}, headers=OWN)
    assert refused.get_json()["code"] == "insufficient_scope"


@pytest.mark.parametrize("key", ["", "nothing", "sk_test_" + "0" * 52, 7, None, ["a"], "x" * 9000])
def test_what_is_no_key_opens_nothing(site: Site, key: Any) -> None:
    answer = site.client.post("/console/session", json={"key": key}, headers=OWN)
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers


def test_a_client_secret_opens_no_console(site: Site) -> None:
    assert enter(site, site.create()["client_secret"]).status_code == 401


def test_a_session_outlives_its_server(site: Site) -> None:
    cookie = enter(site).headers["Set-Cookie"].partition(";")[0]
    again = create_app(replace(site.strada, store=Store(site.strada.settings.database_url)))
    browser = again.test_client(use_cookies=False)
    assert browser.get(DOOR, headers=OWN | {"Cookie": cookie}).status_code == 200
    assert site.client.delete("/console/session", headers=OWN).status_code == 204
    assert browser.get(DOOR, headers=OWN | {"Cookie": cookie}).status_code == 401


def test_a_rotated_key_takes_its_sessions_along(site: Site) -> None:
    old, text = site.house.merchants.create_key("shop", ["payments"], False, "operator:test")
    cookie = enter(site, text).headers["Set-Cookie"].partition(";")[0]
    site.house.merchants.create_key("shop", ["payments"], False, "operator:test")
    site.house.merchants.revoke_key(old.id, "operator:test")
    again = create_app(site.strada).test_client(use_cookies=False)
    assert again.get(DOOR, headers=OWN | {"Cookie": cookie}).status_code == 401


def test_no_cookie_lies_in_the_database(site: Site) -> None:
    cookie = enter(site).headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    (row,) = site.house.store.rows("SELECT * FROM sessions")
    assert len(row["hash"]) == 32
    files = site.house.store.path.parent.glob(site.house.store.path.name + "*")
    written = b"".join(file.read_bytes() for file in files)
    assert row["hash"] in written
    for secret in (cookie.encode(), base64.urlsafe_b64decode(cookie + "=")):
        assert secret[:12] not in written


def test_a_database_hash_is_no_cookie(site: Site) -> None:
    enter(site)
    (row,) = site.house.store.rows("SELECT hash FROM sessions")
    plain = site.app.test_client(use_cookies=False)
    for guess in (row["hash"].hex(), base64.urlsafe_b64encode(row["hash"]).decode().rstrip("=")):
        cookie = {"Cookie": f"strada_console={guess}"}
        assert plain.get(DOOR, headers=OWN | cookie).status_code == 401


def test_sessions_beyond_the_limit_push_out_their_own_keys_oldest(site: Site) -> None:
    mine = enter(site).headers["Set-Cookie"].partition(";")[0]
    theirs = enter(site, site.stranger).headers["Set-Cookie"].partition(";")[0]
    for _ in range(MOST):
        site.house.time.advance(1)
        enter(site, site.stranger)
    plain = site.app.test_client(use_cookies=False)
    assert plain.get(DOOR, headers=OWN | {"Cookie": mine}).status_code == 200
    assert plain.get(DOOR, headers=OWN | {"Cookie": theirs}).status_code == 401
    assert site.house.store.row("SELECT COUNT(*) AS n FROM sessions") == {"n": MOST + 1}


def test_sessions_that_ended_are_swept_away(site: Site) -> None:
    enter(site)
    site.house.time.advance(12 * 3600 + 1)
    enter(site)
    assert site.house.store.row("SELECT COUNT(*) AS n FROM sessions") == {"n": 1}


def test_signing_out_of_nothing_writes_nothing(site: Site) -> None:
    guard, site.house.store.guard = site.house.store.guard, Closed()
    assert site.client.delete("/console/session", headers=OWN).status_code == 204
    assert enter(site).status_code == 503
    site.house.store.guard = guard


class Closed(Unguarded):
    """Lets nothing be written."""

    def before_write(self) -> None:
        raise StorageTrouble("closed")
