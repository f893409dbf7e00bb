"""Playing a payment's steps over HTTP and holding each against what the chart and ledger allow.

It chooses nothing: which step comes next, with what and how spoilt, is `test_model.py`'s.
"""

from __future__ import annotations

import itertools
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faults.inprocess import WINDOW_S, World
from faults.model import Asked, Charted, Known, Watch
from hypothesis import note
from werkzeug.test import TestResponse

from engine.reconcile import reconcile
from engine.verify import verify

REFUSALS_PER_HOUR = 20
HOUR_US = 3_600_000_000
STORED = {"illegal_transition", "guard_refused"}
TROUBLE = {"gateway_surprise", "gateway_unavailable", "gateway_timeout"}
VERB = {"ready": "ready", "approve": "approve", "refund": "cancel"}
"""Public events that call the gateway, and the verb that they call it with."""
LOST = tuple("hang reset http_500 http_503 truncated empty html huge gzip redirect late".split())
"""How the names of those faults begin after which nobody can know what was done."""
FAST = Path("/dev/shm")  # a file system in memory, where there is one: durability is not at stake


class Sent:
    """One request of a merchant, to be repeated, and what it was answered."""

    def __init__(self, known: Known, wire: str, body: dict[str, Any], headers: dict[str, str]):
        self.known, self.wire, self.body, self.headers = known, wire, body, headers
        self.operation: str | None = None
        self.status, self.code, self.data = 0, "", b""

    @property
    def path(self) -> str:
        return f"/transactions/{self.known.txn}/{self.wire}"

    def answered(self, answer: TestResponse) -> None:
        self.status, self.data = answer.status_code, answer.data
        self.code = answer.get_json().get("code", "")

    @property
    def final(self) -> bool:
        """Whether this very answer is what every repeat must get."""
        return self.status in (200, 201) or self.code in STORED


class Play:
    """What can be done to a world, each step held against its prediction; it chooses nothing."""

    chart: Charted
    seen: Counter[Any]

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=FAST if FAST.is_dir() else None))
        self.world = World(self.folder)
        self.watch = Watch(self.world, self.chart)
        self.sent: list[Sent] = []
        self.back: dict[str, str] = {}
        self.tids: dict[str, str] = {}
        self.fooled_until = 0
        self.disturbed = False
        self.numbers = itertools.count(1)

    # ---- looking

    @property
    def payments(self) -> list[Known]:
        return list(self.watch.known.values())

    def payment(self, index: int, fits: Callable[[Known], bool] = lambda known: True) -> Known:
        """A payment; four times in five one that fits, where there is one."""
        fitting = [known for known in self.payments if fits(known)]
        chosen = fitting if fitting and index % 5 else self.payments
        return chosen[index % len(chosen)]

    def settle(self, known: Known) -> list[dict[str, Any]]:
        """After each step: every promise, and the resource as it is served."""
        fresh = self.watch.look()
        for each in self.payments:
            if fresh[each.txn] or each is known:
                answer = self.world.call("GET", f"/transactions/{each.txn}")
                self.watch.check_resource(each, answer.get_json(), answer.headers["ETag"])
        return fresh[known.txn]

    def fooled(self) -> bool:
        """Whether the gateway may still show something other than its ledger."""
        return self.world.time.now < self.fooled_until or bool(self.world.gateway.held)

    # ---- the merchant

    def new_order(self, order: dict[str, Any], stage: int, spoil: dict[str, Any] | None) -> None:
        """A new payment, taken as far as `stage`; only the last step may go wrong."""
        body = {"provider": "kakaopay", "order_id": f"order-{next(self.numbers)}", **order}
        body |= {"item_name": "초코파이", "currency": "KRW"}
        if order["flow"] == "client":
            body |= {f"{leg}_url": f"strada-shop://{leg}" for leg in ("approval", "cancel", "fail")}
        headers = {"Idempotency_Key": f"create-{next(self.numbers):04d}"}
        answer = self.world.call("POST", "/transactions", body, **headers)
        assert answer.status_code == 201, answer.text
        txn = answer.get_json()["id"]
        self.watch.known[txn] = known = Known(
            txn, order["flow"], order["amount"], order["tax_free_amount"]
        )
        self.settle(known)
        again = self.world.call("POST", "/transactions", body, **headers)
        assert (again.status_code, again.data) == (201, answer.data), "P10"
        steps = self.path(known, spoil)[:stage]
        for number, step in enumerate(steps, 1):
            step(number == len(steps))

    def path(self, known: Known, spoil: dict[str, Any] | None) -> list[Callable[[bool], object]]:
        """Everybody does the expected thing, step by step."""

        def fire(wire: str) -> Callable[[bool], None]:
            def step(last: bool) -> None:
                if last and spoil:
                    self.spoil(known, wire, spoil)
                self.event(known, wire, "new", "none", "third", right=True)

            return step

        def agrees(last: bool) -> None:
            self.at_the_gateway(known, "approve")

        def app(last: bool) -> None:
            self.app_acts(known)

        if known.flow == "reported":
            return [app, fire("ready"), agrees, app, fire("approve"), fire("complete")]
        return [fire("ready"), agrees, fire("approve"), fire("complete"), fire("refund")]

    def event(self, known: Known, wire: str, key: str, match: str, size: str, right: bool) -> None:
        """Fire one public event with a body that may be right."""
        body: dict[str, Any] = {}
        asked = Asked(now=self.world.time.now)
        if wire == "refund":
            amount = _amount(known, size)
            body = {} if amount is None else {"amount": amount}
            if amount is not None and known.tax_free and right:
                body["tax_free_amount"] = 0
            asked = Asked(asked.now, known.refundable if amount is None else amount)
        if wire == "approve":
            body = {"pg_token": self.token(known) if right else "a-wrong-token"}
        if wire in ("ready", "approve") and known.flow == "reported":
            reference = self.tids.get(known.txn) if right else None
            body = {"provider_ref": reference or "T0123456789abcdef012"}
        self.fire(self.request(known, wire, body, key, match), asked)

    def request(self, known: Known, wire: str, body: dict[str, Any], key: str, match: str) -> Sent:
        headers = {}
        if key == "new" or wire == "refund":
            headers["Idempotency_Key"] = f"key-{next(self.numbers):06d}"
        if match != "none":
            headers["If_Match"] = f'"{known.version + (match == "stale")}"'
        return Sent(known, wire, body, headers)

    def fire(self, sent: Sent, asked: Asked) -> None:
        """Send a request and hold what comes of it against the prediction."""
        known, wire = sent.known, sent.wire
        verdict, detail = self.chart.predict(known, wire, asked)
        if sent.headers.get("If_Match") not in (None, f'"{known.version}"'):
            verdict, detail = "version_mismatch", None
        before = Before(self, known)
        answer = self.world.call("POST", sent.path, sent.body, **sent.headers)
        sent.answered(answer)
        fresh = self.settle(known)
        note(f"{wire} on {before.status}: {verdict} {detail} → {sent.status} {sent.code}")
        moves = [entry for entry in fresh if entry["kind"] == "transition"]
        intents = [entry for entry in moves if entry["event"] in ("approve", "refund")]
        sent.operation = intents[0]["data"]["op"] if intents else None
        if "Idempotency_Key" in sent.headers:
            self.sent.append(sent)
        if known.flow == "reported" and wire in ("ready", "approve", "cancel", "fail"):
            return self._reported(sent, moves, verdict)
        if verdict != "legal":
            return self._refused(sent, before, fresh, verdict, detail)
        return self._done(sent, before, moves, str(detail), asked)

    def _refused(
        self, sent: Sent, before: Before, fresh: list[Any], code: str, guard: str | None
    ) -> None:
        known = sent.known
        assert before.calls == len(self.world.wire.calls), f"{code}, and the gateway was called"
        hour = [at for at in known.refused_at if at > self.world.time.now - HOUR_US]
        if sent.code == "rate_limited":
            assert len(hour) >= REFUSALS_PER_HOUR
            return
        assert sent.code == code, (sent.code, code)
        logged = ["refusal"] if code in STORED else []
        assert [entry["kind"] for entry in fresh] == logged
        if guard is not None:
            assert fresh[0]["data"]["guard"] == guard

    def _reported(self, sent: Sent, moves: list[Any], verdict: str) -> None:
        """Of a report we predict only what it must not do: act on what the gateway denies."""
        known = sent.known
        assert sent.status in {200, 202, 409, 412, 422, 429, 502, 503, 504}, sent.data
        if self.chart.event_of[sent.wire] in {entry["event"] for entry in moves}:
            assert sent.status in (200, 202), "it was done, and the answer denies it"
        if verdict == "version_mismatch":
            assert sent.code == verdict
            assert not moves
        if known.reference is not None:
            assert known.reference == self.tids.get(known.txn), "a foreign reference was bound"

    def _done(
        self, sent: Sent, before: Before, moves: list[Any], target: str, asked: Asked
    ) -> None:
        known, wire = sent.known, sent.wire
        if wire in ("complete", "cancel", "fail"):
            assert (sent.status, known.status, len(moves)) == (200, target, 1), sent.data
            return None
        if wire == "ready":
            return self._prepared(sent, before)
        unfit = sent.code == "tax_free_amount_required" or b'"guard":null' in sent.data.replace(
            b" ", b""
        )
        if wire == "refund" and unfit:
            assert self.watch.truth(known.txn) == before.truth
            return None
        assert moves[0]["event"] == wire, "the intent comes first"
        if known.status == target:
            assert sent.status == 202, "an open intent is answered 202"
        else:
            assert sent.status == 200 or sent.code == "approval_not_taken"
        self._lost_or_lied(sent, before, target)
        if not before.honest():
            return None
        return self._approved(sent, before) if wire == "approve" else self._refunded(sent, before)

    def _lost_or_lied(self, sent: Sent, before: Before, target: str) -> None:
        """Unknown is a state; and who lies about a payment is not believed."""
        verb, known = VERB[sent.wire], sent.known
        met = [fault["kind"] for fault in before.met() if fault["on"] == verb]
        unasked = len(self.world.wire.calls) == before.calls
        if unasked or self.world.gateway.down or any(kind.startswith(LOST) for kind in met):
            assert (sent.status, known.status) == (202, target), f"{sent.status} after no answer"
        lie = [kind for kind in met if kind.startswith("wrong")]
        if lie and verb == "approve" and len(self.watch.truth(known.txn)[0]) > len(before.truth[0]):
            assert (sent.status, known.status) == (202, target), f"{lie} was believed"
            assert self.review(known) == "contradicting_evidence"

    def _prepared(self, sent: Sent, before: Before) -> None:
        known = sent.known
        if before.honest():
            assert (sent.status, known.status) == (200, "ready"), sent.data
        if known.status == "ready":
            assert sent.status == 200
            self.tids[known.txn] = str(known.reference)
        else:
            assert sent.code in TROUBLE, sent.code

    def _approved(self, sent: Sent, before: Before) -> None:
        """The gateway was honest: what its ledger says is what was answered."""
        charges, _ = self.watch.truth(sent.known.txn)
        payable = before.gateway_status == "AUTH_PASSWORD"
        if payable and sent.body["pg_token"] == self.token(sent.known):
            assert charges, "a good token was not taken"
        if charges:
            assert sent.known.status in ("approved", "partially_refunded", "refunded")
        else:
            assert sent.known.status in ("ready", "failed", "approving")
            assert sent.known.status != "failed" or before.gateway_status != "AUTH_PASSWORD"

    def _refunded(self, sent: Sent, before: Before) -> None:
        known = sent.known
        _, refunds = self.watch.truth(known.txn)
        fresh = refunds[len(before.truth[1]) :]
        if sum(line["amount"] for line in before.truth[1]) != before.refunded:
            assert fresh == [], "refunded against the gateway's own guard"
            return
        assert [line["payload"] for line in fresh] == [sent.operation], "one refund, and ours"
        wanted = sent.body.get("amount", before.refundable)
        assert fresh[0]["amount"] == wanted == known.refunded - before.refunded
        assert known.status == ("partially_refunded" if known.refundable else "refunded")

    # ---- the customer and the app

    def at_the_gateway(self, known: Known, action: str) -> None:
        """The customer acts on the gateway's page; the browser is not back yet."""
        found = self.world.books.find(self.tids.get(known.txn, ""))
        if found is None:
            return
        url = f"http://127.0.0.1:9000/x/payment/{found.page}"
        answer = self.world.control("pay", {"url": url, "action": action})
        if "redirect" in answer:
            self.back[known.txn] = answer["redirect"]

    def token(self, known: Known) -> str:
        return self.back.get(known.txn, "").rpartition("pg_token=")[2] or "no-such-token"

    def app_acts(self, known: Known) -> None:
        """The merchant's app prepares, and later takes, a payment without telling us."""
        if known.flow != "reported":
            return
        resource = self.world.call("GET", f"/transactions/{known.txn}").get_json()
        body = {"cid": "TC0ONETIME", **resource["gateway_params"]}
        if known.txn not in self.tids:
            legs = {f"{leg}_url": f"http://127.0.0.1:1/{leg}" for leg in ("cancel", "fail")}
            body |= {"item_name": "x", "quantity": 1, "total_amount": known.amount}
            body |= {
                "tax_free_amount": known.tax_free,
                "approval_url": "http://127.0.0.1:1/ok",
                **legs,
            }
            self.tids[known.txn] = self.world.direct("ready", body)["tid"]
        else:
            body |= {"tid": self.tids[known.txn], "pg_token": self.token(known)}
            self.world.direct("approve", body)
        self.settle(known)

    # ---- the gateway

    def spoil(self, known: Known, wire: str, spoil: dict[str, Any]) -> None:
        """This very call will go wrong."""
        on = "order" if known.flow == "reported" and wire != "refund" else VERB.get(wire)
        if on is not None:
            self.script({**spoil, "on": on, "partner_order_id": known.txn})

    def script(self, fault: dict[str, Any]) -> None:
        code = fault.pop("code")
        if fault["kind"].startswith("error") and fault["on"] != "order":
            declined = {"approve": -780, "cancel": -781}
            fault["code"] = code or declined.get(fault["on"], -500)
        assert self.world.control("faults", fault)["status_code"] == 200
        self.disturbed = True

    # ---- the end

    def teardown(self) -> None:
        """The faults end; everything converges on the ledger, or is under review."""
        try:
            if self.payments and sys.exc_info()[0] is None:  # else a rule has said enough
                self._converge()
        finally:
            self.seen.update(self.watch.walked)
            self.world.close()
            shutil.rmtree(self.folder)

    def _converge(self) -> None:
        world = self.world
        fired = [fault for fault in world.gateway.faults.shown() if fault["fired"]]
        self.seen.update(fault["kind"] for fault in fired)
        world.gateway.faults.clear()
        world.control("down", {"down": False})
        world.pass_time(130)  # every lag is over, and what was late has landed
        self._work(60)
        for known in self.payments:
            self._known_truth_has_come(known)
        self._work(2 * WINDOW_S + 600, step=60)
        for known in self.payments:
            if known.flow == "reported" and known.reference is None:  # unreported so far
                self.event(known, "approve", "new", "none", "all", right=True)
        list(reconcile(world.strada.payments, 0))
        self.settle(self.payments[0])
        for known in self.payments:
            self._equal_or_reviewed(known)
            if known.status == "captured_unwanted":
                self.event(known, "refund", "new", "none", "all", right=True)
                assert known.status == "refunded", "what nobody wanted could not be given back"
        report = verify(world.strada.store)
        assert report.whole, report.findings

    def _work(self, seconds: float, step: float = 5) -> None:
        passed = 0.0
        while passed < seconds:
            self.world.pass_time(step)
            passed += step
            self.world.strada.worker.run_once()
        self.settle(self.payments[0])

    def _known_truth_has_come(self, known: Known) -> None:
        """P11: what the ledger can answer is answered within 60 s, with no client call."""
        charges, refunds = self.watch.truth(known.txn)
        review = self.review(known)
        if known.status == "approving" and charges:
            assert review, "P11: charged, and 60 s later still not known"
        if known.status == "refunding":
            ours = {line["payload"] for line in refunds} & known.operations.keys()
            waiting = [op for op in ours if known.operations[op] == "open"]
            assert not waiting or review, "P11: refunded, and 60 s later still not known"

    def _equal_or_reviewed(self, known: Known) -> None:
        charges, refunds = self.watch.truth(known.txn)
        truth = (sum(c["amount"] for c in charges), sum(r["amount"] for r in refunds))
        review = self.review(known)
        unsure = known.status in ("approving", "refunding")
        if (known.captured, known.refunded) != truth or unsure:
            assert review, f"{known.status}: {(known.captured, known.refunded)} is not {truth}"
        if not self.disturbed and known.flow != "reported":
            assert review in (None, "captured_unwanted"), "a review, and nothing went wrong"

    def review(self, known: Known) -> str | None:
        row = self.world.strada.ledger.load(known.txn)
        found: str | None = row["needs_review"]
        return found


class Before:
    """What was so before a step: to see what it did, and whether the gateway played fair."""

    def __init__(self, shop: Play, known: Known) -> None:
        self._shop, self._known = shop, known
        self.status, self.seq = known.status, known.seq
        self.refunded, self.refundable = known.refunded, known.refundable
        self.truth = shop.watch.truth(known.txn)
        self.calls = len(shop.world.wire.calls)
        self.fired, self.fooled = self._fired(), shop.fooled()
        found = shop.world.books.find(shop.tids.get(known.txn, ""))
        now = shop.world.books.clock.now()
        self.gateway_status = found.status(now) if found else ""

    def _fired(self) -> dict[str, int]:
        return {fault["id"]: fault["fired"] for fault in self._shop.world.gateway.faults.shown()}

    def met(self) -> list[dict[str, Any]]:
        """The faults that fired since."""
        faults = self._shop.world.gateway.faults.shown()
        return [fault for fault in faults if fault["fired"] > self.fired.get(fault["id"], 0)]

    def honest(self) -> bool:
        """Whether the gateway was asked and no fault, no lag and no silence touched the answer."""
        world = self._shop.world
        asked = len(world.wire.calls) > self.calls
        untouched = not self.met() and not self.fooled
        if not untouched:
            self._shop.fooled_until = max(self._shop.fooled_until, world.time.now + 121 * 1_000_000)
        return asked and untouched and not world.gateway.down

    def nothing_happened(self) -> None:
        """No entry, no call, no movement of money."""
        shop = self._shop
        assert shop.settle(self._known) == []
        assert len(shop.world.wire.calls) == self.calls
        assert shop.watch.truth(self._known.txn) == self.truth


def _amount(known: Known, size: str) -> int | None:
    """Amounts at the edges of what may be refunded."""
    left = known.refundable
    sizes = {"all": None, "rest": left, "over": left + 1, "one": 1, "most": left - 1}
    wanted = sizes | {"third": left // 3, "twice": 2 * known.amount}
    found = wanted[size]
    return None if found is None else max(1, found)
