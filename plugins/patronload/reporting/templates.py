"""The templates of mails and pages, and how they write sizes and numbers."""

import jinja2

from patronload import settings
from patronload.reporting.report import count_of


def environment() -> jinja2.Environment:
    """The templates of this installation; those it does not bring are the project's own."""
    folders = [settings.templates(), settings.shipped_templates()]
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters.update(size=_size, thousands="{:,}".format, nth=_nth)
    return found


def _size(count: int) -> str:
    """812 bytes, 1.2 MB."""
    for unit, size in (("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return count_of(count, "byte")


def _nth(number: int) -> str:
    """2nd, 3rd, 11th, 21st."""
    teens = number // 10 % 10 == 1
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
