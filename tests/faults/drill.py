"""The drill: plant one known bug at a time in a copy of the tree, and see a test go red for each.

    cd tests; python -m faults.drill            all of them
    cd tests; python -m faults.drill money      those whose name contains a word

A test that stays green when its defence is gone proves nothing; this is how we know that ours do.
Exit 0 when every bug was caught, 1 when one was missed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from faults.crash_bugs import CRASH_BUGS
from faults.grouping import GROUPING
from faults.verifying import VERIFYING

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("engine", "providers", "web", "tests", "setup.cfg", "pyproject.toml", "README.md")
LONGEST_S = 240


@dataclass(frozen=True, slots=True)
class Bug:
    """A defence taken out: `old` becomes `new` in `file`, and one of `tests` must go red."""

    name: str
    promise: str
    file: str
    old: str
    new: str
    tests: str


_PAYMENTS = "tests/engine/test_payments.py"
_STORAGE = "tests/faults/test_storage_errors.py"
_REAL = "tests/faults/test_real_storage.py"
_POWER = "tests/faults/test_power_loss.py::test_power_loss_takes_nothing_that_was_acknowledged"
_API = "tests/web/test_api.py"
_RACES = "tests/faults/test_races.py::"
_MODEL = "tests/faults/test_model.py"
BUGS = (
    Bug(
        "drop IMMEDIATE",
        "P13",
        "engine/store.py",
        '"BEGIN IMMEDIATE"',
        '"BEGIN"',
        "tests/engine/test_store.py",
    ),
    Bug(
        "drop the compare-and-swap",
        "P2 P13",
        "engine/fire.py",
        'WHERE id = ? AND head_seq = ?",\n            (*step',
        'WHERE id = ? AND ? > 0",\n            (*step',
        "tests/engine/test_races.py",
    ),
    Bug(
        "synchronous=NORMAL",
        "P5",
        "engine/dialect.py",
        '"synchronous": 2',
        '"synchronous": 1',
        "tests/engine/test_store.py",
    ),
    Bug(
        "failed on timeout",
        "P2",
        "engine/evidence.py",
        '        case Unknown():\n            return _unknown(outcome)\n        case _:\n            return Verdict(next="wait", said="surprise")',
        "        case Unknown():\n            return _declined(op, 'timeout', '', '')\n        case _:\n            return Verdict(next=\"wait\", said=\"surprise\")",
        _PAYMENTS,
    ),
    Bug(
        "believe a negative look-up early",
        "P2",
        "engine/case.py",
        "return op is not None and self.asked_at < max(op.call_deadline, op.settle_after)",
        "return False",
        _PAYMENTS,
    ),
    Bug(
        "skip the amount check",
        "P3",
        "engine/evidence.py",
        "        and truth.captured == folded.amount\n",
        "",
        _PAYMENTS + " tests/engine/test_review.py tests/engine/test_chart.py",
    ),
    Bug(
        "skip the captured guard",
        "P3",
        "engine/guards.py",
        "given.captured == facts.amount",
        "True",
        "tests/engine/test_chart.py",
    ),
    Bug(
        "log after commit",
        "P6 P7",
        "engine/fire.py",
        "        for entry in step.entries:\n            self.append(entry, personal)\n            personal = None\n",
        "",
        _PAYMENTS,
    ),
    Bug(
        "increment instead of set",
        "P1",
        "engine/fold.py",
        "after.refunded_amount, after.refunded_tax_free, after.refunded_vat = totals",
        "after.refunded_amount += totals[0]",
        _PAYMENTS,
    ),
    Bug(
        "refund without sum",
        "P1",
        "engine/guards.py",
        "0 < given.amount <= facts.captured - facts.refunded",
        "0 < given.amount <= facts.captured",
        "tests/engine/test_chart.py",
    ),
    Bug(
        "no canary",
        "P11",
        "engine/worker.py",
        "        return sum(self._look_at(op) for op in (*self._canaries(), *due))",
        "        return sum(self._look_at(op) for op in due)",
        _PAYMENTS,
    ),
    Bug(
        "send a lost approve again at once",
        "P2",
        "engine/evidence.py",
        "    if _names(truth.actions, op.id) or truth.refunded_total == op.expected_total:\n        return _refund_totals(case, op, truth)\n",
        "",
        _PAYMENTS,
    ),
    Bug(
        "forget the key",
        "P10",
        "engine/idempotency.py",
        "        if caller.key_mac is None:\n            return None\n        where",
        "        return None\n        where",
        _PAYMENTS + " " + _API,
    ),
    Bug(
        "key does not cover the body",
        "P10",
        "engine/idempotency.py",
        'if not same(bytes(row["fingerprint"]), caller.fingerprint):',
        "if False:",
        _API,
    ),
    Bug(
        "no answer for the key from the worker",
        "P10",
        "engine/settlement.py",
        '                    self._fill_key(op, self._final_answer(row["id"], op, verdict))',
        "                    pass",
        _PAYMENTS,
    ),
    Bug(
        "merchants see each other",
        "P14",
        "engine/fire.py",
        'if row is None or (merchant is not None and row["merchant"] != merchant):',
        "if row is None:",
        _API,
    ),
    Bug(
        "any client secret for any payment",
        "P14",
        "web/auth.py",
        "if self.is_client and self.transaction != transaction:",
        "if False:",
        _API,
    ),
    Bug(
        "log can be edited",
        "P9",
        "engine/dialect.py",
        "CREATE TRIGGER entries_never_updated BEFORE UPDATE ON entries\nBEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;\n",
        "",
        "tests/engine/test_verify.py",
    ),
    Bug(
        "log can be replaced",
        "P9",
        "engine/dialect.py",
        "WHEN NEW.seq <> 1 + COALESCE",
        "WHEN NEW.seq > 1 + COALESCE",
        "tests/engine/test_verify.py",
    ),
    Bug(
        "chain not checked",
        "P9",
        "engine/verify.py",
        'if fields["prev_hash"] != head:',
        "if False:",
        "tests/engine/test_readme_verifier.py tests/engine/test_verify.py",
    ),
    Bug(
        "legality not checked",
        "P8",
        "engine/verify.py",
        "if edge not in edges:",
        "if False:",
        "tests/engine/test_verify.py",
    ),
    Bug(
        "rows not compared",
        "P7",
        "engine/verify.py",
        "found = _compare_row(store, last) if last is not None else None",
        "found = None",
        "tests/engine/test_verify.py",
    ),
    Bug(
        "events beyond the chart",
        "P8",
        "web/handlers.py",
        "if event not in chart.EVENT_OF_HTTP:",
        "if event not in chart.EVENTS:",
        _API,
    ),
    Bug(
        "act on prefetch",
        "T5",
        "web/pages.py",
        'if request.method == "HEAD" or is_prefetch(request.headers):',
        "if False:",
        "tests/web/test_pages.py",
    ),
    Bug(
        "take a repeated pg_token",
        "T22",
        "web/pages.py",
        "if len(given) > 1 or",
        "if",
        "tests/web/test_pages.py",
    ),
    Bug(
        "any return URL",
        "T1",
        "web/handlers.py",
        "                checked[field] = check_return_url(",
        "                checked[field] = (lambda url, **_: url)(",
        _API,
    ),
    Bug(
        "bind whatever is reported",
        "P3",
        "engine/reports.py",
        "if truth is None or not _is_of(row, truth):",
        "if truth is None:",
        "tests/engine/test_reports.py",
    ),
    Bug(
        "cancel without asking",
        "P2",
        "engine/returns.py",
        "        elif isinstance(truth, NotCharged | Closed | NotFound):",
        "        else:",
        _PAYMENTS,
    ),
    Bug(
        "several payments an order",
        "P2",
        "engine/orders.py",
        '"order_slot": order.order_id,',
        '"order_slot": None,',
        _PAYMENTS,
    ),
    Bug(
        "keep the credential",
        "P18",
        "engine/operations.py",
        "state = ?, credential = NULL, settled_at = ?",
        "state = ?, settled_at = ?",
        _PAYMENTS,
    ),
    Bug(
        "keep the console's cookies",
        "P18",
        "web/sessions.py",
        'hashlib.sha256(b"strada/session/1\\n" + cookie.encode()).digest()',
        "cookie.encode()[:32]",
        "tests/web/test_console.py",
    ),
    Bug(
        "sign out of this browser only",
        "P18",
        "web/sessions.py",
        'self._store.execute("DELETE FROM sessions WHERE hash = ?", (_hash(cookie),))',
        "pass",
        "tests/web/test_console.py",
    ),
    Bug(
        "coerce what is not an integer",
        "P15",
        "web/schemas.py",
        'extra="forbid", strict=True',
        'extra="forbid", strict=False',
        _API,
    ),
    Bug(
        "call the gateway after a failed intent",
        "P16",
        "engine/store.py",
        "                self._weigh_failure(connection, error)\n                raise\n",
        "                self._weigh_failure(connection, error)\n                return\n",
        "tests/engine/test_store.py",
    ),
    Bug(
        "the key in a commit of its own",
        "P6 P10",
        "engine/payments.py",
        "                self.keys.put(caller, self.clock.now_us(), txn=transaction, operation=op)\n            return row, op",
        "            with self.store.write():\n                self.keys.put(caller, self.clock.now_us(), txn=transaction, operation=op)\n            return row, op",
        _RACES + "test_one_key_many_times_at_once_has_one_effect",
    ),
    Bug(
        "claim without compare-and-swap",
        "P12",
        "engine/operations.py",
        "WHERE id = ? AND state = 'open' AND next_check_at = ?",
        "WHERE id = ? AND state = 'open' AND ? IS NOT NULL",
        _RACES + "test_workers_on_the_same_due_rows_ask_and_send_once",
    ),
    Bug(
        "prepare on a row that has moved",
        "P13",
        "engine/payments.py",
        "if touched != 1:",
        "if False:",
        _RACES + "test_preparing_many_times_at_once_asks_the_gateway_once",
    ),
    Bug(
        "believe a look-up that was overtaken",
        "P12",
        "engine/evidence.py",
        "if case.outdated and",
        "if False and",
        _RACES + "test_a_look_up_older_than_the_answer_contradicts_nothing",
    ),
    Bug(
        "judge a look-up by when it was answered",
        "P1 P2",
        "engine/case.py",
        "self.asked_at < max",
        "self.now < max",
        "tests/engine/test_races.py",
    ),
    Bug(
        "a look-up that knows no open operation",
        "P12",
        "engine/settlement.py",
        'if settled and row["intent_op"] is not None:',
        "if False:",
        _RACES + "test_a_return_that_looks_beside_an_approve_contradicts_nothing",
    ),
    Bug(
        "a report that loses its race",
        "P13",
        "engine/reports.py",
        "return self.payments.decisions.settled(caller, transaction, event, begin)",
        "return begin()",
        _RACES + "test_a_report_beside_the_worker_and_a_cancel_ends_approved",
    ),
    Bug(
        "two servers on one file",
        "P13",
        "web/server.py",
        'stack.enter_context(exclusive(_lock_path(strada), "taken"))',
        "pass",
        "tests/faults/test_races_of_processes.py",
    ),
    Bug(
        "order by the wall clock",
        "P19",
        "engine/fire.py",
        'max(self.clock.now_us(), folded.last_at + 1),\n                "chart"',
        'self.clock.now_us(),\n                "chart"',
        _PAYMENTS,
    ),
    Bug(
        "commit without a sync",
        "P5",
        "engine/dialect.py",
        '"synchronous": 2',
        '"synchronous": 1',
        _POWER,
    ),
    Bug(
        "a journal that is deleted",
        "P5",
        "engine/dialect.py",
        '"journal_mode": "wal"',
        '"journal_mode": "delete"',
        _POWER,
    ),
    Bug(
        "the key in a commit of its own",
        "P6",
        "engine/payments.py",
        "                self.keys.put(caller, self.clock.now_us(), txn=transaction, answer=answer)\n            return answer",
        "            with self.store.write():\n                self.keys.put(caller, self.clock.now_us(), txn=transaction, answer=answer)\n            return answer",
        _POWER,
    ),
    Bug(
        "write on after a failed sync",
        "P16",
        "engine/store.py",
        'self._poisoned = "an I/O error',
        '_ = "an I/O error',
        f"{_STORAGE}::test_after_a_lost_write_nothing_is_written_until_restart",
    ),
    Bug(
        "look for poison before the turn",
        "P16",
        "engine/store.py",
        '        ends = time.monotonic() + patience_s\n        if not self._turns.acquire(timeout=patience_s):\n            raise StorageTrouble("the database is locked")\n        try:\n            if self._poisoned:  # looked at in our turn: the writer before us may have met it\n                raise StorageTrouble(self._poisoned)\n',
        '        if self._poisoned:\n            raise StorageTrouble(self._poisoned)\n        ends = time.monotonic() + patience_s\n        if not self._turns.acquire(timeout=patience_s):\n            raise StorageTrouble("the database is locked")\n        try:\n',
        f"{_STORAGE}::test_a_writer_that_waited_meets_the_poison",
    ),
    Bug(
        "every I/O error needs a restart",
        "P16",
        "engine/dialect.py",
        "    return bool(codes)",
        "    return bool(found)",
        f"{_STORAGE}::test_the_step_goes_through_when_the_error_is_over",
    ),
    Bug(
        "a quota needs a restart",
        "P16",
        "engine/dialect.py",
        "return connection.system_errno not in _REFUSED",
        "return True",
        f"{_REAL}::test_a_full_disk_begins_nothing_until_there_is_room",
    ),
    Bug(
        "keep a connection that only reads",
        "P16",
        "engine/store.py",
        "elif needs_a_new_connection(connection, error)",
        "elif False",
        f"{_STORAGE}::test_the_step_goes_through_when_the_error_is_over {_REAL}::test_a_connection_that_could_only_read_is_not_kept",
    ),
    Bug(
        "writers wait one after the other",
        "P16",
        "engine/store.py",
        '        ends = time.monotonic() + patience_s\n        if not self._turns.acquire(timeout=patience_s):\n            raise StorageTrouble("the database is locked")\n',
        "        self._turns.acquire()\n        ends = time.monotonic() + patience_s\n",
        f"{_REAL}::test_a_long_lock_is_told_to_all_who_wait",
    ),
    Bug(
        "call the gateway before the intent",
        "P16",
        "engine/payments.py",
        '            entry = self.decisions.transition(caller, row, folded, "approve", data)\n',
        '            entry = self.decisions.transition(caller, row, folded, "approve", data)\n            self.gateways.approve(row, op, credential)\n',
        f"{_STORAGE}::test_a_storage_error_begins_nothing_at_the_gateway",
    ),
    Bug(
        "no Retry-After",
        "P16",
        "web/problems.py",
        "    if problem.retry_after is not None:\n",
        "    if False:\n",
        f"{_STORAGE}::test_a_storage_error_begins_nothing_at_the_gateway",
    ),
    Bug(
        "an unwritten outcome is called nothing",
        "P16",
        "engine/payments.py",
        "        except StorageTrouble as trouble:\n            _LOG",
        "        except StorageTrouble as trouble:\n            raise\n            _LOG",
        f"{_STORAGE}::test_an_unwritten_outcome_is_shown_as_pending",
    ),
    Bug(
        "lose a customer's return",
        "P16",
        "engine/returns.py",
        "        except StorageTrouble:\n            raise",
        "        except StorageTrouble:\n            pass",
        f"{_STORAGE}::test_a_returning_customer_may_come_back_later",
    ),
    Bug(
        "spin on a full disk",
        "P16",
        "engine/worker.py",
        "busy, rest_s = False, STORAGE_WAIT_S",
        "busy, rest_s = False, 0.0",
        f"{_STORAGE}::test_the_worker_waits_for_a_full_disk_without_spinning",
    ),
    *(Bug(*bug) for bug in CRASH_BUGS),
    Bug(
        "refund one won more than is left",
        "P1",
        "engine/guards.py",
        "0 < given.amount <= facts.captured - facts.refunded",
        "0 < given.amount <= facts.captured - facts.refunded + 1",
        _MODEL,
    ),
    Bug(
        "offer what the chart does not",
        "P8",
        "engine/chart.py",
        "return _ALLOWED[state]",
        "return _ALLOWED[state] or ('refund',)",
        _MODEL,
    ),
    Bug(
        "do a repeated request again",
        "P10",
        "engine/idempotency.py",
        "        if row is None:\n            return None\n        if not same",
        '        if row is None or row["operation"]:\n            return None\n        if not same',
        _MODEL,
    ),
    Bug(
        "a report's answer is not its repeat's",
        "P10",
        "engine/reports.py",
        "known_now = None if isinstance(truth, Charged) else answer",
        "known_now = answer",
        "tests/engine/test_reports.py",
    ),
)
BUGS += tuple(Bug(*one) for one in (*VERIFYING, *GROUPING))


def main() -> int:
    """Run the drill; prints a table."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [bug for bug in BUGS if wanted in bug.name]
    missed = 0
    for bug in chosen:
        begun = time.monotonic()
        said = _plant(bug)
        missed += said.startswith("MISSED")
        print(
            f"{bug.promise:<8} {bug.name:<40} {said}  ({time.monotonic() - begun:.0f} s)",
            flush=True,
        )
    print(f"{len(chosen) - missed} of {len(chosen)} caught")
    return 1 if missed else 0


def _plant(bug: Bug) -> str:
    with planted(bug) as copy:
        if copy is None:
            return "MISSED: the defence is not where the drill looks for it"
        return _first_red(copy, bug.tests.split())


@contextmanager
def planted(bug: Bug) -> Iterator[Path | None]:
    """A copy of the tree with the bug in it; None when there is no place for it."""
    with tempfile.TemporaryDirectory(prefix="strada-drill-") as folder:
        copy = Path(folder)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, copy / part)
        target = copy / bug.file
        text = target.read_text("utf-8")
        target.write_text(text.replace(bug.old, bug.new), "utf-8")
        yield copy if bug.old in text else None


def tried(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What pytest says in a copy; raises TimeoutExpired where it does not end."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=copy,
        env=dict(os.environ, PYTHONPATH=str(copy), PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )


def _first_red(copy: Path, tests: list[str]) -> str:
    try:
        done = tried(copy, "-x", "--tb=no", *tests)
    except subprocess.TimeoutExpired:
        return "caught: the tests no longer end"
    for line in done.stdout.splitlines():
        if line.startswith(("FAILED", "ERROR")):
            return f"caught: {line.split(' - ')[0].rpartition('::')[2] or line}"
    return "MISSED: " + ("every test stayed green" if done.returncode == 0 else "no test ran")


if __name__ == "__main__":
    sys.exit(main())
