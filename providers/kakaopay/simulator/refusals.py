"""The gateway's ways to say no: documented codes, their HTTP statuses and words of our own.

It knows codes only; deciding which one applies is `desk.py`'s.
"""

from __future__ import annotations

from typing import Any

INVALID = -2

HTTP_STATUS = {-401: 401, -403: 403, -404: 404, -429: 429, -500: 500, -503: 503}
"""Every other code travels in a 400."""

MESSAGES = {
    INVALID: "invalid param",
    -400: "Authorization header is missing",
    -401: "secret key is not valid",
    -403: "this API is not switched on for the application",
    -404: "no such API",
    -429: "quota exceeded",
    -500: "internal error",
    -503: "under maintenance",
    -701: "payment is not authenticated yet",
    -702: "payment is already done",
    -705: "payment method is not supported",
    -706: "partner_order_id differs from ready",
    -707: "partner_user_id differs from ready",
    -708: "pg_token is not valid",
    -710: "cancel amount exceeds cancelable amount",
    -721: "tid does not exist",
    -722: "amount information is not valid",
    -723: "payment time is over",
    -725: "total amount is not valid",
    -731: "cid is not valid",
    -780: "approval failure!",
    -781: "cancel failure!",
    -783: "payment is not in a state to approve",
    -784: "payment is not in a state to cancel",
    -785: "duplicated request",
}
RESULT_CODES = {-780: "USER_LOCKED", -781: "6666"}
"""What `extras` says when a script gives one of these codes and nothing more."""


class Refusal(Exception):
    """An answer `{error_code, error_message, extras?}` with its HTTP status."""

    def __init__(self, code: int, message: str = "", method_result_code: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.message = message or MESSAGES.get(code, "request was refused")
        self.result_code = method_result_code or RESULT_CODES.get(code, "")

    @property
    def http_status(self) -> int:
        """The status line that goes with the code."""
        return HTTP_STATUS.get(self.code, 400)

    def shown(self) -> dict[str, Any]:
        """The body of the answer."""
        body: dict[str, Any] = {"error_code": self.code, "error_message": self.message}
        if self.result_code:
            body["extras"] = {
                "method_result_code": self.result_code,
                "method_result_message": f"simulated {self.result_code}",
            }
        return body


def invalid(field: str) -> Refusal:
    """A parameter is missing or has no acceptable value."""
    return Refusal(INVALID, f"invalid param({field} has invalid value)")
