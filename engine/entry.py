"""Log entries: their exact bytes, their hash, and the closed schema of `data` for every event.

It refuses any entry that is not written down here: unknown events, missing or extra fields, floats.
The format is documented in `engine/README.md`; that page and this module must say the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.canonical import MAX_INTEGER, canonical

FORMAT = 1
BOOK = "book"
ZERO_HASH = "0" * 64
KINDS = ("transition", "refusal", "evidence", "note")
KEYS = (
    "v",
    "stream",
    "seq",
    "kind",
    "event",
    "source",
    "target",
    "actor",
    "request_id",
    "key",
    "occurred_at",
    "chart",
    "data",
    "prev_hash",
)
_DOMAIN = b"strada/entry/1\n"
_COMMIT = b"strada/commit/1\n"
_HEX = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[\x21-\x7e]{1,255}")
_ACTOR = re.compile(r"(key|operator):[\x21-\x7e]{1,200}|client|customer|worker|gateway")
COMMITTED_FIELDS = frozenset(
    {
        "customer_id",
        "item_name",
        "order_id",
        "metadata",
        "reason",
        "return_url",
        "approval_url",
        "cancel_url",
        "fail_url",
    }
)


class MalformedEntry(ValueError):
    """An entry that the format does not allow; the message says which rule."""


def _is_int(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_INTEGER


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_name, value))


def _is_commitments(value: object) -> bool:
    return isinstance(value, dict) and all(
        key in COMMITTED_FIELDS and _is_hash(inner) for key, inner in value.items()
    )


def _is_null_or_name(value: object) -> bool:
    return value is None or _is_name(value)


_CHECKS = {
    "int": _is_int,
    "name": _is_name,
    "hash": _is_hash,
    "names": _is_names,
    "commitments": _is_commitments,
    "name?": _is_null_or_name,
}


@dataclass(frozen=True, slots=True)
class Schema:
    """Fields of `data` and their types; those in `optional` may be absent."""

    fields: Mapping[str, str]
    optional: frozenset[str] = frozenset()


def schema(optional: str = "", /, **fields: str) -> Schema:
    """A schema of these fields, of which the words in `optional` may be absent."""
    return Schema(fields, frozenset(optional.split()))


_INTENT = {
    "op": "name",
    "amount": "int",
    "tax_free": "int",
    "vat": "int",
    "expected_total": "int",
}
_REASONED = schema("commitments", commitments="commitments")
_DECLINED = schema(op="name", code="name")
_REFUND_FACT = {
    "op": "name",
    "refunded_total": "int",
    "tax_free_total": "int",
    "vat_total": "int",
    "evidence_sha256": "hash",
}

TRANSITION_DATA: Mapping[str, Schema] = {
    "create": schema(
        merchant="name",
        provider="name",
        account="name",
        flow="name",
        amount="int",
        currency="name",
        tax_free="int",
        vat="int",
        expires_at="int",
        commitments="commitments",
    ),
    "make_ready": schema(op="name", reference="name", expires_at="int"),
    "approve": Schema(_INTENT),
    "approval_confirmed": schema(
        op="name", captured="int", reference="name", evidence_sha256="hash"
    ),
    "approval_declined": _DECLINED,
    "approval_not_taken": _DECLINED,
    "complete": _REASONED,
    "cancel": _REASONED,
    "fail": _REASONED,
    "expire": schema(expires_at="int"),
    "refund": Schema(_INTENT | {"commitments": "commitments"}, frozenset({"commitments"})),
    "refund_settled": Schema(_REFUND_FACT),
    "refund_rejected": _DECLINED,
    "charge_found": schema(
        "op", op="name", captured="int", reference="name", evidence_sha256="hash"
    ),
    "refund_found": Schema(_REFUND_FACT, frozenset({"op"})),
}
REFUSAL_DATA = schema("amount", code="name", guard="name?", amount="int")
EVIDENCE_DATA = schema("op", op="name", channel="name", sha256="hash", verdict="name")
EVIDENCE_EVENTS = ("prepare", "approve", "refund", "look_up")
VERDICTS = ("applied", "duplicate", "contradicts", "early")
CHANNELS = ("live", "return", "report", "notice", "worker", "operator")
NOTE_DATA: Mapping[str, Schema] = {
    "refusals_suppressed": schema(),
    "prepare_refused": schema(op="name", code="name"),
    "late_answer": schema(op="name", sha256="hash"),
    "late_return": schema(outcome="name"),
    "review_opened": schema(reason="name"),
    "review_closed": schema("sha256", commitments="commitments", sha256="hash"),
}
BOOK_DATA: Mapping[str, Schema] = {
    "chart_adopted": schema(chart="name"),
    "merchant_created": schema(merchant="name"),
    "merchant_changed": schema(merchant="name", settings_sha256="hash"),
    "account_set": schema(merchant="name", provider="name", account="name"),
    "key_created": schema(key="name", merchant="name", scopes="names"),
    "key_revoked": schema(key="name"),
    "exported": schema(
        "merchant since until", scope="name", merchant="name", since="int", until="int"
    ),
    "signing_key_adopted": schema("replaces", key="name", public_key="name", replaces="name"),
    "checkpoint_made": schema(size="int", root="hash", key="name"),
    "erased": schema(
        "customer",
        merchant="name",
        customer="hash",
        payments="int",
        entries="int",
        entries_sha256="hash",
    ),
    "rollback_accepted": schema(
        "checkpoint_size checkpoint_root",
        size="int",
        root="hash",
        checkpoint_size="int",
        checkpoint_root="hash",
        commitments="commitments",
    ),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its fields, its exact bytes and its hash (lower-case hex)."""

    fields: Mapping[str, Any]
    raw: bytes = field(repr=False)
    hash: str


def hash_of(raw: bytes) -> str:
    """SHA-256("strada/entry/1\\n" ‖ bytes), lower-case hex."""
    return hashlib.sha256(_DOMAIN + raw).hexdigest()


def commitment(field_name: str, salt: bytes, value: str) -> str:
    """SHA-256("strada/commit/1\\n" ‖ field ‖ 0x00 ‖ 32-byte salt ‖ UTF-8 value), lower-case hex."""
    return hashlib.sha256(commitment_begins(field_name) + salt + value.encode()).hexdigest()


def commitment_begins(field_name: str) -> bytes:
    """What the hash of every commitment to this field begins with."""
    return _COMMIT + field_name.encode() + b"\0"


def seal(fields: Mapping[str, Any]) -> Entry:
    """Make the entry of `fields` (all keys but `v`); raises MalformedEntry for what may not be."""
    whole = {"v": FORMAT, **fields}
    check(whole)
    raw = canonical(whole)
    return Entry(whole, raw, hash_of(raw))


def check(fields: Mapping[str, Any]) -> None:
    """Hold an entry against the format: keys, types, and the schema of its `data`."""
    if fields.keys() != set(KEYS) or type(fields["v"]) is not int or fields["v"] != FORMAT:
        raise MalformedEntry("an entry has exactly the keys of version 1")
    well_typed = (
        _is_name(fields["stream"])
        and _is_int(fields["seq"])
        and fields["seq"] >= 1
        and fields["kind"] in KINDS
        and _is_name(fields["event"])
        and _is_null_or_name(fields["source"])
        and _is_null_or_name(fields["target"])
        and isinstance(fields["actor"], str)
        and _ACTOR.fullmatch(fields["actor"]) is not None
        and _is_null_or_name(fields["request_id"])
        and (fields["key"] is None or _is_hash(fields["key"]))
        and _is_int(fields["occurred_at"])
        and _is_name(fields["chart"])
        and _is_hash(fields["prev_hash"])
    )
    if not well_typed:
        raise MalformedEntry("a field has the wrong type")
    if fields["stream"] == BOOK and (fields["source"], fields["target"]) != (None, None):
        raise MalformedEntry("the book has no states")
    _check_data(fields, _schema_of(fields))


def _schema_of(fields: Mapping[str, Any]) -> Schema:
    kind, event = fields["kind"], fields["event"]
    if fields["stream"] == BOOK:
        found = BOOK_DATA.get(event) if kind == "note" else None
    elif kind == "transition":
        found = TRANSITION_DATA.get(event)
    elif kind == "refusal":
        found = REFUSAL_DATA if event in TRANSITION_DATA else None
    elif kind == "evidence":
        found = EVIDENCE_DATA if event in EVIDENCE_EVENTS else None
    else:
        found = NOTE_DATA.get(event)
    if found is None:
        raise MalformedEntry(f"no {kind} of this event belongs in this stream")
    return found


def _check_data(fields: Mapping[str, Any], schema: Schema) -> None:
    data = fields["data"]
    if not isinstance(data, dict) or not data.keys() <= schema.fields.keys():
        raise MalformedEntry("data has a field that its event does not have")
    if not schema.fields.keys() - schema.optional <= data.keys():
        raise MalformedEntry("data lacks a field of its event")
    for name, value in data.items():
        if not _CHECKS[schema.fields[name]](value):
            raise MalformedEntry(f"data.{name} has the wrong type")
    if fields["kind"] == "evidence" and (
        data["verdict"] not in VERDICTS or data["channel"] not in CHANNELS
    ):
        raise MalformedEntry("evidence names an unknown verdict or channel")
