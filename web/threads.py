"""The threads that serve requests: the one that rested last is woken first, and is warm.

A thread has a connection to the database, whose pages and statements it knows. It refuses to start
a thread while another rests, and to start more than its limit: what comes then waits its turn.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from queue import SimpleQueue
from typing import Any

_LOG = logging.getLogger("strada.serve")


class Threads:
    """Hands each task to a thread, first come first served: waitress' task dispatcher."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._resting: list[SimpleQueue[Any]] = []
        self._waiting: deque[Any] = deque()
        self._running = 0
        self._over = False

    def add_task(self, task: Any) -> None:
        """Have a task served; never blocks."""
        with self._lock:
            if self._resting:
                self._resting.pop().put(task)
            elif self._running < self._most:
                threading.Thread(target=self._serve, args=(task,), daemon=True).start()
                self._running += 1  # not before: where no thread can be had there is none to end
            else:
                self._waiting.append(task)

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        """End the threads once they have served what they were given, waiting so many seconds.

        cancel_pending: what still waits for a thread is cancelled; else it is served first.
        """
        with self._lock:
            self._over = True
            while cancel_pending and self._waiting:
                self._waiting.popleft().cancel()
            for mailbox in self._resting:
                mailbox.put(None)
            self._running -= len(self._resting)
            self._resting.clear()
        ends = time.monotonic() + timeout
        while self._running and time.monotonic() < ends:
            time.sleep(0.02)
        if self._running:
            _LOG.warning("%d requests were still being served", self._running)
        return cancel_pending

    def _serve(self, task: Any) -> None:
        mailbox: SimpleQueue[Any] = SimpleQueue()
        while task is not None:
            try:
                task.service()
            except BaseException:
                _LOG.exception("serving %r failed", task)
            task = self._next(mailbox)

    def _next(self, mailbox: SimpleQueue[Any]) -> Any:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            if self._over:
                self._running -= 1
                return None
            self._resting.append(mailbox)
        return mailbox.get()
