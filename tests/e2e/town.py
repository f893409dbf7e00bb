"""Real processes on loopback: a gateway simulator and `strada serve`, to be killed and restarted.

The truth is the simulator's ledger, read from its file.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN_S = 30.0
ANSWER_WITHIN_S = 60.0
GATEWAY_KEY = "DEV" + "A" * 37
INHERITED = {k: v for k, v in os.environ.items() if k == "PATH" or k.startswith("COVERAGE_")}
"""What processes take from this one: `make coverage` counts what they run, too."""


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Process:
    """One `strada …` process and its output."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "web", *arguments],
                env=dict(environment),
                cwd=log.parent,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )

    def kill(self) -> None:
        """SIGKILL, at once."""
        self.popen.kill()
        self.popen.wait(10)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(35)


class Town:
    """A database, a gateway, a server, and a merchant with a key."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.gateway_port, self.port = free_port(), free_port()
        self.ledger_path = folder / "ledger.jsonl"
        self.url = f"http://127.0.0.1:{self.port}"
        self.gateway_url = f"http://127.0.0.1:{self.gateway_port}"
        self.environment = {
            **INHERITED,
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error::ResourceWarning",
            "STRADA_DATABASE_URL": f"sqlite:///{folder / 'strada.db'}",
            "STRADA_BASE_URL": self.url,
            "STRADA_SECRET_KEY": "a secret key for tests, canary-7f3a9c",
            "STRADA_KAKAOPAY_BASE_URL": self.gateway_url,
            "STRADA_KAKAOPAY_SECRET_KEY": GATEWAY_KEY,
            **settings,
        }
        self.http = requests.Session()
        self.http.trust_env = False
        self.processes: list[Process] = []
        self._numbers = 0
        self.run("migrate")
        made = self.run("keys", "create", "--merchant", "shop", "--scope", "payments", "--json")
        self.key: str = json.loads(made)["key"]
        self.gateway = self.start_gateway()
        self.server = self.start_server()

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command to its end; its standard output."""
        done = subprocess.run(
            [sys.executable, "-m", "web", *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=ANSWER_WITHIN_S,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        with (self.folder / "output.log").open("a") as log:
            log.write(done.stderr if arguments[0] == "keys" else done.stdout + done.stderr)
        return done.stdout

    def start(self, *arguments: str) -> Process:
        """Start a command that stays."""
        process = Process(list(arguments), self.environment, self.folder / "output.log")
        self.processes.append(process)
        return process

    def start_gateway(self) -> Process:
        """Start the simulator on the same ledger and port."""
        port, ledger = str(self.gateway_port), str(self.ledger_path)
        process = self.start("simulate", "kakaopay", "--port", port, "--ledger", ledger)
        self.wait_for(f"{self.gateway_url}/_simulator/healthz", process)
        return process

    def start_server(self, *options: str) -> Process:
        """Start `strada serve` on the same port."""
        process = self.start("serve", "--port", str(self.port), *options)
        self.wait_for(f"{self.url}/healthz", process)
        return process

    def wait_for(self, url: str, process: Process) -> None:
        """Wait until a URL answers 200."""
        ends = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < ends:
            assert process.popen.poll() is None, process.log.read_text()
            try:
                if self.http.get(url, timeout=2).status_code == 200:
                    return
            except requests.RequestException:
                time.sleep(0.05)
        raise AssertionError(f"{url} did not answer: {process.log.read_text()}")

    def close(self) -> None:
        """End every process that is left, by its id."""
        self.http.close()
        for process in self.processes:
            if process.popen.poll() is None:
                process.kill()

    # ---- the merchant

    def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str
    ) -> requests.Response:
        """Call Strada."""
        sent = {"Authorization": f"Bearer {key or self.key}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"{self.url}/v1{path}"
        return self.http.request(method, url, json=body, headers=sent, timeout=ANSWER_WITHIN_S)

    def create(self, **changes: Any) -> dict[str, Any]:
        """A created transaction of flow `server`."""
        self._numbers += 1
        body = {
            "provider": "kakaopay",
            "order_id": f"order-{self._numbers}",
            "item_name": "초코파이 외 2건",
            "quantity": 3,
            "amount": 12_000,
            "currency": "KRW",
            "customer_id": "user-7",
            "return_url": "http://127.0.0.1:1/done",
        }
        made = self.call("POST", "/transactions", body | changes)
        assert made.status_code == 201, made.text
        resource: dict[str, Any] = made.json()
        return resource

    def ready(self, **changes: Any) -> dict[str, Any]:
        """A prepared transaction."""
        made = self.create(**changes)
        answer = self.call("POST", f"/transactions/{made['id']}/ready")
        assert answer.status_code == 200, answer.text
        return {**answer.json(), "client_secret": made["client_secret"]}

    def get(self, txn: str) -> dict[str, Any]:
        """A transaction as it stands."""
        found: dict[str, Any] = self.call("GET", f"/transactions/{txn}").json()
        return found

    def until(self, txn: str, status: str, within_s: float = 20) -> dict[str, Any]:
        """Read (and nothing else) until a transaction is in a state."""
        ends = time.monotonic() + within_s
        while True:
            found = self.get(txn)
            if found["status"] == status:
                return found
            assert time.monotonic() < ends, found
            time.sleep(0.05)

    # ---- the customer and the gateway

    def pay(self, ready: Mapping[str, Any], action: str = "approve") -> str:
        """The customer acts on the gateway's page; returns where the gateway sends the browser."""
        body = {"url": ready["next_action"]["mobile_url"], "action": action}
        answer = self.http.post(f"{self.gateway_url}/_simulator/pay", json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["redirect"])

    def browse(self, url: str) -> requests.Response:
        """The customer's browser follows a link to Strada, no further."""
        return self.http.get(url, allow_redirects=False, timeout=ANSWER_WITHIN_S)

    def fault(self, on: str, kind: str, **more: Any) -> None:
        """Script the gateway's next answers."""
        url = f"{self.gateway_url}/_simulator/faults"
        answer = self.http.post(url, json={"on": on, "kind": kind, **more}, timeout=10)
        assert answer.status_code < 300, answer.text

    def fired(self) -> int:
        """How many scripted faults have fired."""
        listed = self.http.get(f"{self.gateway_url}/_simulator/faults", timeout=10).json()
        faults = listed if isinstance(listed, list) else listed["faults"]
        return sum(fault["fired"] for fault in faults)

    def ledger(self, txn: str | None = None) -> list[dict[str, Any]]:
        """What really happened to money."""
        if not self.ledger_path.exists():
            return []
        lines = [json.loads(line) for line in self.ledger_path.read_text().splitlines()]
        return [line for line in lines if txn in (None, line["partner_order_id"])]

    def charges(self, txn: str) -> list[int]:
        """Amounts charged for a transaction."""
        return [line["amount"] for line in self.ledger(txn) if line["event"] == "charge"]

    def refunds(self, txn: str) -> list[int]:
        """Amounts given back for a transaction."""
        return [line["amount"] for line in self.ledger(txn) if line["event"] == "refund"]
