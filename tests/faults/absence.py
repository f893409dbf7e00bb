"""A gateway that is not there: three ways to be away, and what each verb does meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from faults.plays import PART, start_over
from faults.world import Made, World

Away = Callable[[World], AbstractContextManager[None]]


@contextmanager
def stopped(world: World) -> Iterator[None]:
    """Connections are refused."""
    world.stop_gateway()
    yield
    world.start_gateway()


@contextmanager
def swallowed(world: World) -> Iterator[None]:
    """Connections are neither taken nor refused."""
    held = world.hole()
    yield
    for sock in held:
        sock.close()
    world.start_gateway()


@contextmanager
def down(world: World) -> Iterator[None]:
    """Connections are taken and reset."""
    world.control("down", down=True)
    world.forget_faults()
    yield
    world.control("down", down=False)


def away_at_prepare(away: Away, world: World) -> None:
    world.create()
    with away(world):
        lost = world.ready()
        said = (lost.status, lost.body["code"])
        assert said in ((503, "gateway_unavailable"), (504, "gateway_timeout")), lost
        world.unreached += 1
    start_over(world)


def away_at_approve(away: Away, world: World) -> None:
    world.paid()
    with away(world):
        _not_sent(world, world.approve())
    world.back()


def away_at_refund(away: Away, world: World) -> None:
    world.approved()
    with away(world):
        _not_sent(world, world.refund(PART))
    world.back()


def _not_sent(world: World, made: Made) -> None:
    """A refused connection leaves no trace at the gateway: Strada's own word is taken."""
    assert made.status == 202, made
    assert made.body["pending"]["last_evidence"] == "not_sent", made
    world.unreached += 1


def approve_then_away(away: Away, for_s: float, world: World) -> None:
    world.paid()
    _no_look_before(world)
    world.fault("approve", "reset_after")
    world.approve()
    _away_while_looking(away, for_s, world)


def refund_then_away(away: Away, for_s: float, world: World) -> None:
    world.approved()
    _no_look_before(world)
    world.fault("cancel", "reset_after")
    world.refund(PART)
    _away_while_looking(away, for_s, world)


def _no_look_before(world: World) -> None:
    """On a slow machine the worker might look before the gateway is away: not even then."""
    world.fault("order", "reset_before", times=20, sure=False)


def _away_while_looking(away: Away, for_s: float, world: World) -> None:
    with away(world):
        world.pass_time(for_s)
        pending = world.get()["pending"]
        assert pending["last_evidence"] in ("not_sent", "unavailable"), pending
        assert pending["attempts"] >= 1, pending
        world.unreached += 1
    world.back()
