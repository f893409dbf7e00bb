"""The rows of the hostile matrix: each fault with the cells that it makes of the four verbs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from faults import absence, plays
from faults.cell import Cell
from faults.world import AMOUNT

SPOILS = "hang reset http_500 http_503 truncated empty html huge drip gzip redirect".split()
LIES = "amount tid order user".split()
REFUNDED: Mapping[str, Any] = {"status": "partially_refunded", "refunded": plays.PART}
FAILED: Mapping[str, Any] = {"status": "failed", "charged": 0}
CONTRADICTS = "contradicting_evidence"
SHORT: Mapping[str, Any] = {"scale": 100.0, "deadline_s": 100.0}
"""Where the gateway's window of 900 s has to pass."""
GENTLE: Mapping[str, Any] = {"scale": 10.0}
"""Where an honest answer must come within the deadline, whatever else the machine does."""
FAST: Mapping[str, Any] = {"scale": 50.0, "deadline_s": 25.0}
"""Where an unscaled wait of 5 s would be four minutes."""
POOR: Mapping[str, Any] = {"code": -780, "method_result_code": "NOT_ENOUGH_BALANCE"}


def spoiled(spoil: str) -> list[Cell]:
    """An answer that is no answer, to each verb, with the effect and without."""
    cells = looked_up("", f"{spoil}_after")
    for when in ("before", "after"):
        kind = f"{spoil}_{when}"
        ends: dict[str, Any] = {"undone": when == "before", "by_worker": True}
        cells += [
            Cell(f"prepare {when}", partial(plays.prepare, kind)),
            Cell(f"approve {when}", partial(plays.approve, kind), **ends),
            Cell(f"refund {when}", partial(plays.refund, kind), **REFUNDED, **ends),
        ]
    return cells


def looked_up(name: str, kind: str, review: str | None = None, **more: Any) -> list[Cell]:
    """Look-ups go wrong: after a lost approve, and after a lost refund."""
    approve, refund = plays.look_up_approve, plays.look_up_refund
    return [
        Cell(f"look_up approve{name}", partial(approve, kind, **more), review=review),
        Cell(f"look_up refund{name}", partial(refund, kind, **more), **REFUNDED, review=review),
    ]


def unreachable(away: absence.Away) -> list[Cell]:
    """Nobody takes the connection, at each verb."""
    return [
        Cell("prepare", partial(absence.away_at_prepare, away)),
        Cell("approve", partial(absence.away_at_approve, away), undone=True),
        Cell("refund", partial(absence.away_at_refund, away), **REFUNDED, undone=True),
        Cell("look_up", partial(absence.approve_then_away, away, 20)),
    ]


def outage() -> list[Cell]:
    """Away for so long that the next look-up of the schedule is minutes off: the canary's job."""
    return [
        Cell("approve, resets", partial(absence.approve_then_away, absence.down, 130)),
        Cell("approve, refused", partial(absence.approve_then_away, absence.stopped, 130)),
        Cell("approve, breaker", partial(absence.approve_then_away, absence.stopped, 130), **FAST),
        Cell("refund, resets", partial(absence.refund_then_away, absence.down, 130), **REFUNDED),
        Cell(
            "refund, refused", partial(absence.refund_then_away, absence.stopped, 130), **REFUNDED
        ),
    ]


def late() -> list[Cell]:
    """The money moves after our deadline, and after a look-up said that it had not."""
    return [
        Cell("prepare", partial(plays.prepare, "late", delay_s=5)),
        Cell("approve", partial(plays.approve_late, 30)),
        Cell("approve after not charged", partial(plays.approve_late, 50)),
        Cell("approve after closed", plays.approve_late_and_closed),
        Cell("refund", partial(plays.refund_late, 30), **REFUNDED),
        Cell("refund after not refunded", partial(plays.refund_late, 50), **REFUNDED),
    ]


def slow() -> list[Cell]:
    """An honest answer, within our deadline and beyond it."""
    return [
        Cell("prepare", partial(plays.prepare_slowly, delay_s=4), **GENTLE),
        Cell("approve", partial(plays.approve, "slow", delay_s=4)),
        Cell("approve beyond", partial(plays.approve, "slow", delay_s=15)),
        Cell("refund", partial(plays.refund, "slow", delay_s=4), **REFUNDED),
        Cell("refund beyond", partial(plays.refund, "slow", delay_s=15), **REFUNDED),
        *looked_up(" beyond", "slow", delay_s=15),
    ]


def wrong(what: str) -> list[Cell]:
    """An answer that lies in one field."""
    kind = f"wrong_{what}"
    cells = [
        Cell("approve", partial(plays.approve, kind), review=CONTRADICTS),
        Cell("refund", partial(plays.refund, kind), **REFUNDED),
        *looked_up("", kind, CONTRADICTS),
        Cell("both", partial(plays.lied_to_throughout, kind), review=CONTRADICTS),
    ]
    if what == "tid":
        cells.append(Cell("prepare", plays.prepare_wrong_tid, **FAILED, **GENTLE))
    if what == "amount":
        short = partial(plays.approve, kind, by=-1_000)
        cells.append(Cell("approve, too little", short, review=CONTRADICTS))
    return cells


def errors() -> list[Cell]:
    """Documented codes and one that is not, with the effect and without."""
    unlisted = {"code": -9_999}
    approve_lost, refund_lost = looked_up(" lost", "error", code=-721)
    return [
        Cell("prepare refused", partial(plays.prepare, "error", code=-798)),
        Cell("approve declined", partial(plays.approve, "error", **POOR), **FAILED, **GENTLE),
        Cell("approve locked", partial(plays.approve, "error", code=-780), undone=True),
        Cell("approve duplicate", partial(plays.approve, "error_after", code=-785)),
        Cell("approve duplicate, undone", partial(plays.approve, "error", code=-785), undone=True),
        Cell("approve unlisted", partial(plays.approve, "error_after", **unlisted)),
        Cell("refund declined", partial(plays.refund, "error", code=-781), **GENTLE),
        Cell("refund duplicate", partial(plays.refund, "error_after", code=-785), **REFUNDED),
        Cell("refund unlisted", partial(plays.refund, "error_after", **unlisted), **REFUNDED),
        approve_lost,
        replace(refund_lost, review=CONTRADICTS),
        *looked_up(" unauthorised", "error", code=-401),
    ]


def already_approved() -> list[Cell]:
    """-702, told truly and falsely."""
    return [
        Cell("approve", partial(plays.approve, "error_after", code=-702)),
        Cell("approve, undone", partial(plays.approve, "error", code=-702), undone=True),
        Cell("approve, by another", plays.approved_by_another),
    ]


def duplicate() -> list[Cell]:
    """The client sends everything again."""
    return [
        Cell("prepare", plays.prepare_twice, **GENTLE),
        Cell("approve", partial(plays.approve_again, "approve-key-1")),
        Cell("approve, another key", partial(plays.approve_again, None)),
        Cell("refund", partial(plays.refund_again, "refund-key-1"), **REFUNDED),
    ]


def concurrent() -> list[Cell]:
    """Eight calls at once."""
    everything: dict[str, Any] = {"status": "refunded", "refunded": AMOUNT, **GENTLE}
    return [
        Cell("prepare", plays.prepare_at_once, **GENTLE),
        Cell("approve", plays.approve_at_once, **GENTLE),
        Cell("refund", partial(plays.refund_at_once, None), **everything),
        Cell("refund, one key", partial(plays.refund_at_once, "refund-key-1"), **everything),
    ]


def window() -> list[Cell]:
    """The gateway's payment window ends."""
    return [
        Cell("approve", plays.approve_after_the_window, **FAILED, **GENTLE),
        Cell("look_up", plays.window_ends_unknown, **FAILED, undone=True),
        Cell("nobody pays", plays.nobody_pays, "expired", 0, **SHORT),
    ]


def console() -> list[Cell]:
    """Refunded in the gateway's own console."""
    part: dict[str, Any] = {"status": "partially_refunded", "refunded": 2_000}
    everything: dict[str, Any] = {"status": "refunded", "refunded": AMOUNT}
    unclear: dict[str, Any] = {"status": "refunding", "review": CONTRADICTS, "shown": (AMOUNT, 0)}
    return [
        Cell("approve", partial(plays.console_before_look_up, 2_000), **part),
        Cell("approve, all", partial(plays.console_before_look_up, AMOUNT), **everything),
        Cell("refund after it", plays.console_then_refund, **part, **GENTLE),
        Cell(
            "refund on top",
            plays.console_then_refund_again,
            **{**part, "refunded": 7_000},
            **GENTLE,
        ),
        Cell("refund, same sum", partial(plays.console_during_refund, plays.PART), **REFUNDED),
        Cell(
            "refund, another sum",
            partial(plays.console_during_refund, 2_000),
            **unclear,
            refunded=2_000,
        ),
    ]


def lagging() -> list[Cell]:
    """Look-ups show the state of before: those before `settle_after`, and the one that decides."""
    return [
        Cell("approve", partial(plays.approve_lagging, 2)),
        Cell("approve, sent again", partial(plays.approve_lagging, 4)),
        Cell("refund", partial(plays.refund_lagging, 2), **REFUNDED),
        Cell("refund, sent again", partial(plays.refund_lagging, 4), **REFUNDED),
    ]


def unwanted() -> list[Cell]:
    """A gateway that says no and acts: found by the second look, which a no is always given."""
    found: dict[str, Any] = {"status": "captured_unwanted", "review": "captured_unwanted"}
    found |= {"unwanted": True, **SHORT}
    given_back = {**found, "status": "refunded", "review": None, "refunded": AMOUNT}
    short = {**found, "status": "failed", "review": CONTRADICTS, "shown": (0, 0)}
    done = partial(plays.refund, "error_after", code=-781)
    return [
        Cell("refund declined, done", done, **REFUNDED, **GENTLE, unwanted=True),
        Cell("declined, charged", partial(plays.lied_about_charge, **POOR), **found),
        Cell("not taken, charged", partial(plays.lied_about_charge, code=-708), **found),
        Cell("cancelled, charged", plays.cancelled_then_found, **found),
        Cell("given back", partial(plays.unwanted_refunded, **POOR), **given_back),
        Cell("told short", partial(plays.found_but_told_short, **POOR), **short),
    ]


ROWS: Mapping[str, Callable[[], list[Cell]]] = {
    **{spoil: partial(spoiled, spoil) for spoil in SPOILS},
    "refused": partial(unreachable, absence.stopped),
    "black_hole": partial(unreachable, absence.swallowed),
    "outage": outage,
    "late": late,
    "slow": slow,
    **{f"wrong_{what}": partial(wrong, what) for what in LIES},
    "errors": errors,
    "already_approved": already_approved,
    "duplicate": duplicate,
    "concurrent": concurrent,
    "window": window,
    "console": console,
    "lag": lagging,
    "unwanted": unwanted,
}


def at_full_scale() -> list[Cell]:
    """One cell of each fault at least, of those that end within 75 s of real time."""
    spoils = [
        Cell(f"{spoil} approve", partial(plays.approve, f"{spoil}_after"), by_worker=True)
        for spoil in SPOILS
    ]
    lies = [
        Cell(f"wrong_{what} approve", partial(plays.approve, f"wrong_{what}"), review=CONTRADICTS)
        for what in LIES
    ]
    undone: dict[str, Any] = {**REFUNDED, "undone": True, "by_worker": True}
    chosen: Mapping[str, tuple[str, ...]] = {
        "refused": ("approve", "look_up"),
        "black_hole": ("approve", "refund"),
        "late": ("prepare", "approve", "refund after not refunded"),
        "slow": ("approve beyond", "refund"),
        "errors": ("approve declined", "approve duplicate", "refund duplicate"),
        "already_approved": ("approve", "approve, by another"),
        "duplicate": ("approve", "refund"),
        "window": ("approve", "look_up"),
        "console": ("approve", "refund on top"),
        "lag": ("approve", "refund"),
        "unwanted": ("refund declined, done",),
    }
    others = [
        replace(cell, name=f"{row} {cell.name}")
        for row, names in chosen.items()
        for cell in ROWS[row]()
        if cell.name in names
    ]
    return [
        Cell("drip prepare", partial(plays.prepare, "drip_after")),
        Cell("hang refund, undone", partial(plays.refund, "hang_before"), **undone),
        Cell("concurrent approve", plays.approve_at_once),
        Cell("concurrent refund", partial(plays.refund_at_once, None), "refunded", refunded=AMOUNT),
        *spoils,
        *lies,
        *others,
    ]
