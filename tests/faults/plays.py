"""What happens in the cells: the client, the customer and the gateway, step by step.

A play ends when the client has nothing more to do; what must be true then is the cell's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from faults.world import GATEWAY_KEY, WINDOW_S, Made, World

FOREVER_S = 600.0
"""Longer than anything waits."""
AT_ONCE = 8
PART = 5_000
TROUBLE = (502, 503, 504)


# ---- a fault at each verb


def prepare(kind: str, world: World, delay_s: float = FOREVER_S, **more: Any) -> None:
    """The answer to `ready` is lost: the client is told so, starts over, and all goes well."""
    world.create()
    world.fault("ready", kind, delay_s=delay_s, **more)
    lost = world.ready()
    assert lost.status in TROUBLE, lost
    start_over(world)


def prepare_slowly(world: World, delay_s: float) -> None:
    world.create()
    world.fault("ready", "slow", delay_s=delay_s)
    start_over(world)


def start_over(world: World) -> None:
    world.prepared_and_paid()
    world.charged()


def approve(kind: str, world: World, delay_s: float = FOREVER_S, **more: Any) -> None:
    world.paid()
    world.fault("approve", kind, delay_s=delay_s, **more)
    world.approve()


def refund(kind: str, world: World, delay_s: float = FOREVER_S, **more: Any) -> None:
    world.approved()
    world.fault("cancel", kind, delay_s=delay_s, **more)
    world.refund(PART)


def look_up_approve(kind: str, world: World, delay_s: float = FOREVER_S, **more: Any) -> None:
    """Two look-ups in a row go wrong after a lost approve."""
    world.paid()
    world.fault("approve", "reset_after")
    world.fault("order", kind, times=2, delay_s=delay_s, **more)
    world.approve()
    world.until_fired()


def look_up_refund(kind: str, world: World, delay_s: float = FOREVER_S, **more: Any) -> None:
    """Two look-ups in a row go wrong after a lost refund."""
    world.approved()
    world.fault("cancel", "reset_after")
    world.fault("order", kind, times=2, delay_s=delay_s, **more)
    world.refund(PART)
    world.until_fired()


def lied_to_throughout(kind: str, world: World) -> None:
    """Answer and look-ups tell the same lie; nobody may be told "approved" before the truth is."""
    world.paid()
    world.fault("approve", kind)
    world.fault("order", kind, times=2)
    world.approve()
    world.until_fired()
    shown = {sample.shown["status"] for sample in world.samples() if sample.at < world.back_at}
    assert shown <= {"created", "ready", "approving"}, shown


def prepare_wrong_tid(world: World) -> None:
    """We are told a reference that the gateway does not know: nothing can be charged with it."""
    world.create()
    world.fault("ready", "wrong_tid")
    assert world.ready().status == 200, world.calls
    world.pay()
    world.approve()


# ---- effects that come late


def approve_late(delay_s: float, world: World) -> None:
    world.paid()
    world.fault("approve", "late", delay_s=delay_s)
    world.approve()
    world.pass_time(delay_s)


def approve_late_and_closed(world: World) -> None:
    """Until the charge lands, the gateway says that the payment has ended without one."""
    world.paid()
    world.fault("approve", "late", delay_s=50)
    world.approve()
    world.close_window()
    world.pass_time(50)


def refund_late(delay_s: float, world: World) -> None:
    world.approved()
    world.fault("cancel", "late", delay_s=delay_s)
    world.refund(PART)
    world.pass_time(delay_s)


def approve_lagging(looks: int, world: World) -> None:
    world.paid()
    world.fault("approve", "reset_after")
    world.fault("order", "lag", times=looks, delay_s=3_600)
    world.approve()
    world.until_fired()


def refund_lagging(looks: int, world: World) -> None:
    world.approved()
    world.fault("cancel", "reset_after")
    world.fault("order", "lag", times=looks, delay_s=3_600)
    world.refund(PART)
    world.until_fired()


# ---- more than one request


def approved_by_another(world: World) -> None:
    """Somebody else with the same account approves first: -702 to us, and it is our charge."""
    world.paid()
    body = {"cid": "TC0ONETIME", "tid": world.tid, "pg_token": world.token}
    body |= {"partner_order_id": world.txn, "partner_user_id": "user-7"}
    url = f"{world.gateway_url}/online/v1/payment/approve"
    assert world.http("POST", url, body, Authorization=f"SECRET_KEY {GATEWAY_KEY}").ok
    world.unreached += 1
    world.approve()


def prepare_twice(world: World) -> None:
    world.create()
    world.fault("ready", "slow", delay_s=1)
    first, second = world.ready("prepare-key"), world.ready("prepare-key")
    assert (first.status, second.status) == (200, 200), world.calls
    assert first.body == second.body
    world.pay()
    world.approve()


def approve_again(key: str | None, world: World) -> None:
    """Again while unknown, and again when it is known: with its key it is the same request."""
    world.paid()
    world.fault("approve", "reset_after")
    _again(world, lambda: world.approve(key), "approved", key)


def refund_again(key: str | None, world: World) -> None:
    world.approved()
    world.fault("cancel", "reset_after")
    _again(world, lambda: world.refund(PART, key), "partially_refunded", key)


def _again(world: World, call: Callable[[], Made], ends: str, key: str | None) -> None:
    first, second = call(), call()
    assert first.status == 202, first
    assert second.status == (202 if key else 409), second
    world.shown(ends)
    third = call()
    if key:
        assert (third.status, third.body["status"]) == (200, ends), third
    elif ends == "approved":
        assert (third.status, third.body["code"]) == (409, "illegal_transition"), third


def prepare_at_once(world: World) -> None:
    world.create()
    world.fault("ready", "slow", delay_s=5)
    made = _at_once(world.ready)
    assert [one.status for one in made].count(200) == 1, made
    world.pay()
    world.approve()


def approve_at_once(world: World) -> None:
    world.paid()
    world.fault("approve", "slow", delay_s=5)
    made = _at_once(world.approve)
    assert [one.status for one in made].count(200) == 1, made


def refund_at_once(key: str | None, world: World) -> None:
    """All of it, so that no second one could be right."""
    world.approved()
    world.fault("cancel", "slow", delay_s=5)
    made = _at_once(lambda: world.refund(None, key))
    assert 200 in [one.status for one in made], made


def _at_once(call: Callable[[], Made]) -> list[Made]:
    line = threading.Barrier(AT_ONCE)

    def run() -> Made:
        line.wait(30)
        return call()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [one.result() for one in [pool.submit(run) for _ in range(AT_ONCE)]]


# ---- the window, and the gateway's own console


def approve_after_the_window(world: World) -> None:
    world.paid()
    world.close_window()
    world.unreached += 1
    made = world.approve()
    assert made.body["failure"]["provider_code"] == "-723", made


def window_ends_unknown(world: World) -> None:
    world.paid()
    world.fault("approve", "hang_before", delay_s=FOREVER_S)
    world.approve()
    world.close_window()


def nobody_pays(world: World) -> None:
    world.create()
    world.fault("ready", "slow", delay_s=1)
    assert world.ready().status == 200, world.calls
    world.pass_time(WINDOW_S)


def console_before_look_up(amount: int, world: World) -> None:
    world.paid()
    world.fault("approve", "reset_after")
    world.approve()
    world.control("console_refund", tid=world.tid, amount=amount)


def console_then_refund(world: World) -> None:
    """Our refund meets the gateway's guard on what remains: refused, and then looked up."""
    world.approved()
    world.control("console_refund", tid=world.tid, amount=2_000)
    world.unreached += 1
    world.refund(PART)


def console_then_refund_again(world: World) -> None:
    """Once the refund that nobody asked us for is known, ours comes on top of it."""
    console_then_refund(world)
    world.shown("partially_refunded")
    assert world.refund(PART).status in (200, 202), world.calls


def console_during_refund(amount: int, world: World) -> None:
    world.approved()
    world.fault("cancel", "reset_before")
    world.refund(PART)
    world.control("console_refund", tid=world.tid, amount=amount)


# ---- a gateway that says no and charges


def lied_about_charge(world: World, **error: Any) -> None:
    """A no that was none. What closed after an approve is looked at when its window is over."""
    world.paid()
    world.fault("approve", "error_after", **error)
    world.approve()
    _window_and_grace(world)


def _window_and_grace(world: World) -> None:
    world.pass_time(WINDOW_S + 60)
    world.back()


def cancelled_then_found(world: World) -> None:
    world.paid()
    world.fault("approve", "error_after", code=-708)
    world.approve()
    assert world.fire("cancel", {}).status == 200, world.calls
    _window_and_grace(world)


def unwanted_refunded(world: World, **error: Any) -> None:
    lied_about_charge(world, **error)
    world.shown("captured_unwanted")
    assert world.refund(PART).status == 422, world.calls
    assert world.refund(None).status in (200, 202), world.calls


def found_but_told_short(world: World, **error: Any) -> None:
    """The look that finds the charge is told another amount: nothing to believe, all to review."""
    world.paid()
    world.fault("approve", "error_after", **error)
    world.fault("order", "wrong_amount", by=-1_000)
    world.approve()
    _window_and_grace(world)
