"""The faults of a soak, drawn from one seed: every kind comes once before any comes again.

It kills only what the town started, by its own process, and leaves everything running at the end.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import apsw
import requests
from e2e.town import READY_WITHIN_S, Process, Town

from providers.kakaopay.simulator.faults import KINDS, VERBS

WORKING = '"message": "working on '
PAUSE_S = (0.5, 3.0)
SCRIPT_EVERY_S = (0.3, 1.2)
DOWN_S = (1.0, 5.0)
CONTROL_S = 30.0
LOCKED_S = (1.0, 7.0)
"""Up to beyond the engine's own wait for the lock, so that some writes are refused."""
SKEW_S = (-20.0, 120.0)


class SoakTown(Town):
    """A town whose worker is a process of its own, so that each can die alone."""

    def start_server(self, *options: str) -> Process:
        """The server, without a worker inside."""
        self.server = super().start_server("--no-worker", *options)
        return self.server

    def start_worker(self) -> Process:
        """The worker, once it says that it works: before that, SIGTERM finds no handler."""
        log = self.folder / "output.log"
        before = log.read_text("utf-8", "replace").count(WORKING)
        self.worker = self.start("worker")
        ends = time.monotonic() + READY_WITHIN_S
        while log.read_text("utf-8", "replace").count(WORKING) == before:
            assert self.worker.popen.poll() is None, "the worker did not start"
            assert time.monotonic() < ends, "the worker says nothing"
            time.sleep(0.05)
        return self.worker


class Chaos:
    """Makes trouble until it is told to stop: one thread for what is heavy, one for the script."""

    def __init__(self, town: SoakTown, number: int) -> None:
        self.town, self.number = town, number
        self.dice = random.Random(f"{number}/chaos")
        self.fired: Counter[str] = Counter()
        self.stop = threading.Event()
        self.failed: BaseException | None = None
        self._asking = threading.Lock()
        self.heavy: dict[str, Callable[[], None]] = {
            "server killed (9)": lambda: self._restart("server", kill=True),
            "server stopped (TERM)": lambda: self._restart("server", kill=False),
            "worker killed (9)": lambda: self._restart("worker", kill=True),
            "worker stopped (TERM)": lambda: self._restart("worker", kill=False),
            "gateway killed (9)": self._gateway_dies,
            "gateway down for a while": self._down,
            "database locked for a while": self._locked,
            "gateway's clock moved": self._clock,
            "refund in the gateway's console": self._console_refund,
        }
        self.scripts = {f"gateway: {kind}": self._script(kind) for kind in sorted(KINDS)}

    @property
    def kinds(self) -> list[str]:
        """Everything that may happen."""
        return [*self.heavy, *self.scripts]

    def run(self) -> None:
        """Make trouble with processes and storage, and script faults beside it."""
        scripts = threading.Thread(target=self._round, args=(self.scripts, SCRIPT_EVERY_S))
        scripts.start()
        self._round(self.heavy, PAUSE_S)
        scripts.join()
        if self.failed is None:
            self._guarded(self._count_scripted)

    def _round(self, kinds: dict[str, Callable[[], None]], pause_s: tuple[float, float]) -> None:
        """Every kind once, in an order of its own, before any comes again."""
        deck: list[str] = []
        dice = random.Random(f"{self.number}/{len(kinds)}")
        while not self.stop.wait(dice.uniform(*pause_s)) and self.failed is None:
            if not deck:
                deck = [*kinds]
                dice.shuffle(deck)
            kind = deck.pop()
            self._guarded(kinds[kind])
            self.fired[kind] += kind in self.heavy

    def _guarded(self, trouble: Callable[[], None]) -> None:
        """Whatever breaks here breaks the soak."""
        try:
            trouble()
        except BaseException as broken:
            self.failed = broken

    # ---- processes

    def _restart(self, name: str, *, kill: bool) -> None:
        process: Process = getattr(self.town, name)
        if kill:
            process.kill()
        else:
            code = process.stop()
            assert code == 0, f"the {name} ended with {code} on SIGTERM"
        time.sleep(self.dice.uniform(0, 0.5))
        if name == "server":
            self.town.start_server()
        else:
            self.town.start_worker()

    def _gateway_dies(self) -> None:
        with self._asking:  # nobody else asks the gateway's test API while there is none
            self._count()
            self.town.gateway.kill()
            self.town.gateway = self.town.start_gateway()

    # ---- the gateway

    def _script(self, kind: str) -> Callable[[], None]:
        def script() -> None:
            body: dict[str, Any] = {"on": self.dice.choice(VERBS), "kind": kind}
            body |= {"times": self.dice.randint(1, 3), "delay_s": self.dice.choice([2, 15, 45])}
            self._control("faults", body)

        return script

    def _count_scripted(self) -> None:
        with self._asking:
            self._count()

    def _count(self) -> None:
        """Take over how often the gateway's script fired, before it is forgotten."""
        url = f"{self.town.gateway_url}/_simulator/faults"
        listed = requests.get(url, timeout=CONTROL_S).json()["faults"]
        for fault in listed:
            self.fired[f"gateway: {fault['kind']}"] += fault["fired"]
        requests.delete(url, timeout=CONTROL_S)

    def _control(self, path: str, body: dict[str, Any]) -> None:
        url = f"{self.town.gateway_url}/_simulator/{path}"
        with self._asking:
            answer = requests.post(url, json=body, timeout=CONTROL_S)
        assert answer.status_code == 200, answer.text

    def _down(self) -> None:
        self._control("down", {"down": True})
        self.stop.wait(self.dice.uniform(*DOWN_S))
        self._control("down", {"down": False})

    def _clock(self) -> None:
        scale = float(self.town.environment["STRADA_TIME_SCALE"])
        self._control("clock", {"advance_s": self.dice.uniform(*SKEW_S) / scale})

    def _console_refund(self) -> None:
        charges = [line for line in self.town.ledger() if line["event"] == "charge"]
        if charges:
            line = self.dice.choice(charges[-20:])
            body = {"tid": line["tid"], "amount": max(1, line["amount"] // 10)}
            with suppress(AssertionError):  # all of it was given back already
                self._control("console_refund", body)

    # ---- storage

    def _locked(self) -> None:
        """Somebody holds the write lock."""
        holder = apsw.Connection(str(self.town.folder / "strada.db"))
        try:
            holder.set_busy_timeout(10_000)
            holder.execute("BEGIN IMMEDIATE")
            self.stop.wait(self.dice.uniform(*LOCKED_S))
            holder.execute("ROLLBACK")
        finally:
            holder.close()
