"""
Is this the right file? Hold an export against what the last loads of the library were: figures in, verdicts out.

A verdict is a sentence for a person, with what was expected and what was found. It names no patron: only files, days,
columns and counts, and of patron groups those that an earlier load had.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Literal, NamedTuple

import polars as pl

from patronload.config.tenants import Limits
from patronload.dates import in_words, moment
from patronload.exports.trailers import Trailer
from patronload.folding import fold_cells

LAST = 5
"""How many recent loads show what is usual."""

MOST_NAMED = 8
"""If there are more columns or groups than this, only the first are named."""

NO_EARLIER = "There is no earlier load to compare with."

KNOWN_OF_EVERYONE = 0.5
"""Where an export holds everyone and the tenant says nothing: at least half were in the last one. No change of a term
renews half of a library's patrons, and another library's file has next to no one in common."""


class Loaded(NamedTuple):
    """
    A load that went through, as the ledger keeps it. `by_hand`: someone named the file for that run.

    `file_day` is the day that the file is of: the run's where the path has a date in it, else that of its modification.
    `earlier` are the runs that had loaded the same file before, the first one first. `undone` is the run that has
    undone the load. `groups` counts the patrons of the file, `loaded` those of them who were loaded.
    """

    run: str
    day: date
    file: str
    file_day: date
    modified: datetime
    sha256: str
    columns: tuple[str, ...]
    rows: int
    rejected: int
    groups: Mapping[str, int]
    by_hand: bool
    earlier: tuple[str, ...] = ()
    undone: str | None = None
    loaded: Mapping[str, int] | None = None

    @property
    def position(self) -> tuple[date, datetime]:
        """Decides which of two files is newer."""
        return self.file_day, self.modified


class Verdict(NamedTuple):
    """
    The verdict of a gate. A failed one stops the run; with `effect` warn it is only reported, and with ask a person is
    asked, whatever the tenant file says.
    """

    gate: str
    passed: bool
    sentence: str
    effect: Literal["stop", "warn", "ask"] = "stop"


def loaded_before(found: Loaded | None) -> Verdict:
    """Whether the same bytes were loaded already, and by which load."""
    if found is None:
        return Verdict("same_file", True, "This file has not been loaded before.")
    told = f"This file was already loaded: {found.file}, with the load of {in_words(found.day)}."
    return Verdict("same_file", False, told)


def corrected_rejects(*, is_compared: bool) -> Verdict:
    """Whether the rows of a corrected rejects file could be compared with the rows that were rejected."""
    if is_compared:
        return Verdict("corrected_rejects", True, "Each corrected row was compared with the row that was rejected.")
    told = (
        "The rejects that this file corrects are no longer kept, so Patronload cannot check whether a spreadsheet "
        "changed ids. Check that the ids still have their leading zeros."
    )
    return Verdict("corrected_rejects", False, told, effect="warn")


def first_load(rows: int, last: Loaded | None) -> Verdict:
    """Whether the library has been loaded before; the first load has nothing to compare with."""
    if last is not None:
        return Verdict("first_load", True, "This library was loaded before.")
    return Verdict("first_load", False, f"This is the library's first load: {rows:,} rows.")


def newest(file_day: date, modified: datetime, last: Loaded | None) -> Verdict:
    """Whether the file is as new as the last one loaded, or newer. `modified` is in the library's zone."""
    if last is None:
        return Verdict("older_file", True, NO_EARLIER)
    zone = modified.tzinfo
    own = f"it is from {in_words(file_day)} (written {moment(modified, zone)})"
    other = (
        f"the load of {in_words(last.day)} had {last.file} from {in_words(last.file_day)} "
        f"(written {moment(last.modified, zone)})"
    )
    if (file_day, modified) < last.position:
        return Verdict("older_file", False, f"The file is older than the newest one loaded: {own}; {other}.")
    return Verdict("older_file", True, f"The file is not older than the newest one loaded: {own}; {other}.")


def complete(limits: Limits, size: int, rows: int, trailer: Trailer | None) -> list[Verdict]:
    """Whether all of the file is there, by what the tenant knows of it: its size in bytes, its last line."""
    verdicts = []
    if limits.min_bytes:
        told = f"The file has {size:,} bytes; expected at least {limits.min_bytes:,}."
        verdicts.append(Verdict("min_bytes", size >= limits.min_bytes, told))
    if trailer is not None:
        verdicts.append(Verdict("trailer", trailer.rows == rows, _of_trailer(trailer, rows)))
    return verdicts


def _of_trailer(trailer: Trailer, rows: int) -> str:
    if trailer.rows is None:
        return (
            f"The file is not complete: its last line is not the trailer that source.trailer describes "
            f"({trailer.form})."
        )
    return f"The trailer line counts {trailer.rows:,} rows; found {rows:,}."


def columns(limits: Limits, found: Sequence[str], reference: Loaded | None) -> Verdict:
    """Whether the columns of the last load are all there. A new one is reported, and does no harm."""
    if reference is None:
        return Verdict("changed_columns", True, NO_EARLIER)
    missing = [name for name in reference.columns if name not in found]
    more = [name for name in found if name not in reference.columns]
    told = (
        f"The columns are not those of the last load ({in_words(reference.day)}): expected {len(reference.columns)}, "
        f"found {len(found)}{_list_of('; missing', missing)}{_list_of('; new', more)}."
    )
    if missing:
        return Verdict("changed_columns", False, told, limits.changed_columns)
    if more:
        return Verdict("changed_columns", False, told, "warn")
    return Verdict("changed_columns", True, f"The columns are those of the last load ({in_words(reference.day)}).")


def rows(limits: Limits, found: int, last: Sequence[Loaded]) -> list[Verdict]:
    """Whether there are about as many rows as in the last loads."""
    if limits.row_change is None:
        return []
    if not last:
        return [Verdict("row_change", True, NO_EARLIER)]
    change = share(limits.row_change)
    counts = [load.rows for load in last]
    least, most = round(min(counts) * (1 - change)), round(max(counts) * (1 + change))
    told = f"The file has {found:,} rows; expected {least:,} to {most:,} ({_usual(last)} {last[-1].rows:,} rows)."
    return [Verdict("row_change", least <= found <= most, told)]


def rejects(limits: Limits, rejected: int, found: int, last: Sequence[Loaded]) -> list[Verdict]:
    """Whether no more of the rows are rejected than in the last loads, and a little."""
    if limits.reject_change is None:
        return []
    if not last:
        return [Verdict("reject_change", True, NO_EARLIER)]
    most = max(_part(load.rejected, load.rows) for load in last) + share(limits.reject_change)
    now = _part(rejected, found)
    told = (
        f"{percent(now)} of the rows are rejected ({rejected:,} of {found:,}); expected at most {percent(most)} "
        f"({_usual(last)} {percent(_part(last[-1].rejected, last[-1].rows))})."
    )
    return [Verdict("reject_change", now <= most, told)]


def groups(limits: Limits, found: Mapping[str, int], last: Sequence[Loaded]) -> list[Verdict]:
    """Whether each patron group has about the part of the patrons that it had in the last loads."""
    if limits.group_change is None:
        return []
    if not last:
        return [Verdict("group_change", True, NO_EARLIER)]
    change, told = share(limits.group_change), []
    before = [_parts(load.groups) for load in last]
    now = _parts(found)
    known = sorted({group for parts in before for group in parts})
    # A group that no earlier load had may be a slip of the mapping, and then its name may be a patron's.
    new = sum(part for group, part in now.items() if group not in known)
    for group in known:
        part, usual = now.get(group, 0.0), [parts.get(group, 0.0) for parts in before]
        least, most = max(min(usual) - change, 0), min(max(usual) + change, 1)
        if not least <= part <= most:
            told.append(f"'{group}' expected {percent(least)} to {percent(most)}, found {percent(part)}")
    if new > change:
        told.append(f"groups that these loads did not have: expected at most {percent(change)}, found {percent(new)}")
    day = in_words(last[-1].day)
    if told:
        named = "; ".join(told[:MOST_NAMED]) + ("; and more" if len(told) > MOST_NAMED else "")
        sentence = f"The share of each patron group differs from recent loads (the last one of {day}): {named}."
        return [Verdict("group_change", False, sentence)]
    return [
        Verdict("group_change", True, f"The share of each patron group is as in recent loads (the last one of {day}).")
    ]


def known_ids(least: float | None, known: int, patrons: int, last: Sequence[Loaded]) -> list[Verdict]:
    """Whether the file is the same library's: enough of its patrons were in the last load, or loads."""
    if least is None:
        return []
    if not last:
        return [Verdict("known_ids", True, NO_EARLIER)]
    part = _part(known, patrons)
    told = (
        f"{percent(part)} of the patrons are known from the last load{'s' if len(last) > 1 else ''} "
        f"({known:,} of {patrons:,}; the last one of {in_words(last[-1].day)}); expected at least {percent(least)}."
    )
    passed = part >= least or not patrons
    return [Verdict("known_ids", passed, told if passed else f"{told} Is it another library's file?")]


def fewest_known(limits: Limits, contains: str) -> float | None:
    """The share of patrons that must be known: the tenant's, or for an export of everyone a half; None: not asked."""
    if limits.known_ids is not None:
        return share(limits.known_ids)
    return KNOWN_OF_EVERYONE if contains == "everyone" else None


def folded_ids(ids: pl.Series) -> pl.Series:
    """Ids as FOLIO compares them, each once."""
    return ids.to_frame("id").select(fold_cells(pl.col("id"))).to_series().drop_nulls().unique(maintain_order=True)


def marks(ids: pl.Series, salt: str) -> pl.Series:
    """
    Ids as the ledger keeps them, one by one: 8 bytes of a hash keyed with `salt` (hexadecimal).

    Other salts give other marks, so those of two libraries or days cannot be compared. They are not a secret
    from who has both the ledger and a list of all possible ids.
    """
    key = bytes.fromhex(salt)[: hashlib.blake2b.MAX_KEY_SIZE]
    hashed = (hashlib.blake2b(text.encode(), digest_size=8, key=key).digest() for text in ids)
    return pl.Series("mark", [int.from_bytes(mark) for mark in hashed], dtype=pl.UInt64)


def share(written: str) -> float:
    """20% is 0.2."""
    return float(written.removesuffix("%")) / 100


def percent(part: float) -> str:
    """0.2 is 20%, 0.0123 is 1.2%."""
    return f"{100 * part:.1f}".removesuffix(".0") + "%"


def _usual(last: Sequence[Loaded]) -> str:
    if len(last) == 1:
        return f"the last load, of {in_words(last[-1].day)}, had"
    return f"by the last {len(last)} loads; that of {in_words(last[-1].day)} had"


def _part(some: int, whole: int) -> float:
    return some / whole if whole else 0.0


def _parts(counts: Mapping[str, int]) -> dict[str, float]:
    whole = sum(counts.values())
    return {name: count / whole for name, count in counts.items()} if whole else {}


def _list_of(what: str, names: Iterable[str]) -> str:
    listed = list(names)
    if not listed:
        return ""
    return f"{what} {', '.join(listed[:MOST_NAMED])}{' and more' if len(listed) > MOST_NAMED else ''}"
