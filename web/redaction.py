"""Log lines as JSON, one a record, that hold no secret and no character that could act on a reader.

It refuses to trust the message: values are masked first, then cut, then escaped.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

MASK = "***"
MAX_TEXT = 2_000
"""A message, a field: longer ones are cut, so that no caller fills the disk with one request."""
MAX_INPUT = 65_536
"""Masking looks no further than this."""
MAX_FIELDS = 20
MAX_TRACE = 60
"""Lines of a traceback, the last ones."""
MAX_DEPTH = 4

_VALUE = r"[^\s\"'&,;<>(){}\[\]\\]*"
_LONG_VALUE = _VALUE.removesuffix("*") + "{8,}"
_GLUE = r"[\"']?\s*(?:=|:|%3[aAdD])\s*[\"']?"
_MASKS = (
    (re.compile(r"\b(sk_(?:test|live)_)[A-Za-z0-9]*"), rf"\1{MASK}"),
    (re.compile(r"(txn_[0-9a-z]*_secret_)[A-Za-z0-9_=-]*"), rf"\1{MASK}"),
    (re.compile(r"\b(whsec_)[A-Za-z0-9+/=_-]*"), rf"\1{MASK}"),
    (re.compile(rf"(pg_token{_GLUE}){_VALUE}", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(rf"(secret_key{_GLUE}){_VALUE}", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(rf"\b(SECRET_KEY\s+){_VALUE}"), rf"\1{MASK}"),
    (re.compile(rf"\b((?:bearer|basic)\s+)(?!sk_|txn_){_LONG_VALUE}", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"(/return/)[^/\s?#\"']+"), rf"\1{MASK}"),
)
_SECRET_FIELDS = frozenset(
    "authorization client_secret cookie credentials password pg_token secret secret_key".split()
)
_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def redact(text: str) -> str:
    """The text with every secret that we know the shape of masked."""
    for pattern, replacement in _MASKS:
        text = pattern.sub(replacement, text)
    return text


def clean(text: str) -> str:
    """Text for a log line: masked, cut to size, and with nothing in it but visible characters."""
    text = redact(text[:MAX_INPUT])
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT] + "…"
    return _UNSAFE.sub(lambda match: _escaped(match[0]), text)


class Redacting(logging.Filter):
    """Cleans a record's message in place, for handlers whose formatter is not ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always let the record pass, cleaned."""
        record.msg, record.args = clean(_message(record)), None
        return True


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the record's extras, the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: dict[str, Any] = {
            "time": _time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean(_message(record)),
        }
        line |= {key: value for key, value in _extras(record).items() if key not in line}
        if record.exc_info and record.exc_info[1] is not None:
            line["traceback"] = _trace(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def handler(stream: TextIO) -> logging.Handler:
    """A handler that writes such lines to a stream."""
    made = logging.StreamHandler(stream)
    made.setFormatter(JsonLines())
    return made


def configure_logging(level: str) -> None:
    """Log everything of Strada's and every library's warnings to standard error, cleaned."""
    logging.basicConfig(level=logging.WARNING, handlers=[handler(sys.stderr)], force=True)
    logging.getLogger("strada").setLevel(level)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _time(created: float) -> str:
    moment = datetime.fromtimestamp(created, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    """The record's message; one whose arguments do not fit is better than none."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return str(record.msg)


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    extras = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    cleaned: dict[str, Any] = _cleaned(extras, MAX_DEPTH)
    return cleaned


def _cleaned(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Mapping) and depth:
        items = list(value.items())[:MAX_FIELDS]
        return {clean(str(key)): _field(str(key), item, depth - 1) for key, item in items}
    if isinstance(value, list | tuple | set | frozenset) and depth:
        return [_cleaned(item, depth - 1) for item in list(value)[:MAX_FIELDS]]
    return clean(str(value))


def _field(key: str, value: Any, depth: int) -> Any:
    return MASK if key.lower() in _SECRET_FIELDS else _cleaned(value, depth)


def _trace(error: BaseException) -> list[str]:
    lines = "".join(traceback.format_exception(error)).splitlines()
    return [clean(line) for line in lines[-MAX_TRACE:]]
