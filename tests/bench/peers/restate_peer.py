"""The same job by Restate: a virtual object for each payment, a durable invocation for each call.

Its state holds the status and, under a key each, the entries of the log. Served by hypercorn, as
its documentation does, behind the Restate server; callers talk to that server's ingress.
"""

from __future__ import annotations

from typing import Any

import restate
from restate import ObjectContext, TerminalError, VirtualObject

payment = VirtualObject("Payment")
EDGES = {
    ("created", "ready"): "prepared",
    ("prepared", "approve"): "approved",
    ("approved", "complete"): "completed",
}


@payment.handler()
async def create(ctx: ObjectContext, asked: dict[str, Any]) -> dict[str, Any]:
    if await ctx.get("status") is not None:
        raise TerminalError("it exists", status_code=409)
    ctx.set("order", asked)
    ctx.set("entry-1", {"event": "create", "target": "created"})
    ctx.set("seq", 1)
    ctx.set("status", "created")
    return {"id": ctx.key(), "status": "created"}


async def advance(ctx: ObjectContext, event: str) -> dict[str, Any]:
    """Move the payment and append to its log, or refuse."""
    source = await ctx.get("status")
    target = EDGES.get((source or "", event))
    if target is None:
        raise TerminalError("illegal", status_code=409)
    seq = (await ctx.get("seq")) + 1
    ctx.set(f"entry-{seq}", {"event": event, "source": source, "target": target})
    ctx.set("seq", seq)
    ctx.set("status", target)
    return {"id": ctx.key(), "status": target}


@payment.handler()
async def ready(ctx: ObjectContext) -> dict[str, Any]:
    return await advance(ctx, "ready")


@payment.handler()
async def approve(ctx: ObjectContext) -> dict[str, Any]:
    return await advance(ctx, "approve")


@payment.handler()
async def complete(ctx: ObjectContext) -> dict[str, Any]:
    return await advance(ctx, "complete")


app = restate.app(services=[payment])
