"""The main job with real processes: a customer pays, the merchant drives, an auditor replays."""

from __future__ import annotations

import json
import socket
import statistics
import threading
import time
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from e2e.town import Town


def test_flow_server_from_order_to_receipt(town: Town) -> None:
    ready = town.ready()
    back = town.browse(town.pay(ready))
    query = parse_qs(urlsplit(back.headers["Location"]).query)
    assert (back.status_code, query["status"]) == (303, ["approved"])
    txn = ready["id"]
    assert town.call("POST", f"/transactions/{txn}/complete").json()["status"] == "completed"
    body, key = {"amount": 3_000, "reason": "하나 깨짐"}, "refund-0001"
    town.call("POST", f"/transactions/{txn}/refund", body, Idempotency_Key=key)
    replay = town.call("POST", f"/transactions/{txn}/refund", body, Idempotency_Key=key)
    assert replay.headers["Idempotent-Replayed"] == "true"
    assert town.get(txn)["refunded_amount"] == 3_000
    assert (town.charges(txn), town.refunds(txn)) == ([12_000], [3_000])


def test_flow_client_as_a_web_page(town: Town) -> None:
    urls = {
        "approval_url": "http://127.0.0.1:1/approved",
        "cancel_url": "http://127.0.0.1:1/cancelled",
        "fail_url": "http://127.0.0.1:1/failed",
    }
    made = town.create(flow="client", **urls)
    txn, secret = made["id"], made["client_secret"]
    ready = town.call("POST", f"/transactions/{txn}/ready", key=secret).json()
    redirect = town.pay(ready)
    assert redirect.startswith(urls["approval_url"])
    token = parse_qs(urlsplit(redirect).query)["pg_token"][0]
    path = f"/transactions/{txn}/approve"
    paid = town.call("POST", path, {"pg_token": token}, key=secret).json()
    assert (paid["status"], town.charges(txn)) == ("approved", [12_000])


def test_flow_client_through_an_app_scheme(town: Town) -> None:
    town.run("merchants", "set", "shop", "--app-scheme", "strada-shop")
    names = {"approval_url": "paid", "cancel_url": "cancelled", "fail_url": "failed"}
    ready = town.ready(flow="client", **{k: f"strada-shop://{v}" for k, v in names.items()})
    bounce = town.browse(town.pay(ready)).headers["Location"]
    query = parse_qs(urlsplit(bounce).query)
    assert bounce.startswith("strada-shop://paid?")
    assert query["transaction_id"] == [ready["id"]]
    body = {"pg_token": query["pg_token"][0]}
    path = f"/transactions/{ready['id']}/approve"
    assert town.call("POST", path, body, key=ready["client_secret"]).json()["status"] == "approved"


def test_a_cancelled_and_a_failed_payment_charge_nothing(town: Town) -> None:
    for action, status in (("cancel", "cancelled"), ("fail", "failed")):
        ready = town.ready()
        back = town.browse(town.pay(ready, action))
        assert f"status={status}" in back.headers["Location"]
        assert town.ledger(ready["id"]) == []


def test_nobody_pays_and_the_worker_expires_it(town: Town) -> None:
    made = town.create(expires_in=60)
    town.until(made["id"], "expired")


def test_a_charge_that_hangs_is_unknown_then_approved_by_the_worker_alone(town: Town) -> None:
    town.server.stop()
    town.server = town.start_server("--no-worker")
    ready = town.ready()
    redirect = town.pay(ready)
    token = parse_qs(urlsplit(redirect).query)["pg_token"][0]
    town.fault("approve", "hang_after", delay_s=600)
    path = f"/transactions/{ready['id']}/approve"
    answer = town.call("POST", path, {"pg_token": token})
    assert answer.status_code == 202
    assert answer.json()["pending"]["kind"] == "approve"
    town.start("worker")
    town.until(ready["id"], "approved")
    assert (town.fired(), town.charges(ready["id"])) == (1, [12_000])


def test_a_charge_landing_after_our_deadline_is_found(town: Town) -> None:
    ready = town.ready()
    town.fault("approve", "late", delay_s=30)
    town.browse(town.pay(ready))
    assert town.get(ready["id"])["status"] == "approving"
    town.until(ready["id"], "approved")
    assert (town.fired(), town.charges(ready["id"])) == (1, [12_000])


def test_a_wrong_amount_is_never_shown_approved(town: Town) -> None:
    ready = town.ready()
    town.fault("approve", "wrong_amount")
    town.fault("order", "wrong_amount", times=1000)
    town.browse(town.pay(ready))
    time.sleep(1)
    found = town.get(ready["id"])
    assert found["status"] == "approving"
    assert found["needs_review"] == "contradicting_evidence"


def test_a_killed_server_leaves_nothing_undone(town: Town) -> None:
    ready = town.ready()
    redirect = town.pay(ready)
    town.fault("approve", "slow", delay_s=40)
    customer = threading.Thread(target=_browse_quietly, args=(town, redirect))
    customer.start()
    time.sleep(0.7)
    town.server.kill()
    customer.join()
    town.server = town.start_server()
    town.until(ready["id"], "approved")
    assert (town.fired(), town.charges(ready["id"])) == (1, [12_000])


def _browse_quietly(town: Town, url: str) -> None:
    try:
        town.browse(url)
    except OSError:
        return


def test_an_app_that_ends_midway_leaves_the_worker_apart_to_finish(
    build_town: Callable[..., Town],
) -> None:
    town = build_town(STRADA_TIME_SCALE="20")
    town.server.stop()
    town.server = town.start_server("--no-worker")
    ready = town.ready()
    town.fault("approve", "reset_after")
    town.browse(town.pay(ready))
    assert town.get(ready["id"])["status"] == "approving"
    worker = town.start("worker")
    town.until(ready["id"], "approved")
    assert worker.stop() == 0
    assert town.charges(ready["id"]) == [12_000]


def test_a_slow_gateway_leaves_other_calls_fast(build_town: Callable[..., Town]) -> None:
    town = build_town(STRADA_CALL_DEADLINE_S="4")
    slow = [town.ready() for _ in range(8)]
    redirects = [town.pay(one) for one in slow]
    town.fault("approve", "slow", delay_s=3, times=8)
    browsers = [threading.Thread(target=_browse_quietly, args=(town, url)) for url in redirects]
    for browser in browsers:
        browser.start()
    time.sleep(0.2)
    taken = [_timed_create(town) for _ in range(20)]
    assert any(browser.is_alive() for browser in browsers)
    for browser in browsers:
        browser.join()
    assert statistics.quantiles(taken, n=20)[-1] < 1
    assert all(town.get(one["id"])["status"] == "approved" for one in slow)


def _timed_create(town: Town) -> float:
    begun = time.monotonic()
    town.create()
    return time.monotonic() - begun


def test_half_sent_bodies_do_not_starve_the_rest(town: Town) -> None:
    head = (
        f"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {town.key}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    ).encode()
    held = [socket.create_connection(("127.0.0.1", town.port)) for _ in range(200)]
    for one in held:
        one.sendall(head)
    assert town.http.get(f"{town.url}/healthz", timeout=5).status_code == 200
    assert town.create()["status"] == "created"
    for one in held:
        one.close()


def test_a_second_server_on_one_file_is_refused(town: Town) -> None:
    second = town.start("serve", "--port", "0")
    assert second.popen.wait(20) == 1
    assert "one process" in second.log.read_text()


def test_sigterm_ends_cleanly(town: Town) -> None:
    assert town.server.stop() == 0
    assert town.gateway.stop() == 0


def test_the_command_line_lists_shows_and_replays(town: Town) -> None:
    ready = town.ready()
    town.browse(town.pay(ready))
    listed = json.loads(town.run("transactions", "list", "--json"))
    assert [one["id"] for one in listed] == [ready["id"]]
    shown = json.loads(town.run("transactions", "show", ready["id"], "--json"))
    assert [entry["event"] for entry in shown["transitions"]][-1] == "approval_confirmed"
    assert "folds to approved" in town.run("audit", "replay", ready["id"])
    assert "1 payments asked about, 0 differ" in town.run("reconcile")
