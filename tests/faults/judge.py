"""Judging a cell: the promises of the engine, held against the gateway's ledger.

It refuses to believe Strada about money, and calls a fault that did not fire a failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from faults.cell import Cell
from faults.watch import Money, Sample
from faults.world import World

ANSWER_S = 2.0
"""A client is answered within the call deadline and this, in real seconds."""
TRUTH_S = 60.0
"""The truth is shown this long after it can be known, before scaling."""
SETTLE_S = 60.0
"""KakaoPay's settle_after: "not done" cannot be known before."""
OPEN = frozenset({"created", "ready"})
UNCHARGED = OPEN | {"cancelled", "failed", "expired"}


def faults(cell: Cell, world: World, money: Money, slack_s: float) -> list[str]:
    """Every promise that this world breaks; `slack_s` is what an honest call takes here and now."""
    return [
        *_answers(world, slack_s),
        *_told(cell, world, money),
        *_never_shown(cell, world),
        *_truth(cell, world, slack_s),
        *_effects(money),
        *_totals(cell, world.samples()[-1]),
        *_fired(world),
        *(_believed(world) if cell.by_worker else ()),
        *([] if world.verified() else ["the log does not verify"]),
    ]


def _answers(world: World, slack_s: float) -> Iterator[str]:
    limit = world.deadline_s + ANSWER_S + slack_s
    for made in world.calls:
        if made.took_s > limit:
            yield f"{made.event} was answered after {made.took_s:.2f} s, not {limit:.2f} s"
        if made.status >= 500 and made.event != "ready":
            yield f"{made.event} was answered {made.status}"


def _told(cell: Cell, world: World, money: Money) -> Iterator[str]:
    """What the client of an approve was answered at once."""
    for made in world.calls:
        status = made.body.get("status") if made.status in (200, 202) else None
        if made.event == "approve" and status in UNCHARGED and money.charged and not cell.unwanted:
            yield f"approve was answered {status}, and was charged"


def _never_shown(cell: Cell, world: World) -> Iterator[str]:
    """What no caller may ever see, whatever the cell is about."""
    said = set()
    asked = [made.began + made.took_s for made in world.calls if made.event == "approve"]
    for sample in world.samples():
        shown, before, after = sample.shown, sample.before, sample.after
        status, captured = shown["status"], shown["captured_amount"]
        unasked = status in OPEN and sample.at < min(asked, default=sample.at + 1)
        if before.charged and status in UNCHARGED and not unasked and not cell.unwanted:
            said.add(f"shown {status} while charged")
        if captured > after.charged or (status == "approved" and not after.charged):
            said.add(f"shown {status} with {captured}, charged {after.charged}")
        if shown["refunded_amount"] > after.refunded:
            said.add(f"shown {shown['refunded_amount']} refunded of {after.refunded}")
        for refund in shown["refunds"]:
            done = refund["id"] in before.refunds
            if refund["status"] == "rejected" and done and not cell.unwanted:
                said.add("a refund that was done is shown rejected")
    yield from sorted(said)


def _truth(cell: Cell, world: World, slack_s: float) -> Iterator[str]:
    """Shown, for good, in time after it could be known; `slack_s` and a sample's age allowed."""
    last = world.samples()[-1]
    if not cell.ended(last):
        review = last.shown["needs_review"]
        yield f"ends {last.shown['status']} (review: {review}), ledger {last.after}"
        return
    allowed_s = TRUTH_S / world.scale + samples_apart(world.samples()) + slack_s
    if truth_s(cell, world) > allowed_s:
        took_s, allowed_s = truth_s(cell, world) * world.scale, allowed_s * world.scale
        yield f"the truth was shown {took_s:.0f} s after it could be known, not {allowed_s:.0f} s"


def truth_s(cell: Cell, world: World) -> float:
    """Real seconds from when the truth could be known until it was seen, to stay."""
    samples = world.samples()
    before = [sample for sample in samples if not cell.ended(sample)]
    shown = samples[samples.index(before[-1]) + 1] if before else samples[0]
    return shown.at - knowable(cell, world)


def knowable(cell: Cell, world: World) -> float:
    """From when the truth could be told: the gateway answers, and our request cannot still land."""
    moments = [world.back_at]
    if cell.undone:
        moments.append(world.calls[-1].began + SETTLE_S / world.scale)
    else:
        unmoved = [s for s in world.samples() if not cell.moved(s.after)]
        moments += [unmoved[-1].at] if unmoved else []
    return max(moments)


def samples_apart(samples: list[Sample]) -> float:
    """The longest time between two samples: that much later than it was shown we may see it."""
    pairs = pairwise(samples)
    return max((later.at - sooner.at for sooner, later in pairs), default=0.0)


def _effects(money: Money) -> Iterator[str]:
    if len(money.charges) > 1:
        yield f"{len(money.charges)} charges"
    for operation, times in Counter(filter(None, money.refunds)).items():
        if times > 1:
            yield f"{operation} was refunded {times} times"


def _totals(cell: Cell, last: Sample) -> Iterator[str]:
    ours = (last.shown["captured_amount"], last.shown["refunded_amount"])
    theirs = (last.after.charged, last.after.refunded)
    if ours != theirs and not last.shown["needs_review"]:
        yield f"we say {ours}, the gateway {theirs}, and nobody is told to look"


def _believed(world: World) -> Iterator[str]:
    """What makes no sense settles nothing, whatever it says; on a slow machine too."""
    last = [entry for entry in world.history() if entry["kind"] == "transition"][-1]
    if last["actor"] != "worker":
        yield f"{last['event']} was taken from an answer that is none"


def _fired(world: World) -> Iterator[str]:
    fired = world.fired()
    if fired != world.scripted or not fired + world.unreached:
        yield f"{fired} of {world.scripted} faults fired"
    if world.elsewhere():
        yield "a redirect was followed"
