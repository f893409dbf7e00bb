"""The load of a soak: threads that buy, pay, come back, cancel and refund, as a shop's would.

It never decides that something is wrong; it notes what it was told, for `balance.py` to judge.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from e2e.town import GATEWAY_KEY, Town
from faults.balance import HELD, UNKNOWN, Acknowledged

PATIENCE_S = 8.0
TRIES = 40
"""How often one step is sent again while the answer is "try again" or none; then it is given up."""
AGAIN_S = 0.25
AGAIN = frozenset({0, 429, 502, 503, 504})
IN_FLIGHT = frozenset({"idempotency_in_flight", "operation_in_flight"})
EVENT = {"ready": "make_ready"}
LEGS = ("approval_url", "cancel_url", "fail_url")


class Customers:
    """Threads that start payments at a steady rate, whatever becomes of the earlier ones."""

    def __init__(self, town: Town, per_s: float, threads: int, number: int) -> None:
        self.town, self.per_s, self.number = town, per_s, number
        self.acknowledged: list[Acknowledged] = []
        self.answers: Counter[str] = Counter()
        self.secrets: set[str] = set()
        self.started = 0
        self.finished = 0
        self.late_s = 0.0
        self.threads = threads
        self._slots = itertools.count()
        self._lock = threading.Lock()

    def run(self, ends: float) -> None:
        """Start payments until a moment of `time.monotonic()`."""
        begun = time.monotonic()
        workers = [
            threading.Thread(target=self._work, args=(begun, ends), name=f"customer-{n}")
            for n in range(self.threads)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def _work(self, begun: float, ends: float) -> None:
        with requests.Session() as http:
            http.trust_env = False
            while True:
                with self._lock:
                    slot = next(self._slots)
                due = begun + slot / self.per_s
                if max(due, time.monotonic()) >= ends:
                    return
                time.sleep(max(0.0, due - time.monotonic()))
                with self._lock:
                    self.started += 1
                    self.late_s = max(self.late_s, time.monotonic() - due)
                Visit(self, http, random.Random(f"{self.number}/{slot}"), slot).pay()
                with self._lock:
                    self.finished += 1

    def note(self, answer: str, step: Acknowledged | None = None, secret: str = "") -> None:
        """Count an answer; keep what was acknowledged and what must never be printed."""
        with self._lock:
            self.answers[answer] += 1
            if step is not None:
                self.acknowledged.append(step)
            if secret:
                self.secrets.add(secret)


class Visit:
    """One customer and one order, from the basket to a refund."""

    def __init__(self, shop: Customers, http: requests.Session, dice: random.Random, slot: int):
        self.shop, self.http, self.dice, self.slot = shop, http, dice, slot
        self.town = shop.town
        self.flow = dice.choice(["server", "server", "client", "reported"])
        self.amount = dice.choice([12_000, 35_900, 101, 1_000_000])
        self.txn = ""
        self.secret, self.page = "", ""
        self._keys = itertools.count()

    def pay(self) -> None:
        """Go through with it, as far as this customer goes."""
        resource = self._create()
        if resource is None:
            return
        self.txn, self.secret = resource["id"], resource["client_secret"]
        self.shop.note("secret", secret=self.secret)
        tid = self._app_ready(resource) if self.flow == "reported" else None
        ready = self._fire("ready", {"provider_ref": tid} if tid else {})
        if ready is None or ready["status"] != "ready" or self.dice.random() < 0.08:
            return  # walked away: it expires
        if self.dice.random() < 0.08:
            self._fire(self.dice.choice(["cancel", "fail"]), {})
            return
        self._at_the_gateway(ready, tid)
        self._afterwards()

    def _create(self) -> dict[str, Any] | None:
        body = {
            "provider": "kakaopay",
            "order_id": f"order-{self.slot}",
            "item_name": "초코파이",
            "amount": self.amount,
            "currency": "KRW",
            "flow": self.flow,
            "expires_in": self.dice.choice([60, 300, 900]),
        }
        if self.flow == "client":
            body |= dict.fromkeys(LEGS, f"{self.town.url}/healthz")
        return self._post("/transactions", body, "create", self.town.key)

    def _at_the_gateway(self, ready: dict[str, Any], tid: str | None) -> None:
        page = self.page if tid else str((ready["next_action"] or {}).get("mobile_url", ""))
        action = self.dice.choice(["approve"] * 8 + ["cancel", "fail"])
        back = self._control("pay", {"url": page, "action": action}).get("redirect", "")
        token = parse_qs(urlsplit(back).query).get("pg_token", [""])[0]
        if token:
            self.shop.note("token", secret=token)
        if self.flow == "server" and back:
            self._browse(back)
        elif self.flow == "client" and token:
            self._fire("approve", {"pg_token": token}, self.secret)
        elif self.flow == "reported" and token:
            self._direct("approve", {"tid": tid, "pg_token": token, **self._names()})
            self._fire("approve", {"provider_ref": tid})

    def _afterwards(self) -> None:
        """The merchant delivers what was paid, and takes some back."""
        if self._status() not in HELD | UNKNOWN:
            return
        if self.dice.random() < 0.6:
            self._fire("complete", {})
        for _ in range(self.dice.choice([0, 1, 1, 2, 3])):
            whole = self.dice.random() < 0.4
            body = {} if whole else {"amount": self.dice.randint(1, self.amount // 2)}
            self._fire("refund", body)

    # ---- Strada

    def _fire(self, wire: str, body: dict[str, Any], bearer: str = "") -> dict[str, Any] | None:
        path = f"/transactions/{self.txn}/{wire}"
        return self._post(path, body, EVENT.get(wire, wire), bearer or self.town.key)

    def _post(self, path: str, body: Any, event: str, bearer: str) -> dict[str, Any] | None:
        """Send a step until it is answered for good, always with one key; its resource."""
        headers = {
            "Authorization": f"Bearer {bearer}",
            "Idempotency-Key": f"soak-{self.slot}-{next(self._keys)}",
        }
        ends = time.monotonic() + PATIENCE_S * 3
        for _ in range(TRIES):
            answer = self._once(path, body, headers)
            status = answer.status_code if answer is not None else 0
            code = "" if answer is None or status < 400 else answer.json()["code"]
            self.shop.note(f"{status} {code}".strip())
            if answer is not None and status < 300:
                return self._acknowledged(answer, event, headers["Idempotency-Key"])
            if status not in AGAIN and code not in IN_FLIGHT:
                return None
            if time.monotonic() > ends:
                return None
            time.sleep(AGAIN_S)
        return None

    def _once(self, path: str, body: Any, headers: dict[str, str]) -> requests.Response | None:
        try:
            url = f"{self.town.url}/v1{path}"
            return self.http.post(url, json=body, headers=headers, timeout=PATIENCE_S)
        except requests.RequestException:
            return None

    def _acknowledged(self, answer: requests.Response, event: str, key: str) -> dict[str, Any]:
        resource: dict[str, Any] = answer.json()
        self.shop.note("acknowledged", Acknowledged(resource["id"], event, key))
        return resource

    def _browse(self, url: str) -> None:
        for _ in range(self.dice.choice([1, 1, 1, 2])):  # some press reload
            with suppress(requests.RequestException):
                answer = self.http.get(url, allow_redirects=False, timeout=PATIENCE_S)
                self.shop.note(f"return {answer.status_code}")

    def _status(self) -> str:
        headers = {"Authorization": f"Bearer {self.town.key}"}
        with suppress(requests.RequestException, ValueError):
            url = f"{self.town.url}/v1/transactions/{self.txn}"
            found = self.http.get(url, headers=headers, timeout=PATIENCE_S).json()
            return str(found.get("status", ""))
        return ""

    # ---- the gateway, past Strada

    def _names(self) -> dict[str, str]:
        return {
            "cid": "TC0ONETIME",
            "partner_order_id": self.txn,
            "partner_user_id": self.txn,
        }

    def _app_ready(self, resource: dict[str, Any]) -> str | None:
        body = {**self._names(), "item_name": "x", "quantity": 1, "tax_free_amount": 0}
        body |= {"total_amount": self.amount, **dict.fromkeys(LEGS, f"{self.town.url}/healthz")}
        for _ in range(TRIES):
            made = self._direct("ready", body)
            if "tid" in made and "next_redirect_mobile_url" in made:  # else it was a lie
                self.page = str(made["next_redirect_mobile_url"])
                return str(made["tid"])
            time.sleep(AGAIN_S)
        return None

    def _direct(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"SECRET_KEY {GATEWAY_KEY}"}
        url = f"{self.town.gateway_url}/online/v1/payment/{verb}"
        try:
            answer = self.http.post(url, json=body, headers=headers, timeout=PATIENCE_S)
            return dict(answer.json())
        except (requests.RequestException, ValueError):
            return {}

    def _control(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            url = f"{self.town.gateway_url}/_simulator/{path}"
            return dict(self.http.post(url, json=body, timeout=PATIENCE_S).json())
        except (requests.RequestException, ValueError):
            return {}
