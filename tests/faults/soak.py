"""A soak: real processes under steady load and random faults from one seed, then a reckoning.

    make soak MINUTES=10 SEED=7
    python tests/faults/soak.py --minutes 3 --rate 4 --threads 8

Exit 0 when every acknowledged step is there, no operation had its effect twice, every payment
equals the gateway's ledger or is under review with a reason, the log is whole and no secret was
printed; else 1. It refuses to call a run good in which a kind of fault never fired (runs of ten
minutes and more), or in which less than half of the load came about.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from e2e.town import GATEWAY_KEY  # noqa: E402
from faults.balance import complaints  # noqa: E402
from faults.chaos import Chaos, SoakTown  # noqa: E402
from faults.customers import Customers  # noqa: E402
from rich.console import Console  # noqa: E402

from engine.store import Store  # noqa: E402

SCALE = 20.0
"""Every duration of the engine and of the gateway is divided by this."""
CALL_DEADLINE_S = 40.0
"""Two seconds of real time: what a busy machine needs for an honest answer."""
KNOWN_WITHIN_S = 60.0
"""P11, before scaling."""
ALL_WITHIN_S = 900.0 + 60.0 + 300.0
"""The gateway's window, a late request's grace, and a look-up that had to be repeated."""
GRACE_S = 5.0
"""Real seconds that either may take longer: a call in flight, a slow machine (`--grace`)."""
RECONCILED_WITHIN_S = 900.0
EVERY_KIND_MINUTES = 10.0
"""How long a run must be for every kind of fault to have its turn."""
SAY_EVERY_S = 10.0
MOST_SHOWN = 20
CANARIES = ("canary-7f3a9c", GATEWAY_KEY, "pg_token=")


class Soak:
    """One run."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self.minutes, self.grace_s, self.console = given.minutes, given.grace, Console()
        self.town = SoakTown(
            folder, STRADA_TIME_SCALE=str(SCALE), STRADA_CALL_DEADLINE_S=str(CALL_DEADLINE_S)
        )
        self.town.start_worker()
        self.customers = Customers(self.town, given.rate, given.threads, given.seed)
        self.chaos = Chaos(self.town, given.seed)

    # ---- running

    def run(self) -> list[str]:
        """Load and trouble, then peace; what is wrong at the end."""
        seconds = self.minutes * 60
        ends = time.monotonic() + seconds
        trouble = threading.Thread(target=self.chaos.run, name="chaos")
        load = threading.Thread(target=self.customers.run, args=(ends,), name="load")
        trouble.start()
        load.start()
        self._watch(load, ends)
        self.chaos.stop.set()
        trouble.join(120)
        load.join(120)
        wrong = []
        if trouble.is_alive() or load.is_alive():
            wrong.append("a thread of the soak itself did not end")
        if self.chaos.failed is not None:
            wrong.append(f"the trouble broke: {self.chaos.failed!r}")
        wrong += self._load_held(seconds) + self._converge() + self._reckon()
        return wrong

    def _watch(self, load: threading.Thread, ends: float) -> None:
        if self.console.is_terminal:
            with self.console.status("") as status:
                while load.is_alive():
                    status.update(self._line(ends))
                    load.join(0.5)
            return
        while load.is_alive():
            self.console.print(self._line(ends), soft_wrap=True)
            load.join(SAY_EVERY_S)

    def _line(self, ends: float) -> str:
        left = max(0, int(ends - time.monotonic()))
        shop, fired = self.customers, self.chaos.fired
        return (
            f"{left // 60}:{left % 60:02d} left · {shop.started} payments begun, "
            f"{shop.finished} through · {shop.answers['acknowledged']} steps acknowledged · "
            f"{sum(fired.values())} faults"
        )

    def _load_held(self, seconds: float) -> list[str]:
        wanted, held = self.customers.per_s, self.customers.started / seconds
        self.say(
            f"load: asked for {wanted:.1f} payments/s by {self.customers.threads} threads, "
            f"held {held:.2f}/s; {self.customers.started} payments, the latest began "
            f"{self.customers.late_s:.1f} s late"
        )
        self._table("answers", self.customers.answers)
        self._table("faults fired", self.chaos.fired)
        wrong = []
        if held < wanted / 2:
            wrong.append(f"the load was not held: {held:.2f} of {wanted:.1f} payments/s")
        silent = [kind for kind in self.chaos.kinds if not self.chaos.fired[kind]]
        self.say(f"never fired: {', '.join(silent) or 'none'}")
        if silent and self.minutes >= EVERY_KIND_MINUTES:
            wrong.append(f"{len(silent)} kinds of fault never fired")
        return wrong

    # ---- waiting for the truth

    def _converge(self) -> list[str]:
        """No client calls any more: what the gateway knows is known in time, the rest follows."""
        wrong, begun = [], time.monotonic()
        store = Store(self.town.environment["STRADA_DATABASE_URL"])
        try:
            took = self._until(store, self._known_to_the_gateway, KNOWN_WITHIN_S)
            if took is None:
                wrong.append(f"P11: not known in time: {self._known_to_the_gateway(store)[:5]}")
            self.say(f"converged: what the gateway knew after {self._scaled(took)}")
            took = self._until(store, _unfinished, ALL_WITHIN_S)
            if took is None:
                wrong.append(f"still open at the end: {_unfinished(store)[:5]}")
            self.say(f"converged: everything after {self._scaled(took)}")
        finally:
            store.close()
        self._table("reconciled", Counter(one["said"] for one in self._reconciled()))
        self.say(f"peace took {time.monotonic() - begun:.0f} s of real time")
        return wrong

    def _reconciled(self) -> list[dict[str, Any]]:
        """`strada reconcile`: what nobody asks about by itself, as a refund in a console."""
        command = [sys.executable, "-m", "web", "reconcile", "--json"]
        done = subprocess.run(
            command,
            env=self.town.environment,
            cwd=self.town.folder,
            capture_output=True,
            text=True,
            timeout=RECONCILED_WITHIN_S,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def _until(self, store: Store, left: Any, within_s: float) -> float | None:
        begun = time.monotonic()
        while time.monotonic() - begun < within_s / SCALE + self.grace_s:
            if not left(store):
                return time.monotonic() - begun
            time.sleep(0.1)
        return None

    def _scaled(self, took: float | None) -> str:
        return "never" if took is None else f"{took:.1f} s ({took * SCALE:.0f} s unscaled)"

    def _known_to_the_gateway(self, store: Store) -> list[str]:
        """Open operations whose effect is in the ledger, and nobody is told to look at them."""
        moved = {line["payload"] for line in self.town.ledger() if line["payload"]}
        return [
            row["id"]
            for row in store.rows(
                "SELECT o.id, t.needs_review FROM operations o JOIN transactions t ON t.id = o.txn "
                "WHERE o.state = 'open' AND o.kind <> 'prepare'"
            )
            if row["id"] in moved and not row["needs_review"]
        ]

    # ---- the reckoning

    def _reckon(self) -> list[str]:
        self.town.server.stop()
        self.town.worker.stop()
        report = json.loads(self.town.run("audit", "verify", "--json"))
        self.say(f"log: {report['verdict']}")
        wrong = [] if report["verdict"] == "whole" else [f"the log is not whole: {report}"]
        store = Store(self.town.environment["STRADA_DATABASE_URL"])
        try:
            rows = store.rows("SELECT * FROM transactions")
            texts = store.rows(
                "SELECT entry FROM entries WHERE stream <> 'book' ORDER BY stream, seq"
            )
        finally:
            store.close()
        entries = [json.loads(row["entry"]) for row in texts]
        self._table("payments", Counter(row["status"] for row in rows))
        reviews = Counter(row["needs_review"] for row in rows if row["needs_review"])
        self._table("under review", reviews)
        wrong += complaints(rows, entries, self.town.ledger(), self.customers.acknowledged)
        return wrong + self._printed()

    def _printed(self) -> list[str]:
        output = self.output()
        secrets = {*CANARIES, self.town.key, *self.customers.secrets}
        self.say(f"secrets: {len(secrets)} looked for in {len(output)} characters of output")
        found = [secret for secret in secrets if secret in output]
        errors = [line for line in output.splitlines() if '"level": "error"' in line]
        self.say(f"errors logged: {len(errors)}")
        wrong = [f"{len(found)} secrets were printed"] if found else []
        return wrong + [f"logged as an error: {line[:300]}" for line in errors[:3]]

    # ---- telling

    def output(self) -> str:
        """Everything that the town's processes printed."""
        return (self.town.folder / "output.log").read_text("utf-8", "replace")

    def say(self, text: str) -> None:
        """One line."""
        self.console.print(text, soft_wrap=True, highlight=False)

    def _table(self, name: str, counts: Counter[str]) -> None:
        shown = ", ".join(f"{key} {count}" for key, count in sorted(counts.items()))
        self.say(f"{name}: {shown or 'none'}")


def _unfinished(store: Store) -> list[str]:
    """Payments that time alone still moves: open operations, look-ups to come, expiry."""
    rows = store.rows(
        "SELECT t.id FROM transactions t WHERE t.needs_review IS NULL AND (t.look_at IS NOT NULL "
        "OR t.status IN ('created', 'ready', 'approving', 'refunding') OR EXISTS "
        "(SELECT 1 FROM operations o WHERE o.txn = t.id AND o.state = 'open'))"
    )
    return [row["id"] for row in rows]


def main() -> int:
    """Run a soak; returns the exit code."""
    asked = argparse.ArgumentParser(description="A soak: load, faults, and a reckoning.")
    asked.add_argument("--minutes", type=float, default=10.0)
    asked.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    asked.add_argument("--rate", type=float, default=3.0, help="payments begun a second")
    asked.add_argument("--threads", type=int, default=12)
    asked.add_argument("--grace", type=float, default=GRACE_S, help="real seconds beyond a bound")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="strada-soak-") as folder:
        soak = Soak(given, Path(folder))
        soak.say(f"soak of {given.minutes:g} minutes, SEED={given.seed}, time scale {SCALE:g}")
        try:
            wrong = soak.run()
        finally:
            soak.town.close()
        for line in wrong[:MOST_SHOWN]:
            soak.say(f"WRONG: {line}")
        if wrong:
            soak.say("the end of the output:")
            soak.say("\n".join(soak.output().splitlines()[-MOST_SHOWN:]))
        soak.say(f"{len(wrong)} complaints, SEED={given.seed}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
