"""The header of an export: names that differ in case or blanks only, lines that repeat it, and one that is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import polars as pl

from patronload import plain_text
from patronload.rows import ROW

FEW = 10

BEGINNING = 50
"""The number of characters by which the first cell of a repeated header is found."""

WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        active addr address address1 address2 affil affiliation alt barcode birth birthdate campus card category cell
        city class classification code colleague college country county create created date department dept
        description e email emp emplid end enrollment exp expdate expiration expires expiry external externalid
        externalsystemid faculty first firstname gender given givenname group home id identifier initial last lastname
        library librarybarcode librarycard line line1 line2 login mail major mi middle middlename mobile name net
        netid no note notes num number patron patrongroup patrontype permanent personal phone pin post postal
        postalcode postcode pref preferred primary program region role school st start state status street student
        studentid suffix surname tags telephone term title town type university user userid username valid work year
        zip zipcode
        """,
    )
)
"""Words of which headers consist."""

WORD = re.compile(r"[^\W\d_]+[0-9]?")


def spelt(frame_columns: Sequence[str], wanted: Iterable[str]) -> dict[str, str]:
    """
    The columns of an export that are wanted in another spelling: without regard to case and surrounding blanks.

    Only where exactly one column fits, so that nothing is guessed.
    """
    there = set(frame_columns)
    by_folded: dict[str, list[str]] = {}
    for name in frame_columns:
        by_folded.setdefault(folded(name), []).append(name)
    found: dict[str, str] = {}
    for name in dict.fromkeys(wanted):
        near = by_folded.get(folded(name), [])
        if name not in there and len(near) == 1 and near[0] not in found:
            found[near[0]] = name
    return found


def folded(name: str) -> str:
    """A name as it is compared: without regard to case, blanks around it, and invisible characters."""
    return " ".join(plain_text.composed(plain_text.one_line(name)).split()).casefold()


def notice(names: dict[str, str]) -> list[str]:
    """The sentence of the report about such columns."""
    named = [f"{there} for {wanted}" for there, wanted in list(names.items())[:FEW]]
    more = f" and {len(names) - FEW:,} more" if len(names) > FEW else ""
    return [f"The export spells columns differently than the mapping: {', '.join(named)}{more}."] if names else []


def repeated(frame: pl.DataFrame, cells: Sequence[str]) -> pl.Series:
    """The numbers of the rows that repeat the header, which has these cells."""
    first, *others = frame.columns[1:]
    # Few cells begin like this, and searching for it takes a tenth of the time of changing the case of all cells.
    alike = frame[first].str.contains(rf"(?i)^[\s\x1c-\x1f]*{re.escape(cells[0].strip()[:BEGINNING])}")
    doubtful = frame.filter(alike).filter(_plain(pl.col(first)) == _plain(pl.lit(cells[0])))
    if doubtful.is_empty() or not others:
        return doubtful[ROW] if not others and cells[0] else doubtful.clear()[ROW]
    same = (_plain(pl.col(name)) == _plain(pl.lit(cell)) for name, cell in zip(others, cells[1:], strict=True))
    return doubtful.filter(pl.all_horizontal(same))[ROW]


def _plain(name: pl.Expr) -> pl.Expr:
    """A name without regard to case and surrounding blanks."""
    return name.str.strip_chars().str.to_lowercase()


def repeated_notice(rows: pl.Series) -> list[str]:
    """The sentence of the report about lines that repeat the header."""
    if rows.is_empty():
        return []
    named = ", ".join(map(str, rows.head(FEW))) + (f" and {len(rows) - FEW:,} more" if len(rows) > FEW else "")
    where = f"row {named}" if len(rows) == 1 else f"rows {named}"
    return [f"The header line is repeated in {where}. It does not count as a row."]


def shown(columns: Sequence[str]) -> str:
    """
    The first line of a file as it may appear in a message, or nothing.

    A file without a header line begins with a patron. So only cells that consist of the words of headers are shown, and
    only if most cells do.
    """
    known = [name for name in columns if (words := _words(name)) and words <= WORDS]
    if len(known) < 2 or 2 * len(known) < len(columns):  # noqa: PLR2004 - one word may be a name
        return ""
    others = len(columns) - len(known)
    more = f" and {others:,} more" if others else ""
    return f" The first line has: {', '.join(known[:FEW])}{more if len(known) <= FEW else ' and more'}."


def _words(name: str) -> frozenset[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|\b[0-9]\b", " ", name)
    left = WORD.sub("", spaced)
    return frozenset() if re.search(r"[^\s_.\-/#()]", left) else frozenset(map(str.lower, WORD.findall(spaced)))
