"""Dates as FOLIO's JSON reader takes them and writes them: Java's lenient calendar, from year 0 on."""

from __future__ import annotations

import re
from calendar import day_abbr, day_name, month_abbr, month_name
from datetime import UTC, datetime

DAY = 86_400_000
"""Milliseconds."""

EPOCH = 2_440_588
"""The Julian day number of 1970-01-01."""

GREGORIAN = 2_299_161
"""The Julian day number of 1582-10-15, before which Java's calendar is the Julian one."""

_BLANKS = "".join(map(chr, range(33)))

_ISO = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(T(?P<hour>\d\d):(?P<minute>\d\d)(:(?P<second>\d\d))?(\.(?P<fraction>\d{1,9}))?(?P<zone>Z|[+-]\d\d(:?\d\d)?)?)?",
    re.ASCII,
)
_RFC_1123 = re.compile(
    r"(?P<weekday>[a-z]+), (?P<day>\d+) (?P<month>[a-z]+) (?P<year>\d+) (?P<hour>\d+):(?P<minute>\d+):(?P<second>\d+) "
    r"(?P<zone>GMT[+-]\d{1,2}:\d\d|[+-]\d{4}|[a-z]+(?![a-z+-])).*",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_MONTHS = {name.lower(): number for names in (month_name, month_abbr) for number, name in enumerate(names) if name}
_WEEKDAYS = {name.lower() for names in (day_name, day_abbr) for name in names}
_ZONES = {
    "gmt": 0,
    "utc": 0,
    "wet": 0,
    "cet": 1,
    "west": 1,
    "cest": 2,
    "eet": 2,
    "eest": 3,
    "est": -5,
    "edt": -4,
    "cst": -6,
    "cdt": -5,
    "mst": -7,
    "mdt": -6,
    "pst": -8,
    "pdt": -7,
}
"""Hours east of UTC. FOLIO: Java's zone names; Java knows more of them."""
_DIGITS = re.compile(r"-?[0-9]{1,19}")
LONGEST = 2**63
"""Java's long ends here."""


def trim(value: str) -> str:
    """FOLIO: Java's String.trim takes away what is not above U+0020; a no-break space stays."""
    return value.strip(_BLANKS)


def stamp(moment: datetime) -> str:
    """A time as FOLIO writes it: 2026-05-17T00:00:00.000+00:00."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def read_date(value: str) -> str:
    """
    A date in text as FOLIO stores it. Month 13 is January of the next year, 30 February is 2 March, 25:00 is 01:00.

    FOLIO: Jackson's StdDateFormat. No zone is UTC, so 2026-05-17 is the evening of the 16th in the Americas; digits
    alone are milliseconds since 1970; else it must be a date like `Sun, 17 May 2026 00:00:00 GMT`. Its names may be
    long or in any case, the day of the week is not compared, and what follows the zone is ignored.

    Raises:
        ValueError: it is none of these.
    """
    text = trim(value)
    iso = _ISO.fullmatch(text)
    if iso:
        return write_date(_milliseconds(iso))
    if _DIGITS.fullmatch(text) and -LONGEST <= int(text) < LONGEST:
        return write_date(int(text))
    named = _RFC_1123.fullmatch(text)
    if named:
        return write_date(_named_milliseconds(named))
    raise ValueError(text)


def write_date(milliseconds: int) -> str:
    """Milliseconds since 1970 as FOLIO writes them; year 0 is +0000, a year above 9999 has a plus sign too.

    FOLIO: Jackson's StdDateFormat.
    """
    days, rest = divmod(milliseconds, DAY)
    year, month, day = _date(EPOCH + days)
    seconds, thousandths = divmod(rest, 1000)
    time = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{thousandths:03}"
    return f"{_year(year)}-{month:02}-{day:02}T{time}+00:00"


def _year(year: int) -> str:
    if year < 0:
        return f"-{-year:04}"
    return f"+{year:04}" if year == 0 or year > 9999 else f"{year:04}"  # noqa: PLR2004 - four digits


def _milliseconds(found: re.Match[str]) -> int:
    fraction = int((found["fraction"] or "0").ljust(3, "0")[:3])
    return _whole_seconds(found, int(found["month"])) + fraction - _offset(found["zone"] or "Z")


def _named_milliseconds(found: re.Match[str]) -> int:
    """Raises ValueError for a name that is none."""
    month, zone = found["month"].lower(), found["zone"].lower().removeprefix("gmt") or "gmt"
    if month not in _MONTHS or found["weekday"].lower() not in _WEEKDAYS or (zone.isalpha() and zone not in _ZONES):
        raise ValueError(found.group())
    offset = _ZONES[zone] * 3_600_000 if zone.isalpha() else _offset(zone)
    return _whole_seconds(found, _MONTHS[month]) - offset


def _whole_seconds(found: re.Match[str], month: int) -> int:
    """Milliseconds without zone and fraction."""
    day = _day_number(int(found["year"]), month, int(found["day"])) - EPOCH
    seconds = int(found["hour"] or 0) * 3600 + int(found["minute"] or 0) * 60 + int(found["second"] or 0)
    return day * DAY + seconds * 1000


def _offset(zone: str) -> int:
    """Milliseconds east of UTC."""
    if zone == "Z":
        return 0
    hours, _, minutes = zone[1:].partition(":")
    if not minutes:
        hours, minutes = hours[:2], hours[2:] or "0"
    east = int(hours) * 60 + int(minutes)
    return (-east if zone[0] == "-" else east) * 60_000


def _day_number(year: int, month: int, day: int) -> int:
    """The Julian day number; months and days beyond their end run on into what follows."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    shift = (14 - month) // 12
    years, months = year + 4800 - shift, month + 12 * shift - 3
    days = day + (153 * months + 2) // 5 + 365 * years + years // 4
    gregorian = days - years // 100 + years // 400 - 32045
    return gregorian if gregorian >= GREGORIAN else days - 32083


def _date(number: int) -> tuple[int, int, int]:
    """Year, month and day of a Julian day number."""
    shifted = number + 1401
    if number >= GREGORIAN:
        shifted += (4 * number + 274277) // 146097 * 3 // 4 - 38
    quarters = 4 * shifted + 3
    fifths = 5 * (quarters % 1461 // 4) + 2
    month = (fifths // 153 + 2) % 12 + 1
    return quarters // 1461 - 4716 + (14 - month) // 12, month, fifths % 153 // 5 + 1
