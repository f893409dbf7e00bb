"""The only wiring: settings in, a whole Strada out. It refuses to hold any logic of its own."""

from __future__ import annotations

from dataclasses import dataclass

from engine.audit import Audit
from engine.book import adopt_chart
from engine.clock import Clock
from engine.fire import Ledger
from engine.gateway import Gateways
from engine.merchants import Merchants
from engine.operations import Durations, Operations
from engine.payments import Payments
from engine.provider import Provider
from engine.reports import Reports
from engine.returns import Returns
from engine.store import Store
from engine.vault import Vault
from engine.worker import Worker
from providers.http import GatewayHttp
from providers.kakaopay.client import KakaoPay
from web.links import links
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
    reports: Reports
    worker: Worker
    audit: Audit


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
        Reports(payments),
        Worker(payments),
        guarded(settings, ledger),
    )


def guarded(settings: Settings, ledger: Ledger) -> Audit:
    """The audit role; from now on what is kept outside decides whether anything is written."""
    audit = Audit(
        ledger,
        settings.state_path,
        settings.audit_signing_key,
        settings.checkpoint_s,
        strict=settings.production,
    )
    ledger.store.guard = audit.rollback
    return audit


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
