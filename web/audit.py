"""`/v1/audit`: the signed head of the log, proofs that it only grew, and the book itself.

It refuses to show a merchant the place of another's entry; the head itself reveals nothing.
"""

from __future__ import annotations

import re

from flask import Blueprint, Response, request, stream_with_context

from engine.audit import OutOfTree
from engine.canonical import MAX_INTEGER
from engine.export import Bundle, Scope
from web import bundle, faults, schemas
from web.api import principal, strada
from web.edge import query_of
from web.handlers import known_id
from web.problems import Problem
from web.responses import json_response

audit = Blueprint("audit", __name__, url_prefix="/v1/audit")
TEXT = "text/plain"
ZIP = "application/zip"
_SEQ = re.compile(r"[1-9][0-9]{0,14}")
_SIZE = schemas.whole(1, MAX_INTEGER)


@audit.get("/checkpoint")
def checkpoint() -> Response:
    """The signed head over all entries that are in the log now, as a note or as JSON."""
    principal().need("audit")
    query_of(request, {})
    signed = strada().audit.checkpoints.head()
    if request.accept_mimetypes.best_match([TEXT, "application/json"]) == "application/json":
        return json_response(strada().audit.shown(signed))
    return Response(signed.note, content_type=f"{TEXT}; charset=utf-8")


@audit.get("/proof/<transaction>/<seq>")
def inclusion(transaction: str, seq: str) -> Response:
    """That an entry of the merchant's own payment is in the tree."""
    who = principal()
    who.need("audit")
    asked = query_of(request, {"size": _SIZE})
    strada().ledger.load(known_id(transaction), who.merchant)
    if not _SEQ.fullmatch(seq):
        raise Problem("not_found")
    try:
        found = strada().audit.inclusion(transaction, int(seq), asked.get("size"))
    except OutOfTree:
        raise schemas.invalid([("/query/size", faults.NOT_ALLOWED)]) from None
    return json_response(found)


@audit.get("/consistency")
def consistency() -> Response:
    """That the log of one size extends the log of a smaller one."""
    principal().need("audit")
    asked = query_of(request, {"from": _SIZE, "to": _SIZE})
    if "from" not in asked:
        raise schemas.invalid([("/query/from", faults.REQUIRED)])
    try:
        found = strada().audit.consistency(asked["from"], asked.get("to"))
    except OutOfTree:
        wrong = "to" if "to" in asked else "from"
        raise schemas.invalid([(f"/query/{wrong}", faults.NOT_ALLOWED)]) from None
    return json_response(found)


@audit.get("/export")
def export() -> Response:
    """The merchant's own payments as a zip that verifies by itself; noted in the book."""
    who = principal()
    who.need("audit")
    asked = query_of(request, {"from": schemas.instant, "to": schemas.instant})
    headers = {"Content-Disposition": 'attachment; filename="strada-book.zip"'}
    if request.method == "HEAD":
        return Response(headers=headers, content_type=ZIP)
    scope = Scope(who.merchant, asked.get("from"), asked.get("to"))
    made = Bundle.begin(strada().ledger, strada().audit, scope, who.actor)
    pieces = stream_with_context(bundle.zipped(made.files(bundle.page)))
    return Response(pieces, headers=headers, content_type=ZIP)
