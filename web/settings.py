"""Settings, read once at the edge into a frozen value; below that, arguments.

It refuses to start production on a default secret, a simulator, or an address without TLS.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.store import sqlite_path
from engine.vault import DEVELOPMENT_KEY
from web.rate_limit import Rate, parse_rate

PREFIX = "STRADA_"
SECRET = frozenset({"secret_key", "kakaopay_secret_key", "audit_signing_key"})
DEVELOPMENT_GATEWAY_KEY = "DEV" + "0" * 37
PRODUCTION_RATE = "100/s"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class SettingError(ValueError):
    """A setting that cannot be; the message names it and says what it should look like."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, named as in the environment without `STRADA_`. Times are seconds."""

    database_url: str = "sqlite:///strada.db"
    base_url: str = "http://127.0.0.1:8000"
    env: str = "development"
    secret_key: str = DEVELOPMENT_KEY
    kakaopay_secret_key: str = ""
    kakaopay_cid: str = "TC0ONETIME"
    kakaopay_base_url: str = "https://open-api.kakaopay.com"
    call_deadline_s: float = 10.0
    settle_after_s: float | None = None
    time_scale: float = 1.0
    threads: int = 48
    rate_limit: str = ""
    state_dir: str = ""
    audit_signing_key: str = ""
    checkpoint_s: float = 10.0
    retention_days: int = 1826
    log_level: str = "INFO"

    @property
    def production(self) -> bool:
        """Whether real money moves."""
        return self.env == "production"

    @property
    def rate(self) -> Rate | None:
        """How often a key may call; None for as often as it likes. Raises ValueError."""
        return parse_rate(self.rate_limit or (PRODUCTION_RATE if self.production else "off"))

    @property
    def state_path(self) -> Path:
        """Where locks, keys and checkpoints live: beside the database unless told otherwise."""
        if self.state_dir:
            return Path(self.state_dir)
        return sqlite_path(self.database_url).absolute().parent / "strada-state"

    def check(self) -> None:
        """Raise SettingError for values that cannot be, or may not be in production."""
        if self.env not in ("development", "production"):
            raise SettingError("STRADA_ENV is development or production")
        for name in ("call_deadline_s", "time_scale", "checkpoint_s"):
            if getattr(self, name) <= 0:
                raise SettingError(f"{PREFIX}{name.upper()} must be above 0")
        for name in ("base_url", "kakaopay_base_url"):
            _check_url(f"{PREFIX}{name.upper()}", getattr(self, name))
        if not 1 <= self.retention_days <= 36_500:
            raise SettingError("STRADA_RETENTION_DAYS is 1 to 36500")
        if not 1 <= self.threads <= 1000:
            raise SettingError("STRADA_THREADS is 1 to 1000")
        try:
            parse_rate(self.rate_limit or "off")
        except ValueError as error:
            raise SettingError(f"STRADA_RATE_LIMIT: {error}") from error
        try:
            sqlite_path(self.database_url)
        except ValueError as error:
            raise SettingError(str(error)) from error
        if self.production:
            self._check_production()

    def _check_production(self) -> None:
        if self.secret_key == DEVELOPMENT_KEY or len(self.secret_key) < 32:
            raise SettingError(
                "STRADA_SECRET_KEY must be set to 32 random characters or more in production; "
                "try: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        if self.time_scale != 1:
            raise SettingError("STRADA_TIME_SCALE is for tests and simulators, not production")
        for name in ("base_url", "kakaopay_base_url"):
            parts = urlsplit(getattr(self, name))
            if parts.scheme != "https" or parts.hostname in LOOPBACK:
                raise SettingError(
                    f"{PREFIX}{name.upper()} must be https and not a simulator in production"
                )
        if self.kakaopay_secret_key.startswith("DEV"):
            raise SettingError("STRADA_KAKAOPAY_SECRET_KEY is a development key")


def _check_url(name: str, value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise SettingError(f"{name} must look like https://pay.shop.example")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise SettingError(f"{name} must be https, except on a loopback address")


def read(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment; raises SettingError for what cannot be read."""
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for field in fields(Settings):
        raw = environ.get(PREFIX + field.name.upper())
        if raw:
            values[field.name] = _convert(field.name, str(field.type), raw)
    settings = Settings(**values)
    settings.check()
    return settings


def _convert(name: str, kind: str, raw: str) -> Any:
    try:
        if kind.startswith("float"):
            return float(raw)
        return int(raw) if kind == "int" else raw.rstrip("/") if name.endswith("base_url") else raw
    except ValueError as error:
        raise SettingError(f"{PREFIX}{name.upper()} must be a number, not {raw[:40]!r}") from error


def describe(settings: Settings, environ: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Each setting with its value (secrets masked) and where it comes from."""
    environ = os.environ if environ is None else environ
    shown = []
    for field in fields(Settings):
        name = PREFIX + field.name.upper()
        value = getattr(settings, field.name)
        if field.name in SECRET and value:
            value = "•" * 8
        source = "environment" if environ.get(name) else "default"
        shown.append({"name": name, "value": value, "source": source})
    return shown
