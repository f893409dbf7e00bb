"""Log lines: no secret, no living character, always JSON."""

import io
import json
import logging
from typing import Any

import pytest

from web.redaction import MAX_TEXT, JsonLines, Redacting, clean, handler


def line_of(message: object, *args: object, **extra: object) -> dict[str, Any]:
    record = logging.makeLogRecord(
        {"name": "web", "levelname": "INFO", "msg": message, "args": args, **extra}
    )
    text = JsonLines().format(record)
    assert text.isprintable() or "\n" not in text
    line: dict[str, Any] = json.loads(text)
    return line


@pytest.mark.parametrize(
    "text",
    [
        "Bearer sk_test_HUSH2345",
        "key sk_live_HUSH2345 used",
        "txn_01jd_secret_HUSH-_hush==",
        "GET /return/x/approved?pg_token=HUSH&a=1",
        "next=%2Fapproved%3Fpg_token%3DHUSH",
        "{'pg_token': 'HUSH'}",
        '{"pg_token": "HUSH"}',
        "PG_TOKEN=HUSH",
        "Authorization: SECRET_KEY HUSH",
        "STRADA_SECRET_KEY=HUSH",
        "STRADA_KAKAOPAY_SECRET_KEY='HUSH'",
        "Authorization: Basic HUSHHUSH==",
        "whsec_HUSH",
        "GET /return/HUSH/approved",
        "GET https://pay.example/return/HUSH/cancelled HTTP/1.1",
        "GET /return/HUSH",
    ],
)
def test_secrets_are_masked(text: str) -> None:
    assert "HUSH" not in clean(text)
    assert "***" in clean(text)


def test_what_is_not_secret_stays() -> None:
    text = "POST /v1/transactions/txn_01jd/approve 결제 승인 409 in 12 ms"
    assert clean(text) == text


def test_the_rest_of_a_line_survives_masking() -> None:
    assert clean("pg_token=abc&x=1 next") == "pg_token=***&x=1 next"
    assert clean("/return/abc/approved ok") == "/return/***/approved ok"


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("a\nb", r"a\x0ab"),
        ("a\r\nb", r"a\x0d\x0ab"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\x9b31m", r"\x9b31m"),
        ("\x7f", r"\x7f"),
        ("\x00", r"\x00"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\u202e\u2066\u200f\u061c", r"\u202e\u2066\u200f\u061c"),
        ("\ud800", r"\ud800"),
    ],
)
def test_living_characters_are_escaped(hostile: str, shown: str) -> None:
    assert clean(hostile) == shown
    assert line_of("%s", hostile)["message"] == shown


def test_long_messages_are_cut() -> None:
    assert len(clean("a" * 10_000_000)) == MAX_TEXT + 1


def test_a_secret_on_the_cut_is_still_masked() -> None:
    assert "HUSH" not in clean("a" * (MAX_TEXT - 12) + " sk_test_HUSHHUSH")


def test_a_line_has_its_fields() -> None:
    line = line_of("paid %s", "₩12,000", request_id="req_1", created=0.0)
    assert line["time"] == "1970-01-01T00:00:00.000000Z"
    assert (line["level"], line["logger"], line["message"]) == ("info", "web", "paid ₩12,000")
    assert line["request_id"] == "req_1"


def test_extras_are_cleaned_to_the_bottom() -> None:
    line = line_of(
        "x", body={"pg_token": "HUSH", "n": [1, {"url": "?pg_token=HUSH"}]}, t=float("nan")
    )
    assert line["body"] == {"pg_token": "***", "n": [1, {"url": "?pg_token=***"}]}
    assert line["t"] == "nan"


def test_extras_cannot_replace_the_line_s_own() -> None:
    assert line_of("x", level="forged", time="forged")["level"] == "info"


def test_endless_structures_are_cut() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert json.dumps(line_of("x", loop=endless))


def test_wrong_arguments_still_log() -> None:
    assert line_of("%d of %d", "one")["message"] == "%d of %d"


def test_tracebacks_are_cleaned_lines() -> None:
    stream = io.StringIO()
    log = logging.Logger("web")
    log.addHandler(handler(stream))
    try:
        raise ValueError("pg_token=HUSH\nforged")
    except ValueError:
        log.exception("broke")
    assert "HUSH" not in stream.getvalue()
    assert stream.getvalue().count("\n") == 1
    assert json.loads(stream.getvalue())["traceback"][-1] == "forged"


def test_the_filter_cleans_for_foreign_formatters() -> None:
    record = logging.makeLogRecord({"msg": "a %s", "args": ("pg_token=HUSH\n",)})
    assert Redacting().filter(record)
    assert record.getMessage() == r"a pg_token=***\x0a"
