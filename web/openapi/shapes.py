"""The shapes of answers as JSON Schema: closed objects, enums read from the chart and the log.

It refuses an open object: what is not named here is not in an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import chart, entry
from engine.canonical import MAX_INTEGER
from engine.guards import GUARDS
from engine.resource import REFUND_STATUS
from web.schemas import MAX_AMOUNT, MAX_METADATA

Schema = dict[str, Any]
ID = "[0-9a-hjkmnp-tv-z]{26}"


def ref(name: str) -> Schema:
    """A reference to one of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def closed(properties: Mapping[str, Schema], *, optional: str = "", text: str = "") -> Schema:
    """An object with these properties and no others; those named in `optional` may be absent."""
    absent = optional.split()
    shape: Schema = {"type": "object", "additionalProperties": False}
    if text:
        shape["description"] = text
    required = [name for name in properties if name not in absent]
    return shape | {"properties": dict(properties)} | ({"required": required} if required else {})


def told(schema: Schema, text: str) -> Schema:
    """The schema with a description."""
    return schema | {"description": text}


def nullable(schema: Schema) -> Schema:
    """The schema, or null."""
    if "type" not in schema or "enum" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return schema | {"type": [schema["type"], "null"]}


def array(items: Schema, **limits: int) -> Schema:
    """A list of such items."""
    return {"type": "array", "items": items, **limits}


def one_of(property_name: str, names: Mapping[str, str]) -> Schema:
    """One of these schemas, by the value that a property has in each."""
    mapping = {value: ref(name)["$ref"] for value, name in names.items()}
    return {
        "oneOf": [ref(name) for name in names.values()],
        "discriminator": {"propertyName": property_name, "mapping": mapping},
    }


def _enum(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


def _const(word: str) -> Schema:
    return {"type": "string", "const": word}


def _id(prefix: str) -> Schema:
    return {"type": "string", "pattern": f"^{prefix}_{ID}$"}


STRING: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER}
AMOUNT: Schema = {"type": "integer", "minimum": 0, "maximum": MAX_AMOUNT}
INSTANT: Schema = {"type": "string", "format": "date-time"}
HASH: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
CHART_VERSION: Schema = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
TRANSACTION_ID = _id("txn") | {"examples": ["txn_01m5k9x8r7ew3v2t6y4n0q1s2d"]}
REQUEST_ID = _id("req")
EVENTS = ref("Event")
STATUS = ref("Status")

_TRANSACTION = closed(
    {
        "id": TRANSACTION_ID,
        "object": _const("transaction"),
        "status": STATUS,
        "version": told(COUNT, "Counts visible changes; the `ETag`, and what `If-Match` takes."),
        "chart": told(CHART_VERSION, "The chart that decided the newest entry of its log."),
        "provider": STRING,
        "flow": _enum("server", "client", "reported"),
        "order_id": told(nullable(STRING), "Null once it was erased."),
        "customer_id": nullable(STRING),
        "item_name": told(nullable(STRING), "Null once it was erased."),
        "quantity": told(COUNT, "How many of the item."),
        "amount": told(AMOUNT, "In minor units of the currency."),
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "tax_free_amount": AMOUNT,
        "vat_amount": AMOUNT,
        "captured_amount": told(AMOUNT, "What the gateway has taken."),
        "refunded_amount": told(AMOUNT, "What the gateway has given back."),
        "refundable_amount": told(AMOUNT, "What a refund can still give back."),
        "provider_ref": told(nullable(STRING), "The gateway's id of this payment."),
        "payment_method": nullable(STRING),
        "refunds": {
            "anyOf": [array(ref("Refund")), {"type": "null"}],
            "description": "Null when read as of then.",
        },
        "next_action": {
            "anyOf": [ref("NextAction"), {"type": "null"}],
            "description": "Where to send the customer, while `ready`.",
        },
        "pending": {
            "anyOf": [ref("Pending"), {"type": "null"}],
            "description": "What the gateway has not settled yet; null when nothing is open.",
        },
        "needs_review": told(nullable(STRING), "Why a person should look, or null."),
        "allowed_events": told(
            array(EVENTS), "What the chart allows now; guards are asked when one is fired."
        ),
        "failure": {"anyOf": [ref("Failure"), {"type": "null"}]},
        "return_url": nullable(STRING),
        "gateway_params": ref("GatewayParams"),
        "expires_at": INSTANT,
        "metadata": {
            "type": "object",
            "additionalProperties": STRING,
            "maxProperties": MAX_METADATA,
        },
        "created_at": INSTANT,
        "updated_at": INSTANT,
        "approved_at": nullable(INSTANT),
        "completed_at": nullable(INSTANT),
        "client_secret": told(STRING, "Only in the answer to the creating call."),
    },
    optional="client_secret metadata customer_id gateway_params",
    text="A payment. `metadata`, `customer_id` and `gateway_params` are absent for the holder of a "
    "client secret.",
)

_DATA_TYPES: Mapping[str, Schema] = {
    "int": COUNT,
    "name": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "hash": HASH,
    "names": array(STRING),
    "name?": nullable({"type": "string", "pattern": "^[!-~]{1,255}$"}),
    "commitments": ref("Commitments"),
}
_DATA: Mapping[str, entry.Schema] = {
    **entry.TRANSITION_DATA,
    **entry.NOTE_DATA,
    "evidence": entry.EVIDENCE_DATA,
    "refusal": entry.REFUSAL_DATA,
}
ENTRY_EVENTS = tuple(
    dict.fromkeys((*entry.TRANSITION_DATA, *entry.EVIDENCE_EVENTS, *entry.NOTE_DATA))
)
"""Every event that an entry of a transaction can have."""


def data_name(event: str) -> str:
    """The schema's name of this event's `data`: `make_ready` → `MakeReadyData`."""
    return "".join(word.capitalize() for word in event.split("_")) + "Data"


def _data(schema: entry.Schema) -> Schema:
    properties = {name: _DATA_TYPES[kind] for name, kind in schema.fields.items()}
    shape = closed(properties, optional=" ".join(schema.optional))
    narrowed = {"verdict": entry.VERDICTS, "channel": entry.CHANNELS}
    for name, words in narrowed.items():
        if name in properties:
            shape["properties"][name] = _enum(*words)
    return shape


_ENTRY = closed(
    {
        "v": {"type": "integer", "const": entry.FORMAT},
        "stream": TRANSACTION_ID,
        "seq": {"type": "integer", "minimum": 1, "maximum": MAX_INTEGER},
        "kind": _enum(*entry.KINDS),
        "event": _enum(*ENTRY_EVENTS),
        "source": nullable(STATUS),
        "target": nullable(STATUS),
        "actor": told(STRING, "`key:…`, `operator:…`, `client`, `customer`, `worker`, `gateway`."),
        "request_id": nullable(STRING),
        "key": told(nullable(HASH), "A MAC of the idempotency key."),
        "occurred_at": told(COUNT, "Microseconds since 1970, UTC."),
        "chart": CHART_VERSION,
        "data": {"anyOf": [ref(data_name(event)) for event in _DATA]},
        "prev_hash": HASH,
        "hash": told(HASH, "Of this entry's exact bytes; the next entry's `prev_hash`."),
    },
    text="One entry of a transaction's log. How its hash is computed: `engine/README.md`.",
)


def _list(items: str, cursor: str) -> Schema:
    return closed(
        {
            "object": _const("list"),
            "data": array(ref(items), maxItems=100),
            "has_more": {"type": "boolean"},
            "next_cursor": told(nullable(STRING), cursor),
        }
    )


_GOES_ON = "What to send as `cursor` for the next page; null on the last."
_CHART = closed(
    {
        "version": CHART_VERSION,
        "initial": STRING,
        "states": array(
            closed(
                {
                    "id": STRING,
                    "closed": {"type": "boolean"},
                    "deadline": told(nullable(STRING), "What the state waits for; null: closed."),
                }
            )
        ),
        "events": array(closed({"id": STRING, "http": nullable(STRING)})),
        "transitions": array(
            closed(
                {
                    "event": STRING,
                    "http": told(nullable(STRING), "The event's name on the wire, if public."),
                    "source": STRING,
                    "target": STRING,
                    "guard": nullable(STRING),
                }
            )
        ),
        "guards": array(closed({"id": STRING, "reason": STRING})),
    },
    text="A chart, present or past: the states of an old one need not be those of `Status`.",
)

SCHEMAS: Mapping[str, Schema] = {
    "Status": told(_enum(*chart.STATES), "A state of the chart."),
    "Event": told(_enum(*chart.EVENT_OF_HTTP), "An event that callers may fire."),
    "Guard": told(_enum(*GUARDS), "A condition of the chart."),
    "Transaction": _TRANSACTION,
    "Refund": closed(
        {
            "id": _id("rf"),
            "amount": AMOUNT,
            "tax_free_amount": AMOUNT,
            "vat_amount": AMOUNT,
            "reason": nullable(STRING),
            "status": _enum(*REFUND_STATUS.values()),
            "at": INSTANT,
        }
    ),
    "NextAction": closed(
        {
            "type": _const("redirect"),
            "pc_url": nullable(STRING),
            "mobile_url": nullable(STRING),
            "app_url": nullable(STRING),
            "android_app_scheme": nullable(STRING),
            "ios_app_scheme": nullable(STRING),
        },
        optional="pc_url mobile_url app_url android_app_scheme ios_app_scheme",
    ),
    "Pending": closed(
        {
            "operation": STRING,
            "kind": _enum("approve", "refund"),
            "since": INSTANT,
            "attempts": told(COUNT, "How often the gateway has been asked since."),
            "next_check_at": nullable(INSTANT),
            "last_evidence": nullable(STRING),
        }
    ),
    "Failure": closed(
        {"code": STRING, "message": nullable(STRING), "provider_code": nullable(STRING)}
    ),
    "GatewayParams": closed(
        {"partner_order_id": TRANSACTION_ID, "partner_user_id": STRING},
        text="What a client that talks to the gateway itself (flow `reported`) must send there.",
    ),
    "DryRun": closed(
        {
            "object": _const("dry_run"),
            "event": EVENTS,
            "accepted": {"type": "boolean"},
            "target": nullable(STATUS),
            "guard": nullable(ref("Guard")),
            "reason": nullable(STRING),
        },
        text="What an event would lead to. Nothing was done and nothing logged.",
    ),
    "TransactionList": _list("Transaction", _GOES_ON),
    "EntryList": _list("Entry", _GOES_ON),
    "Entry": _ENTRY,
    "Commitments": closed(
        dict.fromkeys(sorted(entry.COMMITTED_FIELDS), HASH),
        optional=" ".join(entry.COMMITTED_FIELDS),
        text="Salted hashes of personal values: provable, and gone once the salt is erased.",
    ),
    **{data_name(event): _data(schema) for event, schema in _DATA.items()},
    "Chart": _CHART,
    "OpenApi": {"type": "object", "required": ["openapi", "info", "paths", "components"]},
    "Health": closed({"status": _const("ok")}),
    "Readiness": closed(
        {
            "status": _enum("ok", "unready"),
            "checks": closed({"database": STRING, "worker": STRING, "log": STRING}),
            "chart": CHART_VERSION,
        }
    ),
}
