"""Where the time of one transition goes, what starting costs, and a flame graph under load.

A `cancel` with an Idempotency-Key runs through waitress' parser, the edge and the engine, as the
server's loop has it run, on SQLite with synchronous=FULL, in this process and without a socket,
timers at the seams. The flame graph is of a real server with 8 callers; it needs py-spy (the extra
`bench`) and the right to trace.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1]), str(HERE.parents[2])]

import load
import seams
from bench_http import Bench
from raw import Raw
from results import OUT, Table, options, report

import engine.fire
from engine import chart
from engine.entry import ZERO_HASH, Entry
from engine.guards import Facts, Given
from engine.orders import NewOrder
from web import handlers, schemas, wiring
from web.app import create_app
from web.framing import Parser
from web.quick import Quick, is_quick
from web.server import listen
from web.settings import Settings

WARM_UP = 50


class Inside:
    """A whole Strada in this process, asked without a socket."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder / 'strada.db'}"
        settings = Settings(database_url=url, kakaopay_secret_key="DEV" + "A" * 37)
        self.strada = wiring.build(settings)
        wiring.prepare(self.strada)
        self.key = self.strada.merchants.create_key("shop", ["payments"], False, "operator:bench")[
            1
        ]
        app = create_app(self.strada)
        self.quick: Quick = app.extensions["quick"]
        self.handlers: handlers.Handlers = app.extensions["handlers"]
        self.server = listen(app, "127.0.0.1", 0, 1)
        self._orders = 0

    def close(self) -> None:
        """Let go of port and file."""
        self.server.close()
        self.strada.store.close()

    def requests(self, count: int) -> list[bytes]:
        """Cancelling so many new transactions."""
        return [self._cancel(self._create()) for _ in range(count)]

    def _create(self) -> str:
        self._orders += 1
        order = NewOrder(
            provider="kakaopay",
            order_id=f"profile-{self._orders}",
            item_name="초코파이 외 2건",
            quantity=3,
            amount=12_000,
            currency="KRW",
            customer_id="user-7",
            urls={"return_url": "http://127.0.0.1:1/done"},
        )
        caller = engine.fire.Caller("key:bench", merchant="shop")
        return self.strada.payments.create(caller, order).txn

    def _cancel(self, txn: str) -> bytes:
        path = f"/v1/transactions/{txn}/cancel"
        return load.request(1, "POST", path, self.key, Idempotency_Key=f"cancel-{txn}")

    def ask(self, asked: bytes) -> None:
        """One request from its bytes to the answer's bytes."""
        parser = Parser(self.server.adj)
        taken = parser.received(asked)
        assert taken == len(asked)
        assert is_quick(parser)
        answer = self.quick.answer(parser)
        assert answer.startswith(b"HTTP/1.1 200 "), answer

    def stand_timers(self, watch: seams.Stopwatch) -> None:
        """Put a timer at each seam, for the rest of this process."""
        payments, store = self.strada.payments, self.strada.store
        watch.stand(seams.EDGE, self.quick, "answer")
        watch.stand(seams.AUTHENTICATE, handlers, "authenticate")
        watch.stand(seams.REQUEST, handlers, "body_of", "query_of")
        watch.stand(seams.REQUEST, self.handlers, "_caller")
        watch.stand(seams.REQUEST, schemas, "validate")
        watch.stand(seams.ENGINE, payments, "fire")
        watch.stand(seams.DECIDE, payments.decisions, "transition")
        watch.stand(seams.DECIDE, payments.ledger, "step")
        watch.stand(seams.SEAL, engine.fire, "seal")
        watch.stand(seams.RENDER, payments.decisions, "answer")
        watch.stand(seams.RENDER, handlers, "reply_of")
        watch.stand(seams.READS, store, "rows")
        store._writer = seams.TimedConnection(watch, store.writer)
        reader: Any = seams.TimedConnection(watch, store.db.connection())
        plainly = store._connection
        store._connection = lambda: store._writer if plainly() is store._writer else reader


def transition(folder: Path, count: int) -> tuple[Table, dict[str, float]]:
    """The table of one transition, and what it takes without timers, in microseconds."""
    inside, raw = Inside(folder), Raw(folder / "raw.db")
    try:
        for asked in inside.requests(WARM_UP):
            inside.ask(asked)
        bare = []
        for asked in inside.requests(count):
            begun = time.perf_counter()
            inside.ask(asked)
            bare.append((time.perf_counter() - begun) * 1e6)
        commit = 1e6 / raw.commits_per_s(count)
        watch = seams.Stopwatch()
        made = inside.requests(count)
        inside.stand_timers(watch)
        laps = []
        for asked in made:
            watch(seams.FRAMING, inside.ask)(asked)
            laps.append(watch.lap())
    finally:
        raw.close()
        inside.close()
    return _shares(laps), {"in process": statistics.median(bare), "a raw commit": commit}


def _shares(laps: list[dict[str, float]]) -> Table:
    """Means of the middle eight tenths of the requests: the machine's hiccups are left out."""
    laps.sort(key=lambda lap: sum(lap.values()))
    cut = len(laps) // 10
    middle = laps[cut : len(laps) - cut]
    table = Table("One transition (cancel with a key)", ("where",), ("µs", "%"))
    means = {seam: statistics.fmean(lap[seam] for lap in middle) for seam in seams.ALL}
    total = sum(means.values())
    for seam, mean in means.items():
        table.put((seam,), (mean, 100 * mean / total))
    table.put(("all",), (total, 100.0))
    return table


# ---- the log's share


def log_share(folder: Path, count: int) -> Table:
    """One transition as it is, and without what makes its log more than a table of events.

    Left out in turn, request by request: the hash chain (the entry is plain JSON with no hash) and
    the outbox (no row for the tree). Entry, row and commit stay. Medians.
    """
    inside, kept = Inside(folder), {"chain": True, "outbox": True}
    execute, seal = inside.strada.store.execute, engine.fire.seal

    def executed(sql: str, params: Sequence[Any] = ()) -> int:
        spared = not kept["outbox"] and sql.startswith("INSERT INTO outbox")
        return 0 if spared else execute(sql, params)

    inside.strada.store.execute = executed  # type: ignore[method-assign]
    engine.fire.seal = lambda fields: seal(fields) if kept["chain"] else _unchained(fields)
    ways = [(True, True), (True, False), (False, True), (False, False)]
    spent: dict[tuple[bool, bool], list[tuple[float, float]]] = {way: [] for way in ways}
    try:
        for number, asked in enumerate(inside.requests(WARM_UP + count * len(ways))):
            kept["chain"], kept["outbox"] = way = ways[number % len(ways)]
            wall, cpu = time.perf_counter(), time.thread_time()
            inside.ask(asked)
            took = time.perf_counter() - wall, time.thread_time() - cpu
            if number >= WARM_UP:
                spent[way].append(took)
    finally:
        engine.fire.seal = seal
        inside.close()
    table = Table(
        "What chain and outbox add to it", ("",), ("µs", "% of all", "µs of CPU", "% of it")
    )
    whole = _medians(spent[True, True])
    table.put(("as it is",), (whole[0], 100.0, whole[1], 100.0))
    for name, way in zip(("outbox", "chain", "both"), ways[1:], strict=True):
        wall, cpu = (own - bare for own, bare in zip(whole, _medians(spent[way]), strict=True))
        table.put((name,), (wall, 100 * wall / whole[0], cpu, 100 * cpu / whole[1]))
    return table


def _unchained(fields: dict[str, Any]) -> Entry:
    whole = {"v": 1} | fields
    return Entry(whole, json.dumps(whole).encode(), ZERO_HASH)


def _medians(spent: list[tuple[float, float]]) -> tuple[float, float]:
    wall, cpu = (1e6 * statistics.median(column) for column in zip(*spent, strict=True))
    return wall, cpu


# ---- starting


def starting(runs: int) -> list[Table]:
    """Import times of what serves and of what the command line needs, and the chart's."""
    table = Table("Starting", ("what",), ("ms",))
    for name, code in {
        "Python alone": "pass",
        "import web.cli (every command)": "import web.cli",
        "import web.server (serving)": "import web.cli.serving",
    }.items():
        taken = statistics.median(_run_ms(code) for _ in range(runs))
        table.put((name,), (taken,))
    build = "import statemachine, engine.guards, engine.canonical, time; t = time.perf_counter()"
    build += "; import engine.chart; print((time.perf_counter() - t) * 1e3)"
    chart_ms = statistics.median(float(_python("-c", build).stdout) for _ in range(runs))
    table.put(("build and check the chart",), (chart_ms,))
    table.put(("the machine, built and sent an event",), (_machine_ms(500),))
    table.put(("decide, as it is asked (remembered)",), (_decide_ms(5_000),))
    return [table, _imports()]


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    root = HERE.parents[2]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, cwd=root)


def _run_ms(code: str) -> float:
    begun = time.perf_counter()
    _python("-c", code)
    return (time.perf_counter() - begun) * 1e3


def _imports() -> Table:
    """The packages whose modules take longest to import when a server starts."""
    own: Counter[str] = Counter()
    for line in _python("-X", "importtime", "-c", "import web.cli.serving").stderr.splitlines():
        cells = line.removeprefix("import time:").split("|")
        if len(cells) == 3 and cells[0].strip().isdigit():
            own[cells[2].strip().partition(".")[0]] += int(cells[0])
    table = Table("Import time of serving, by package", ("package",), ("ms", "%"))
    total = own.total()
    for package, taken in own.most_common(8):
        table.put((package,), (taken / 1e3, 100 * taken / total))
    table.put(("all",), (total / 1e3, 100.0))
    return table


def _machine_ms(times: int) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        chart._machine_says.__wrapped__("cancel", "created", frozenset({"cancelled"}))
    return (time.perf_counter() - begun) * 1e3 / times


def _decide_ms(times: int) -> float:
    facts = Facts(*([0] * len(Facts.__dataclass_fields__)))
    given = Given()
    begun = time.perf_counter()
    for _ in range(times):
        chart.decide("cancel", "created", facts, given)
    return (time.perf_counter() - begun) * 1e3 / times


# ---- under load


def served(folder: Path, asked: Namespace) -> tuple[float, str]:
    """p50 of a cancel by one caller of a real server, in µs, and what became of the flame graph."""
    bench = Bench(folder, quick=asked.quick)
    try:
        bench.create(1)
        p50 = bench.cancel(1).percentile_ms(50) * 1e3
        return p50, _flame(bench, 3 if asked.quick else 15)
    finally:
        bench.close()


def _flame(bench: Bench, seconds: int) -> str:
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        return "flame graph: skipped, py-spy is not installed (pip install -e '.[bench]')"
    OUT.mkdir(exist_ok=True)
    picture = OUT / "flame.svg"
    picture.unlink(missing_ok=True)
    command = [spy, "record", "--format", "flamegraph", "--output", str(picture)]
    command += ["--duration", str(seconds), "--rate", "200", "--nonblocking"]
    command += ["--pid", str(bench.town.server.popen.pid)]
    over = threading.Event()
    stirring = threading.Thread(target=_stir, args=(bench, over))
    stirring.start()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + 60, check=False
        )
    finally:
        over.set()
        stirring.join(120)
    if done.returncode != 0 or not picture.exists():
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        return f"flame graph: skipped, py-spy says: {said[0] if said else done.returncode}"
    return f"flame graph: {picture.relative_to(OUT.parent)} ({seconds} s of create and cancel)"


def _stir(bench: Bench, over: threading.Event) -> None:
    while not over.is_set():
        bench.create(8)
        bench.cancel(8)


def main() -> None:
    """Run the bench."""
    asked = options(str(__doc__))
    with tempfile.TemporaryDirectory(prefix="strada-bench-") as folder:
        shares, bare = transition(Path(folder), 100 if asked.quick else 500)
    with tempfile.TemporaryDirectory(prefix="strada-bench-") as folder:
        share = log_share(Path(folder), 25 if asked.quick else 500)
    with tempfile.TemporaryDirectory(prefix="strada-bench-") as folder:
        p50, flame = served(Path(folder), asked)
    whole = Table("The same transition, whole", ("",), ("µs",))
    whole.put(("in this process, without timers",), (bare["in process"],))
    whole.put(("over HTTP, one caller (p50)",), (p50,))
    whole.put(("a raw commit beside it",), (bare["a raw commit"],))
    report("profile", [shares, share, whole, *starting(2 if asked.quick else 5)], asked, flame)


if __name__ == "__main__":
    main()
