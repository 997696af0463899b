"""How a person reads a day and a moment: in mails, pages, reasons and questions alike."""

from datetime import UTC, date, datetime, tzinfo


def in_words(day: date) -> str:
    """20 November 2026."""
    return f"{day.day} {day:%B %Y}"


def short(day: date) -> str:
    """20 Nov 2026."""
    return f"{day.day} {day:%b %Y}"


def moment(time: datetime, zone: tzinfo | None) -> str:
    """20 Nov 2026, 02:00 CST: the moment where the library is. `time` is aware."""
    local = time.astimezone(zone)
    return f"{short(local)}, {local:%H:%M %Z}"


def with_weekday(time: datetime, zone: tzinfo | None) -> str:
    """Fri 20 Nov 2026, 02:00 CST, where it matters which day of the week that is."""
    return f"{time.astimezone(zone):%a} {moment(time, zone)}"


def clock(time: datetime, zone: tzinfo | None) -> str:
    """01:04 CST: the time of day where the library is. `time` is aware."""
    return f"{time.astimezone(zone):%H:%M %Z}"


def both_times(time: datetime, zone: tzinfo | None) -> str:
    """20 Nov 2026, 02:00 CST (08:00 UTC): where the library is, and in UTC as Airflow shows it."""
    local = moment(time, zone)
    return local if local.endswith(" UTC") else f"{local} ({clock(time, UTC)})"
