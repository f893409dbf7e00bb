"""Strada's HTTP edge over a test house: an app, a key, and short words for calling it."""

from __future__ import annotations

import itertools
import json
from typing import Any

from contract import HonestClient
from flask.testing import FlaskClient
from house import House
from werkzeug.test import TestResponse

from engine.reports import Reports
from web.app import create_app
from web.settings import Settings
from web.wiring import Strada


class Site:
    """An app on a house; `shop` has scope payments, `auditor` has audit only."""

    def __init__(self, house: House) -> None:
        self.house = house
        settings = Settings(database_url=f"sqlite:///{house.store.path}")
        self.strada = Strada(
            settings,
            house.store,
            house.ledger.clock,
            house.ledger,
            house.vault,
            house.merchants,
            house.payments,
            house.returns,
            Reports(house.payments),
            house.worker,
            house.audit,
        )
        house.merchants.change("shop", ["https://shop.example"], ["strada-shop"], "operator:test")
        self.key = house.merchants.create_key("shop", ["payments"], False, "operator:test")[1]
        self.auditor = house.merchants.create_key("shop", ["audit"], False, "operator:test")[1]
        self.stranger = house.merchants.create_key("else", ["payments"], False, "operator:test")[1]
        self.app = create_app(self.strada)
        self.app.test_client_class = HonestClient
        self.client: FlaskClient = self.app.test_client()
        self._keys = itertools.count(1)
        self._orders = itertools.count(1)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        raw: bytes | None = None,
        **headers: str,
    ) -> TestResponse:
        """Call `/v1` + path with a secret key (`key=""` sends none)."""
        token = self.key if key is None else key
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        return self.client.open(
            f"/v1{path}", method=method, data=data, headers=sent, content_type="application/json"
        )

    def order(self, **changes: Any) -> dict[str, Any]:
        """The body of a creating call."""
        body = {
            "provider": "told",
            "order_id": f"web-order-{next(self._orders)}",
            "item_name": "초코파이 외 2건",
            "amount": 12_000,
            "currency": "KRW",
            "customer_id": "user-7",
        }
        return {name: value for name, value in (body | changes).items() if value is not ...}

    def create(self, **changes: Any) -> dict[str, Any]:
        """A created transaction."""
        answer = self.call("POST", "/transactions", self.order(**changes))
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.get_json()
        return made

    def fire(self, txn: str, event: str, body: Any = None, **more: Any) -> TestResponse:
        """Fire an event; a refund gets a fresh idempotency key."""
        if event == "refund" and "Idempotency_Key" not in more:
            more["Idempotency_Key"] = f"refund-key-{next(self._keys)}"
        if event == "approve" and body is None:
            body = {"pg_token": "pg-token-1"}
        return self.call("POST", f"/transactions/{txn}/{event}", body, **more)
