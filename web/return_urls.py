"""Where a customer's browser or app may be sent: exactly the registered origins and schemes.

It refuses to guess: a URL that a browser and we might read differently is refused, not repaired.
It asks no DNS; whatever is not plainly a name, or plainly loopback in development, is no host.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from urllib.parse import quote, unquote_plus

from web.phrases import Phrase

RESERVED = ("transaction_id", "status", "pg_token")
"""Query parameters that we append; a URL that already has one is refused when it is registered."""
FORBIDDEN_SCHEMES = frozenset(
    """about afp android-app app-settings blob chrome chrome-extension chrome-untrusted cid content
    data dav dict dns edge facetime feed file filesystem ftp ftps geo git gopher http https icap
    imap intent ipfs ipp irc ircs itms itms-apps jar javascript ldap ldaps livescript magnet mailto
    market mid mms mmsto mocha moz-extension nfs news nntp opera pop prefs resource rtsp safari sftp
    search-ms sip sips skype sms smsto smb ssh steam tel telnet tftp urn vbscript view-source vnc
    ws wss xmpp""".split()
)
"""Schemes that a browser or the system acts upon itself, or that reach other people's programs."""

_FORBIDDEN_PREFIXES = ("chrome-", "moz-", "ms-", "web+", "x-apple")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_URL_CHARACTERS = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_WEB = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<rest>.*)", re.IGNORECASE | re.ASCII
)
_APP = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):(?://(?P<authority>[^/?#]*))?(?P<rest>.*)")
_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]{0,63}")
_AUTHORITY = re.compile(
    r"(?P<host>[a-z0-9.\-]+|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?",
    re.IGNORECASE | re.ASCII,
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

PHRASES: Mapping[str, Phrase] = {
    "characters": Phrase(
        "has characters that a URL may not have", "URL에 쓸 수 없는 문자가 있습니다"
    ),
    "form": Phrase("is not an absolute URL", "절대 URL이 아닙니다"),
    "fragment": Phrase("must not have a fragment", "프래그먼트(#)를 쓸 수 없습니다"),
    "userinfo": Phrase("must not name a user", "사용자 정보를 쓸 수 없습니다"),
    "host": Phrase("has no acceptable host and port", "호스트나 포트가 올바르지 않습니다"),
    "https_required": Phrase("must use https", "https여야 합니다"),
    "not_an_origin": Phrase(
        "must be an origin: scheme, host and port only", "스킴, 호스트, 포트만 있어야 합니다"
    ),
    "origin_not_registered": Phrase(
        "has an origin that the merchant has not registered", "등록되지 않은 출처입니다"
    ),
    "scheme": Phrase("has no acceptable scheme", "스킴이 올바르지 않습니다"),
    "scheme_forbidden": Phrase("has a scheme that is never allowed", "허용되지 않는 스킴입니다"),
    "scheme_not_registered": Phrase(
        "has an app scheme that the merchant has not registered", "등록되지 않은 앱 스킴입니다"
    ),
    "parameter_taken": Phrase(
        "must not have the query parameters that Strada adds",
        "Strada가 덧붙이는 쿼리 매개변수를 미리 쓸 수 없습니다",
    ),
}


class UnsafeUrl(ValueError):
    """The URL is refused; `reason` is a key of PHRASES, `phrase` its sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.phrase = PHRASES[reason]


def parse_origin(text: str, *, development: bool) -> str:
    """An origin to register, normalised: `https://shop.example`, `http://localhost:3000`."""
    _refuse_characters(text)
    origin, rest = _split_web(text, development=development)
    if rest:
        raise UnsafeUrl("not_an_origin")
    return origin


def is_loopback_origin(text: str) -> bool:
    """Whether this is an origin on this machine, spelt as a browser spells it."""
    try:
        return parse_origin(text, development=True) == text and _is_loopback(_host_of(text))
    except UnsafeUrl:
        return False


def parse_app_scheme(text: str) -> str:
    """An app scheme to register, in lower case and without its colon: `strada-shop`."""
    scheme = text.lower() if text.isascii() else ""
    if not _SCHEME.fullmatch(scheme):
        raise UnsafeUrl("scheme")
    if scheme in FORBIDDEN_SCHEMES or scheme.startswith(_FORBIDDEN_PREFIXES):
        raise UnsafeUrl("scheme_forbidden")
    if len(scheme) < 3 and not set(scheme) & set("-."):
        raise UnsafeUrl("scheme")
    return scheme


def check_return_url(
    url: str,
    *,
    origins: Collection[str],
    schemes: Collection[str],
    development: bool,
    reserved: Collection[str] = RESERVED,
) -> str:
    """The URL, normalised, if the customer may be sent there; raises UnsafeUrl.

    `origins` and `schemes` are the merchant's, as `parse_origin` and `parse_app_scheme` gave them.
    """
    _refuse_characters(url)
    if "#" in url:
        raise UnsafeUrl("fragment")
    _refuse_parameters(url, reserved)
    if _WEB.fullmatch(url):
        return _check_web(url, origins, development)
    return _check_app(url, schemes)


def append_query(url: str, parameters: Mapping[str, str]) -> str:
    """A checked URL with these parameters after its own; refuses to repeat one it already has."""
    if "#" in url:
        raise UnsafeUrl("fragment")
    _refuse_parameters(url, parameters)
    added = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in parameters.items())
    if not added:
        return url
    if "?" not in url:
        return f"{url}?{added}"
    return f"{url}{added}" if url.endswith(("?", "&")) else f"{url}&{added}"


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="replace")


def _refuse_characters(text: str) -> None:
    if not _URL_CHARACTERS.fullmatch(text):
        raise UnsafeUrl("characters")


def _refuse_parameters(url: str, names: Collection[str]) -> None:
    query = url.partition("?")[2]
    present = {unquote_plus(part.partition("=")[0]) for part in re.split("[&;]", query)}
    if present & set(names):
        raise UnsafeUrl("parameter_taken")


def _check_web(url: str, origins: Collection[str], development: bool) -> str:
    origin, rest = _split_web(url, development=development)  # passes loopback in development only
    if origin not in origins and not _is_loopback(_host_of(origin)):
        raise UnsafeUrl("origin_not_registered")
    return origin + (rest if rest.startswith("/") else f"/{rest}")


def _check_app(url: str, schemes: Collection[str]) -> str:
    match = _APP.fullmatch(url)
    if match is None:
        raise UnsafeUrl("form")
    scheme = parse_app_scheme(match["scheme"])
    if "@" in (match["authority"] or ""):
        raise UnsafeUrl("userinfo")
    if scheme not in schemes:
        raise UnsafeUrl("scheme_not_registered")
    return scheme + url[len(scheme) :]


def _split_web(url: str, *, development: bool) -> tuple[str, str]:
    """The normalised origin and all that follows it."""
    match = _WEB.fullmatch(url)
    if match is None:
        raise UnsafeUrl("form")
    scheme, authority = match["scheme"].lower(), match["authority"]
    if "@" in authority:
        raise UnsafeUrl("userinfo")
    host, port = _split_authority(authority)
    if not _is_loopback(host):
        _refuse_host(host)
        if scheme != "https":
            raise UnsafeUrl("https_required")
    elif not development:
        raise UnsafeUrl("host")
    suffix = "" if port in (None, _DEFAULT_PORTS[scheme]) else f":{port}"
    return f"{scheme}://{host}{suffix}", match["rest"]


def _split_authority(authority: str) -> tuple[str, str | None]:
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise UnsafeUrl("host")
    if match["port"] and int(match["port"]) > 65_535:
        raise UnsafeUrl("host")
    return match["host"].lower(), match["port"]


def _host_of(origin: str) -> str:
    return _split_authority(origin.partition("://")[2])[0]


def _is_loopback(host: str) -> bool:
    """Whether the host is loopback in its plain spelling; other spellings are no host at all."""
    if host in ("localhost", "[::1]"):
        return True
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False


def _refuse_host(host: str) -> None:
    """Only DNS names pass: no addresses, and nothing that a browser would read as one."""
    labels = host.split(".")
    if len(host) > 253 or not all(map(_LABEL.fullmatch, labels)) or _NUMBER.fullmatch(labels[-1]):
        raise UnsafeUrl("host")
