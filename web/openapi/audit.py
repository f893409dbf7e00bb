"""The part of the document about `/v1/audit`: its operations and the shapes of their answers.

It refuses to explain how to check a proof: `engine/README.md` does, byte by byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.canonical import MAX_INTEGER
from web.openapi import shapes
from web.openapi.answers import JSON, Answer
from web.openapi.operations import KEY, Operation
from web.openapi.shapes import Schema, array, closed, ref, told

_REFUSED = frozenset(
    "method_not_allowed internal_error invalid_header unauthenticated insufficient_scope "
    "rate_limited storage_unavailable log_behind_checkpoint invalid_request".split()
)
_TAG = "Log and chart"
_PATH = told(array(shapes.HASH, maxItems=128), "Hashes from the leaf's side upwards.")
_ROOT = told(shapes.HASH, "RFC 9162, over the first entries in tree order.")
_NOTE = told(shapes.STRING, "A C2SP signed note: origin, size and root, signed with Ed25519.")
SCHEMAS: Mapping[str, Schema] = {
    "Checkpoint": closed(
        {
            "object": {"type": "string", "const": "checkpoint"},
            "origin": told(shapes.STRING, "The name of the log."),
            "size": shapes.COUNT,
            "root": _ROOT,
            "note": _NOTE,
            "public_key": told(shapes.STRING, "The key in one line: `name+id+base64`."),
        },
        text="The signed head of the log.",
    ),
    "InclusionProof": closed(
        {
            "object": {"type": "string", "const": "inclusion_proof"},
            "stream": shapes.TRANSACTION_ID,
            "seq": shapes.COUNT,
            "hash": told(shapes.HASH, "Of the entry."),
            "leaf": told(shapes.HASH, "SHA-256(0x00 ‖ hash)."),
            "position": told(shapes.COUNT, "The first entry of all stands at 0."),
            "size": told(shapes.COUNT, "Of the tree that the proof is about."),
            "root": _ROOT,
            "path": _PATH,
            "checkpoint": _NOTE,
        },
        text="That an entry is in the tree of this size.",
    ),
    "ConsistencyProof": closed(
        {
            "object": {"type": "string", "const": "consistency_proof"},
            "from": shapes.COUNT,
            "to": shapes.COUNT,
            "from_root": _ROOT,
            "to_root": _ROOT,
            "path": _PATH,
            "checkpoint": _NOTE,
        },
        text="That the tree of size `to` begins with the tree of size `from`.",
    ),
}


def _size(name: str, text: str, *, required: bool = False) -> Any:
    schema = {"type": "integer", "minimum": 1, "maximum": MAX_INTEGER}
    place = {"name": name, "in": "query", "required": required}
    return place | {"description": text, "schema": schema}


def _instant(name: str, text: str) -> Any:
    place = {"name": name, "in": "query", "required": False}
    return place | {"description": text, "schema": shapes.INSTANT}


PARAMETERS: Mapping[str, Any] = {
    "seq": {
        "name": "seq",
        "in": "path",
        "required": True,
        "description": "The entry's place in the log of its transaction.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 10**15 - 1},
    },
    "treeSize": _size("size", "The proof is about the tree of this size; by default the newest."),
    "fromSize": _size("from", "The smaller tree.", required=True),
    "exportFrom": _instant("from", "Payments created then or later."),
    "exportTo": _instant("to", "Payments created before."),
    "toSize": _size("to", "The larger tree; by default the newest."),
}
OPERATIONS = (
    Operation(
        "getCheckpoint",
        "get",
        "/v1/audit/checkpoint",
        _TAG,
        "The signed head of the log",
        {
            200: Answer(
                "By `Accept`: the signed note, or the same as data.",
                {"text/plain": _NOTE, JSON: ref("Checkpoint")},
            )
        },
        _REFUSED,
        (KEY,),
        text="Covers every entry that was in the log when it was asked for.",
    ),
    Operation(
        "proveInclusion",
        "get",
        "/v1/audit/proof/{transaction}/{seq}",
        _TAG,
        "Prove that an entry is in the log",
        {200: Answer("The proof.", {JSON: ref("InclusionProof")})},
        _REFUSED | {"not_found"},
        (KEY,),
        ("transaction", "seq", "treeSize"),
    ),
    Operation(
        "proveConsistency",
        "get",
        "/v1/audit/consistency",
        _TAG,
        "Prove that the log only grew",
        {200: Answer("The proof.", {JSON: ref("ConsistencyProof")})},
        _REFUSED,
        (KEY,),
        ("fromSize", "toSize"),
    ),
    Operation(
        "exportBook",
        "get",
        "/v1/audit/export",
        _TAG,
        "Export the merchant's payments",
        {
            200: Answer(
                "A zip with log, charts, checkpoint, proofs, a page, and a verifier that needs "
                "nothing but Python.",
                {"application/zip": {"type": "string", "format": "binary"}},
                ("Content-Disposition",),
            )
        },
        _REFUSED,
        (KEY,),
        ("exportFrom", "exportTo"),
        text="Of the key's own merchant only. Each export is noted in the log.",
    ),
)
