"""Reading a request: a body is never taken for none."""

from __future__ import annotations

from io import BytesIO

import pytest
from flask import Request

from web.edge import body_of

SAID = b'{"reason": "changed my mind"}'


@pytest.mark.parametrize(
    "framing", [{"CONTENT_LENGTH": str(len(SAID))}, {"HTTP_TRANSFER_ENCODING": "chunked"}]
)
def test_a_body_is_read_however_its_end_is_told(framing: dict[str, str]) -> None:
    environ = {"wsgi.input": BytesIO(SAID), "wsgi.input_terminated": True, "REQUEST_METHOD": "POST"}
    request = Request(environ | {"CONTENT_TYPE": "application/json"} | framing)
    assert body_of(request) == {"reason": "changed my mind"}
