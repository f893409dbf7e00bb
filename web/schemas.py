"""The shapes of request bodies and query strings, strict: no coercion, no unknown names.

It refuses to know the state of anything: what is legal now is the engine's to say. No sentence made
here contains what the caller sent.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from web.problem_texts import Phrase
from web.problems import Problem

MAX_AMOUNT = 10**12
MAX_QUANTITY = 10**9
MAX_ERRORS = 20
"""More than a person reads at once; a hostile body could otherwise earn thousands."""
MAX_METADATA = 20
MAX_PAGE = 100
DEFAULT_PAGE = 20

_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Cn", "Co", "Zl", "Zp"})
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SAFE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

REQUIRED = Phrase("is required", "필수 항목입니다")
UNKNOWN = Phrase("is not a known field", "알 수 없는 항목입니다")
UNKNOWN_PARAMETER = Phrase("is not a known parameter", "알 수 없는 매개변수입니다")
REPEATED = Phrase("must be given once", "한 번만 지정해야 합니다")
INTEGER = Phrase("must be an integer", "정수여야 합니다")
STRING = Phrase("must be a string", "문자열이어야 합니다")
OBJECT = Phrase("must be an object", "객체여야 합니다")
INVALID = Phrase("is not valid", "올바르지 않습니다")
NOT_ALLOWED = Phrase("is not one of the allowed values", "허용된 값이 아닙니다")
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
TRUE_FALSE = Phrase("must be true or false", "true 또는 false여야 합니다")
INSTANT = Phrase(
    "must be an RFC 3339 time such as 2026-11-23T01:15:00Z",
    "2026-11-23T01:15:00Z 같은 RFC 3339 시각이어야 합니다",
)
TOO_MANY_KEYS = Phrase(f"must have at most {MAX_METADATA} keys", f"키는 {MAX_METADATA}개까지입니다")


class Refused(ValueError):
    """A value that a reader of a query parameter does not take."""

    def __init__(self, phrase: Phrase) -> None:
        super().__init__(str(phrase))
        self.phrase = phrase


def _at_least(low: int) -> Phrase:
    return Phrase(f"must be at least {low}", f"{low} 이상이어야 합니다")


def _at_most(high: int) -> Phrase:
    return Phrase(f"must be at most {high}", f"{high} 이하여야 합니다")


def _too_long(limit: int) -> Phrase:
    return Phrase(f"must have at most {limit} characters", f"{limit}자까지입니다")


def _visible(limit: int) -> Phrase:
    return Phrase(
        f"must be 1 to {limit} visible ASCII characters",
        f"보이는 ASCII 문자 1–{limit}자여야 합니다",
    )


def _named(limit: int) -> Callable[[str], str]:
    """A reader of human text: NFC, printable, not blank, at most `limit` characters."""

    def read(text: str) -> str:
        text = unicodedata.normalize("NFC", text)
        if not text.strip():
            raise _custom(BLANK)
        if len(text) > limit:
            raise _custom(_too_long(limit))
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


_VISIBLE = r"[!-~]{1,%d}"
Amount = Annotated[int, Field(ge=1, le=MAX_AMOUNT)]
Part = Annotated[int, Field(ge=0, le=MAX_AMOUNT)]
Name = Annotated[str, AfterValidator(_named(100)), _hint(1, 100)]
Reason = Annotated[str, AfterValidator(_named(200)), _hint(1, 200)]
OrderId = Annotated[
    str, AfterValidator(_like(_VISIBLE % 100, _visible(100))), _hint(1, 100, "^[!-~]+$")
]
Credential = Annotated[
    str, AfterValidator(_like(_VISIBLE % 255, _visible(255))), _hint(1, 255, "^[!-~]+$")
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
MetadataKey = Annotated[str, AfterValidator(_exact(100)), _hint(1, 100)]
MetadataValue = Annotated[str, Field(max_length=500)]
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

    def require_credential(self) -> None:
        """Raise the 422 of an approval that brings nothing to approve with."""
        if self.pg_token is None and self.provider_ref is None:
            raise invalid([("/pg_token", CREDENTIAL)])


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
        raise invalid(_fault(item) for item in details[:MAX_ERRORS]) from None
    faults = body.contradictions()
    if faults:
        raise invalid(faults)
    return body


def invalid(faults: Iterable[tuple[str, Phrase]]) -> Problem:
    """The 422 for these faults: JSON pointer and sentence each."""
    errors = [{"pointer": pointer, "detail": phrase} for pointer, phrase in faults]
    return Problem("invalid_request", errors=errors[:MAX_ERRORS])


def _fault(error: ErrorDetails) -> tuple[str, Phrase]:
    return _pointer(error["loc"]), _phrase(error["type"], error.get("ctx", {}))


def _pointer(loc: Sequence[int | str]) -> str:
    """Names that the caller made up are left out unless harmless: the pointer stops before them."""
    pointer = ""
    for part in loc:
        if part == "[key]" or not _SAFE_NAME.fullmatch(str(part)):
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
        return _at_least(context["ge"])
    if kind == "less_than_equal":
        return _at_most(context["le"])
    if kind == "string_too_long":
        return _too_long(context["max_length"])
    return _PHRASES.get(kind, INVALID)


Reader = Callable[[str], object]


def parse_query(pairs: Iterable[tuple[str, str]], readers: Mapping[str, Reader]) -> dict[str, Any]:
    """Query parameters by name, each read by its reader; repeated and unknown ones are refused."""
    values: dict[str, Any] = {}
    faults: dict[str, Phrase] = {}
    for name, text in pairs:
        pointer = f"/query/{name}" if _SAFE_NAME.fullmatch(name) else "/query"
        if name not in readers:
            faults[pointer] = UNKNOWN_PARAMETER
        elif name in values:
            faults[pointer] = REPEATED
        else:
            values[name] = _read(readers[name], text, pointer, faults)
    if faults:
        raise invalid(faults.items())
    return values


def _read(reader: Reader, text: str, pointer: str, faults: dict[str, Phrase]) -> object:
    try:
        return reader(text)
    except Refused as refused:
        faults[pointer] = refused.phrase
    return None


def boolean(text: str) -> bool:
    """Read `true` or `false`."""
    if text not in ("true", "false"):
        raise Refused(TRUE_FALSE)
    return text == "true"


def whole(low: int, high: int) -> Callable[[str], int]:
    """A reader of plain ASCII decimals between two bounds."""

    def read(text: str) -> int:
        if not re.fullmatch(r"0|[1-9][0-9]{0,15}", text):
            raise Refused(INTEGER)
        if int(text) < low:
            raise Refused(_at_least(low))
        if int(text) > high:
            raise Refused(_at_most(high))
        return int(text)

    return read


def one_of(allowed: Collection[str]) -> Callable[[str], str]:
    """A reader of one of these words."""

    def read(text: str) -> str:
        if text not in allowed:
            raise Refused(NOT_ALLOWED)
        return text

    return read


def matching(pattern: str, phrase: Phrase = INVALID) -> Callable[[str], str]:
    """A reader of text that matches a pattern as a whole."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise Refused(phrase)
        return text

    return read


def instant(text: str) -> int:
    """Read an RFC 3339 time as microseconds since 1970."""
    if not _INSTANT.fullmatch(text):
        raise Refused(INSTANT)
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise Refused(INSTANT) from None


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What `GET /v1/transactions` was asked for; None means: whatever it is."""

    status: str | None = None
    provider: str | None = None
    order_id: str | None = None
    needs_review: bool | None = None
    created_after: int | None = None
    created_before: int | None = None
    limit: int = DEFAULT_PAGE
    cursor: str | None = None


def parse_list_query(pairs: Iterable[tuple[str, str]], *, statuses: Collection[str]) -> ListQuery:
    """The parameters of the plain list; raises Problem. Times are in microseconds since 1970."""
    readers: dict[str, Reader] = {
        "status": one_of(statuses),
        "provider": matching(r"[a-z][a-z0-9_]{0,31}"),
        "order_id": matching(_VISIBLE % 100, _visible(100)),
        "needs_review": boolean,
        "created_after": instant,
        "created_before": instant,
        "limit": whole(1, MAX_PAGE),
        "cursor": matching(r"[A-Za-z0-9_.=-]{1,512}"),
    }
    return ListQuery(**parse_query(pairs, readers))
