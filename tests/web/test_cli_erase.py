"""`strada erase`: asking, refusing, reporting."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from house import House
from storefront import Site

from engine.clock import wall_us
from web.cli import cli
from web.cli.audit import DAY_US
from web.cli.shared import Fail

Run = Callable[..., Result]
WHO = ("--customer", "user-7", "--merchant", "shop")


@pytest.fixture
def run(house: House, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on the house's database."""
    monkeypatch.setenv("STRADA_DATABASE_URL", f"sqlite:///{house.store.path}")
    monkeypatch.delenv("STRADA_STATE_DIR", raising=False)

    def call(*arguments: str, given: str = "") -> Result:
        return CliRunner().invoke(cli, list(arguments), input=given)

    return call


def test_nothing_is_erased_without_a_yes(run: Run, house: House) -> None:
    txn = house.approved()
    for given in ("n\n", ""):
        assert run("erase", *WHO, given=given).exit_code == 1
        assert house.get(txn)["customer_id"] == "user-7"
    done = run("erase", *WHO, given="y\n")
    assert "1 entries' values of 1 payments" in done.output
    assert house.get(txn)["customer_id"] is None


def test_an_erased_book_verifies_and_is_served(run: Run, site: Site) -> None:
    house = site.house
    txn = house.approved()
    erased = json.loads(run("erase", *WHO, "--yes", "--vacuum", "--json").output)
    assert erased == {"payments": 1, "entries": 1, "scrubbed": True}
    assert json.loads(run("audit", "verify", "--json").output)["verdict"] == "whole"
    shown = site.call("GET", f"/transactions/{txn}").get_json()
    assert (shown["item_name"], shown["order_id"], shown["status"]) == (None, None, "approved")
    assert site.call("GET", "/transactions").status_code == 200
    assert site.call("GET", "/transactions", Accept="text/csv").status_code == 200


def test_a_silent_gap_breaks_the_verdict(run: Run, house: House) -> None:
    txn = house.approved()
    (kept,) = house.store.rows("SELECT * FROM personal")
    house.store.db.execute_sql("DELETE FROM personal")
    broken = run("audit", "verify", "--json")
    assert broken.exit_code == 1
    assert [one["stream"] for one in json.loads(broken.output)["findings"]] == [txn]
    house.store.db.execute_sql("INSERT INTO personal VALUES (?, ?, ?)", tuple(kept.values()))


def test_an_open_payment_is_named_with_what_to_do(run: Run, house: House) -> None:
    txn = house.ready()
    refused = run("erase", *WHO, "--yes")
    assert isinstance(refused.exception, Fail)
    assert f"{txn}: cancel it" in str(refused.exception)
    assert house.get(txn)["customer_id"] == "user-7"


def test_what_is_due_is_reported_before_it_goes(
    run: Run, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRADA_RETENTION_DAYS", "1")
    house.time.now = wall_us() - 3 * DAY_US
    txn = house.approved()
    report = json.loads(run("erase", "--due", "--json").output)
    assert ([one["id"] for one in report["due"]], report["retention_days"]) == ([txn], 1)
    assert house.get(txn)["customer_id"] == "user-7"
    assert json.loads(run("erase", "--due", "--yes", "--json").output)["payments"] == 1
    assert house.get(txn)["customer_id"] is None


@pytest.mark.parametrize(
    "arguments", [(), ("--customer", "x"), ("--due", "--customer", "x"), (*WHO, "--due")]
)
def test_half_a_question_is_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    failed = run("erase", *arguments)
    assert isinstance(failed.exception, Fail)
    assert failed.exception.exit_code == 2
