"""One commit: the compare-and-swap on a transaction's head, its entry, and its place in the outbox.

It refuses to write a row any other way: the row's columns are what the fold of the new entry says.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from typing import Any

from engine import chart
from engine.clock import MICROS, Clock
from engine.entry import ZERO_HASH, Entry, commitment, seal
from engine.errors import EngineError, Missing
from engine.fold import COLUMNS, Folded, apply, begin, given_of
from engine.store import Row, Store

SALT_BYTES = 32
_FIXED = frozenset(
    "id merchant provider account flow amount currency tax_free_amount vat_amount "
    "created_at".split()
)
_MOVING = tuple(name for name in COLUMNS if name not in _FIXED)
_moving_of = attrgetter(*_MOVING)
_columns_of = itemgetter(*COLUMNS)


class LostRace(Exception):
    """Somebody else committed first: decide again."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and how their request is told apart from a repeat of it.

    merchant: None for the worker and for a customer at a return URL. key: the raw idempotency key.
    route: method and path. fingerprint: SHA-256 of route, canonical body and If-Match.
    render: makes the stored body of a refusal (the edge's problem document).
    """

    actor: str
    merchant: str | None = None
    request_id: str | None = None
    key: str | None = field(default=None, repr=False)
    key_mac: str | None = None
    route: str = ""
    fingerprint: bytes = b""
    if_match: int | None = None
    render: Callable[[EngineError], str] | None = None


WORKER = Caller("worker")
GATEWAY = Caller("gateway")


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry to be: what `Ledger.entry` needs beside the transaction it follows."""

    kind: str
    event: str
    target: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """Entries that follow a decided-on transaction, and the columns of its row as they leave it."""

    before: Folded
    entries: tuple[Entry, ...]
    columns: dict[str, Any]
    personal: Committed | None


@dataclass(slots=True)
class Committed:
    """Personal values of an entry, each with its salt, and the commitments the log holds."""

    values: dict[str, list[str]]
    commitments: dict[str, str]


def commit_to(values: Mapping[str, str | None]) -> Committed:
    """Salt and commit to personal values; those that are None are left out."""
    made = Committed({}, {})
    for name, value in values.items():
        if value is not None:
            salt = secrets.token_bytes(SALT_BYTES)
            made.values[name] = [salt.hex(), value]
            made.commitments[name] = commitment(name, salt, value)
    return made


class Ledger:
    """Loads transactions and appends to their logs."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock

    def load(self, transaction: str, merchant: str | None = None) -> Row:
        """The row of a transaction; raises Missing when absent or another merchant's."""
        row = self.store.row("SELECT * FROM transactions WHERE id = ?", (transaction,))
        if row is None or (merchant is not None and row["merchant"] != merchant):
            raise Missing("not_found")
        return row

    def flow_of(self, transaction: str, merchant: str | None = None) -> str:
        """The flow of a transaction; raises Missing as `load` does."""
        row = self.store.row("SELECT merchant, flow FROM transactions WHERE id = ?", (transaction,))
        if row is None or (merchant is not None and row["merchant"] != merchant):
            raise Missing("not_found")
        return str(row["flow"])

    def entry(self, folded: Folded, draft: Draft, caller: Caller) -> Entry:
        """The next entry of a transaction."""
        return seal(
            {
                "stream": folded.id,
                "seq": folded.head_seq + 1,
                "kind": draft.kind,
                "event": draft.event,
                "source": folded.status,
                "target": draft.target,
                "actor": caller.actor,
                "request_id": caller.request_id,
                "key": caller.key_mac,
                "occurred_at": max(self.clock.now_us(), folded.last_at + 1),
                "chart": chart.VERSION,
                "data": dict(draft.data),
                "prev_hash": folded.head_hash,
            }
        )

    def transition(
        self, folded: Folded, event: str, data: Mapping[str, Any], caller: Caller
    ) -> Entry | chart.Illegal | chart.GuardRefused:
        """Ask the chart; the entry of the transition, or why there is none."""
        fields = {"data": data, "occurred_at": max(self.clock.now_us(), folded.last_at + 1)}
        target = chart.decide(event, folded.status, folded.facts(), given_of(fields))
        if not isinstance(target, str):
            return target
        return self.entry(folded, Draft("transition", event, target, data), caller)

    def first(self, transaction: str, data: Mapping[str, Any], caller: Caller) -> Entry:
        """The `create` entry of a new transaction."""
        return seal(
            {
                "stream": transaction,
                "seq": 1,
                "kind": "transition",
                "event": "create",
                "source": None,
                "target": chart.INITIAL,
                "actor": caller.actor,
                "request_id": caller.request_id,
                "key": caller.key_mac,
                "occurred_at": self.clock.now_us(),
                "chart": chart.VERSION,
                "data": dict(data),
                "prev_hash": ZERO_HASH,
            }
        )

    def insert(self, entry: Entry, columns: Mapping[str, Any], personal: Committed) -> Folded:
        """Write a new transaction. Call inside `store.write()`."""
        folded = begin(entry)
        values = {name: getattr(folded, name) for name in COLUMNS} | dict(columns)
        marks = ", ".join("?" * len(values))
        self.store.execute(
            f"INSERT INTO transactions ({', '.join(values)}) VALUES ({marks})",
            tuple(values.values()),
        )
        self.append(entry, personal)
        return folded

    def step(
        self,
        before: Folded,
        entries: Iterable[Entry],
        columns: Mapping[str, Any] | None = None,
        personal: Committed | None = None,
    ) -> Step:
        """What appending these entries comes to; nothing is written yet."""
        appended = tuple(entries)
        after = before
        for entry in appended:
            after = apply(after, entry)
        changed = dict(zip(_MOVING, _moving_of(after), strict=True)) | dict(columns or {})
        if after.status in ("cancelled", "failed", "expired", "refunded"):
            changed["order_slot"] = None
        return Step(before, appended, changed, personal)

    def commit(self, step: Step) -> None:
        """Append a step's entries and move the row to their fold. Call inside `store.write()`.

        Raises LostRace when the row is no longer the one that was decided on.
        """
        sets = ", ".join(f"{name} = ?" for name in step.columns)
        touched = self.store.execute(
            f"UPDATE transactions SET {sets} WHERE id = ? AND head_seq = ?",
            (*step.columns.values(), step.before.id, step.before.head_seq),
        )
        if touched != 1:
            raise LostRace
        personal = step.personal
        for entry in step.entries:
            self.append(entry, personal)
            personal = None

    def advance(
        self,
        before: Folded,
        entries: Iterable[Entry],
        columns: Mapping[str, Any] | None = None,
        personal: Committed | None = None,
    ) -> None:
        """`step` and `commit` in one, for those who show nobody the row that comes of it."""
        self.commit(self.step(before, entries, columns, personal))

    def append(self, entry: Entry, personal: Committed | None = None) -> None:
        """Write an entry, its place in the outbox, and the personal values it commits to."""
        fields = entry.fields
        self.store.execute(
            "INSERT INTO entries (stream, seq, kind, event, occurred_at, hash, entry) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                fields["stream"],
                fields["seq"],
                fields["kind"],
                fields["event"],
                fields["occurred_at"],
                entry.hash,
                entry.raw.decode("utf-8"),
            ),
        )
        at = (fields["stream"], fields["seq"])
        self.store.execute("INSERT INTO outbox (stream, seq) VALUES (?, ?)", at)
        if personal and personal.values:
            self.store.execute(
                "INSERT INTO personal (stream, seq, fields) VALUES (?, ?, ?)",
                (*at, json.dumps(personal.values, ensure_ascii=False)),
            )

    def recent(self, transaction: str, kinds: tuple[str, ...], seconds: float) -> list[Row]:
        """Entries of these kinds in the last `seconds`, newest first, at most 100."""
        since = self.clock.now_us() - int(seconds * MICROS)
        marks = ", ".join("?" * len(kinds))
        return self.store.rows(
            f"SELECT seq, kind, event FROM entries WHERE stream = ? AND kind IN ({marks}) "
            "AND occurred_at > ? ORDER BY seq DESC LIMIT 100",
            (transaction, *kinds, since),
        )


def folded_of(row: Row) -> Folded:
    """The folded part of a row."""
    return Folded(*_columns_of(row))
