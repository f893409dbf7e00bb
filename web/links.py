"""Where a gateway sends the customer back to. It refuses to hand a gateway an app scheme."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from engine.payments import LinkMaker
from engine.provider import Urls
from engine.store import Row


def links(base_url: str) -> LinkMaker:
    """Where a gateway sends the customer: to us, or in flow `client` straight to the client's page.

    A client's app scheme is never given to a gateway: our own page bounces to it.
    """

    def make(row: Row, token: str) -> Urls:
        own = {
            "approval_url": f"{base_url}/return/{token}/approved",
            "cancel_url": f"{base_url}/return/{token}/cancelled",
            "fail_url": f"{base_url}/return/{token}/failed",
        }
        if row["flow"] == "client":
            given = json.loads(row["urls"])
            own |= {name: given[name] for name in own if is_web(given.get(name, ""))}
        return Urls(own["approval_url"], own["cancel_url"], own["fail_url"])

    return make


def is_web(url: str) -> bool:
    """Whether a browser may be sent there by a gateway (http or https, not an app scheme)."""
    return urlsplit(url).scheme in ("http", "https")
