"""What the engine may answer instead of a result, as one tree, split by what the caller does next.

    Refusal                a decision about this request; do something else
    ├── Missing            no such thing (or another merchant's: the same answer)
    ├── Conflict           the present state does not allow it, or somebody else is at it
    └── Invalid            the request can never be, whatever the state
    GatewayTrouble         the gateway gave no usable answer and nothing moved; try again
    StorageTrouble         the database failed; nothing was started after it; try again
    └── LogBehind          the log is older than what was signed of it; an operator must look

Refusals are values raised to unwind to the edge; they carry ids and codes, never raw input.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class EngineError(Exception):
    """`code` is the stable name (API.md, Errors); `extra` are members for the problem document."""

    def __init__(
        self, code: str, *, retry_after: int | None = None, extra: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after
        self.extra: Mapping[str, Any] = extra or {}


class Refusal(EngineError):
    """The request was understood and refused."""


class Missing(Refusal):
    """`not_found` or `unknown_event`."""


class Conflict(Refusal):
    """`illegal_transition`, `operation_in_flight`, `version_mismatch`, `order_in_progress`, …"""


class Invalid(Refusal):
    """`invalid_request`, `guard_refused`, `unsupported_by_provider`, `idempotency_key_reused`."""


class GatewayTrouble(EngineError):
    """`gateway_surprise`, `gateway_unavailable` or `gateway_timeout`."""


class StorageTrouble(EngineError):
    """`storage_unavailable`: nothing was started at a gateway after the failure."""

    def __init__(self, detail: str) -> None:
        super().__init__("storage_unavailable", retry_after=5)
        self.detail = detail


class LogBehind(StorageTrouble):
    """`log_behind_checkpoint`: nothing is written until an operator accepts the older log.

    `reason` is `behind`, `differs`, `untrusted`, `other_log`, or `looking_up` once it was accepted.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.code = "log_behind_checkpoint"
        self.extra = {"reason": reason}
        self.retry_after = 5 if reason == "looking_up" else 60


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from or while handling, the first cause last.

    Each once: what is raised in a `finally` can come to have itself among its contexts.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
