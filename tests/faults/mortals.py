"""A payment's life over HTTP, lived through the deaths of whoever serves it.

After a death time passes, a new process starts, and it is left alone until no outcome is open; only
then the call that got no answer is repeated. It refuses to help: while the engine converges nobody
calls it.
"""

from __future__ import annotations

import http.client
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from e2e.town import GATEWAY_KEY
from faults.client import ANSWER_S, Client
from faults.scene import SECRET_KEY, Fault, Process, Scene, wait_until
from faults.universal import Step, breaches

from engine.store import Store

PATIENCE_S = 4.0
"""When nothing has settled after this long, more time has to pass on the clock."""
JUMPS = 8

PAID = tuple("create ready pay approve complete refund:3000 refund".split())
RETURNED = tuple("create ready pay return refund".split())
CANCELLED = tuple("create ready cancel".split())
EXPIRED = tuple("create ready later:240 settle".split())
LOST = tuple(
    "create ready pay lose:approve:reset_after approve settle "
    "lose:cancel:reset_before refund:3000 settle lose:cancel:reset_after refund settle".split()
)
ENDS = {
    PAID: "refunded",
    RETURNED: "refunded",
    CANCELLED: "cancelled",
    EXPIRED: "expired",
    LOST: "refunded",
}


class Life:
    """One payment on a database of its own."""

    def __init__(self, scene: Scene, *, worker: bool = True) -> None:
        self.scene = scene
        self.home = scene.home()
        self.store = Store(f"sqlite:///{self.home / 'strada.db'}")
        self.client = Client(scene)
        self.deaths = 0
        self.ended = ""
        self._options = () if worker else ("--no-worker",)
        self._first_line = len(scene.gateway.lines())
        self._first_call = len(scene.gateway.calls)
        self._server: Process | None = None

    # ---- the server

    def serve(self, fault: Fault | None = None, **settings: str) -> Process:
        """Start a server and wait until it listens, or is dead."""
        arguments = ("serve", "--port", str(self.scene.port), *self._options)
        self._server = self.scene.start(self.home, *arguments, fault=fault, **settings)
        wait_until(lambda: self._listens() or self.dead(), ANSWER_S, "no server")
        return self._server

    def _listens(self) -> bool:
        with suppress(OSError, http.client.HTTPException):
            return self.scene.send("GET", "/healthz")[0] == 200
        return False

    def dead(self) -> bool:
        """Whether the server was killed; any other end is a failure."""
        assert self._server is not None
        code = self._server.code()
        assert code in (None, -signal.SIGKILL), self.output()
        return code is not None

    def end(self, number: int = signal.SIGKILL) -> int:
        """End the server; its exit code."""
        assert self._server is not None
        return self._server.end(number)

    def kill_when(self, verb: str, moment: str) -> None:
        """Kill the server `before` or `after` the gateway obeys its next call of this kind."""
        assert self._server is not None
        pid = self._server.pid
        self.scene.gateway.hooks[verb, moment] = lambda: os.kill(pid, signal.SIGKILL)

    # ---- living

    def live(self, plan: Sequence[str], fault: Fault | None = None) -> int:
        """Live a plan with one fault at the first server; how often it died."""
        self.serve(fault)
        self.go_on(plan)
        self.finish()
        return self.deaths

    def go_on(self, plan: Sequence[str]) -> None:
        """Live a plan on the server that runs, through every death."""
        for name in plan:
            while not self.act(name):
                self.recover()

    def act(self, name: str) -> bool:
        """One step of a plan; False when the server died over it."""
        if name == "settle":
            self.scene.later()
            done = self.converge()
        else:
            done = self.client.act(name)
        if not done:
            wait_until(self.dead, ANSWER_S, f"no answer to {name}: {self.output()}")
        return done

    def recover(self, fault: Fault | None = None) -> None:
        """After a death: time passes, a new server starts, all settles, and the check is made."""
        while True:
            self.deaths += 1
            self.scene.later()
            self.serve(fault)
            if self.converge():
                return self.check()
            fault = None

    def converge(self) -> bool:
        """Wait until no outcome is open, calling nothing; False when the server died instead."""
        for _ in range(JUMPS):
            with suppress(TimeoutError):
                wait_until(lambda: not self.open() or self.dead(), PATIENCE_S, "not yet")
                return not self.open() and not self.dead()
            self.scene.later()
        raise AssertionError(f"it did not converge: {self.open()} {self.output()}")

    def open(self) -> list[dict[str, Any]]:
        """What the worker still has to do."""
        return self.store.rows(
            "SELECT kind, sends, looks FROM operations WHERE state = 'open' UNION ALL "
            "SELECT status, 0, 0 FROM transactions "
            "WHERE status IN ('created', 'ready') AND expires_at <= ?",
            (self.scene.now_us(),),
        )

    # ---- the checks

    def check(self, steps: Sequence[Step] = (), secrets: Sequence[str] = ()) -> None:
        """The universal check, with nothing in flight."""
        own = (GATEWAY_KEY, SECRET_KEY, self.scene.key)
        found = breaches(
            self.store,
            ledger=self.lines(),
            steps=[*self.client.steps, *steps],
            output=self.output(),
            secrets=[*own, *self.client.secrets, *secrets],
        )
        found += self._sent_blindly()
        assert not found, found

    def _sent_blindly(self) -> list[str]:
        """Operations that were sent again although nothing was looked up since."""
        blind: list[str] = []
        sent: set[str | None] = set()
        for verb, operation in self.scene.gateway.calls[self._first_call :]:
            if verb == "order":
                sent.clear()
            elif operation in sent:
                blind.append(f"blind: {verb} of {operation} sent again, nothing looked up")
            elif verb != "ready":  # it moves nothing, and may be repeated
                sent.add(operation)
        return blind

    def finish(self) -> None:
        """Each acknowledged call once more: the same answers, and nothing happens."""
        before = self.lines()
        for step in self.client.acknowledged():
            while (again := self.client.repeat(step)) is None:
                wait_until(self.dead, ANSWER_S, f"no answer to {step.call}")
                self.recover()
            assert again == (step.status, step.body), (step, again)
        assert self.lines() == before, "a repeat moved money"
        self.end()
        self.check()
        row = self.store.row("SELECT status FROM transactions WHERE id = ?", (self.client.txn,))
        self.ended = str(row and row["status"])
        self.store.close()

    def lines(self) -> list[dict[str, Any]]:
        """What moved at the gateway in this life."""
        return self.scene.gateway.lines()[self._first_line :]

    def output(self) -> str:
        """What all processes of this life printed."""
        return (self.home / "output.log").read_text()


def sweep(
    live: Callable[[Fault], int], step: str, start: int, stride: int, most: int = 3_000
) -> list[Fault]:
    """Live once for each `stride`-th fault from `start` until one does not fire; those that did."""
    fired = []
    for at in range(start, most, stride):
        if not live(Fault(step, at)):
            return fired
        fired.append(Fault(step, at))
    raise AssertionError("the life never ends")
