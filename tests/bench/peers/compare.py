"""Strada beside what else one would build it with: the same job, over HTTP, in the same run.

The job is to create a payment and take it through three durable, logged transitions, each a call of
its own that is answered once it is on disk; an illegal one is refused. Eight callers; rounds of all
peers and of raw commits in turn; medians. Started by `make bench-peers`.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[2]), str(HERE.parents[3])]

import apsw
import load
from e2e.town import Town
from peers.install import Missing, check, install
from peers.servers import EVENTS, PEERS, Peer, Server
from raw import Raw
from results import Table, options, report

CALLERS = 8
ALONE = "STRADA_BENCH_ALONE"


@dataclass
class Seen:
    """What the rounds of one peer came to."""

    creates: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    latencies: list[tuple[float, float]] = field(default_factory=list)

    def add(self, created: load.Load, fired: list[load.Load], commits: float) -> None:
        """Note a round."""
        latencies = [one for done in fired for one in done.latencies]
        whole = load.Load(sum(done.seconds for done in fired), latencies, {})
        self.creates.append(created.rate)
        self.rates.append(whole.rate)
        self.ratios.append(whole.rate / commits)
        self.latencies.append((whole.percentile_ms(50), whole.percentile_ms(99)))

    def figures(self, strada: Seen) -> tuple[float, ...]:
        """The row of the table."""
        p50, p99 = (statistics.median(column) for column in zip(*self.latencies, strict=True))
        median = statistics.median
        by_strada = median(a / b for a, b in zip(self.rates, strada.rates, strict=True))
        return (
            median(self.creates),
            median(self.rates),
            p50,
            p99,
            median(self.ratios),
            by_strada,
        )


class StradaSide:
    """Strada does with `create` and `cancel`, whose cost is that of any event without a gateway."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._town = Town(folder)
        self._database = folder / "strada.db"

    def round(self, payments: list[str]) -> tuple[load.Load, list[load.Load]]:
        """Create payments, then cancel each: one transition of the three."""
        created = self._load([self._create(one) for one in payments])
        reader = apsw.Connection(str(self._database), flags=apsw.SQLITE_OPEN_READONLY)
        query = "SELECT id FROM transactions WHERE status = 'created'"
        made = [txn for (txn,) in reader.execute(query).fetchall()]
        reader.close()
        return created, [self._load([self._cancel(txn) for txn in made])]

    def close(self) -> None:
        """End its processes."""
        self._town.close()

    def _create(self, order: str) -> bytes:
        body = {"provider": "kakaopay", "order_id": order, "item_name": "초코파이 외 2건"}
        body |= {"quantity": 3, "amount": 12_000, "currency": "KRW", "customer_id": "user-7"}
        body |= {"return_url": "http://127.0.0.1:1/done"}
        return self._request("", json.dumps(body).encode(), f"create-{order}")

    def _cancel(self, txn: str) -> bytes:
        return self._request(f"/{txn}/cancel", b"", f"cancel-{txn}")

    def _request(self, path: str, body: bytes, key: str) -> bytes:
        path, port = f"/v1/transactions{path}", self._town.port
        return load.request(port, "POST", path, self._town.key, body, Idempotency_Key=key)

    def _load(self, asked: list[bytes]) -> load.Load:
        return _honest("Strada", load.run(self._town.port, CALLERS, asked))


class PeerSide:
    """A peer does the whole job."""

    def __init__(self, name: str, server: Server) -> None:
        self._name = name
        self._server = server

    def round(self, payments: list[str]) -> tuple[load.Load, list[load.Load]]:
        """Create payments, then take each through its three transitions."""
        created = self._load([self._server.create(one) for one in payments])
        return created, [
            self._load([self._server.fire(one, event) for one in payments]) for event in EVENTS
        ]

    def close(self) -> None:
        """End its processes."""
        self._server.close()

    def _load(self, asked: list[bytes]) -> load.Load:
        return _honest(self._name, load.run(self._server.port, CALLERS, asked))


def _honest(name: str, done: load.Load) -> load.Load:
    if not set(done.statuses) <= {"200", "201"}:
        raise SystemExit(f"{name} refused what is legal: {done.statuses}")
    return done


def begun(peer: Peer, folder: Path, *, quick: bool) -> tuple[str, PeerSide]:
    """The peer, served in the fastest of its ways (when quick, in the first); raises Missing."""
    rates = {}
    for number, (way, begin) in enumerate(peer.ways.items()):
        if len(peer.ways) == 1 or quick:
            break
        side = _checked(peer, begin(folder.with_name(f"{folder.name}-trial-{number}")))
        try:
            _, fired = side.round([f"trial-{one}" for one in range(64)])
        finally:
            side.close()
        rates[way] = sum(done.rate for done in fired)
    best = max(rates, key=lambda way: rates[way]) if rates else next(iter(peer.ways))
    return best, _checked(peer, peer.ways[best](folder))


def _checked(peer: Peer, server: Server) -> PeerSide:
    try:
        server.check()
    except BaseException:
        server.close()
        raise
    return PeerSide(peer.name, server)


def measured(quick: bool) -> tuple[Table, list[str]]:
    """The table, and why peers are not in it."""
    rounds, payments, commits = (2, 8, 50) if quick else (5, 200, 600)
    columns = ("creates/s", "transitions/s", "p50 ms", "p99 ms", "x raw commits", "x Strada")
    table = Table(f"One job, {CALLERS} callers", ("engine", "served by"), columns)
    skipped = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="strada-bench-")))
        strada = StradaSide(folder / "strada")
        stack.callback(strada.close)
        sides: dict[tuple[str, str], StradaSide | PeerSide] = {("Strada", "waitress"): strada}
        for number, peer in enumerate(PEERS):
            try:
                check(peer.name)
                way, side = begun(peer, folder / f"peer-{number}", quick=quick)
            except Missing as why:
                skipped.append(f"{peer.name}: skipped, {why}")
                continue
            stack.callback(side.close)
            sides[peer.name, way] = side
        raw = Raw(folder / "raw.db")
        stack.callback(raw.close)
        seen = {labels: Seen() for labels in sides}
        for turn in range(rounds):
            for labels, side in sides.items():
                per_s = raw.commits_per_s(commits)
                seen[labels].add(*side.round([f"p-{turn}-{n}" for n in range(payments)]), per_s)
    for labels, one in seen.items():
        table.put(labels, one.figures(seen["Strada", "waitress"]))
    return table, skipped


def _alone() -> bool:
    """Go on in a network that is loopback and nothing else; False where that cannot be had."""
    if os.environ.get(ALONE):
        return True
    user = () if os.getuid() == 0 else ("--map-root-user",)
    inside = ("unshare", "--net", *user, "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
    if not all(map(shutil.which, ("unshare", "ip"))) or subprocess.call((*inside, "true")) != 0:
        return False
    os.environ[ALONE] = "1"
    os.execvp(inside[0], (*inside, sys.executable, *sys.argv))


def main() -> None:
    """Install, then go where only loopback is, then measure."""
    asked = options(str(__doc__))
    if not os.environ.get(ALONE):
        for peer in PEERS:
            install(peer.name, peer.packages)
    _alone()
    table, skipped = measured(asked.quick)
    report("peers", [table], asked, *skipped)


if __name__ == "__main__":
    main()
