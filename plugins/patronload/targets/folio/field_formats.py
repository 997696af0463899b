"""
Why a value does not fit a custom field of FOLIO, in words for the library.

FOLIO: folio-custom-fields ValidationServiceImpl, TextBoxFieldValueValidator and DateFormatValidator, as measured with
mod-users 19.5; a value that does not fit has the whole user refused.
"""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from publicsuffixlist import PublicSuffixList

from patronload.targets.delivery import Record

LONGEST = {"TEXTBOX_SHORT": 150, "TEXTBOX_LONG": 1500}
"""Characters in a text box, counted as Java counts them."""

BOXES = ("SINGLE_CHECKBOX",)
MANY = ("MULTI_SELECT_DROPDOWN",)

LONGEST_NAME = 64
"""The maximum of the part before the @; commons-validator EmailValidator."""

_NUMBER = re.compile(
    r"-?[0-9]+|-?[0-9]*[,.|][0-9]+|-?[0-9]{1,3}(\s[0-9]{3})+([,.|][0-9]+)?|-?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?"
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+([A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?)")
_NAME = re.compile(r"[^\s()<>@,;:\\\".\[\]]+(?:\.[^\s()<>@,;:\\\".\[\]]+)*")
_PATH = re.compile(r"[-A-Za-z0-9_:@&?=+,.!/~*'%$;()]*")
_NOT_IN_URLS = re.compile(r"[\s\"<>\\^`{|}]|%(?![0-9A-Fa-f]{2})")

EMAIL = "FOLIO's custom field takes an e-mail address with a real top-level domain, like ann@college.edu"
URL = "FOLIO's custom field takes a web address like https://college.edu/page: http or https, a real domain, no blanks"
NUMBER = "FOLIO's custom field takes a number like 12, -1.5 or 1,000"
DAY = "FOLIO's custom field takes a date, written like 2027-08-31, and nothing after it"
BLANKS = "FOLIO's custom field does not accept blanks alone"


def misfit(field: Record, value: Any) -> str | None:
    """Why a value does not fit a custom field, options apart; None if it fits."""
    kind = field.get("type", "")
    if kind in BOXES:
        return None if isinstance(value, bool) else "FOLIO's custom field takes true or false: map it by a lookup"
    if kind in MANY or field.get("isRepeatable"):
        return None if isinstance(value, list) else "FOLIO's custom field takes a list: map it with 'split'"
    if not isinstance(value, str):
        return "FOLIO's custom field takes one text"
    return None if field.get("selectField") else _text_misfit(field, value)


def _text_misfit(field: Record, value: str) -> str | None:
    kind = field.get("type", "")
    if kind == "DATE_PICKER":
        return None if _is_day(value) else DAY
    if len(value.encode("utf-16-le")) // 2 > LONGEST.get(kind, len(value) * 2):
        return f"FOLIO's custom field takes a maximum of {LONGEST[kind]:,} characters"
    return _format_misfit((field.get("textField") or {}).get("fieldFormat", "TEXT"), value)


def _format_misfit(form: str, text: str) -> str | None:
    """FOLIO: the FormatValidator for a text field's format."""
    if form == "EMAIL":
        return None if is_email(text) else EMAIL
    if form == "URL":
        return None if is_url(text) else URL
    if form == "NUMBER":
        return None if _NUMBER.fullmatch(text) else NUMBER
    return None if text.strip() else BLANKS


def is_email(text: str) -> bool:
    """FOLIO: commons-validator EmailValidator; rarer forms, such as quoted names, are refused here."""
    name, at, domain = text.rpartition("@")
    return (
        bool(at) and len(name) <= LONGEST_NAME and name.isascii() and bool(_NAME.fullmatch(name)) and is_domain(domain)
    )


def is_url(text: str) -> bool:
    """FOLIO: commons-validator UrlValidator for http and https."""
    if _NOT_IN_URLS.search(text):
        return False
    try:
        parts = urlsplit(text)
        is_domain_there = parts.hostname is not None and is_domain(parts.hostname)
        has_port = parts.port is None or parts.port >= 0
    except ValueError:
        return False
    is_path = "//" not in parts.path and ".." not in parts.path and bool(_PATH.fullmatch(parts.path))
    return parts.scheme in ("http", "https") and is_domain_there and has_port and is_path


def is_domain(text: str) -> bool:
    """FOLIO: commons-validator DomainValidator; the last part has to exist, by the Public Suffix List."""
    try:
        found = _DOMAIN.fullmatch(text if text.isascii() else text.encode("idna").decode("ascii"))
    except UnicodeError:
        return False
    return found is not None and _suffixes().publicsuffix(f"x.{found[1].lower()}") is not None


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False, only_icann=True)


def _is_day(text: str) -> bool:
    try:
        return bool(_DAY.fullmatch(text) and date.fromisoformat(text))
    except ValueError:
        return False
