"""The append-checker: what clients were told, held against the log.

`History` records each call with the heads of the log just before and just after it. `findings`
then says where calls and log disagree: an acknowledged step that is not in the log exactly once,
an order against real time, an answer that was true at no moment of its call, a refusal that names
a state that never was, a gap, a time that went back. It refuses to ask the engine what is true:
it reads entries and folds them.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from engine import chart
from engine.entry import Entry, seal
from engine.fold import Folded, apply, begin
from engine.store import Store

EVENTS = {"ready": "make_ready"}
"""Names in the log of what HTTP calls otherwise."""
OUTCOMES = {
    "approve": {"approval_confirmed", "approval_declined", "approval_not_taken"},
    "refund": {"refund_settled", "refund_rejected"},
}
PRESENT = {"operation_in_flight", "version_mismatch"}
"""Refusals that are not logged, and name the state and the head that they met."""
WAITING = {("approving", "approve"), ("refunding", "refund"), ("refunding", "complete")}
"""State and event that is not illegal there: it comes back when the operation has ended."""
Shown = tuple[str, int, int, int]


@dataclass(slots=True)
class Call:
    """One call of a client, from just before it to just after its answer."""

    txn: str
    event: str
    body: Any
    key: str | None
    if_match: int | None
    floor: int
    invoked: float
    returned: float = 0.0
    ceiling: int = 0
    status: int = 0
    request_id: str = ""
    replayed: bool = False
    raw: bytes = field(default=b"", repr=False)
    answer: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def code(self) -> str:
        """`ok`, `unknown`, or the code of the refusal."""
        named = {200: "ok", 201: "ok", 202: "unknown", 303: "ok"}
        return named.get(self.status) or str(self.answer.get("code", self.status))

    def __str__(self) -> str:
        return f"{self.event} of {self.txn} → {self.status} {self.code} ({self.request_id})"


class History:
    """Every call that was made; safe for threads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.calls: list[Call] = []
        self._lock = threading.Lock()

    def head(self, txn: str) -> int:
        """The last seq that is committed."""
        row = self.store.row("SELECT MAX(seq) AS head FROM entries WHERE stream = ?", (txn,))
        return int((row or {}).get("head") or 0)

    def begin(self, txn: str, event: str, body: Any, key: str | None, if_match: int | None) -> Call:
        """A call is about to be sent."""
        floor = self.head(txn) if txn else 0
        return Call(txn, event, body, key, if_match, floor, time.monotonic())

    def end(self, call: Call, status: int, headers: Mapping[str, str], raw: bytes) -> None:
        """Its answer has arrived."""
        call.returned = time.monotonic()
        call.status, call.raw = status, raw
        call.request_id = headers["Request-Id"]
        call.replayed = headers.get("Idempotent-Replayed") == "true"
        if call.event == "return":
            query = parse_qs(urlsplit(headers.get("Location", "")).query)
            call.answer = {name: values[0] for name, values in query.items()}
        else:
            call.answer = json.loads(raw)
        call.txn = call.txn or str(call.answer.get("id") or call.answer.get("transaction_id", ""))
        call.ceiling = self.head(call.txn)
        with self._lock:
            self.calls.append(call)

    def of(self, txn: str) -> list[Call]:
        """The calls on one transaction, in the order of their answers."""
        return [call for call in self.calls if call.txn == txn]

    def log(self, txn: str) -> list[dict[str, Any]]:
        """The entries of a transaction, parsed from their bytes."""
        sql = "SELECT entry FROM entries WHERE stream = ? ORDER BY seq"
        return [json.loads(row["entry"]) for row in self.store.rows(sql, (txn,))]

    def findings(self) -> list[str]:
        """Where the calls and the log disagree; empty when every history is linearisable."""
        by_txn: defaultdict[str, list[Call]] = defaultdict(list)
        for call in self.calls:
            by_txn[call.txn].append(call)
        return [
            found
            for txn, calls in by_txn.items()
            for found in Stream(self.log(txn), calls).findings()
        ]


class Stream:
    """One transaction: its entries, its states, and the calls on it."""

    def __init__(self, log: list[dict[str, Any]], calls: list[Call]) -> None:
        self.log = log
        self.calls = calls
        self.states: dict[int, Folded] = {}
        self.own: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.outcomes: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for entry in log:
            if entry["request_id"] is not None:
                self.own[entry["request_id"]].append(entry)
            elif entry["kind"] == "transition" and "op" in entry["data"]:
                self.outcomes[entry["data"]["op"]].append(entry)

    def findings(self) -> list[str]:
        """What is wrong, in words."""
        found = [*self._sequence()]
        if found:
            return found
        folded: Folded | None = None
        for fields in self.log:
            entry = _sealed(fields)
            folded = begin(entry) if folded is None else apply(folded, entry)
            self.states[fields["seq"]] = folded
        found += [*self._ghosts(), *self._real_time(), *self._same_key()]
        for call in self.calls:
            found += [f"{call}: {wrong}" for wrong in self._call(call)]
        return found

    # ---- the log by itself

    def _sequence(self) -> Iterator[str]:
        """Gap-free, and times that only go up, whatever the wall clock did."""
        txn = self.calls[0].txn
        if [entry["seq"] for entry in self.log] != list(range(1, len(self.log) + 1)):
            yield f"{txn}: seq has a gap: {[entry['seq'] for entry in self.log]}"
        times = [entry["occurred_at"] for entry in self.log]
        if any(later <= earlier for earlier, later in itertools.pairwise(times)):
            yield f"{txn}: occurred_at does not only go up: {times}"

    def _ghosts(self) -> Iterator[str]:
        """An entry that carries a request nobody made, or a request that acted twice."""
        made = {call.request_id for call in self.calls}
        for request_id, entries in self.own.items():
            if request_id not in made:
                yield f"{request_id} is in the log and nobody called it"
            if sum(entry["kind"] == "transition" for entry in entries) > 1:
                yield f"{request_id} acted more than once: {_names(entries)}"

    # ---- calls against each other

    def _real_time(self) -> Iterator[str]:
        """What was acknowledged before another call was made precedes it in the log."""
        seqs = {
            call.request_id: [entry["seq"] for entry in self.own[call.request_id]]
            for call in self.calls
            if self.own.get(call.request_id)
        }
        acted = [call for call in self.calls if call.request_id in seqs]
        for second in acted:
            for first in acted:
                before = first.returned < second.invoked
                if before and max(seqs[first.request_id]) > min(seqs[second.request_id]):
                    yield f"{first} was answered before {second} was called, and follows it"

    def _same_key(self) -> Iterator[str]:
        """One key: at most one effect, and one answer once it is known."""
        keyed: defaultdict[tuple[str, str], list[Call]] = defaultdict(list)
        for call in self.calls:
            if call.key is not None:
                keyed[call.event, call.key].append(call)
        for calls in keyed.values():
            effects = [e for c in calls for e in self.own.get(c.request_id, ()) if _acts(e)]
            if len(effects) > 1:
                yield f"{calls[0]}: its key acted {len(effects)} times: {_names(effects)}"
            final = {c.raw for c in calls if c.status in (200, 201)}
            if len(final) > 1:
                yield f"{calls[0]}: its key was answered in {len(final)} ways"

    # ---- one call

    def _call(self, call: Call) -> Iterator[str]:
        if call.status >= 500:
            yield f"a surprise: {call.raw[:300]!r}"
        elif call.code == "ok" and call.event == "return":
            yield from self._returned(call)
        elif call.status in (200, 201, 202):
            yield from self._acknowledged(call)
        elif call.code == "idempotency_in_flight":
            yield from self._in_flight(call)
        elif call.code in ("illegal_transition", "guard_refused"):
            yield from self._refused(call)
        elif call.code in PRESENT:
            yield from self._present(call)
        elif call.code == "approval_not_taken":
            yield from self._shows(call, call.answer["transaction"], call.floor)

    def _acknowledged(self, call: Call) -> Iterator[str]:
        least = 1 if call.replayed else call.floor
        if call.event != "get":
            acts = [entry for entry in self._effects(call) if _acts(entry)]
            if len(acts) != 1:
                yield f"is in the log {len(acts)} times"
                return
            reached = self._reached(call, acts[0])
            if acts[0]["request_id"] == call.request_id and acts[0]["seq"] <= call.floor:
                yield f"acted at seq {acts[0]['seq']}, before it was made"
            if reached > call.ceiling:
                yield f"was told before its entry {reached} was there: head {call.ceiling}"
            least = max(least, reached)
        yield from self._shows(call, call.answer, least)

    def _effects(self, call: Call) -> list[dict[str, Any]]:
        """The entries of a call, or of the call whose key it repeats."""
        reported = self.log[0]["data"]["flow"] == "reported"
        if call.event == "ready" or (call.event == "approve" and reported):
            return [e for e in self.log if e["event"] == EVENTS.get(call.event, call.event)]
        same = {
            other.request_id
            for other in self.calls
            if other is call or (call.key and (other.event, other.key) == (call.event, call.key))
        }
        wanted = EVENTS.get(call.event, call.event)
        return [e for name in same for e in self.own.get(name, ()) if e["event"] == wanted]

    def _reached(self, call: Call, act: dict[str, Any]) -> int:
        """The seq from which on an answer may stand: the outcome, where one is claimed."""
        claims = OUTCOMES.get(call.event) if call.status == 200 else None
        if claims is None:
            return int(act["seq"])
        ends = [e["seq"] for e in self.outcomes[act["data"]["op"]] if e["event"] in claims]
        return ends[0] if len(ends) == 1 else 10**9

    def _shows(self, call: Call, resource: Mapping[str, Any], least: int) -> Iterator[str]:
        told = tuple(
            resource[name] for name in ("status", "version", "captured_amount", "refunded_amount")
        )
        if not any(_shown(state) == told for state in self._between(least, call.ceiling)):
            yield f"shows {told}, true at no seq of {least}…{call.ceiling}"

    def _returned(self, call: Call) -> Iterator[str]:
        told = call.answer["status"]
        if told not in {state.status for state in self._between(call.floor, call.ceiling)}:
            yield f"shows {told}, true at no seq of {call.floor}…{call.ceiling}"

    def _between(self, least: int, most: int) -> list[Folded]:
        return [self.states[seq] for seq in range(max(least, 1), most + 1)]

    def _in_flight(self, call: Call) -> Iterator[str]:
        others = [o for o in self.calls if o is not call and o.key == call.key]
        if not any(o.invoked < call.returned and o.returned > call.invoked for o in others):
            yield "says that its key is in flight, and it is alone"

    def _refused(self, call: Call) -> Iterator[str]:
        if (call.answer.get("current_status"), call.event) in WAITING:
            yield "was called illegal, and had only to wait"
        entries = [e for e in self._refusals(call) if e["kind"] == "refusal"]
        if call.code == "guard_refused" or entries:
            if len(entries) != 1:
                yield f"is logged {len(entries)} times"
                return
            yield from self._logged_refusal(call, entries[0])
        else:  # who lost three races is told the state that it lost to
            yield from self._present(call)

    def _refusals(self, call: Call) -> list[dict[str, Any]]:
        """The refusal of this call; of a replay, the one that it repeats."""
        if call.replayed:
            return [entry for entry in self.log if entry["seq"] == call.answer["log_seq"]]
        return self.own.get(call.request_id, [])

    def _logged_refusal(self, call: Call, entry: dict[str, Any]) -> Iterator[str]:
        seq, event = entry["seq"], EVENTS.get(call.event, call.event)
        if not (seq <= call.ceiling and (call.replayed or call.floor < seq)):
            yield f"was refused at seq {seq}, outside of {call.floor}…{call.ceiling}"
        state = self.states[seq]
        if call.answer["log_seq"] != seq:
            yield f"names seq {call.answer['log_seq']}, and was refused at {seq}"
        if call.code == "guard_refused":
            left = state.captured_amount - state.refunded_amount
            if event == "refund" and 0 < (call.body or {}).get("amount", left) <= left:
                yield f"was refused although {left} was left"
            return
        if call.answer["current_status"] != state.status:
            yield f"names {call.answer['current_status']}, and it was {state.status}"
        if any((t.event, t.source) == (event, state.status) for t in chart.TRANSITIONS):
            yield f"is legal in {state.status}"

    def _present(self, call: Call) -> Iterator[str]:
        seq, said = call.answer["log_seq"], call.answer
        if not call.floor <= seq <= call.ceiling:
            yield f"names seq {seq}, outside of {call.floor}…{call.ceiling}"
            return
        state = self.states[seq]
        if (said["current_status"], said["version"]) != (state.status, state.version):
            yield f"names {said['current_status']}, and it was {state.status} at {seq}"
        if call.code == "version_mismatch" and state.version == call.if_match:
            yield f"version {call.if_match} was right at seq {seq}"


def _acts(entry: Mapping[str, Any]) -> bool:
    return bool(entry["kind"] == "transition")


def _names(entries: list[dict[str, Any]]) -> list[str]:
    return [f"{entry['seq']}:{entry['event']}" for entry in entries]


def _shown(state: Folded) -> Shown:
    return (state.status, state.version, state.captured_amount, state.refunded_amount)


def _sealed(fields: Mapping[str, Any]) -> Entry:
    return seal({name: value for name, value in fields.items() if name != "v"})
