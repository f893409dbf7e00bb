"""What a transition costs over HTTP: rate, p50, p99 at 1, 8, 32 callers, as ratios to raw commits.

A real `strada serve` process, SQLite with synchronous=FULL, everything on (authentication,
validation, idempotency, log, outbox). `create`, `complete` and `cancel` call no gateway; for
`approve` and `refund` the simulator runs in a process of its own. Rounds of load and of raw commits
alternate and medians are taken.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import apsw

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1]), str(HERE.parents[2])]

import load
from e2e.town import Town
from idle import idle_server
from process import resident_mb, restart
from raw import Raw
from results import Table, options, report

CALLERS = (1, 8, 32)
EVENTS = ("create", "cancel", "approve", "complete", "refund")

Fired = tuple[str, bytes]
"""A transaction and the body of the event to fire on it."""


class Bench:
    """A town, a yardstick, and payments brought to where an event can be fired on them."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        self.rounds, self._steps, self._paid_steps = (2, 64, 16) if quick else (5, 600, 64)
        self.commits = 100 if quick else 600
        self.town = Town(folder)
        self.raw = Raw(folder / "raw.db")
        self._database = folder / "strada.db"
        self._orders = 0
        self._approved: list[str] = []
        self._completed: list[str] = []

    def close(self) -> None:
        """End what was started."""
        self.raw.close()
        self.town.close()

    def create(self, callers: int) -> load.Load:
        """Create transactions."""
        asked = []
        for _ in range(self._steps):
            self._orders += 1
            body = {
                "provider": "kakaopay",
                "order_id": f"bench-{self._orders}",
                "item_name": "초코파이 외 2건",
                "quantity": 3,
                "amount": 12_000,
                "currency": "KRW",
                "customer_id": "user-7",
                "return_url": "http://127.0.0.1:1/done",
            }
            asked.append(self._request("", json.dumps(body).encode(), f"create-{self._orders}"))
        return self._load(asked, callers, "201")

    def cancel(self, callers: int) -> load.Load:
        """Cancel what was created."""
        return self._fire("cancel", [(txn, b"") for txn in self._created()], callers)

    def approve(self, callers: int) -> load.Load:
        """Approve payments that the customer has paid at the gateway."""
        made = [self._paid() for _ in range(self._paid_steps)]
        self._approved += [txn for txn, _ in made]
        return self._fire("approve", made, callers)

    def complete(self, callers: int) -> load.Load:
        """Complete what was approved."""
        made, self._approved = self._approved, []
        self._completed += made
        return self._fire("complete", [(txn, b"") for txn in made], callers)

    def refund(self, callers: int) -> load.Load:
        """Refund all of what was completed."""
        made, self._completed = self._completed, []
        return self._fire("refund", [(txn, b"{}") for txn in made], callers)

    def _created(self) -> list[str]:
        reader = apsw.Connection(str(self._database), flags=apsw.SQLITE_OPEN_READONLY)
        found = reader.execute("SELECT id FROM transactions WHERE status = 'created'").fetchall()
        reader.close()
        return [txn for (txn,) in found]

    def _paid(self) -> Fired:
        ready = self.town.ready()
        query = parse_qs(urlsplit(self.town.pay(ready)).query)
        return ready["id"], json.dumps({"pg_token": query["pg_token"][0]}).encode()

    def _fire(self, event: str, made: list[Fired], callers: int) -> load.Load:
        asked = [self._request(f"/{txn}/{event}", body, f"{event}-{txn}") for txn, body in made]
        return self._load(asked, callers, "200")

    def _request(self, path: str, body: bytes, key: str) -> bytes:
        path, port = f"/v1/transactions{path}", self.town.port
        return load.request(port, "POST", path, self.town.key, body, Idempotency_Key=key)

    def _load(self, asked: list[bytes], callers: int, expected: str) -> load.Load:
        done = load.run(self.town.port, callers, asked)
        if set(done.statuses) != {expected}:
            raise SystemExit(f"expected {expected} only, got {done.statuses}")
        return done


def measure(bench: Bench, table: Table, callers: int) -> None:
    """Rounds of each event in turn, with raw commits before each; medians go into the table."""
    seen: dict[str, list[tuple[float, load.Load]]] = {event: [] for event in EVENTS}
    for _ in range(bench.rounds):
        for event in EVENTS:
            commits = bench.raw.commits_per_s(bench.commits)
            seen[event].append((commits, getattr(bench, event)(callers)))
    for event, runs in seen.items():
        figures = (
            [run.rate for _, run in runs],
            [run.rate / raw for raw, run in runs],
            [run.percentile_ms(50) for _, run in runs],
            [run.percentile_ms(99) for _, run in runs],
        )
        table.put((event, callers), [statistics.median(figure) for figure in figures])


def main() -> None:
    """Run the bench."""
    asked = options(str(__doc__))
    with tempfile.TemporaryDirectory(prefix="strada-bench-") as folder:
        bench = Bench(Path(folder), quick=asked.quick)
        try:
            _report(bench, asked)
        finally:
            bench.close()


def _report(bench: Bench, asked: Namespace) -> None:
    process = Table("The process", ("",), ("measured",))
    process.put(("ready after, s",), (restart(bench.town),))
    process.put(("memory when idle, MB",), (resident_mb(bench.town),))
    process.put(("raw commits a second",), (bench.raw.commits_per_s(4 * bench.commits),))
    events = Table(
        "Events over HTTP", ("event", "callers"), ("per s", "x raw commits", "p50 ms", "p99 ms")
    )
    for callers in CALLERS:
        measure(bench, events, callers)
    process.put(("memory after load, MB",), (resident_mb(bench.town),))
    report("http", [events, process, _client(asked)], asked)


def _client(asked: Namespace) -> Table:
    """What the load client reaches where the server has nothing to do."""
    table = Table("The load client, beside a server that only answers", ("callers",), ("per s",))
    with idle_server() as port:
        one = load.request(port, "POST", "/v1/transactions/txn/cancel", "sk_test_key")
        for callers in CALLERS:
            done = load.run(port, callers, [one] * (1_000 if asked.quick else 10_000))
            table.put((callers,), (done.rate,))
    return table


if __name__ == "__main__":
    main()
