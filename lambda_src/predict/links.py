"""Reads a URL from the outside into the host and target that may be asked; refuses everything out of the ordinary."""

import re
import urllib.parse
from dataclasses import dataclass

from .refusals import Refusal

HTTPS_PORT = 443
MAX_URL_CHARACTERS = 4096
MAX_HOST_CHARACTERS = 253

# The last label starts with a letter, so that no spelling of an IPv4 address (decimal, octal, hexadecimal) is a name.
_HOST = re.compile(r"([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_CONTROL_SPACE_OR_BACKSLASH = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
# Characters which the two IDNA standards take to different hosts: what is checked could differ from what was meant.
_IDNA_DEVIATIONS = frozenset("ßẞς\u200c\u200d")
_ALLOWED_IN_TARGET = "!#$%&'()*+,/:;=?@[]~-._"


@dataclass(frozen=True)
class Link:
    """An https URL on port 443, taken apart; `target` is path and query, ready for the request line."""

    host: str
    target: str


def parse_link(url: str) -> Link:
    """Checks a URL's form; whether its host is public is found out when it is resolved."""
    if len(url) > MAX_URL_CHARACTERS:
        raise Refusal("bad_url", f"The URL is longer than {MAX_URL_CHARACTERS:,} characters; give a shorter one.")
    # Before urlsplit, which drops tabs and line ends silently and so would check another URL than the one sent.
    if _CONTROL_SPACE_OR_BACKSLASH.search(url):
        raise Refusal("bad_url", "The URL holds a space, backslash or control character; percent-encode it.")
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
        target = _quoted(parts.path or "/") + (f"?{_quoted(parts.query)}" if parts.query else "")
    except ValueError:
        raise Refusal("bad_url", "The URL cannot be read; give one such as https://example.com/dog.jpg.") from None
    if parts.scheme != "https":
        raise Refusal("bad_url", "The URL must start with https://; give one such as https://example.com/dog.jpg.")
    if "@" in parts.netloc:
        raise Refusal("bad_url", "The URL holds a user name or password before its host; remove it.")
    if port not in (None, HTTPS_PORT):
        raise Refusal("bad_url", f"The URL names port {port}; only {HTTPS_PORT}, the port of https, is allowed.")
    return Link(_ascii_host(parts.hostname or ""), target)


def follow(link: Link, location: str) -> Link:
    """The link a redirect leads to, under the same rules as the first one."""
    # http.client reads header bytes as Latin-1; encoding them back keeps a UTF-8 path what the server meant.
    encoded = _quoted(location.encode("latin-1", "replace"))
    try:
        url = urllib.parse.urljoin(f"https://{link.host}{link.target}", encoded)
    except ValueError:
        raise Refusal("bad_url", "The URL redirects to something which cannot be read; give the final URL.") from None
    return parse_link(url)


def _quoted(part: str | bytes) -> str:
    return urllib.parse.quote(part, safe=_ALLOWED_IN_TARGET)


def _ascii_host(host: str) -> str:
    refusal = Refusal(
        "bad_url", "The URL's host must be a public domain name such as example.com, not an address or a local name."
    )
    if _IDNA_DEVIATIONS & set(host) or len(host) > MAX_HOST_CHARACTERS:
        raise refusal
    try:
        ascii_host = host.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError:
        raise refusal from None
    if len(ascii_host) > MAX_HOST_CHARACTERS or not _HOST.fullmatch(ascii_host):
        raise refusal
    return ascii_host
