"""Every code that KakaoPay documents, and what it means for each verb: tables, no calls.

It refuses to read a code as a refusal where a charge or a refund is possible: a code that its verb
should never see, and one that is not listed, is unknown, and the engine looks the payment up.

What decides a row:

* The gateway turned the *request* away at its door (credentials, quota, address, parameters): it
  did not act. For an approve that is no word about the customer's payment, which lives on, so it
  is `not_taken`: the payment returns to `ready` rather than being declined by our own
  misconfiguration, or left in doubt that no look-up, refused at the same door, could end.
* Our data about the payment is wrong: it did not act, and the same request never will: `refused`.
* The payment's state stands in the way (-702, -783, -785): somebody acted, perhaps we: `conflict`.
* The gateway broke while acting (-1, -500, -503 …): `unavailable`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Verb = Literal["ready", "approve", "cancel", "order"]
Class = Literal[
    "refused", "not_taken", "not_found", "pending", "conflict", "unavailable", "surprise"
]
APPROVAL_FAILED, CANCEL_FAILED = -780, -781
"""The two codes that `extras.method_result_code` says more about."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """Our name for a code, and what it says to each verb. `ready` moves no money: most refuse."""

    code: str
    ready: Class = "refused"
    approve: Class = "surprise"
    cancel: Class = "surprise"
    order: Class = "surprise"

    def to(self, verb: Verb) -> Class:
        """What the code says to this verb."""
        match verb:
            case "ready":
                return self.ready
            case "approve":
                return self.approve
            case "cancel":
                return self.cancel
            case "order":
                return self.order


def _turned_away(code: str) -> Meaning:
    """At the door. A look-up that is turned away says nothing of the payment."""
    return Meaning(code, "refused", "not_taken", "refused", "unavailable")


def _down(code: str = "gateway_unavailable") -> Meaning:
    return Meaning(code, "unavailable", "unavailable", "unavailable", "unavailable")


def _our_data(code: str, refund_code_fits: bool = False) -> Meaning:
    return Meaning(code, "refused", "refused", "refused" if refund_code_fits else "surprise")


def _subscription(code: str) -> Meaning:
    """One-time payments have nothing to do with these."""
    return Meaning(code, "refused", "surprise", "surprise", "surprise")


CODES: Mapping[int, Meaning] = {
    # The platform's door, legacy and current.
    -1: _down(),
    -2: Meaning("invalid_request", "refused", "refused", "refused", "surprise"),
    -3: _turned_away("account_refused"),
    -4: _turned_away("account_refused"),
    -5: _turned_away("account_refused"),
    -7: _down(),
    -10: _turned_away("quota_exceeded"),
    -301: _turned_away("account_refused"),
    -400: _turned_away("credentials_refused"),
    -401: _turned_away("credentials_refused"),
    -402: _turned_away("account_refused"),
    -403: _turned_away("account_refused"),
    -404: _turned_away("gateway_address_wrong"),
    -429: _turned_away("quota_exceeded"),
    -500: _down(),
    -503: _down(),
    -9798: _down(),
    # The payment.
    -701: Meaning("not_authenticated", approve="not_taken"),
    -702: Meaning("already_approved", approve="conflict"),
    -703: _our_data("amount_refused", True),
    -704: _our_data("amount_refused", True),
    -705: _our_data("method_not_supported"),
    -706: _our_data("order_mismatch"),
    -707: _our_data("user_mismatch"),
    -708: Meaning("credential_refused", approve="not_taken"),
    -710: Meaning("refund_exceeds_remaining", cancel="refused"),
    -721: Meaning("payment_not_found", "refused", "refused", "refused", "not_found"),
    # On cancel the guard is the only amount that can be wrong by itself: see `NAMES_ON_CANCEL`.
    -722: _our_data("amount_refused", True),
    -723: Meaning("window_expired", approve="refused"),
    -724: _our_data("amount_refused", True),
    -725: _our_data("amount_refused", True),
    -726: _our_data("order_refused"),
    # The merchant's account, once past the door.
    -730: _turned_away("account_refused"),
    -731: _turned_away("account_refused"),
    -732: _turned_away("account_refused"),
    -733: _turned_away("credentials_refused"),
    -750: _subscription("subscription_missing"),
    -751: _subscription("subscription_inactive"),
    -752: _subscription("subscription_limit"),
    -753: _subscription("subscription_user_mismatch"),
    -761: Meaning("phone_not_registered"),
    # What acting came to; `RESULTS` says more about the first two.
    -780: Meaning("declined", approve="refused"),
    -781: Meaning("refund_declined", cancel="refused"),
    -782: _subscription("subscription_failed"),
    -783: Meaning("not_approvable", approve="conflict"),
    -784: Meaning("not_refundable", cancel="refused"),
    -785: Meaning("duplicate_request", "conflict", "conflict", "conflict", "conflict"),
    -798: _turned_away("address_not_allowed"),
    -799: Meaning("domain_not_registered"),
}

NAMES_ON_CANCEL: Mapping[int, str] = {-722: "refund_guard_mismatch"}
"""Codes that have another name there."""


@dataclass(frozen=True, slots=True)
class Result:
    """Our name for a `method_result_code`, and what it says beside -780 and beside -781."""

    code: str
    approve: Class = "refused"
    cancel: Class = "refused"


def _unsure(code: str, what: Class = "unavailable") -> Result:
    return Result(code, what, what)


RESULTS: Mapping[str, Result] = {
    # MONEY. Whoever answered badly may have acted: the bank, the account, an inner service.
    "BANK_FIRM_UNKNOWN": _unsure("bank_pending", "pending"),  # its result comes within 20 minutes
    "USER_LOCKED": _unsure("another_transaction_runs", "conflict"),
    "PAYMENT_KEY_EXISTS": _unsure("duplicate_request", "conflict"),
    "INVALID_CANCEL_STATUS": _unsure("refund_conflict", "conflict"),
    "BANK_FIRM_API_FAIL": _unsure("bank_failed"),
    "INTERNAL_ERROR": _unsure("gateway_unavailable"),
    "NETWORK_ACL_ERROR": _unsure("gateway_unavailable"),
    "PAY_ACCOUNT_RESPONSE_ERROR": _unsure("gateway_unavailable"),
    "TALK_USER_REQUEST_FAIL": _unsure("gateway_unavailable"),
    "TALK_USER_RESPONSE_ERROR": _unsure("gateway_unavailable"),
    "UNDER_CONSTRUCTION": _unsure("gateway_unavailable"),
    "BANK_ACCOUNT_BLOCKED": Result("bank_account_blocked"),
    "BANK_ACCOUNT_NOT_FOUND": Result("bank_account_not_found"),
    "BANK_FIRM_UNAVAILABLE": Result("bank_closed"),  # each night; it says so before it acts
    "BANK_NOT_CONNECTED": Result("bank_not_connected"),
    "CHANNEL_NOT_FOUND": Result("account_refused"),
    "DAILY_CROSSCHECK_INVALID_AUTH_KEY": Result("credentials_refused"),
    "DEACTIVATED_USER_STATUS": Result("user_deactivated"),
    "INVALID_CANCEL_AMOUNT": Result("refund_amount_refused"),
    "INVALID_CANCEL_STATUS_DEACTIVE": Result("user_deactivated"),
    "INVALID_PAYMENT_KEY": Result("payment_not_found"),
    "ITEM_NOT_FOUND": Result("payment_not_found"),
    "LACK_BALANCE": Result("insufficient_funds"),
    "LIMIT_BALANCE": Result("limit_exceeded"),
    "LIMIT_ONE_TIME": Result("limit_exceeded"),
    "LIMIT_USE_PER_DAY": Result("limit_exceeded"),
    "NOT_ENOUGH_BALANCE": Result("insufficient_funds"),
    "PAY_USER_NOT_FOUND": Result("user_not_found"),
    "USER_DUPLICATION": Result("user_not_found"),
    "USER_NOT_FOUND": Result("user_not_found"),
    # CARD: those of more than a thousand that mean more than "declined".
    "0000": _unsure("approved_and_declined", "conflict"),
    "0010": _unsure("card_network_timeout"),
    "0002": Result("limit_exceeded"),
    "0004": Result("card_expired"),
    "0013": Result("amount_refused"),
    "0022": Result("not_refundable"),
    "0024": Result("payment_not_found"),
    "0025": _unsure("already_refunded", "conflict"),
    "0040": Result("card_refused"),
    "0126": Result("declined"),
    "0136": Result("payment_not_found"),
    "0140": _unsure("already_refunded", "conflict"),
    "1015": Result("partial_refund_unsupported"),
    "2003": _unsure("already_refunded", "conflict"),
    "8323": Result("insufficient_funds"),
    "8521": Result("limit_exceeded"),
}


def meaning(verb: Verb, code: int, result: str | None) -> tuple[Class, str]:
    """The class of a code and our name for it; what is not listed is a surprise."""
    known = CODES.get(code)
    if known is None:
        return "surprise", "unlisted"
    said = RESULTS.get(result) if result else None
    if said is not None and (verb, code) == ("approve", APPROVAL_FAILED):
        return said.approve, said.code
    if said is not None and (verb, code) == ("cancel", CANCEL_FAILED):
        return said.cancel, said.code
    name = NAMES_ON_CANCEL.get(code, known.code) if verb == "cancel" else known.code
    return known.to(verb), name


STILL_OPEN: Mapping[str, bool] = {
    "READY": False,
    "SEND_TMS": False,
    "OPEN_PAYMENT": False,
    "SELECT_METHOD": False,
    "ARS_WAITING": False,
    "AUTH_PASSWORD": True,
}
"""Statuses in which nothing was charged so far → whether an approve could be sent."""
CLOSED: Mapping[str, str] = {
    "FAIL_AUTH_PASSWORD": "authentication_failed",
    "QUIT_PAYMENT": "customer_quit",
    "FAIL_PAYMENT": "payment_failed",
}
"""Statuses that ended without a charge → our name for it."""
CHARGED = frozenset({"SUCCESS_PAYMENT", "PART_CANCEL_PAYMENT", "CANCEL_PAYMENT"})
STRANGE = frozenset({"ISSUED_SID"})
"""Documented, but not for a one-time payment."""
