"""How a person reads a day and a moment: in mails, pages, reasons and questions alike."""

from datetime import date, datetime, tzinfo


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
