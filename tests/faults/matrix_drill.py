"""The drill of the matrix: take one defence out at a time and name the cells that see it.

    cd tests; python -m faults.matrix_drill            all of them
    cd tests; python -m faults.matrix_drill canary     those whose name contains a word

Exit 0 when every bug was caught, 1 when one was missed.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from faults.drill import Bug, planted, tried

MATRIX = "tests/faults/test_gateway_matrix.py"
BUGS = (
    Bug(
        "failed on timeout",
        "P2",
        "engine/evidence.py",
        '        case Unknown():\n            return _unknown(outcome)\n        case _:\n            return Verdict(next="wait", said="surprise")',
        "        case Unknown():\n            return _declined(op, 'timeout', '', '')\n        case _:\n            return Verdict(next=\"wait\", said=\"surprise\")",
        "hang",
    ),
    Bug(
        "believe a negative look-up early",
        "P2",
        "engine/case.py",
        "return op is not None and self.asked_at < max(op.call_deadline, op.settle_after)",
        "return False",
        "late",
    ),
    Bug(
        "follow redirects",
        "P3",
        "providers/http.py",
        "            response = self._adapter.send(request, True, limits, self._verify)\n",
        "            session = requests.Session()\n"
        '            session.mount("http://", self._adapter)\n'
        "            response = session.send(request, stream=True, timeout=limits)\n",
        "redirect",
    ),
    Bug(
        "skip the amount check",
        "P3",
        "engine/evidence.py",
        "        and truth.captured == folded.amount\n",
        "",
        "unwanted",
    ),
    Bug(
        "no total deadline",
        "P11",
        "providers/bounded.py",
        "        self._sock.settimeout(self._call.left())\n        return self._raw",
        "        return self._raw",
        "drip",
    ),
    Bug(
        "no body cap",
        "P15",
        "providers/http.py",
        "if len(raw) > MAX_BODY:",
        "if False:",
        "huge",
    ),
    Bug(
        "no order-id check",
        "P3",
        "engine/evidence.py",
        "        and truth.order_id == folded.id\n        and case.user in",
        "        and case.user in",
        "wrong_order",
    ),
    Bug(
        "no user check",
        "P3",
        "engine/evidence.py",
        "        and case.user in (None, truth.user_id)\n        and truth.currency",
        "        and truth.currency",
        "wrong_user",
    ),
    Bug(
        "send a refund again blindly",
        "P2",
        "engine/worker.py",
        '        row = self._ledger.load(op["txn"])\n        asked = self._settlement',
        '        row = self._ledger.load(op["txn"])\n        if op["kind"] == "refund":\n'
        '            self._resend(row, op["id"])\n            return True\n'
        "        asked = self._settlement",
        "late",
    ),
    Bug(
        "increment instead of set",
        "P1",
        "engine/fold.py",
        "after.refunded_amount, after.refunded_tax_free, after.refunded_vat = totals",
        "after.refunded_amount += totals[0]",
        "console",
    ),
    Bug(
        "no canary",
        "P11",
        "engine/worker.py",
        "        return sum(self._look_at(op) for op in (*self._canaries(), *due))",
        "        return sum(self._look_at(op) for op in due)",
        "outage",
    ),
    Bug(
        "a breaker in unscaled time",
        "P11",
        "web/wiring.py",
        "lambda: clock.monotonic() * clock.scale",
        "clock.monotonic",
        "outage",
    ),
    Bug(
        "believe that -702 is a no",
        "P2",
        "providers/kakaopay/codes.py",
        'Meaning("already_approved", approve="conflict")',
        'Meaning("already_approved", approve="refused")',
        "already_approved",
    ),
    Bug(
        "no second look at a no",
        "P3",
        "engine/settlement.py",
        "        if not closes or not",
        "        if closes or not",
        "unwanted",
    ),
)


def main() -> int:
    """Run the drill; prints each bug with the first cells that saw it."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [bug for bug in BUGS if wanted in bug.name]
    missed = 0
    for bug in chosen:
        begun = time.monotonic()
        seen = _seen(bug)
        missed += not seen
        took_s = time.monotonic() - begun
        print(f"{bug.promise:<4} {bug.name:<36} {len(seen)} cells  ({took_s:.0f} s)", flush=True)
        for line in seen or ["MISSED"]:
            print(f"       {line[:160]}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} caught")
    return 1 if missed else 0


def _seen(bug: Bug) -> list[str]:
    """The promises broken in the bug's row, or nothing when its defence is not found."""
    with planted(bug) as copy:
        return [] if copy is None else _broken(copy, bug.tests)


def _broken(copy: Path, row: str) -> list[str]:
    test = f"{MATRIX}::test_a_hostile_gateway_never_gets_a_lie_out_of_us[{row}]"
    done = tried(copy, "-p", "no:xdist", test)
    lines = [line.removeprefix("E").strip() for line in done.stdout.splitlines()]
    lines = [line.removeprefix("AssertionError: ") for line in lines]
    return [line for line in lines if line.startswith(f"{row}, ") and "Traceback" not in line]


if __name__ == "__main__":
    sys.exit(main())
