"""The serving loop: quick requests of one pass share a commit, and none is answered before it."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw
import pytest
from faults.counter import Counter, disk_full, failed_sync, failed_write, opened
from house import House
from storefront import Site
from waitress import wasyncore

from engine.dialect import CHECKPOINT_PAGES, LOCK_WAIT_S
from engine.errors import StorageTrouble
from engine.reports import Reports
from engine.store import Store
from web.loop import SLOW_S, Loop
from web.server import listen

SOON_S = 10.0
CALLERS = 6


class Desk:
    """A server whose loop is this thread, and connections that are open before they ask."""

    def __init__(self, site: Site, callers: int = CALLERS) -> None:
        self.site = site
        self._server: Any = listen(site.app, "127.0.0.1", 0, 4)
        self.loop: Loop = self._server.asyncore
        self.loop.begin(self._server._map)
        address = ("127.0.0.1", self._server.effective_port)
        self.wires = [socket.create_connection(address, SOON_S) for _ in range(callers)]
        self._more: dict[socket.socket, bytes] = {}
        while len(self._server.active_channels) < callers:
            self.loop.turn(0.1)

    def close(self) -> None:
        for wire in self.wires:
            wire.close()
        self._server.task_dispatcher.shutdown()
        wasyncore.close_all(self._server._map)

    def ask(self, *requests: bytes) -> list[tuple[int, dict[str, str], Any]]:
        """Send one request a connection, all before the loop looks; the answers, in their order."""
        for wire, request in zip(self.wires, requests, strict=False):
            wire.sendall(request)
        return [self.answer(wire) for wire in self.wires[: len(requests)]]

    def channels(self) -> list[Any]:
        """The server's ends of the connections."""
        return list(self._server.active_channels.values())

    def silent(self) -> bool:
        """Whether no caller has been told anything."""
        return not select.select(self.wires, [], [], 0)[0]

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> bytes:
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} /v1/transactions{path} HTTP/1.1", "Host: localhost"]
        lines += [f"Authorization: Bearer {self.site.key}", f"Content-Length: {len(data)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += ["Content-Type: application/json"] if data else []
        return "\r\n".join([*lines, "", ""]).encode() + data

    def answer(self, wire: socket.socket) -> tuple[int, dict[str, str], Any]:
        """The next answer on a connection: status, headers, body."""
        ends, got = time.monotonic() + SOON_S, self._more.pop(wire, b"")
        while b"\r\n\r\n" not in got or len(got) < _length(got):
            assert time.monotonic() < ends, got
            while not select.select([wire], [], [], 0)[0]:
                assert time.monotonic() < ends, got
                self.loop.turn(0.01)
            got += wire.recv(65_536)
        self._more[wire] = got[_length(got) :]
        head, _, body = got[: _length(got)].partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        return int(lines[0].split()[1]), headers, json.loads(body)


def _length(got: bytes) -> int:
    head, _, _ = got.partition(b"\r\n\r\n")
    found = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    return len(head) + 4 + int(found.split(b":")[1])


def reported(house: House) -> str:
    """A payment of flow `reported` that its gateway knows, and that is ready."""
    txn = house.create(flow="reported")
    Reports(house.payments).ready(house.caller(), txn, house.at_gateway(txn))
    return txn


@pytest.fixture
def desk(house: House) -> Iterator[Desk]:
    made = Desk(Site(house))
    yield made
    made.close()


@contextmanager
def committed(store: Store, seen: Callable[[], None]) -> Iterator[None]:
    """Call `seen` whenever this process is about to commit."""

    def hook() -> bool:
        seen()
        return False

    store.writer.set_commit_hook(hook)
    yield
    store.writer.set_commit_hook(None)


def cancels(desk: Desk, txns: list[str]) -> list[bytes]:
    return [desk.request("POST", f"/{txn}/cancel") for txn in txns]


def test_what_a_pass_has_read_shares_one_commit_and_waits_for_it(desk: Desk) -> None:
    house, commits = desk.site.house, []
    txns = [house.create() for _ in range(CALLERS)]
    with committed(house.store, lambda: commits.append(desk.silent())):
        answers = desk.ask(*cancels(desk, txns))
    assert [status for status, _, _ in answers] == [200] * CALLERS
    assert [body["id"] for _, _, body in answers] == txns
    assert commits == [True]
    assert {house.status(txn) for txn in txns} == {"cancelled"}


def test_one_payment_asked_for_by_many_at_once_is_decided_once(desk: Desk) -> None:
    txn = desk.site.house.create()
    answers = desk.ask(*cancels(desk, [txn] * CALLERS))
    assert [status for status, _, _ in answers] == [200, *[409] * (CALLERS - 1)]
    assert {body["current_status"] for _, _, body in answers[1:]} == {"cancelled"}
    assert desk.site.house.ledger.load(txn)["version"] == 2


def test_one_key_sent_by_many_at_once_acts_once(desk: Desk) -> None:
    one = desk.request("POST", "", desk.site.order(), Idempotency_Key="one-and-the-same")
    answers = desk.ask(*[one] * CALLERS)
    assert {status for status, _, _ in answers} == {201}
    assert len({body["id"] for _, _, body in answers}) == 1
    assert sum(headers.get("Idempotent-Replayed") == "true" for _, headers, _ in answers) == 5


def test_a_refusal_in_a_group_leaves_the_others_be(desk: Desk) -> None:
    house = desk.site.house
    good, bad = house.create(), house.create()
    house.payments.fire(house.caller(), bad, "cancel", None)
    asked = [*cancels(desk, [bad, good, "txn_none"]), desk.request("POST", "", {"amount": -1})]
    statuses = [status for status, _, _ in desk.ask(*asked)]
    assert statuses == [409, 200, 404, 422]
    assert [house.status(txn) for txn in (good, bad)] == ["cancelled", "cancelled"]
    kinds = house.store.rows("SELECT kind FROM entries WHERE stream = ? ORDER BY seq", (bad,))
    assert [row["kind"] for row in kinds] == ["transition", "transition", "refusal"]


def test_what_asks_a_gateway_is_served_by_a_thread_and_whole(desk: Desk) -> None:
    house, by = desk.site.house, []
    txn, other = reported(house), house.create()

    def look_up(honest: Callable[[], Any]) -> Any:
        by.append(threading.current_thread() is threading.main_thread())
        return honest()

    house.gateway.script["look_up"] = [look_up]
    reason = desk.request("POST", f"/{txn}/cancel", {"reason": "never mind"})
    answers = desk.ask(reason, *cancels(desk, [other]))
    assert by == [False]
    assert [status for status, _, _ in answers] == [200, 200]
    assert house.store.rows("SELECT 1 FROM personal WHERE stream = ? AND seq = 3", (txn,))


def test_no_gateway_is_asked_inside_a_group(house: House) -> None:
    txn = house.ready()
    with house.store.together(1), pytest.raises(RuntimeError):
        house.payments.approve(house.caller(), txn, "pg-token-1")
    assert house.gateway.calls == ["prepare"]


def test_a_slow_request_behind_a_quick_one_does_not_overtake_it(desk: Desk) -> None:
    txn = desk.site.house.create()
    both = desk.request("POST", f"/{txn}/cancel") + desk.request("GET", f"/{txn}/transitions")
    answers = [*desk.ask(both), desk.answer(desk.wires[0])]
    found = [(status, body["object"]) for status, _, body in answers]
    assert found == [(200, "transaction"), (200, "list")]


def test_a_request_that_cannot_be_served_ends_its_connection_alone(desk: Desk) -> None:
    txns = [desk.site.house.create() for _ in range(2)]
    port = desk.wires[0].getsockname()[1]
    lost = next(one for one in desk.channels() if one.addr[1] == port)
    lost.service = dict[str, str]().popitem
    for wire, asked in zip(desk.wires, cancels(desk, txns), strict=False):
        wire.sendall(asked)
    assert desk.answer(desk.wires[1])[0] == 200
    desk.loop.turn(0)
    assert desk.wires[0].recv(1) == b""
    assert desk.site.house.status(txns[0]) == "created"


# ---- a database that cannot


def test_a_writer_that_holds_the_database_keeps_nobody_who_reads(desk: Desk) -> None:
    house = desk.site.house
    txn = house.create()
    holder = apsw.Connection(str(house.store.path))
    holder.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    desk.wires[0].sendall(desk.request("POST", f"/{txn}/cancel"))
    desk.wires[1].sendall(desk.request("GET", f"/{txn}"))
    assert desk.answer(desk.wires[1])[2]["status"] == "created"
    assert time.monotonic() - begun < LOCK_WAIT_S
    holder.execute("ROLLBACK")
    holder.close()
    assert desk.answer(desk.wires[0])[0] == 200  # a thread waited for it


def test_a_slow_pass_leaves_the_next_to_threads(desk: Desk) -> None:
    house, commits = desk.site.house, []

    def commit() -> None:
        commits.append(threading.current_thread() is threading.main_thread())
        time.sleep(SLOW_S if len(commits) == 2 else 0)

    for _ in range(3):
        (asked,) = cancels(desk, [house.create()])
        with committed(house.store, commit):
            assert desk.ask(asked)[0][0] == 200
    assert commits == [True, True, False]


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    with opened(tmp_path) as made:
        yield made


def test_a_disk_full_anywhere_in_a_group_loses_all_of_it_or_nothing(counter: Counter) -> None:
    """A cache of a few pages is written while parts run: then a part fails, not the commit."""
    desk, fired, skip = Desk(counter.site), 0, 0
    counter.house.store.writer.pragma("cache_size", 5)
    while True:
        txns = [counter.house.create() for _ in range(CALLERS)]
        fault = disk_full(counter)
        fault.skip = skip
        answers = desk.ask(*cancels(desk, txns))
        counter.disk.heal()
        stranger = apsw.Connection(str(counter.path))
        marks = ", ".join("?" * len(txns))
        found = dict(
            stranger.execute(f"SELECT id, status FROM transactions WHERE id IN ({marks})", txns)
        )
        stranger.close()
        for txn, (status, headers, body) in zip(txns, answers, strict=True):
            if status != 200:
                assert (status, body["code"]) == (503, "storage_unavailable")
                assert headers["Retry-After"] == "5"
            assert found[txn] == ("cancelled" if status == 200 else "created")
        assert len({status for status, _, _ in answers}) == 1
        if not fault.fired:
            break
        fired, skip = fired + 1, skip + 3
    assert fired >= 10
    desk.close()


def test_a_group_that_was_not_kept_is_told_so_and_poisons(counter: Counter) -> None:
    desk = Desk(counter.site)
    txns = [counter.house.create() for _ in range(CALLERS)]
    fault = failed_sync(counter)
    asked = [desk.request("POST", f"/{txn}/cancel", Accept_Language="ko") for txn in txns]
    answers = desk.ask(*asked)
    assert fault.fired
    assert {(status, body["code"]) for status, _, body in answers} == {(503, "storage_unavailable")}
    assert {headers["Content-Language"] for _, headers, _ in answers} == {"ko"}
    assert counter.house.store.poisoned
    desk.close()
    counter.restart()


def test_a_write_lost_within_a_part_poisons_too(counter: Counter) -> None:
    desk = Desk(counter.site)
    counter.house.store.writer.pragma("cache_size", 5)
    txns = [counter.house.create() for _ in range(CALLERS)]
    fault = failed_write(counter)
    answers = desk.ask(*cancels(desk, txns))
    assert fault.fired
    assert {status for status, _, _ in answers} == {503}
    assert counter.house.store.poisoned
    desk.close()
    counter.restart()


def test_a_page_of_another_origin_may_read_that_it_was_not_kept(counter: Counter) -> None:
    desk = Desk(counter.site)
    asked = desk.request("POST", f"/{counter.house.create()}/cancel", Origin="https://shop.example")
    disk_full(counter)
    status, headers, _ = desk.ask(asked)[0]
    assert (status, headers["Access-Control-Allow-Origin"]) == (503, "https://shop.example")
    desk.close()


# ---- parts of a group


def test_a_part_that_fails_is_undone_alone(house: House) -> None:
    store = house.store

    def put(name: str) -> None:
        with store.write():
            store.execute("INSERT INTO settings (name, value) VALUES (?, 'x')", (name,))
            if name == "second":
                raise ValueError(name)

    with store.together(1):
        put("first")
        with pytest.raises(ValueError, match="second"):
            put("second")
        put("third")
    found = store.rows("SELECT name FROM settings WHERE value = 'x' ORDER BY name")
    assert [row["name"] for row in found] == ["first", "third"]


def test_a_part_inside_a_part_is_refused(house: House) -> None:
    store = house.store
    with store.together(1), store.write(), pytest.raises(RuntimeError), store.write():
        raise AssertionError


def test_a_group_that_swallowed_a_failure_is_not_kept(house: House) -> None:
    store, parts = house.store, []

    def put(sql: str) -> None:
        with suppress(StorageTrouble), store.write():
            store.execute(sql)
            parts.append(sql)

    group = ExitStack()
    group.enter_context(store.together(1))
    for value in ("'first', 'x'", "'no', 'such', 'column'", "'second', 'x'"):
        put(f"INSERT INTO settings (name, value) VALUES ({value})")
    with pytest.raises(StorageTrouble):
        group.close()
    assert len(parts) == 1
    assert store.row("SELECT 1 FROM settings WHERE name = 'first'") is None


def test_a_turn_that_does_not_come_begins_no_group(house: House) -> None:
    holder = apsw.Connection(str(house.store.path))
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageTrouble), house.store.together(0.01):
        raise AssertionError
    holder.close()


def test_a_long_write_ahead_log_is_moved_and_begins_anew(house: House) -> None:
    store, sizes = house.store, []
    path = store.path.with_name(store.path.name + "-wal")
    for number in range(4):
        with store.write():
            value = f"hex(randomblob({CHECKPOINT_PAGES * 2048}))"
            store.execute(f"INSERT INTO settings (name, value) VALUES ({number}, {value})")
        store.backfill()
        sizes.append(path.stat().st_size)
    assert len(set(sizes[1:])) == 1
