"""Merchants, their keys, and the gateway accounts that their payments are made with."""

from __future__ import annotations

import pytest
from house import House

from engine.errors import Invalid, Missing
from engine.gateway import Gateways
from engine.operations import Durations
from engine.vault import Unsealable, Vault


def own_account(house: House, cid: str) -> None:
    house.merchants.set_account("shop", "told", cid, {"cid": cid}, "operator:test")


def test_a_merchant_that_is_not_there_is_not_changed(house: House) -> None:
    with pytest.raises(Missing):
        house.merchants.change("nobody", [], [], "operator:test")
    assert "merchant_changed" not in [e["event"] for e in house.entries("book")]


@pytest.mark.parametrize("scopes", [[], ["payments", "everything"]])
def test_a_key_has_scopes_that_there_are(house: House, scopes: list[str]) -> None:
    with pytest.raises(ValueError, match="payments, audit, admin"):
        house.merchants.create_key("shop", scopes, False, "operator:test")
    assert house.merchants.list_keys() == []


def test_a_key_is_revoked_once(house: House) -> None:
    key, text = house.merchants.create_key("shop", ["payments"], False, "operator:test")
    house.merchants.revoke_key(key.id, "operator:test")
    assert house.merchants.authenticate(text) is None
    with pytest.raises(Missing):
        house.merchants.revoke_key(key.id, "operator:test")


# ---- accounts


def test_a_payment_stays_with_the_account_it_was_made_with(house: House) -> None:
    txn = house.approved()
    own_account(house, "TC0OWN")
    assert house.payments.refund(house.caller(), txn, 1_000).code == "ok"
    assert house.ledger.load(txn)["account"] == "TC0ONETIME"
    assert house.ledger.load(house.create())["account"] == "TC0OWN"


def test_a_payment_whose_account_is_gone_asks_nobody(house: House) -> None:
    own_account(house, "TC0OWN")
    txn = house.ready()
    own_account(house, "TC0NEXT")
    assert house.payments.approve(house.caller(), txn, "pg-token-1").code == "unknown"
    assert "approve" not in house.gateway.calls
    own_account(house, "TC0OWN")
    house.work(400, step=20)
    assert house.status(txn) == "approved"


def test_a_gateway_that_is_not_registered_serves_nobody(house: House) -> None:
    with pytest.raises(Invalid) as raised:
        house.payments.gateways.provider("elsewhere")
    assert raised.value.extra["reason"] == "unknown_provider"


def test_a_setting_goes_before_the_gateways_own_wait(house: House) -> None:
    durations = Durations(settle_after_s=7)
    gateways = Gateways({}, {}, house.merchants, house.ledger.clock, durations)
    assert gateways.settle_s("told") == 7


# ---- the vault


def test_a_sealed_value_opens_for_its_own_row_only() -> None:
    vault = Vault("a master key of tests")
    sealed = vault.seal("pg-token-1", "op_1")
    assert vault.unseal(sealed, "op_1") == "pg-token-1"
    for other, about in ((sealed, "op_2"), (sealed[:-1], "op_1"), (b"", "op_1")):
        with pytest.raises(Unsealable):
            vault.unseal(other, about)
    with pytest.raises(Unsealable):
        Vault("another key of tests").unseal(sealed, "op_1")


def test_a_vault_tells_nothing_of_its_key() -> None:
    assert repr(Vault("a master key of tests")) == "Vault(…)"
    with pytest.raises(ValueError, match="16 characters"):
        Vault("too short")


@pytest.mark.parametrize("secret", ["", "txn_1", "txn_1_secret_é", "txn_1_secret_AAAA"])
def test_a_client_secret_that_is_not_ours_owns_nothing(secret: str) -> None:
    vault = Vault("a master key of tests")
    assert vault.owns(vault.client_secret("txn_1")) == "txn_1"
    assert vault.owns(secret) is None
