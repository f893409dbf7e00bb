"""SIGTERM to a server under load: what it acknowledged stands, what it did not is no half step."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from faults.client import Client
from faults.mortals import Life
from faults.scene import Scene, wait_until
from faults.universal import Step

ROUNDS, CHUNKS = 5, 4
"""Twenty signals in all."""
CLIENTS = 6
BUSY = 15
"""Calls answered in a round before the signal comes."""
LONGEST_S = 30
PLAN = tuple("create ready pay approve complete refund:3000 refund".split())


class Crowd:
    """Clients that each make one payment after another, until one of their calls gets no answer."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._numbers = itertools.count(1)
        self.clients: list[Client] = []

    def steps(self) -> list[Step]:
        return [step for client in self.clients for step in list(client.steps)]

    def secrets(self) -> list[str]:
        return [secret for client in self.clients for secret in client.secrets]

    def answered(self) -> int:
        return sum(step.status is not None for step in self.steps())

    def shop(self) -> tuple[Client, str]:
        """Pay until a call gets no answer; whose it was, and which."""
        while True:
            client = Client(self._scene, next(self._numbers))
            self.clients.append(client)
            for name in PLAN:
                if not client.act(name):
                    return client, name


@pytest.fixture
def busy(scene: Scene) -> Iterator[tuple[Life, Crowd]]:
    """A server, and a crowd for it."""
    life = Life(scene)
    life.serve(STRADA_THREADS="16")
    yield life, Crowd(scene)
    life.end()
    life.store.close()


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_sigterm_under_load_keeps_every_acknowledged_step(
    busy: tuple[Life, Crowd], chunk: int
) -> None:
    life, crowd = busy
    for _ in range(ROUNDS):
        cut_off = end_under_load(life, crowd)
        life.scene.later()
        life.serve(STRADA_THREADS="16")
        life.converge()
        life.check(crowd.steps(), crowd.secrets())
        for client, name in cut_off:
            assert client.act(name)
        life.check(crowd.steps(), crowd.secrets())


def end_under_load(life: Life, crowd: Crowd) -> list[tuple[Client, str]]:
    """SIGTERM while every client calls; the calls that got no answer."""
    before = crowd.answered()
    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(crowd.shop) for _ in range(CLIENTS)]
        wait_until(lambda: crowd.answered() >= before + BUSY, 60, "no load")
        begun, known = time.monotonic(), crowd.answered()
        assert life.end(signal.SIGTERM) == 0, life.output()
        assert time.monotonic() - begun < LONGEST_S
        cut_off = [one.result(60) for one in running]
    assert crowd.answered() > known, "the signal met no call under way"
    return cut_off


def test_a_call_under_way_at_sigterm_gets_its_answer(scene: Scene) -> None:
    life = Life(scene)
    server = life.serve()
    life.go_on(["create", "ready", "pay"])
    scene.gateway.hooks["approve", "after"] = lambda: os.kill(server.pid, signal.SIGTERM)
    assert life.client.act("approve")
    assert life.client.steps[-1].body["status"] == "approved"
    assert server.code(LONGEST_S) == 0
    life.check()
