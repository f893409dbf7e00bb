"""Payments' lives on a taped disk, what the engine promised during them, and whether it kept it.

It refuses to ask the engine what it promised: a promise is an answer given or a gateway called.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.disk import Disk, Event
from house import Charge, House, lost_after, lost_before

from engine.idempotency import Answer
from engine.store import Store
from engine.verify import verify

Head = tuple[str, int, str]
CHECKPOINT_PAGES = 60
"""So small that checkpoints and new beginnings of the WAL fall into every life."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the world had been told when the light went out.

    entries: (stream, seq, hash). keys: answered idempotency keys. answers: transaction → version
    and status of the last answer. books: the gateway's. now: the clock.
    """

    entries: frozenset[Head]
    keys: frozenset[tuple[Any, ...]]
    answers: dict[str, tuple[int, str]]
    books: dict[str, Charge]
    now: int


NOTHING = Seen(frozenset(), frozenset(), {}, {}, 0)


class Witness:
    """Drives payments, and marks on the tape what was promised."""

    def __init__(self, house: House, disk: Disk) -> None:
        self.house = house
        self._disk = disk
        self._answers: dict[str, tuple[int, str]] = {}
        self._keys = 0

    def mark(self) -> None:
        """Everything committed by now was answered, or is about to be told to a gateway."""
        store, house = self.house.store, self.house
        entries = frozenset(tuple(row.values()) for row in store.rows(_HEADS))
        keys = frozenset(tuple(row.values()) for row in store.rows(_ANSWERED))
        books = copy.deepcopy(house.gateway.books)
        self._disk.mark(Seen(entries, keys, dict(self._answers), books, house.time.now))

    def step(self, call: Callable[..., Answer], *arguments: Any) -> str:
        """One call with an idempotency key of its own; its answer is a promise."""
        self._keys += 1
        self.house.time.advance(1)
        answer = call(self.house.caller(f"key-{self._keys:04d}"), *arguments)
        body = json.loads(answer.body)
        self._answers[answer.txn] = (body["version"], body["status"])
        self.mark()
        return answer.txn

    def ask(self, verb: str, then: Callable[[Callable[[], Any]], Any]) -> None:
        """Mark when the gateway is called, and when it has acted."""

        def heard(honest: Callable[[], Any]) -> Any:
            self.mark()
            outcome = then(honest)
            self.mark()
            return outcome

        self.house.gateway.script[verb] = [heard]

    def ready(self) -> str:
        """A prepared payment."""
        txn = self.step(self.house.payments.create, self.house.order())
        self.ask("prepare", _honestly)
        return self.step(self.house.payments.ready, txn)

    def approved(self, then: Callable[[Callable[[], Any]], Any] | None = None) -> str:
        """A payment whose approve was sent, and heard, or not."""
        txn = self.ready()
        self.ask("approve", then or _honestly)
        return self.step(self.house.payments.approve, txn, "pg-token-1")

    def refund(self, txn: str, amount: int | None) -> None:
        """Some of it back, or the rest."""
        self.ask("refund", _honestly)
        self.step(self.house.payments.refund, txn, amount, None, None, "broken")

    def work(self, seconds: int) -> None:
        """Time passes, the worker working."""
        self.house.work(seconds)
        self.mark()


def _honestly(honest: Callable[[], Any]) -> Any:
    return honest()


def live(witness: Witness, *pragmas: tuple[str, Any]) -> None:
    """Every kind of commit: intents, evidence, answers lost and found, a restart in between."""
    payments, house = witness.house.payments, witness.house
    _tune(house, pragmas)
    witness.mark()
    first = witness.approved()
    witness.step(payments.fire, first, "complete", None)
    witness.refund(first, 1_000)
    lost = witness.approved(lost_after)
    witness.work(15)
    assert house.status(lost) == "approved"
    house.store.close()
    _tune(house, pragmas)
    witness.refund(first, None)
    gone = witness.ready()
    witness.step(payments.fire, gone, "cancel", "changed my mind")
    witness.approved(lost_before)
    house.store.close()


def _tune(house: House, pragmas: Iterable[tuple[str, Any]]) -> None:
    """On the one connection there is then: another would keep the journal, or bring it back."""
    house.store.close()
    only = house.store.writer
    house.store._connection = lambda: only
    for name, value in (("wal_autocheckpoint", CHECKPOINT_PAGES), *pragmas):
        only.pragma(name, value)


def commit_order(tape: Iterable[Event]) -> dict[Head, int]:
    """Entry → the number of the mark that first saw it."""
    order: dict[Head, int] = {}
    for number, seen in enumerate(event.data for event in tape if event.kind == "mark"):
        for head in seen.entries:
            order.setdefault(head, number)
    return order


def out_of_turn(store: Store, order: Mapping[Head, int]) -> Iterator[str]:
    """Commits that are there although an earlier one is not; one that failed comes last."""
    there = {tuple(row.values()) for row in store.rows(_HEADS)}
    first_missing = min((turn for head, turn in order.items() if head not in there), default=None)
    for stream, seq, digest in sorted(there):
        turn = order.get((stream, seq, digest), len(order))
        if first_missing is not None and turn > first_missing:
            yield f"order: entry {seq} of {stream} without what was committed before it"


_HEADS = "SELECT stream, seq, hash FROM entries"
_ANSWERED = "SELECT route, key, code, body FROM idempotency WHERE code IS NOT NULL"


def broken_promises(store: Store, seen: Seen) -> Iterator[str]:
    """What was acknowledged and is not there."""
    entries = {tuple(row.values()) for row in store.rows(_HEADS)}
    for stream, seq, _ in sorted(seen.entries - entries):
        yield f"lost: entry {seq} of {stream}"
    keys = {tuple(row.values()) for row in store.rows(_ANSWERED)}
    for _, key, *_ in sorted(seen.keys - keys):
        yield f"lost: the answer of key {key[:8]}"
    rows = {row["id"]: row for row in store.rows("SELECT id, version, status FROM transactions")}
    for txn, (version, status) in seen.answers.items():
        row = rows.get(txn)
        if row is None or row["version"] < version:
            yield f"lost: version {version} of {txn}"
        elif row["version"] == version and row["status"] != status:
            yield f"lost: {txn} was answered {status}"


def halves(store: Store) -> Iterator[str]:
    """What is there without the rest of its commit."""
    for said, sql in _HALVES.items():
        for row in store.rows(sql):
            yield f"half: {said}: {tuple(row.values())}"
    for row in store.rows("PRAGMA integrity_check"):
        if row["integrity_check"] != "ok":
            yield f"corrupt: {row['integrity_check']}"
    yield from (f"verify: {finding}" for finding in verify(store).findings)


_HALVES = {
    "an entry without its place in the outbox": "SELECT stream, seq FROM entries "
    "EXCEPT SELECT stream, seq FROM outbox",
    "an outbox row without its entry": "SELECT stream, seq FROM outbox "
    "EXCEPT SELECT stream, seq FROM entries",
    "an entry without the personal values it commits to": "SELECT stream, seq FROM entries "
    "WHERE json_extract(entry, '$.data.commitments') <> '{}' "
    "EXCEPT SELECT stream, seq FROM personal",
    "an intent without its operation": "SELECT json_extract(entry, '$.data.op') FROM entries "
    "WHERE event IN ('approve', 'refund') AND kind = 'transition' EXCEPT SELECT id FROM operations",
    "an operation without its intent": "SELECT id FROM operations WHERE kind <> 'prepare' "
    "EXCEPT SELECT json_extract(entry, '$.data.op') FROM entries",
    "a payment whose intent is not the open operation": "SELECT id, intent_op FROM transactions "
    "WHERE intent_op IS NOT (SELECT o.id FROM operations o WHERE o.txn = transactions.id "
    "AND o.state = 'open' AND o.kind <> 'prepare')",
    "an entry without its idempotency key": "SELECT json_extract(entry, '$.key') FROM entries "
    "WHERE json_extract(entry, '$.key') IS NOT NULL EXCEPT SELECT key FROM idempotency",
    "a key whose step is not there": "SELECT key FROM idempotency EXCEPT "
    "SELECT json_extract(entry, '$.key') FROM entries EXCEPT SELECT idem_key FROM operations",
    "a key answered while its operation is open, or the reverse": "SELECT i.key FROM idempotency i "
    "JOIN operations o ON o.id = i.operation WHERE (i.code IS NULL) <> (o.state = 'open')",
}


def put(files: dict[str, bytes], folder: Path) -> Store:
    """An image as files, and a store on it, brought up to date as a start does it."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    store = Store(f"sqlite:///{folder / 'strada.db'}")
    if store.pending_migrations():
        store.migrate()
    return store


def unsettled(folder: Path, seen: Seen) -> Iterator[str]:
    """Start the engine on an image, let it work, and compare with the gateway's books."""
    house = House(folder / "strada.db")
    house.time.now = max(seen.now, house.time.now) + 1
    house.gateway.books = copy.deepcopy(seen.books)
    house.work(300)
    for charge in house.gateway.books.values():
        row = house.ledger.load(charge.order.transaction)
        found = (row["captured_amount"], row["refunded_amount"])
        if found != (charge.captured, charge.refunded):
            yield f"unsettled: {found} where the gateway has {charge.captured, charge.refunded}"
        kinds = [action.kind for action in charge.actions]
        if kinds.count("payment") > 1 or charge.captured > charge.order.amount:
            yield f"twice: {kinds}"
    for row in house.store.rows("SELECT id, status FROM transactions"):
        if row["status"] in ("approving", "refunding"):
            yield f"unsettled: {row['id']} is {row['status']}"
    house.store.close()
