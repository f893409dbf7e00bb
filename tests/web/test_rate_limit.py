"""One key may call so often and no more; the others do not notice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from storefront import Site

from web.app import create_app
from web.rate_limit import MOST_KEYS, Rate, RateLimit, parse_rate
from web.settings import SettingError, Settings, read


class Watch:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def limited(site: Site, rate: str) -> Site:
    settings = replace(site.strada.settings, rate_limit=rate)
    site.app = create_app(replace(site.strada, settings=settings))
    site.client = site.app.test_client()
    return site


def test_a_rate_is_read() -> None:
    assert parse_rate("100/s") == Rate(100, 1)
    assert parse_rate("5/m") == Rate(5, 60)
    assert parse_rate("off") is None


@pytest.mark.parametrize("text", ["", "0/s", "1", "-1/s", "1/d", "1.5/s", "1/s ", "9999999/s", "x"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="rate"):
        parse_rate(text)


def test_the_default_hangs_on_the_environment() -> None:
    assert Settings().rate is None
    assert Settings(env="production").rate == Rate(100, 1)
    assert Settings(env="production", rate_limit="off").rate is None
    assert read({"STRADA_RATE_LIMIT": "7/m"}).rate == Rate(7, 60)
    with pytest.raises(SettingError, match="STRADA_RATE_LIMIT"):
        read({"STRADA_RATE_LIMIT": "often"})


def test_a_burst_of_one_period_then_a_steady_rate() -> None:
    watch = Watch()
    limit = RateLimit(Rate(4, 1), watch)
    assert [limit.take("a") for _ in range(6)] == [None] * 4 + [1, 1]
    watch.now += 0.25
    assert [limit.take("a"), limit.take("a")] == [None, 1]
    watch.now += 10
    assert [limit.take("a") for _ in range(5)] == [None] * 4 + [1]


def test_the_wait_that_is_told_is_enough() -> None:
    watch = Watch()
    limit = RateLimit(Rate(2, 60), watch)
    assert [limit.take("a"), limit.take("a"), limit.take("a")] == [None, None, 30]
    watch.now += 30
    assert limit.take("a") is None


def test_idle_keys_are_forgotten() -> None:
    watch = Watch()
    limit = RateLimit(Rate(1, 1), watch)
    for number in range(MOST_KEYS):
        limit.take(str(number))
    watch.now += 2
    limit.take("last")
    assert len(limit._paid_at) == 1


def test_too_many_calls_are_429_with_retry_after(site: Site) -> None:
    limited(site, "3/m")
    assert [site.call("GET", "/transactions").status_code for _ in range(3)] == [200] * 3
    refused = site.call("POST", "/transactions", site.order())
    assert (refused.status_code, refused.get_json()["code"]) == (429, "rate_limited")
    assert refused.headers["Retry-After"] == "20"
    assert site.house.store.rows("SELECT id FROM transactions") == []
    site.house.time.advance(20)
    assert site.call("GET", "/transactions").status_code == 200


def test_each_key_and_each_client_secret_has_its_own_share(site: Site) -> None:
    made = site.create()
    limited(site, "1/m")
    assert site.call("GET", "/transactions").status_code == 200
    assert site.call("GET", "/transactions").status_code == 429
    assert site.call("GET", "/transactions", key=site.stranger).status_code == 200
    path, secret = f"/transactions/{made['id']}", made["client_secret"]
    assert [site.call("GET", path, key=secret).status_code for _ in range(2)] == [200, 429]


def test_health_and_strangers_do_not_use_it_up(site: Site) -> None:
    limited(site, "1/h")
    for _ in range(5):
        assert site.client.get("/healthz").status_code == 200
        assert site.call("GET", "/transactions", key="sk_test_no").status_code == 401
    assert site.call("GET", "/transactions").status_code == 200


def test_development_has_no_limit(site: Site) -> None:
    assert {site.call("GET", "/transactions").status_code for _ in range(300)} == {200}
