"""Return URLs (T1): exactly what was registered, spelt so that nobody can read it otherwise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.return_urls import (
    UnsafeUrl,
    append_query,
    check_return_url,
    parse_app_scheme,
    parse_origin,
)

ORIGINS = ("https://shop.example", "https://pay.shop.example:8443")
SCHEMES = ("strada-shop", "com.shop.app")


def check(url: str, *, development: bool = False) -> str:
    return check_return_url(url, origins=ORIGINS, schemes=SCHEMES, development=development)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://shop.example/done", "https://shop.example/done"),
        ("HTTPS://SHOP.example:443/Done?a=1", "https://shop.example/Done?a=1"),
        ("https://shop.example", "https://shop.example/"),
        ("https://shop.example?a=1", "https://shop.example/?a=1"),
        ("https://pay.shop.example:8443/x", "https://pay.shop.example:8443/x"),
        ("https://shop.example/@me?next=https://other.test/", None),
        ("https://shop.example/%EC%99%84%EB%A3%8C", None),
        ("strada-shop://paid", None),
        ("Strada-Shop://paid", "strada-shop://paid"),
        ("strada-shop:paid", None),
        ("com.shop.app://paid/done?x=1", None),
    ],
)
def test_registered_places_are_normalised(url: str, normal: str | None) -> None:
    assert check(url) == (normal or url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://evil.test/", "origin_not_registered"),
        ("https://shop.example.evil.test/", "origin_not_registered"),
        ("https://evilshop.example/", "origin_not_registered"),
        ("https://sub.shop.example/", "origin_not_registered"),
        ("https://shop.example:8443/", "origin_not_registered"),
        ("https://pay.shop.example/", "origin_not_registered"),
        ("https://xn--shp-0na.example/", "origin_not_registered"),
        ("http://shop.example/", "https_required"),
        ("https://shop.example@evil.test/", "userinfo"),
        ("https://shop.example:pw@evil.test/", "userinfo"),
        ("https://@shop.example/", "userinfo"),
        ("https://evil.test/\\@shop.example/", "characters"),
        ("https://evil.test\\@shop.example/", "characters"),
        ("https:\\\\evil.test/", "characters"),
        ("https://shop.example\t.evil.test/", "characters"),
        ("https://shop.example/\r\nSet-Cookie: a", "characters"),
        ("https://shop.example/\x00", "characters"),
        (" https://shop.example/", "characters"),
        ("https://shop.example/ ", "characters"),
        ("https://shop.example/\n", "characters"),
        ("https://sho\u0440.example/", "characters"),
        ("https://shop。example/", "characters"),
        ("https://shop.example/완료", "characters"),
        ("https://shop.example/%zz", "characters"),
        ("https://shop.example/<b>", "characters"),
        ("", "characters"),
        ("https://sh%6fp.example/", "host"),
        ("https://shop.example./", "host"),
        ("https://shop..example/", "host"),
        ("https://-shop.example/", "host"),
        ("https://shop.example:/", "host"),
        ("https://shop.example:0443/", "host"),
        ("https://shop.example:99999/", "host"),
        ("https://shop.example:443:443/", "host"),
        ("https:///shop.example/", "host"),
        ("https://?a", "host"),
        ("https://[::1]/", "host"),
        ("https://[::ffff:127.0.0.1]/", "host"),
        ("https://127.0.0.1/", "host"),
        ("https://localhost/", "host"),
        ("https://10.0.0.1/", "host"),
        ("https://8.8.8.8/", "host"),
        ("https:/shop.example/", "scheme_forbidden"),
        ("https:shop.example", "scheme_forbidden"),
        ("//shop.example/", "form"),
        ("/done", "form"),
        ("shop.example/done", "form"),
        ("https://shop.example/#x", "fragment"),
        ("strada-shop://paid#x", "fragment"),
        ("javascript:alert(1)", "scheme_forbidden"),
        ("JaVaScRiPt://shop.example/%0aalert(1)", "scheme_forbidden"),
        ("data:text/html,x", "scheme_forbidden"),
        ("intent://paid", "scheme_forbidden"),
        ("vbscript:x", "scheme_forbidden"),
        ("file:///etc/passwd", "scheme_forbidden"),
        ("other-app://paid", "scheme_not_registered"),
        ("strada-shop2://paid", "scheme_not_registered"),
        ("strada-shop://user@paid", "userinfo"),
        ("https://shop.example/?status=paid", "parameter_taken"),
        ("https://shop.example/?a=1&transaction%5Fid=x", "parameter_taken"),
        ("https://shop.example/?a=1;pg_token=x", "parameter_taken"),
        ("strada-shop://paid?status", "parameter_taken"),
    ],
)
def test_every_other_place_is_refused(url: str, reason: str) -> None:
    with pytest.raises(UnsafeUrl) as refused:
        check(url)
    assert refused.value.reason == reason


LOOPBACK = [
    "http://localhost:3000/",
    "http://127.0.0.1:8000/a",
    "https://127.9.9.9/",
    "http://[::1]:5/",
]
DISGUISED = [
    "0x7f000001",
    "2130706433",
    "0177.0.0.1",
    "127.1",
    "127.0.0.01",
    "0x7f.0.0.1",
    "127.0.0.1.",
]
DISGUISED += ["[::ffff:127.0.0.1]", "[0:0:0:0:0:0:0:1]", "localhost.", "0", "0.0.0.0", "1.2.3.0x4"]


@pytest.mark.parametrize("url", LOOPBACK)
def test_loopback_is_for_development(url: str) -> None:
    assert check(url, development=True) == url
    with pytest.raises(UnsafeUrl):
        check(url)


@pytest.mark.parametrize("host", DISGUISED)
@pytest.mark.parametrize("development", [True, False])
def test_disguised_addresses_are_no_hosts(host: str, development: bool) -> None:
    with pytest.raises(UnsafeUrl):
        parse_origin(f"https://{host}", development=development)
    with pytest.raises(UnsafeUrl):
        check(f"http://{host}/", development=development)


@pytest.mark.parametrize(
    "url", ["http://localhost.evil.test/", "http://evil.test/", "http://10.0.0.1/"]
)
def test_development_opens_loopback_only(url: str) -> None:
    with pytest.raises(UnsafeUrl):
        check(url, development=True)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://Shop.Example", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("https://shop.example:8443", "https://shop.example:8443"),
        ("https://xn--9n2bp8q.example", "https://xn--9n2bp8q.example"),
    ],
)
def test_origins_are_normalised(text: str, origin: str) -> None:
    assert parse_origin(text, development=False) == origin


def test_loopback_origins_register_in_development() -> None:
    assert parse_origin("http://localhost:80", development=True) == "http://localhost"
    assert parse_origin("http://[::1]:3000", development=True) == "http://[::1]:3000"


@pytest.mark.parametrize(
    "text",
    [
        "https://shop.example/",
        "https://shop.example/a",
        "https://shop.example?a",
        "https://*.example",
        "https://shop.example#",
        "http://shop.example",
        "shop.example",
        "*",
        "null",
        "",
        "https://",
        "https://a@shop.example",
        "https://" + "a" * 64 + ".example",
        "ftp://shop.example",
    ],
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(UnsafeUrl):
        parse_origin(text, development=False)


def test_app_schemes_are_lower_case() -> None:
    assert parse_app_scheme("Strada-Shop") == "strada-shop"
    assert parse_app_scheme("shopapp") == "shopapp"
    assert parse_app_scheme("a.b") == "a.b"


DANGEROUS = (
    "javascript JavaScript data file vbscript blob about intent http https ws wss ftp".split()
)
DANGEROUS += "mailto tel sms ms-msdt chrome-extension view-source c ab 1shop shop://".split()
DANGEROUS += ["shop_app", "가게", "-shop", "\u017fms", "\u212aakao", "", "a b", "shop\n", "a" * 65]


@pytest.mark.parametrize("text", DANGEROUS)
def test_dangerous_schemes_are_refused(text: str) -> None:
    with pytest.raises(UnsafeUrl):
        parse_app_scheme(text)


@pytest.mark.parametrize(
    ("url", "longer"),
    [
        ("strada-shop://paid", "strada-shop://paid?transaction_id=txn_1&status=a%26b"),
        ("https://s.example/d?x=1", "https://s.example/d?x=1&transaction_id=txn_1&status=a%26b"),
        ("https://s.example/d?", "https://s.example/d?transaction_id=txn_1&status=a%26b"),
        ("https://s.example/d?x&", "https://s.example/d?x&transaction_id=txn_1&status=a%26b"),
    ],
)
def test_parameters_follow_an_existing_query(url: str, longer: str) -> None:
    assert append_query(url, {"transaction_id": "txn_1", "status": "a&b"}) == longer


@pytest.mark.parametrize("query", ["status=x", "a=1&status", "%73tatus=x", "a;status=1"])
def test_parameters_are_never_overridden(query: str) -> None:
    with pytest.raises(UnsafeUrl):
        append_query(f"https://s.example/?{query}", {"status": "approved"})


def test_header_breaks_cannot_be_appended() -> None:
    assert append_query("a-b://c", {"pg_token": "x\r\ny"}) == "a-b://c?pg_token=x%0D%0Ay"


@given(st.text(alphabet="htps:/@\\.shop#?[]1%0aex \t한", max_size=40))
def test_whatever_passes_stays_at_home(tail: str) -> None:
    try:
        url = check("https://shop.example" + tail)
    except UnsafeUrl:
        return
    assert url.startswith("https://shop.example/")
