"""The shapes of request bodies, strict: no coercion, no unknown names.

It refuses to know the state of anything: what is legal now is the engine's to say. No sentence made
here contains what the caller sent. The readers of query strings are reached through here, too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from web.faults import (
    INTEGER,
    NOT_ALLOWED,
    SAFE_NAME,
    VISIBLE,
    at_least,
    at_most,
    too_long,
    visible,
)
from web.faults import INVALID as INVALID
from web.faults import REQUIRED as REQUIRED
from web.faults import invalid as invalid
from web.phrases import Phrase
from web.queries import ListQuery as ListQuery
from web.queries import Reader as Reader
from web.queries import boolean as boolean
from web.queries import instant as instant
from web.queries import matching as matching
from web.queries import one_of as one_of
from web.queries import parse_list_query as parse_list_query
from web.queries import parse_query as parse_query
from web.queries import whole as whole

MAX_AMOUNT = 10**12
MAX_QUANTITY = 10**9
MAX_METADATA = 20

_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Cn", "Co", "Zl", "Zp"})
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

UNKNOWN = Phrase("is not a known field", "알 수 없는 항목입니다")
STRING = Phrase("must be a string", "문자열이어야 합니다")
OBJECT = Phrase("must be an object", "객체여야 합니다")
BLANK = Phrase("must not be blank", "비어 있으면 안 됩니다")
UNPRINTABLE = Phrase(
    "must not have control, bidirectional or unassigned characters",
    "제어 문자, 방향 제어 문자, 미할당 문자를 쓸 수 없습니다",
)
OVER_AMOUNT = Phrase("must not exceed amount", "amount를 넘을 수 없습니다")
OVER_TAXED = Phrase(
    "must not exceed amount minus tax_free_amount",
    "amount에서 tax_free_amount를 뺀 값을 넘을 수 없습니다",
)
CLIENT_NEEDS = Phrase("is required in the client flow", "client 흐름에서는 필수입니다")
CREDENTIAL = Phrase("is required unless provider_ref is given", "provider_ref가 없으면 필수입니다")
TOO_MANY_KEYS = Phrase(f"must have at most {MAX_METADATA} keys", f"키는 {MAX_METADATA}개까지입니다")


def _named(limit: int) -> Callable[[str], str]:
    """A reader of human text: NFC, printable, not blank, at most `limit` characters."""

    def read(text: str) -> str:
        text = unicodedata.normalize("NFC", text)
        if not text.strip():
            raise _custom(BLANK)
        if len(text) > limit:
            raise _custom(too_long(limit))
        if any(c in _BIDI or unicodedata.category(c) in _REFUSED_CATEGORIES for c in text):
            raise _custom(UNPRINTABLE)
        return text

    return read


def _exact(limit: int) -> Callable[[str], str]:
    """As `_named`, but what is not NFC is refused: two keys must not become one."""
    named = _named(limit)

    def read(text: str) -> str:
        if named(text) != text:
            raise _custom(UNPRINTABLE)
        return text

    return read


def _like(pattern: str, phrase: Phrase) -> Callable[[str], str]:
    """A reader of machine text."""
    compiled = re.compile(pattern)

    def read(text: str) -> str:
        if not compiled.fullmatch(text):
            raise _custom(phrase)
        return text

    return read


def _few(metadata: dict[str, str]) -> dict[str, str]:
    if len(metadata) > MAX_METADATA:
        raise _custom(TOO_MANY_KEYS)
    return metadata


def _custom(phrase: Phrase) -> PydanticCustomError:
    return PydanticCustomError("phrase", "refused", {"phrase": phrase})


def _hint(low: int, high: int, pattern: str | None = None) -> Any:
    """What the served schema says of a string that a reader checks."""
    extra: dict[str, Any] = {"minLength": low, "maxLength": high}
    return Field(json_schema_extra=extra | ({"pattern": pattern} if pattern else {}))


_PRINTABLE = r"^[^\u0000-\u001f\u007f-\u009f]*$"
"""As much of what `_named` checks as a portable pattern can say."""

Amount = Annotated[int, Field(ge=1, le=MAX_AMOUNT)]
Part = Annotated[int, Field(ge=0, le=MAX_AMOUNT)]
Name = Annotated[str, AfterValidator(_named(100)), _hint(1, 100, _PRINTABLE)]
Reason = Annotated[str, AfterValidator(_named(200)), _hint(1, 200, _PRINTABLE)]
OrderId = Annotated[
    str, AfterValidator(_like(VISIBLE % 100, visible(100))), _hint(1, 100, "^[!-~]+$")
]
Credential = Annotated[
    str, AfterValidator(_like(VISIBLE % 255, visible(255))), _hint(1, 255, "^[!-~]+$")
]
Url = Credential
Currency = Annotated[
    str,
    AfterValidator(
        _like(r"[A-Z]{3}", Phrase("must be three capital letters", "대문자 세 글자여야 합니다"))
    ),
    _hint(3, 3, "^[A-Z]{3}$"),
]
Word = Annotated[
    str,
    AfterValidator(_like(r"[a-z][a-z0-9_]{0,31}", NOT_ALLOWED)),
    _hint(1, 32, "^[a-z][a-z0-9_]*$"),
]
MetadataKey = Annotated[str, AfterValidator(_exact(100)), _hint(1, 100, _PRINTABLE)]
MetadataValue = Annotated[
    str, Field(max_length=500, json_schema_extra={"pattern": r"^[^\u0000]*$"})
]
Metadata = Annotated[
    dict[MetadataKey, MetadataValue],
    AfterValidator(_few),
    Field(json_schema_extra={"maxProperties": MAX_METADATA}),
]


class Body(BaseModel):
    """A request body: strict types, no other names."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    def contradictions(self) -> list[tuple[str, Phrase]]:
        """What is wrong between fields that are each right: pointer and sentence."""
        return []


class CreateTransaction(Body):
    """`POST /v1/transactions`."""

    provider: Word
    order_id: OrderId
    customer_id: Name | None = None
    item_name: Name
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY)] = 1
    amount: Amount
    currency: Currency
    tax_free_amount: Part = 0
    vat_amount: Part | None = None
    flow: Literal["server", "client", "reported"] = "server"
    return_url: Url | None = None
    approval_url: Url | None = None
    cancel_url: Url | None = None
    fail_url: Url | None = None
    expires_in: Annotated[int, Field(ge=60, le=86_400)] = 900
    metadata: Metadata = Field(default_factory=dict)

    def contradictions(self) -> list[tuple[str, Phrase]]:
        """Tax parts above the amount; a client flow without its three URLs."""
        found = _tax_faults(self.amount, self.tax_free_amount, self.vat_amount)
        if self.flow == "client":
            urls = {
                "/approval_url": self.approval_url,
                "/cancel_url": self.cancel_url,
                "/fail_url": self.fail_url,
            }
            found += [(pointer, CLIENT_NEEDS) for pointer, url in urls.items() if url is None]
        return found


class ReadyBody(Body):
    """`POST …/ready`; the reference is the report of a `reported` payment."""

    provider_ref: Credential | None = None


class ApproveBody(Body):
    """`POST …/approve`; both may be absent, so that a dry run can be answered."""

    pg_token: Credential | None = None
    provider_ref: Credential | None = None


class ReasonBody(Body):
    """`POST …/complete`, `/cancel` and `/fail`."""

    reason: Reason | None = None


class RefundBody(Body):
    """`POST …/refund`; no amount means all that is left."""

    amount: Amount | None = None
    reason: Reason | None = None
    tax_free_amount: Part | None = None
    vat_amount: Part | None = None

    def contradictions(self) -> list[tuple[str, Phrase]]:
        """Tax parts above the amount, when it is known."""
        if self.amount is None:
            return []
        return _tax_faults(self.amount, self.tax_free_amount or 0, self.vat_amount)


class StatusBody(Body):
    """`PUT …/status`. Any word is a status here: the same one again is fine whatever it is."""

    status: Word
    reason: Reason | None = None
    provider_ref: Credential | None = None


def _tax_faults(amount: int, tax_free: int, vat: int | None) -> list[tuple[str, Phrase]]:
    if tax_free > amount:
        return [("/tax_free_amount", OVER_AMOUNT)]
    if vat is not None and vat > amount - tax_free:
        return [("/vat_amount", OVER_TAXED)]
    return []


B = TypeVar("B", bound=Body)


def validate(model: type[B], data: object) -> B:
    """The body as an instance; raises Problem `invalid_request` with a JSON pointer a fault."""
    try:
        body = model.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise invalid(map(_fault, details)) from None
    faults = body.contradictions()
    if faults:
        raise invalid(faults)
    return body


def _fault(error: ErrorDetails) -> tuple[str, Phrase]:
    return _pointer(error["loc"]), _phrase(error["type"], error.get("ctx", {}))


def _pointer(loc: Sequence[int | str]) -> str:
    """Names that the caller made up are left out unless harmless: the pointer stops before them."""
    pointer = ""
    for part in loc:
        if part == "[key]" or not SAFE_NAME.fullmatch(str(part)):
            break
        pointer += f"/{part}"
    return pointer


_PHRASES = {
    "missing": REQUIRED,
    "extra_forbidden": UNKNOWN,
    "int_type": INTEGER,
    "int_from_float": INTEGER,
    "string_type": STRING,
    "string_unicode": UNPRINTABLE,
    "dict_type": OBJECT,
    "model_type": OBJECT,
    "literal_error": NOT_ALLOWED,
}


def _phrase(kind: str, context: Mapping[str, Any]) -> Phrase:
    if isinstance(phrase := context.get("phrase"), Phrase):
        return phrase
    if kind == "greater_than_equal":
        return at_least(context["ge"])
    if kind == "less_than_equal":
        return at_most(context["le"])
    if kind == "string_too_long":
        return too_long(context["max_length"])
    return _PHRASES.get(kind, INVALID)
