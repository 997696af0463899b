"""E-mail addresses and URLs as Apache's commons-validator takes them, which folio-custom-fields asks."""

from __future__ import annotations

import ipaddress
import re
from functools import cache
from urllib.parse import urlsplit

from publicsuffixlist import PublicSuffixList

LONGEST_USER = 64
LONGEST_DOMAIN = 253
LAST_PORT = 65535

_CHARACTER = r"(?:\\.|[^\s\x00-\x1f\x7f()<>@,;:'\\\".\[\]])"
_WORD = rf"(?:(?:{_CHARACTER}|')+|\"(?:\\\"|[^\"])*\")"
_USER = re.compile(rf"{_WORD}(?:\.{_WORD})*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?P<top>[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?)\.?")
_ILLEGAL_IN_URI = re.compile(r'[\x00-\x20\x7f"<>\\^`{|}\s]|%(?![0-9A-Fa-f]{2})')
_AUTHORITY = re.compile(r"(?:[^@/?#]*@)?(?P<host>[A-Za-z0-9.-]*)(?::(?P<port>\d*))?")
_PATH = re.compile(r"(/[-A-Za-z0-9_:@&?=+,.!/~*'%$;()]*)?")


def is_email(value: str) -> bool:
    """FOLIO: commons-validator EmailValidator, without local addresses and bare top-level domains."""
    user, at, domain = value.rpartition("@")
    if not at or value.endswith(".") or re.search(r"\s", domain) or "\n" in user:
        return False
    literal = re.fullmatch(r"\[(.*)\]", domain)
    known = _is_ip_address(literal[1].removeprefix("IPv6:")) if literal else is_domain(domain)
    return known and len(user) <= LONGEST_USER and bool(_USER.fullmatch(user))


def is_url(value: str) -> bool:
    """FOLIO: commons-validator UrlValidator with the schemes http and https and no options."""
    if _ILLEGAL_IN_URI.search(value):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not _is_authority(parts.netloc):
        return False
    return bool(_PATH.fullmatch(parts.path)) and "//" not in parts.path and not _climbs_out(parts.path)


def _is_authority(authority: str) -> bool:
    found = _AUTHORITY.fullmatch(_to_ascii(authority))
    if not found or int(found["port"] or 0) > LAST_PORT:
        return False
    return is_domain(found["host"]) or _is_ip_address(found["host"], ipv6=False)


def _climbs_out(path: str) -> bool:
    """/../ at the beginning, once the path is shortened."""
    depth = 0
    for part in path.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            return True
    return False


def is_domain(domain: str) -> bool:
    """FOLIO: commons-validator DomainValidator; the top-level domain is one that exists."""
    ascii_domain = _to_ascii(domain)
    found = _DOMAIN.fullmatch(ascii_domain)
    return found is not None and len(ascii_domain) <= LONGEST_DOMAIN and _exists(found["top"].lower())


def _exists(top: str) -> bool:
    return _suffixes().publicsuffix(f"x.{top}") is not None


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False, only_icann=True)


def _to_ascii(domain: str) -> str:
    """FOLIO: DomainValidator.unicodeToASCII; what java.net.IDN refuses stays as it is."""
    try:
        return domain if domain.isascii() else domain.encode("idna").decode("ascii")
    except UnicodeError:
        return domain


def _is_ip_address(text: str, ipv6: bool = True) -> bool:
    try:
        return ipaddress.ip_address(text).version == 4 or ipv6  # noqa: PLR2004 - IPv4
    except ValueError:
        return False
