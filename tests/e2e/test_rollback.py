"""An older copy of the database is put back: noticed, refused, accepted, and nobody pays twice."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from e2e.town import Town

KEPT = "strada.db.checkpoint"


def back_up(town: Town, place: Path) -> None:
    """Copy the database of a server that has stopped."""
    place.mkdir()
    for file in town.folder.glob("strada.db*"):
        shutil.copy(file, place)


def restore(town: Town, place: Path) -> None:
    for file in town.folder.glob("strada.db*"):
        file.unlink()
    for file in place.iterdir():
        shutil.copy(file, town.folder)


def set_back(town: Town) -> tuple[str, str]:
    """A payment is approved, and the database put back to before that; its id and pg_token."""
    ready = town.ready()
    assert town.server.stop() == 0
    back_up(town, town.folder / "backup")
    town.server = town.start_server()
    redirect = town.pay(ready)
    town.browse(redirect)
    assert town.get(ready["id"])["status"] == "approved"
    assert town.server.stop() == 0
    restore(town, town.folder / "backup")
    town.server = town.start_server()
    return ready["id"], parse_qs(urlsplit(redirect).query)["pg_token"][0]


def readiness(town: Town) -> tuple[int, str]:
    answer = town.http.get(f"{town.url}/readyz", timeout=10)
    return answer.status_code, answer.json()["checks"]["log"]


def test_a_restored_backup_takes_no_second_charge(town: Town) -> None:
    txn, token = set_back(town)
    assert readiness(town) == (503, "behind")
    assert town.get(txn)["status"] == "ready"
    path, body = f"/transactions/{txn}/approve", {"pg_token": token}
    refused = town.call("POST", path, body)
    assert (refused.status_code, refused.json()["code"]) == (503, "log_behind_checkpoint")
    assert town.call("POST", "/transactions", {}).status_code in (422, 503)
    said = json.loads(town.run("audit", "accept-rollback", "--reason", "disk lost", "--json"))
    assert (said["lost_entries"] > 0, said["to_look_up"]) == (True, 1)
    town.until(txn, "approved")
    assert town.charges(txn) == [12_000]
    assert town.call("POST", path, body).status_code == 409
    assert readiness(town) == (200, "ok")
    assert town.get(txn)["captured_amount"] == sum(town.charges(txn)) == 12_000
    paid = town.ready()
    town.browse(town.pay(paid))
    assert town.get(paid["id"])["status"] == "approved"


def test_new_payments_wait_until_old_ones_were_looked_up(town: Town) -> None:
    txn, _ = set_back(town)
    town.fault("order", "hang_before", delay_s=600)
    town.run("audit", "accept-rollback", "--reason", "disk lost")
    ends = time.monotonic() + 10
    while readiness(town) != (503, "looking_up"):
        assert time.monotonic() < ends, readiness(town)
    assert town.get(txn)["status"] == "ready"
    refused = town.call("POST", f"/transactions/{txn}/cancel")
    assert (refused.status_code, refused.json()["reason"]) == (503, "looking_up")
    town.until(txn, "approved")
    assert (town.fired(), town.charges(txn)) == (1, [12_000])


def test_a_backup_cannot_be_told_from_the_outside_alone(town: Town) -> None:
    kept = town.folder / "strada-state" / KEPT
    txn, _ = set_back(town)
    lost = int(kept.read_text().splitlines()[1])
    found = json.loads(town.run("audit", "verify", "--json", code=1))
    assert found["findings"][0]["stream"] == "tree"
    town.run("audit", "accept-rollback", "--reason", "disk lost")
    aside = [file for file in kept.parent.iterdir() if file.name.startswith(f"{KEPT}.lost-")]
    assert [int(file.read_text().splitlines()[1]) for file in aside] == [lost]
    assert "tree" in town.run("audit", "verify", "--checkpoint", str(aside[0]), code=1)
    town.until(txn, "approved")


@pytest.mark.parametrize("damage", ["", "not a note"])
def test_a_damaged_checkpoint_stops_writing_too(
    build_town: Callable[..., Town], damage: str
) -> None:
    town = build_town(STRADA_TIME_SCALE="20")
    made = town.create()
    assert town.server.stop() == 0
    (town.folder / "strada-state" / KEPT).write_text(damage)
    town.server = town.start_server()
    refused = town.call("POST", f"/transactions/{made['id']}/cancel")
    assert (refused.status_code, refused.json()["reason"]) == (503, "untrusted")
    town.run("audit", "accept-rollback", "--reason", "somebody edited it")
    assert town.until(made["id"], "cancelled")["needs_review"] is None
