"""Remove the trailer from an export: a last line with the number of rows that the sender has written."""

from __future__ import annotations

import re
from typing import NamedTuple

import polars as pl

from patronload.config.source import Layout
from patronload.config.tenant_values import ROWS_HERE


class Trailer(NamedTuple):
    """The last line, in the form of the tenant file; `rows` is its number, None if the line is missing."""

    form: str
    rows: int | None


def split(content: bytes, layout: Layout) -> tuple[bytes, Trailer | None]:
    """
    The bytes of an export without its trailer, and the trailer; None if the layout has none.

    Bytes that are not in the layout's encoding are returned unchanged; reading them reports the error.
    """
    if layout.trailer is None:
        return content, None
    try:
        text = content.decode(layout.encoding).rstrip()
    except UnicodeDecodeError:
        return content, Trailer(layout.trailer, None)
    line = text[max(text.rfind("\r"), text.rfind("\n")) + 1 :]
    rows = _rows(layout.trailer, line.strip())
    if rows is None:
        return content, Trailer(layout.trailer, None)
    return text[: len(text) - len(line)].encode(layout.encoding), Trailer(layout.trailer, rows)


def of_all(trailers: list[Trailer | None]) -> Trailer | None:
    """The trailers of a delivery's files together; if one is missing, all are."""
    told = [trailer for trailer in trailers if trailer is not None]
    if not told:
        return None
    rows = [trailer.rows for trailer in told if trailer.rows is not None]
    return told[0]._replace(rows=sum(rows) if len(rows) == len(trailers) else None)


def _rows(form: str, line: str) -> int | None:
    """The number in a line of the form `T|*|{rows}`, where * is any text; None if the line is not of this form."""
    before, after = (re.escape(part).replace(r"\*", ".*") for part in form.strip().split(ROWS_HERE))
    # By the engine of polars, which takes linear time however many * there are, and whatever the sender writes.
    found = pl.Series([line]).str.extract(f"^(?s:{before}([0-9]{{1,18}}){after})$")[0]
    return None if found is None else int(found)
