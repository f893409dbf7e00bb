"""The web UI as it was built: one page for its addresses, and its files, whose names are hashes.

Without a build the API works all the same, and the page says how to get one. It refuses to serve
anything from outside the build's folder.
"""

from __future__ import annotations

import re
from pathlib import Path

from flask import Blueprint, Response, current_app, render_template, request
from werkzeug.exceptions import NotFound

from web.edge import language_of

DIST = Path(__file__).with_name("ui") / "dist"
"""Where `npm run build` puts it, and where a wheel carries it; an app's UI_DIST goes before."""
_FILE = re.compile(r"assets/[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.(?P<kind>js|css|svg|woff2)")
_KINDS = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
}
FOR_EVER = "public, max-age=31536000, immutable"
HTML = "text/html; charset=utf-8"

ui = Blueprint("ui", __name__)


def is_built() -> bool:
    """Whether there is a UI to serve."""
    return (_dist() / "index.html").is_file()


def _dist() -> Path:
    given: Path = current_app.config.get("UI_DIST", DIST)
    return given


@ui.get("/", strict_slashes=False)
def welcome() -> Response:
    """What runs here, and where to go; the way to the UI when it was not built."""
    if request.environ["PATH_INFO"] != "/":
        raise NotFound  # an empty path, or `//`: other spellings, and a redirect would name Host
    text = render_template(
        "welcome.html",
        language=language_of(request),
        built=is_built(),
        demo="demo" in current_app.blueprints,
    )
    return Response(text, content_type=HTML)


@ui.get("/console")
@ui.get("/console/<path:place>")
def page(place: str = "") -> Response:
    """The one page of the UI, which finds its way by itself."""
    if not is_built():
        text = render_template(
            "welcome.html", language=language_of(request), built=False, demo=False
        )
        return Response(text, 404, content_type=HTML)
    answer = Response((_dist() / "index.html").read_bytes(), content_type=HTML)
    answer.headers["Cache-Control"] = "no-cache"
    return answer


@ui.get("/ui/<path:file>")
def asset(file: str) -> Response:
    """A file of the build; a new build has new names."""
    found = _FILE.fullmatch(file)
    if found is None or not (_dist() / file).is_file():
        raise NotFound
    answer = Response((_dist() / file).read_bytes(), content_type=_KINDS[found["kind"]])
    answer.headers["Cache-Control"] = FOR_EVER
    return answer
