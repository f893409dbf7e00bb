"""Settings are read once, and production refuses what is meant for play (T20)."""

from __future__ import annotations

import pytest

from engine.vault import DEVELOPMENT_KEY
from web.settings import SettingError, describe, read

LIVE = {
    "STRADA_ENV": "production",
    "STRADA_SECRET_KEY": "k" * 40,
    "STRADA_BASE_URL": "https://pay.shop.example",
    "STRADA_KAKAOPAY_SECRET_KEY": "PRD" + "A" * 37,
}


def test_defaults_are_for_development() -> None:
    settings = read({})
    assert (settings.env, settings.secret_key) == ("development", DEVELOPMENT_KEY)


def test_production_starts_with_everything_set() -> None:
    assert read(LIVE).production


@pytest.mark.parametrize(
    "change",
    [
        {"STRADA_SECRET_KEY": ""},
        {"STRADA_SECRET_KEY": DEVELOPMENT_KEY},
        {"STRADA_SECRET_KEY": "short"},
        {"STRADA_BASE_URL": "http://127.0.0.1:8000"},
        {"STRADA_BASE_URL": "http://pay.shop.example"},
        {"STRADA_KAKAOPAY_BASE_URL": "http://127.0.0.1:9000"},
        {"STRADA_KAKAOPAY_BASE_URL": "https://localhost:9000"},
        {"STRADA_KAKAOPAY_SECRET_KEY": "DEV" + "A" * 37},
        {"STRADA_TIME_SCALE": "20"},
    ],
)
def test_production_refuses_what_is_meant_for_play(change: dict[str, str]) -> None:
    with pytest.raises(SettingError, match="STRADA_"):
        read(LIVE | change)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRADA_ENV", "staging"),
        ("STRADA_CALL_DEADLINE_S", "soon"),
        ("STRADA_CALL_DEADLINE_S", "0"),
        ("STRADA_TIME_SCALE", "-1"),
        ("STRADA_THREADS", "0"),
        ("STRADA_DATABASE_URL", "mysql://x"),
        ("STRADA_BASE_URL", "ftp://x"),
        ("STRADA_KAKAOPAY_BASE_URL", "http://gateway.example"),
    ],
)
def test_a_setting_that_cannot_be_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name):
        read({name: value})


def test_secrets_are_masked_when_settings_are_shown() -> None:
    shown = {row["name"]: row for row in describe(read(LIVE), LIVE)}
    assert "k" * 8 not in str(shown)
    assert "PRD" not in str(shown)
    assert shown["STRADA_ENV"] == {
        "name": "STRADA_ENV",
        "value": "production",
        "source": "environment",
    }
    assert shown["STRADA_KAKAOPAY_CID"]["source"] == "default"
