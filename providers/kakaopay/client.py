"""KakaoPay as a gateway: each verb is one call, built and read by `wire.py`.

It refuses to retry a call, to keep anything between calls, and to take an address from an account.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.provider import (
    Account,
    ApproveOutcome,
    Capabilities,
    LookUpOutcome,
    Order,
    Payment,
    PrepareOutcome,
    RefundOutcome,
    RefundRequest,
    Unknown,
    Urls,
)
from providers.http import MASK, Answer, GatewayHttp, Lost, Reply, origin
from providers.kakaopay import wire
from providers.kakaopay.codes import Verb

TEST_CID = "TC0ONETIME"
MICROS = 1_000_000
_CID = re.compile(r"[A-Za-z0-9]{1,10}")
_KEY = re.compile(r"[A-Za-z0-9._-]{8,100}")

_SECRET_FIELDS = (
    r"secret_key|cid_secret|pg_token|partner_user_id|approval_url|approve_url|cancel_url|fail_url|"
    r"next_redirect_\w+|android_app_scheme|ios_app_scheme|approved_id|\b(?:card_)?bin"
)
_IS = r"\\*[\"']?\s*(?:[:=(]|%3[ad])\s*"
_QUOTED = r"\\*\"(?:[^\"\\]|\\[^\"])*\\*\"|'[^']*'"
_MASKS = (
    # The key after its scheme, in a header or anywhere else.
    (re.compile(r"\b((?:DEV_)?SECRET_KEY|KakaoAK)(\s+|%20|\+)[^\s\"'\\,;&]+"), rf"\1\2{MASK}"),
    # A value after its name: JSON, a query string, a form, a header, Python's repr.
    (
        re.compile(rf"(?i)({_SECRET_FIELDS})({_IS})(?:{_QUOTED}|[^\s\"'&,;)}}\]\\]+)"),
        rf"\1\2{MASK}",
    ),
    # Any other kind of credentials in a header.
    (re.compile(rf"(?i)\b(authorization)({_IS})(?:{_QUOTED}|[^\r\n\"'\\]+)"), rf"\1\2{MASK}"),
    # A key by its shape alone.
    (re.compile(r"\b(?:DEV|PRD)[A-Z0-9]{37}\b"), MASK),
)


class KakaoPay:
    """The adapter. `now_us` gives UTC microseconds; `window_s` is how long a payment can be paid.

    Raises ValueError for a `base_url` that is neither https nor a loopback address.
    """

    name = "kakaopay"
    display_name = "KakaoPay"

    def __init__(
        self,
        base_url: str,
        http: GatewayHttp,
        *,
        now_us: Callable[[], int],
        settle_after_s: float = 60.0,
        window_s: float = 900.0,
    ) -> None:
        origin(base_url)
        self._base_url = base_url.rstrip("/")
        self._http = http
        self._now_us = now_us
        self.capabilities = Capabilities(
            currencies={wire.CURRENCY: 0},
            settle_after_s=settle_after_s,
            window_s=window_s,
            partial_refund=True,
            approve_idempotent=True,
            echoes_operation=True,
            charges_alone=False,
            scheme_redirect=False,
            url_limit=255,
            item_name_limit=100,
            user_limit=100,
        )

    def account(self, credentials: Mapping[str, str]) -> Account:
        """An account from `secret_key` and `cid` (default: the test CID); raises ValueError.

        Other names are refused, an address among them: whoever sets an account must not choose
        where our servers call. The message never quotes a value.
        """
        strange = credentials.keys() - {"secret_key", "cid"}
        if strange:
            raise ValueError("an account has secret_key and cid, and nothing else")
        key, cid = credentials.get("secret_key", ""), credentials.get("cid", TEST_CID)
        if not _KEY.fullmatch(key):
            raise ValueError("secret_key is missing or odd")
        if not _CID.fullmatch(cid):
            raise ValueError("cid is odd")
        return Account(self.name, cid, {"secret_key": key})

    def prepare(
        self, account: Account, order: Order, urls: Urls, deadline_s: float
    ) -> PrepareOutcome:
        """`ready`: moves no money."""
        body = wire.ready_body(account.id, order, urls)
        secrets = (urls.approved, urls.cancelled, urls.failed)
        reply = self._call("ready", account, body, deadline_s, secrets)
        # The window is counted from here: a moment too long rather than closed on a payer.
        expires_at = self._now_us() + int(self.capabilities.window_s * MICROS)
        return wire.read_ready(reply, expires_at) if isinstance(reply, Answer) else _lost(reply)

    def approve(
        self, account: Account, payment: Payment, credential: str, deadline_s: float
    ) -> ApproveOutcome:
        """`approve`: takes the money. `credential` is the pg_token."""
        body = wire.approve_body(account.id, payment, credential)
        reply = self._call("approve", account, body, deadline_s, (credential,))
        return wire.read_approve(reply) if isinstance(reply, Answer) else _lost(reply)

    def refund(
        self, account: Account, payment: Payment, refund: RefundRequest, deadline_s: float
    ) -> RefundOutcome:
        """`cancel`, with the gateway's own guard on what remains."""
        body = wire.cancel_body(account.id, payment, refund)
        reply = self._call("cancel", account, body, deadline_s)
        if isinstance(reply, Answer):
            return wire.read_cancel(reply, payment, refund)
        return _lost(reply)

    def look_up(self, account: Account, payment: Payment, deadline_s: float) -> LookUpOutcome:
        """`order`: changes nothing."""
        body = wire.order_body(account.id, payment)
        reply = self._call("order", account, body, deadline_s)
        if isinstance(reply, Answer):
            return wire.read_order(reply, account.id, payment)
        return _lost(reply)

    def scrub(self, transcript: str) -> str:
        """Text without keys, tokens, return addresses, pay pages, users and card numbers."""
        for pattern, replacement in _MASKS:
            transcript = pattern.sub(replacement, transcript)
        return transcript

    def _call(
        self,
        verb: Verb,
        account: Account,
        body: Mapping[str, Any],
        deadline_s: float,
        secrets: Sequence[str] = (),
    ) -> Reply:
        key = account.credentials["secret_key"]
        url = f"{self._base_url}/online/v1/payment/{verb}"
        headers = {"Authorization": f"SECRET_KEY {key}"}
        return self._http.post_json(url, headers, body, deadline_s, (key, *secrets))


def _lost(lost: Lost) -> Unknown:
    evidence = json.dumps({"lost": lost.kind}, separators=(",", ":")).encode()
    return Unknown(evidence, lost.kind, lost.detail)
