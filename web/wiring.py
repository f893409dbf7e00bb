"""The only wiring: settings in, a whole Strada out. It refuses to hold any logic of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from engine.book import adopt_chart
from engine.clock import Clock
from engine.fire import Ledger
from engine.gateway import Gateways
from engine.merchants import Merchants
from engine.operations import Durations, Operations
from engine.payments import LinkMaker, Payments
from engine.provider import Provider, Urls
from engine.returns import Returns
from engine.store import Row, Store
from engine.vault import Vault
from engine.worker import Worker
from providers.http import GatewayHttp
from providers.kakaopay.client import KakaoPay
from web.settings import Settings


@dataclass(frozen=True, slots=True)
class Strada:
    """Everything a process needs, wired."""

    settings: Settings
    store: Store
    clock: Clock
    ledger: Ledger
    vault: Vault
    merchants: Merchants
    payments: Payments
    returns: Returns
    worker: Worker


def build(settings: Settings, clock: Clock | None = None) -> Strada:
    """Wire a Strada on the database of `settings`, which must have been migrated."""
    clock = clock or Clock(scale=settings.time_scale)
    store = Store(settings.database_url)
    ledger = Ledger(store, clock)
    vault = Vault(settings.secret_key)
    merchants = Merchants(ledger, vault)
    durations = Durations(
        call_deadline_s=settings.call_deadline_s, settle_after_s=settings.settle_after_s
    )
    providers = providers_of(settings, clock)
    gateways = Gateways(providers, default_accounts(settings), merchants, clock, durations)
    operations = Operations(store, clock, vault, durations)
    payments = Payments(
        ledger, vault, merchants, gateways, operations, durations, links(settings.base_url)
    )
    return Strada(
        settings,
        store,
        clock,
        ledger,
        vault,
        merchants,
        payments,
        Returns(payments),
        Worker(payments),
    )


def prepare(strada: Strada) -> list[str]:
    """Migrate the database and note this release's chart; returns the migrations that ran."""
    ran = strada.store.migrate()
    adopt_chart(strada.ledger)
    return ran


def providers_of(settings: Settings, clock: Clock) -> dict[str, Provider]:
    """The gateways of this installation by name."""
    return {
        "kakaopay": KakaoPay(
            settings.kakaopay_base_url,
            GatewayHttp(monotonic=clock.monotonic),
            now_us=clock.now_us,
            window_s=clock.seconds(900),
        )
    }


def default_accounts(settings: Settings) -> dict[str, dict[str, str]]:
    """The accounts of merchants that have none of their own."""
    if not settings.kakaopay_secret_key:
        return {}
    return {"kakaopay": {"secret_key": settings.kakaopay_secret_key, "cid": settings.kakaopay_cid}}


def links(base_url: str) -> LinkMaker:
    """Where a gateway sends the customer: to us, or in flow `client` straight to the client's page.

    A client's app scheme is never given to a gateway: our own page bounces to it.
    """

    def make(row: Row, token: str) -> Urls:
        own = {
            "approval_url": f"{base_url}/return/{token}/approved",
            "cancel_url": f"{base_url}/return/{token}/cancelled",
            "fail_url": f"{base_url}/return/{token}/failed",
        }
        if row["flow"] == "client":
            given = json.loads(row["urls"])
            own |= {name: given[name] for name in own if is_web(given.get(name, ""))}
        return Urls(own["approval_url"], own["cancel_url"], own["fail_url"])

    return make


def is_web(url: str) -> bool:
    """Whether a browser may be sent there by a gateway (http or https, not an app scheme)."""
    return urlsplit(url).scheme in ("http", "https")
