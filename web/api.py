"""`/v1` over Flask: its routes for one transaction, and what the other routes of `/v1` share.

It refuses to do anything that `web/handlers.py` could do without Flask.
"""

from __future__ import annotations

from flask import Blueprint, Response, current_app, request

from web import console
from web.auth import Principal
from web.handlers import Handlers
from web.responses import response_of
from web.wiring import Strada

api = Blueprint("api", __name__, url_prefix="/v1")


def handlers() -> Handlers:
    """The handlers of this app."""
    found: Handlers = current_app.extensions["handlers"]
    return found


def strada() -> Strada:
    """The Strada that this app serves."""
    return handlers().strada


def principal() -> Principal:
    """The authenticated caller of this request; raises 401, or 429 when it calls too often."""
    who = console.principal(request) if console.is_inside(request) else None
    return handlers().admit(request, who)


@api.post("/transactions")
def create() -> Response:
    """Register an order."""
    return response_of(handlers().create(request, principal()))


@api.get("/transactions/<transaction>")
def read(transaction: str) -> Response:
    """One transaction, as it stands or as it was."""
    return response_of(handlers().read(request, principal(), transaction))


@api.post("/transactions/<transaction>/<event>")
def fire(transaction: str, event: str) -> Response:
    """Fire one of the chart's public events."""
    return response_of(handlers().fire(request, principal(), transaction, event))


@api.put("/transactions/<transaction>/status")
def update_status(transaction: str) -> Response:
    """Fire the event that leads to a status; the same status again is no event at all."""
    return response_of(handlers().update_status(request, principal(), transaction))
