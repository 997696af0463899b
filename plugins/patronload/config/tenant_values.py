"""Values in a tenant file that have a form of their own: times, shares, cron lines, paths with dates."""

import re
import string
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadDateError, croniter
from pydantic import AfterValidator, BeforeValidator, Field

from patronload import plain_text


def _dated_path(path: str) -> str:
    """Only {date:...} and {date-1:...} may stand in braces, and strftime has to understand what follows the colon."""
    try:
        parts = list(string.Formatter().parse(path))
    except ValueError as error:
        raise ValueError(f"the braces do not match in '{path}'. Write {{date:%Y%m%d}}, for example.") from error
    for _, name, form, conversion in parts:
        is_day = re.fullmatch(DAY, name or "")
        if name is not None and (not is_day or conversion or "%" not in (form or "") or "{" in (form or "")):
            raise ValueError(
                f"{{{name}}} is not known. Braces can only hold a date, like {{date:%Y%m%d}}. "
                "Day before: {date-1:%Y%m%d}."
            )
    return path


DAY = r"date(?:([+-][0-9]{1,2}))?"
"""The day of the run, or a number of days before or after it."""


class _Days(dict[str, date]):
    """The days that a path may name, by the name before the colon."""

    def __init__(self, day: date) -> None:
        self.day = day

    def __missing__(self, name: str) -> date:
        found = re.fullmatch(DAY, name)
        return self.day + timedelta(days=int(found[1] or 0) if found else 0)


def dated(path: str, day: date) -> str:
    """A path with each {date:...} and {date-1:...} filled in."""
    return path.format_map(_Days(day))


def looks_dated(path: str) -> str | None:
    """A part of a path that stands for a date in other programs, like YYYYMMDD, and that is not filled in here."""
    found = re.search(r"YYYY[-_.]?MM[-_.]?DD|DD[-_.]?MM[-_.]?YYYY|MM[-_.]?DD[-_.]?YYYY|YYMMDD", path, re.IGNORECASE)
    return found[0] if found else None


def _time_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (OSError, ValueError, ZoneInfoNotFoundError):
        raise ValueError(f"'{name}' is not a time zone. Write one like America/Chicago or Europe/Dublin.") from None


def _library_name(name: str) -> str:
    """A name of one line: it is in the subject of mails, in logs and on pages."""
    shown = plain_text.one_line(name).strip()
    if not shown:
        raise ValueError("has no visible characters. Write the library's name.")
    return shown


def _cron_line(schedule: str) -> str:
    # croniter also takes a sixth part, for seconds, which Airflow does not.
    if len(schedule.split()) != len(("minute", "hour", "day", "month", "weekday")) or not croniter.is_valid(schedule):
        raise ValueError(
            f"'{schedule}' is not a cron line of five parts. Write one like \"30 4 * * *\" (04:30 each day)."
        )
    # croniter also takes an R for a random minute, a different one each time it is asked.
    if re.search(r"(?<![A-Z])[RH](?![A-Z])", schedule.upper()):
        raise ValueError(f"'{schedule}' has a random time. Write a fixed one, like \"30 4 * * *\" (04:30 each day).")
    try:
        croniter(schedule, datetime.now(UTC)).get_next()
    except CroniterBadDateError:
        raise ValueError(f"no date matches '{schedule}'. Write one like \"30 4 1 * *\" (the 1st).") from None
    return schedule


def _share_or_number(limit: Any) -> Any:
    if isinstance(limit, float) and 0 <= limit <= 1:
        raise ValueError(f"{limit} is neither a share like 2% nor a number of rows like 40. Did you mean {limit:.0%}?")
    rows = isinstance(limit, int) and not isinstance(limit, bool) and limit >= 0
    if not rows and not (isinstance(limit, str) and re.fullmatch(r"\d{1,2}(\.\d+)?%|100%", limit)):
        raise ValueError(f"'{limit}' is neither a share like 2% nor a number of rows like 40.")
    return limit


def _percent(share: Any) -> Any:
    if not (isinstance(share, str) and re.fullmatch(r"\d{1,2}(\.\d+)?%|100%", share)):
        raise ValueError(f"'{share}' is not a share. Write one like 20%.")
    return share


ROWS_HERE = "{rows}"
"""The place of the number of rows in a trailer."""


def _trailer_line(line: str) -> str:
    if line.count(ROWS_HERE) != 1 or "\n" in line:
        raise ValueError(f"'{line}' does not show where the number of rows is. Write it like \"TRAILER,{ROWS_HERE}\".")
    return line


def _clock_time(clock: Any) -> Any:
    # Without quotes, YAML reads 16:00 as the number 960.
    if not isinstance(clock, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", clock):
        raise ValueError(f"'{clock}' is not a time of day. Write one like \"06:00\", in quotes.")
    return clock


def _number_of_days(age: Any) -> Any:
    if not isinstance(age, str) or not re.fullmatch(r"[1-9]\d{0,3} days?", age):
        raise ValueError(f"'{age}' is not a number of days. Write one like 30 days.")
    return age


LONGEST_WAIT = timedelta(hours=20)
"""The longest wait for an answer: the next day's load cannot start while a run waits."""


def _waiting_time(wait: Any) -> Any:
    if not isinstance(wait, str) or not re.fullmatch(r"[1-9]\d{0,3} (minute|hour)s?", wait):
        raise ValueError(f"'{wait}' is not a waiting time. Write a number of hours or minutes, like 12 hours.")
    if duration(wait) > LONGEST_WAIT:
        raise ValueError(f"'{wait}' is too long: the next day's load waits for this one. Write at most 20 hours.")
    return wait


def duration(wait: str) -> timedelta:
    """12 hours, 90 minutes."""
    number, unit = wait.split()
    return timedelta(**{f"{unit.removesuffix('s')}s": int(number)})


def days(age: str) -> int:
    """The number in `30 days`."""
    return int(age.split(maxsplit=1)[0])


def _delimiter(character: str) -> str:
    if character in '"\r\n':
        raise ValueError(
            'a quotation mark or a line break cannot separate two cells. Write a character like ";" or "\\t".'
        )
    return character


LibraryName = Annotated[str, AfterValidator(_library_name)]
CronLine = Annotated[str, AfterValidator(_cron_line)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Percent = Annotated[str, BeforeValidator(_percent)]
ShareOrNumber = Annotated[str | int, BeforeValidator(_share_or_number, json_schema_input_type=str | int)]
DatedPath = Annotated[str, Field(min_length=1), AfterValidator(_dated_path)]
TrailerLine = Annotated[str, AfterValidator(_trailer_line)]
ClockTime = Annotated[str, BeforeValidator(_clock_time, json_schema_input_type=str)]
Age = Annotated[str, BeforeValidator(_number_of_days, json_schema_input_type=str)]
Wait = Annotated[str, BeforeValidator(_waiting_time, json_schema_input_type=str)]
Delimiter = Annotated[str, Field(min_length=1, max_length=1), AfterValidator(_delimiter)]
ColumnName = Annotated[str, Field(min_length=1)]
