"""The demo's phone: its operating system, which hands `strada-demo://` links to the app.

The app itself is a page of the UI, which holds one payment's client secret and nothing else. It
refuses to do the app's work: the link arrives there unread.
"""

from __future__ import annotations

from urllib.parse import quote

from flask import Response

from web.demo import SCHEME


def hand_over(response: Response) -> Response:
    """What a phone does with a redirect to the app's scheme: open the app with the link."""
    link = response.headers.get("Location", "")
    if response.status_code == 303 and link.startswith(f"{SCHEME}://"):
        response.headers["Location"] = f"/demo/app/open?link={quote(link, safe='')}"
    return response
