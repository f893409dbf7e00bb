"""A console's session outlives its server, sudden death included; what ends it ends it for good."""

from __future__ import annotations

import json

from e2e.town import Town

OWN = {"Sec-Fetch-Site": "same-origin", "Strada-Console": "1"}


def sign_in(town: Town, key: str) -> dict[str, str]:
    """The headers of a browser that is signed in."""
    body = {"key": key}
    answer = town.http.post(f"{town.url}/console/session", json=body, headers=OWN, timeout=20)
    assert answer.status_code == 200, answer.text
    town.http.cookies.clear()
    return OWN | {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


def status(town: Town, browser: dict[str, str]) -> int:
    url = f"{town.url}/console/v1/transactions"
    return town.http.get(url, headers=browser, timeout=20).status_code


def test_a_session_outlives_the_death_of_its_server(town: Town) -> None:
    left, stays = sign_in(town, town.key), sign_in(town, town.key)
    gone = town.http.delete(f"{town.url}/console/session", headers=left, timeout=20)
    assert gone.status_code == 204
    town.server.kill()
    town.server = town.start_server()
    assert (status(town, left), status(town, stays)) == (401, 200)


def test_a_key_revoked_by_another_process_ends_its_session(town: Town) -> None:
    made = town.run("keys", "create", "--merchant", "shop", "--scope", "payments", "--json")
    browser = sign_in(town, json.loads(made)["key"])
    assert status(town, browser) == 200
    prefix = json.loads(made)["key"][:20]
    listed = json.loads(town.run("keys", "list", "--json"))
    (key,) = [one["id"] for one in listed if one["prefix"] == prefix]
    town.run("keys", "revoke", key)
    assert status(town, browser) == 401
    town.server.kill()
    town.server = town.start_server()
    assert status(town, browser) == 401
