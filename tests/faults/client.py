"""A merchant's client with one payment, its customer included; it remembers what it was told.

Every call carries an idempotency key, so that a call whose answer was lost can be made again. It
refuses to take anything but a documented success for an answer.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

from faults.scene import Scene
from faults.universal import Step

ANSWER_S = 60.0
SAYS = {
    "create": {"created"},
    "ready": {"ready"},
    "approve": {"approved", "approving"},
    "complete": {"completed"},
    "cancel": {"cancelled"},
    "refund": {"partially_refunded", "refunded", "refunding"},
}
"""The states that an answer to a call may show, whatever died before it came."""


class Client:
    """One payment. `act` returns False when no whole answer came."""

    def __init__(self, scene: Scene, number: int = 1) -> None:
        self.steps: list[Step] = []
        self.txn = ""
        self.secrets: list[str] = []
        self._scene = scene
        self._number = number
        self._page = self._back = self._token = ""

    def act(self, name: str) -> bool:
        """One step of a plan: `create`, `refund:3000`, `pay`, `lose:approve:reset_after` …"""
        call, _, detail = name.partition(":")
        match call:
            case "pay":
                self._pay()
            case "lose":
                verb, _, kind = detail.partition(":")
                fault = {"on": verb, "kind": kind, "partner_order_id": self.txn}
                self._scene.gateway.ask("POST", "faults", fault)
            case "later":
                self._scene.later(float(detail))
            case "return":
                return self._come_back()
            case _:
                return self._call(call, detail)
        return True

    def repeat(self, step: Step) -> tuple[int, Any] | None:
        """The same request again; its answer, or None when no whole one came."""
        return self._post(step.call, step.txn or "", str(step.key), step.sent)

    def acknowledged(self) -> list[Step]:
        """Calls whose answer is final, and must be repeated to the byte."""
        return [step for step in self.steps if step.key and step.status in (200, 201)]

    # ---- the merchant

    def _call(self, name: str, detail: str) -> bool:
        key = f"key-{self._number}-{name}-{detail}"
        step = Step(name, self.txn or None, key, sent=self._body(name, detail))
        self.steps.append(step)
        answer = self.repeat(step)
        if answer is None:
            return False
        step.status, step.body = answer
        assert step.status in (200, 201, 202), (name, step.body)
        assert step.body["status"] in SAYS[name], (name, step.body)
        self._remember(step.body)
        return True

    def _body(self, name: str, detail: str) -> dict[str, Any]:
        if name == "create":
            return {
                "provider": "kakaopay",
                "order_id": f"order-{self._number}",
                "item_name": "초코파이 외 2건",
                "amount": 12_000,
                "currency": "KRW",
                "customer_id": "user-7",
                "return_url": "http://127.0.0.1:1/done",
            }
        if name == "approve":
            return {"pg_token": self._token}
        return {"amount": int(detail)} if detail else {}

    def _remember(self, body: Mapping[str, Any]) -> None:
        self.txn = body["id"]
        if "client_secret" in body:
            self.secrets.append(body["client_secret"])
        if body["next_action"]:
            self._page = body["next_action"]["mobile_url"]

    # ---- the customer

    def _pay(self) -> None:
        paid = {"url": self._page, "action": "approve"}
        self._back = self._scene.gateway.ask("POST", "pay", paid)["redirect"]
        self._token = parse_qs(urlsplit(self._back).query)["pg_token"][0]
        self.secrets.append(self._token)

    def _come_back(self) -> bool:
        step = Step("return", self.txn)
        self.steps.append(step)
        parts = urlsplit(self._back)
        with suppress(OSError, http.client.HTTPException):
            step.status, _ = self._scene.send("GET", f"{parts.path}?{parts.query}")
        assert step.status in (None, 303), step
        return step.status is not None

    # ---- the wire

    def _post(
        self, call: str, txn: str, key: str, body: Mapping[str, Any]
    ) -> tuple[int, Any] | None:
        path = "/v1/transactions" + (f"/{txn}/{call}" if txn else "")
        headers = {
            "Authorization": f"Bearer {self._scene.key}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        with suppress(OSError, http.client.HTTPException):
            status, raw = self._scene.send("POST", path, json.dumps(body), headers)
            return status, json.loads(raw)
        return None
