"""A database that was set back: noticed before the first write, and made good at the gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import peewee
import pytest
from house import LOST, House

from engine.audit import Audit
from engine.errors import LogBehind
from engine.fire import Ledger
from engine.provider import Unknown
from engine.recheck import UNANSWERED
from engine.store import Store
from engine.verify import verify
from engine.verify_tree import verify_tree

NONSENSE = Unknown(b"{}", "surprise", "no sense")
GONE = Unknown(b"{}", "not_sent", "account_gone")
SetBack = Callable[[Callable[[], object]], House]


@pytest.fixture
def set_back(house: House, tmp_path: Path) -> Iterator[SetBack]:
    """Gives the house as it was before something happened, beside a gateway that knows of it."""
    built: list[House] = []

    def restore(lost: Callable[[], object]) -> House:
        folder = tmp_path / "restored"
        folder.mkdir()
        house.audit.close()
        house.store.db.execute_sql(f"VACUUM INTO '{folder / 'strada.db'}'")
        lost()
        house.audit.close()
        built.append(House(folder / "strada.db", before=house))
        return built[-1]

    yield restore
    for back in built:
        assert verify(back.store).whole
        assert verify_tree(back.store, back.audit.checkpoints.kept_checkpoint()) == []
        back.store.close()


def pay(house: House, txn: str) -> Callable[[], object]:
    return lambda: house.payments.approve(house.caller(), txn, "pg-token-1")


def accept(house: House) -> None:
    house.audit.checkpoints.accept_rollback("the disk was lost", "operator:test")


def refusal(house: House) -> str:
    """Why a new payment is refused."""
    with pytest.raises(LogBehind) as behind:
        house.create()
    return str(behind.value.extra["reason"])


def test_nothing_is_written_and_no_gateway_asked(house: House, set_back: SetBack) -> None:
    txn = house.ready()
    back = set_back(pay(house, txn))
    asked = len(house.gateway.calls)
    for write in (pay(back, txn), back.create, back.worker._expire, back.audit.run_once):
        back.time.advance(2_000)
        with pytest.raises(LogBehind):
            write()
    assert back.status(txn) == "ready"
    assert len(house.gateway.calls) == asked
    accept(back)


def test_the_lost_charge_is_found_and_not_taken_again(house: House, set_back: SetBack) -> None:
    txn = house.ready()
    back = set_back(pay(house, txn))
    accept(back)
    assert refusal(back) == "looking_up"
    back.work()
    assert (back.status(txn), house.gateway.captured) == ("approved", 12_000)
    assert house.gateway.calls.count("approve") == 1
    assert back.create()


def test_an_expired_deadline_waits_for_the_look_up(house: House, set_back: SetBack) -> None:
    txn = house.ready()
    back = set_back(pay(house, txn))
    accept(back)
    back.time.advance(10_000)
    house.gateway.script["look_up"] = [LOST]
    back.work()
    assert (back.status(txn), back.audit.rollback.waiting()) == ("ready", 1)
    back.work(60)
    assert back.status(txn) == "approved"


def test_a_lost_refund_is_found(house: House, set_back: SetBack) -> None:
    txn = house.approved()
    back = set_back(lambda: house.payments.refund(house.caller(), txn, 5_000))
    accept(back)
    back.work()
    found = back.get(txn)
    assert (found["status"], found["refunded_amount"]) == ("partially_refunded", 5_000)
    assert house.gateway.refunded == 5_000


def test_a_lost_refund_of_an_old_payment_is_found_in_time(house: House, set_back: SetBack) -> None:
    txn = house.approved()
    house.time.advance(200_000)
    house.create()
    back = set_back(lambda: house.payments.refund(house.caller(), txn, 5_000))
    accept(back)
    rechecks = {row["txn"] for row in back.store.rows("SELECT txn FROM rechecks")}
    assert txn not in rechecks
    back.work()
    assert back.get(txn)["refunded_amount"] == house.gateway.refunded == 5_000


def test_what_cannot_be_asked_about_is_closed(house: House, set_back: SetBack) -> None:
    txn = house.create()

    def lost() -> None:
        house.payments.ready(house.caller(), txn)
        house.payments.approve(house.caller(), txn, "pg-token-1")

    back = set_back(lost)
    accept(back)
    back.work()
    assert (back.status(txn), house.gateway.captured) == ("cancelled", 12_000)


@pytest.mark.parametrize("answer", [NONSENSE, GONE])
def test_an_answer_without_sense_becomes_a_review(
    house: House, set_back: SetBack, answer: Unknown
) -> None:
    txn = house.ready()
    back = set_back(pay(house, txn))
    house.gateway.script["look_up"] = [answer]
    accept(back)
    back.work()
    assert back.get(txn)["needs_review"] == UNANSWERED
    assert back.create()


def test_a_gateway_that_is_away_is_waited_for(house: House, set_back: SetBack) -> None:
    txn = house.ready()
    back = set_back(pay(house, txn))
    house.gateway.script["look_up"] = [LOST] * 3
    accept(back)
    back.work(40)
    assert refusal(back) == "looking_up"
    back.work(60)
    assert (back.status(txn), refused_none(back)) == ("approved", True)


def refused_none(house: House) -> bool:
    house.audit.rollback.before_new_work()
    return True


def test_accepting_that_fails_midway_accepts_nothing(house: House, set_back: SetBack) -> None:
    txn = house.ready()
    back = set_back(pay(house, txn))
    back.store.db.execute_sql(
        "CREATE TRIGGER fault BEFORE INSERT ON rechecks BEGIN SELECT RAISE(ABORT, 'fault'); END"
    )
    with pytest.raises(peewee.IntegrityError):
        accept(back)
    assert refusal(back) == "behind"
    back.store.db.execute_sql("DROP TRIGGER fault")
    accept(back)
    assert refusal(back) == "looking_up"


def test_accepting_is_noted_with_what_was_lost(house: House, set_back: SetBack) -> None:
    txn = house.ready()
    back = set_back(pay(house, txn))
    lost = back.audit.checkpoints.kept_checkpoint()
    assert lost is not None
    accept(back)
    entry = back.store.rows("SELECT entry FROM entries WHERE event = 'rollback_accepted'")
    assert f'"checkpoint_root":"{lost.root.hex()}","checkpoint_size":{lost.size}' in str(entry)
    assert "the disk was lost" not in str(entry)
    with pytest.raises(ValueError, match="nothing to accept"):
        accept(back)


def test_a_log_that_went_on_after_its_restore_differs(house: House, set_back: SetBack) -> None:
    txn = house.ready()
    back = set_back(pay(house, txn))
    with back.audit.rollback.lifted():
        for _ in range(9):
            back.create()
    with back.audit.rollback.lifted():
        back.audit.sequencer.drain()
    assert refusal(back) == "differs"
    accept(back)


def test_what_is_kept_is_never_overwritten_by_an_older_log(house: House, set_back: SetBack) -> None:
    txn = house.ready()
    back = set_back(pay(house, txn))
    before = back.audit.kept.path.read_bytes()
    with pytest.raises(LogBehind):
        back.audit.close()
    with back.audit.rollback.lifted():
        signed = back.audit.checkpoints.head()
    assert back.audit.checkpoints.keep(signed) is False
    assert back.audit.kept.path.read_bytes() == before
    accept(back)


def test_a_server_notices_while_it_runs(house: House) -> None:
    house.create()
    house.audit.close()
    kept = house.audit.checkpoints.kept_checkpoint()
    assert kept is not None
    newer = type(kept)(kept.origin, kept.size + 5, bytes(32))
    house.audit.kept.write(house.audit.keys.sign(newer))
    house.create()  # it was sound a moment ago
    house.audit.sequencer.drain()
    house.audit.checkpoints.keep(house.audit.checkpoints.head())
    assert refusal(house) == "behind"
    accept(house)
    house.work()


@pytest.mark.parametrize("strict", [True, False])
def test_a_checkpoint_of_another_log_stops_production_only(
    house: House, tmp_path: Path, strict: bool
) -> None:
    house.audit.close()
    store = Store(f"sqlite:///{tmp_path / 'new' / 'strada.db'}")
    store.migrate()
    audit = Audit(Ledger(store, house.ledger.clock), house.state, strict=strict)
    problem = audit.rollback.problem()
    assert (problem and problem.reason) == ("other_log" if strict else None)
    assert audit.kept.path.exists() is strict
    store.close()


def test_a_log_without_a_checkpoint_is_taken_as_it_is(house: House) -> None:
    assert house.audit.rollback.problem() is None
    assert house.create()


def test_accepting_what_cannot_be_read_names_no_loss(house: House) -> None:
    house.audit.close()
    house.audit.kept.path.write_text("no note")
    house.audit.rollback.trip()
    assert refusal(house) == "untrusted"
    accept(house)
    (entry,) = house.store.rows("SELECT entry FROM entries WHERE event = 'rollback_accepted'")
    assert "checkpoint_size" not in entry["entry"]
    house.work()
    assert house.create()


def test_a_tree_with_a_hole_is_not_what_was_signed(house: House) -> None:
    house.approved()
    house.audit.close()
    house.store.db.execute_sql("SAVEPOINT hole")
    house.store.db.execute_sql("DROP TRIGGER tree_nodes_never_deleted")
    house.store.db.execute_sql("DELETE FROM tree_nodes")
    problem = house.audit.rollback.problem()
    house.store.db.execute_sql("ROLLBACK TO hole")
    house.store.db.execute_sql("RELEASE hole")
    assert problem
    assert (problem.reason, "is missing" in problem.detail) == ("differs", True)
    assert house.audit.rollback.problem() is None
