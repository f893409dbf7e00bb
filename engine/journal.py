"""The journal: every return and report that came, what became of it, and why.

It refuses to hold what came: only its SHA-256. It is no evidence (the log is), it explains; so a
row that cannot be written stops nothing, and repeats beyond a cap are not written.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from engine.canonical import canonical
from engine.clock import rfc3339
from engine.errors import EngineError, StorageTrouble
from engine.fire import Ledger
from engine.store import Row

VERDICTS = ("applied", "duplicate", "late", "ignored")
KINDS = ("return", "report", "notice")
HOURLY = 20
"""Rows a transaction and hour of what was not applied."""
MOST = 1_000
"""Rows a transaction, whatever they say."""
UNKNOWN_HOURLY = 100
"""Rows an hour of what named no transaction: anybody can send it."""
_LOG = logging.getLogger("strada.journal")
_OF_EVIDENCE = {"duplicate": "duplicate", "contradicts": "ignored", "early": "ignored"}


@dataclass(slots=True)
class Seen:
    """What became of something that came, as far as its reader says so."""

    verdict: str | None = None
    why: str | None = None

    def say(self, verdict: str, why: str) -> None:
        """Name the verdict, and why."""
        self.verdict, self.why = verdict, why


class Journal:
    """Writes and reads the table `journal`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._store = ledger.store

    @contextmanager
    def watch(
        self, kind: str, transaction: str, came: Mapping[str, str | None], request_id: str | None
    ) -> Iterator[Seen]:
        """Act on something that came in the block; afterwards it is written down."""
        before = self._store.row("SELECT head_seq FROM transactions WHERE id = ?", (transaction,))
        assert before is not None, "whoever acts has found it"
        seen = Seen()
        try:
            yield seen
        except StorageTrouble:
            raise
        except EngineError as error:
            seen.say("ignored", why_of(error))
            raise
        finally:
            self._conclude(kind, transaction, came, request_id, before["head_seq"], seen)

    def note(
        self, kind: str, transaction: str | None, came: Mapping[str, str | None], seen: Seen
    ) -> None:
        """Write down something that was not acted on."""
        self._safely(kind, transaction, came, None, seen, None)

    def read(self, transaction: str, skip: int, limit: int) -> list[dict[str, Any]]:
        """What came for a transaction, oldest first."""
        rows = self._store.rows(
            "SELECT * FROM journal WHERE txn = ? ORDER BY id LIMIT ? OFFSET ?",
            (transaction, limit, skip),
        )
        return [_shown(row) for row in rows]

    # ----

    def _conclude(
        self,
        kind: str,
        transaction: str,
        came: Mapping[str, str | None],
        request_id: str | None,
        before: int,
        seen: Seen,
    ) -> None:
        try:
            led = self._led(transaction, before, request_id)
        except StorageTrouble:
            return
        if seen.verdict is None:
            seen.say(*_verdict(led))
        self._safely(kind, transaction, came, request_id, seen, led)

    def _led(self, transaction: str, before: int, request_id: str | None) -> dict[str, Any] | None:
        """The first entry since that names the request, else the first by the gateway."""
        rows = self._store.rows(
            "SELECT entry FROM entries WHERE stream = ? AND seq > ? ORDER BY seq LIMIT 20",
            (transaction, before),
        )
        entries = [json.loads(row["entry"]) for row in rows]
        own = [e for e in entries if request_id is not None and e["request_id"] == request_id]
        found = own or [e for e in entries if e["actor"] == "gateway"]
        return found[0] if found else None

    def _safely(
        self,
        kind: str,
        transaction: str | None,
        came: Mapping[str, str | None],
        request_id: str | None,
        seen: Seen,
        led: dict[str, Any] | None,
    ) -> None:
        given = {name: value for name, value in came.items() if value is not None}
        row = (
            self._ledger.clock.now_us(),
            kind,
            transaction,
            request_id,
            hashlib.sha256(canonical(given)).hexdigest(),
            seen.verdict,
            seen.why,
            led["seq"] if led else None,
            led["data"].get("op") if led else None,
        )
        try:
            if seen.verdict == "applied" or self._room(transaction):
                self._write(row)
        except StorageTrouble as trouble:
            _LOG.warning("a %s was not written down: %s", kind, trouble.detail)

    def _write(self, row: tuple[Any, ...]) -> None:
        with self._store.write():
            self._store.execute(
                "INSERT INTO journal (at, kind, txn, request_id, digest, verdict, why, seq, "
                "operation) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )

    def _room(self, transaction: str | None) -> bool:
        since = self._ledger.clock.now_us() - self._ledger.clock.micros(3600)
        (count,) = self._store.rows(
            "SELECT COUNT(*) AS every, COALESCE(SUM(at > ? AND verdict <> 'applied'), 0) AS recent "
            f"FROM journal WHERE txn {'IS' if transaction is None else '='} ?",
            (since, transaction),
        )
        if transaction is None:
            return int(count["recent"]) < UNKNOWN_HOURLY
        return int(count["recent"]) < HOURLY and int(count["every"]) < MOST


def why_of(error: EngineError) -> str:
    """What a refusal says in one word."""
    return str(error.extra.get("reason") or error.code)


def _verdict(led: dict[str, Any] | None) -> tuple[str, str]:
    """What an entry says of what led to it."""
    if led is None:
        return "ignored", "nothing_changed"
    if led["kind"] == "evidence":
        said = str(led["data"]["verdict"])
        return _OF_EVIDENCE.get(said, "applied"), said
    verdict = "applied" if led["kind"] == "transition" else "ignored"
    return verdict, str(led["event"])


def _shown(row: Row) -> dict[str, Any]:
    led = None if row["seq"] is None else {"seq": row["seq"], "operation": row["operation"]}
    names = ("kind", "request_id", "digest", "verdict", "why")
    return {"at": rfc3339(row["at"])} | {name: row[name] for name in names} | {"led_to": led}
