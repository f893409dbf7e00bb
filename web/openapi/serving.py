"""`/openapi.json` and `/docs`: the document as bytes made once, and a page to read it with.

It refuses to load anything from elsewhere: Swagger UI's files come from an installed package.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from flask import Blueprint, Response, render_template

from engine.resource import encode
from web.openapi import document

_ASSETS = resources.files("flask_openapi_swagger").joinpath("templates", "swagger")

reference = Blueprint(
    "reference", __name__, static_folder=str(_ASSETS), static_url_path="/docs/assets"
)


@cache
def document_bytes() -> bytes:
    """The document as it is served."""
    return encode(document()).encode()


@reference.get("/openapi.json")
def openapi() -> Response:
    """The OpenAPI 3.1 document."""
    return Response(document_bytes(), content_type="application/json")


@reference.get("/docs")
def docs() -> str:
    """The document for people: Swagger UI, served by ourselves."""
    return render_template("reference.html")
