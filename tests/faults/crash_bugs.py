"""Defences against sudden death, taken out one at a time by the drill.

Each is a name, the promise, the file, the text there, what it becomes, and the tests to go red.
"""

_LIVES = "tests/faults/test_crash.py::test_a_server_killed_anywhere_loses_and_repeats_nothing"
_WORKERS = "tests/faults/test_crash.py::test_two_workers_together_ask_and_send_once"
_RECOVERY = "tests/faults/test_crash.py::test_a_recovery_killed_anywhere_is_recovered_from"
_SIGTERM = "tests/faults/test_sigterm.py"
_SPLIT = 'execute("COMMIT")\n        self.{store}.execute("BEGIN IMMEDIATE")\n'

CRASH_BUGS = (
    (
        "split the commit: the log after the row",
        "P4 P6",
        "engine/fire.py",
        "        personal = step.personal\n        for entry in step.entries:",
        "        personal = step.personal\n        self.store."
        + _SPLIT.format(store="store")
        + "        for entry in step.entries:",
        f"{_LIVES}[paid-xSync]",
    ),
    (
        "split the commit: the key after the step",
        "P6 P10",
        "engine/idempotency.py",
        '        self._store.execute(\n            "INSERT INTO idempotency',
        "        self._store."
        + _SPLIT.format(store="_store")
        + '        self._store.execute(\n            "INSERT INTO idempotency',
        f"{_LIVES}[paid-xSync]",
    ),
    (
        "leave an entry out of the outbox",
        "P6",
        "engine/fire.py",
        'self.store.execute("INSERT INTO outbox (stream, seq) VALUES (?, ?)", at)',
        "pass",
        f"{_LIVES}[cancelled-xSync]",
    ),
    (
        "call the gateway before the intent is committed",
        "P2 P6",
        "engine/payments.py",
        "            with self.store.write():\n                self.ledger.advance(folded, [entry])\n"
        '                self.operations.open(\n                    op,\n                    "approve",',
        "            early = type(self.gateways).approve(self.gateways, row, op, credential)\n"
        "            self.gateways.approve = lambda *_: early\n"
        "            with self.store.write():\n                self.ledger.advance(folded, [entry])\n"
        '                self.operations.open(\n                    op,\n                    "approve",',
        f"{_LIVES}[paid-xSync]",
    ),
    (
        "answer before the commit",
        "P4",
        "engine/store.py",
        '                connection.execute("BEGIN IMMEDIATE")\n'
        "                try:\n"
        "                    yield connection\n"
        "                    if not connection.in_transaction:\n"
        '                        raise StorageTrouble("SQLite gave the transaction up")\n'
        '                    connection.execute("COMMIT")\n',
        "                if connection.in_transaction:\n"
        '                    connection.execute("COMMIT")\n'
        '                connection.execute("BEGIN IMMEDIATE")\n'
        '                late = lambda: connection.in_transaction and connection.execute("COMMIT")\n'
        "                threading.Timer(0.3, late).start()\n"
        "                try:\n"
        "                    yield connection\n",
        f"{_LIVES}[paid-send]",
    ),
    (
        "claim without the compare-and-swap",
        "P12",
        "engine/operations.py",
        "AND state = 'open' AND next_check_at = ?",
        "AND state = 'open' AND ? > 0",
        _WORKERS,
    ),
    (
        "claim without a lease",
        "P12",
        "engine/operations.py",
        "lease = self._clock.now_us() + self._clock.micros(self._durations.call_deadline_s + 5)",
        "lease = self._clock.now_us()",
        _WORKERS,
    ),
    (
        "send a refund again without a look-up",
        "P2 P12",
        "engine/worker.py",
        '        truth = self._gateways.look_up(row, op["id"])\n        self._heard(op',
        '        if op["kind"] == "refund":\n            self._resend(row, op["id"])\n'
        "            return True\n"
        '        truth = self._gateways.look_up(row, op["id"])\n        self._heard(op',
        f"{_RECOVERY}[cancel-after-inside]",
    ),
    (
        "forget the operation when the worker dies at it",
        "P12",
        "engine/worker.py",
        "        if not self._operations.claim(op):\n            return False\n",
        "        if not self._operations.claim(op):\n            return False\n"
        "        with self._store.write():\n"
        "            self._store.execute(\n"
        "                'UPDATE operations SET next_check_at = 1 << 62 WHERE id = ?', (op['id'],)\n"
        "            )\n",
        f"{_RECOVERY}[approve-before-inside]",
    ),
    (
        "print a secret on start",
        "P18",
        "web/cli/serving.py",
        "    configure_logging(settings.log_level)\n",
        "    configure_logging(settings.log_level)\n    click.echo(settings.kakaopay_secret_key)\n",
        f"{_LIVES}[cancelled-xSync]",
    ),
    (
        "keep the credential of a settled operation",
        "P18",
        "engine/operations.py",
        "SET state = ?, credential = NULL, ",
        "SET state = ?, ",
        f"{_LIVES}[paid-xSync]",
    ),
    (
        "die of SIGTERM",
        "P4",
        "web/server.py",
        "    for number in (signal.SIGTERM, signal.SIGINT):\n        signal.signal(number, partial(_end, server))\n",
        "",
        f"{_SIGTERM}::test_sigterm_under_load_keeps_every_acknowledged_step",
    ),
    (
        "do not wait for calls under way",
        "P4",
        "web/server.py",
        "cancel_pending=False, timeout=DRAIN_S",
        "cancel_pending=True, timeout=0",
        f"{_SIGTERM}::test_a_call_under_way_at_sigterm_gets_its_answer",
    ),
)
