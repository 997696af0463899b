"""
The rows of a person who has several, combined into one patron: the departments and addresses of all of them.

One row is the person's own: the preferred one, or the first if all say the same otherwise. The lists that `combine`
names are filled up from the others. Nothing is combined in part: if a row is rejected, all rows of the person are.
"""

import json
from typing import Any, NamedTuple

import polars as pl

from patronload.config.mapping import Mapping
from patronload.folding import folded_column
from patronload.mapping import cells, expressions, transform
from patronload.mapping.transform import PATRON
from patronload.rows import ROW, SKIPPED, no_notes, no_rejects, no_skipped

COMBINED = {"row": pl.UInt32, "into": pl.UInt32}
"""A row whose lists go into another row of the person."""

REASON = "the row is combined with another row of the person"

KEY, RANK = "__key__", "__rank__"


def nothing() -> pl.DataFrame:
    """No rows that are combined; see COMBINED."""
    return pl.DataFrame(schema=COMBINED)


def find(frame: pl.DataFrame, mapping: Mapping, copies: pl.DataFrame) -> pl.DataFrame:
    """The rows (ROW and the export's columns, without exact `copies`) that go into another one; see COMBINED."""
    if not mapping.combine:
        return nothing()
    path = mapping.system.key
    rows = frame.filter(~pl.col(ROW).is_in(copies["row"].implode()))
    keys = expressions.of_fields(rows, mapping, [path])[path].cast(pl.String)
    people = rows.with_columns(folded_column(keys).alias(KEY)).filter(pl.col(KEY).is_not_null())
    several = people.filter(pl.col(KEY).is_duplicated())
    if several.is_empty():
        return nothing()
    several = several.with_columns(_rank(mapping).alias(RANK))
    best = several.filter(pl.col(RANK) == pl.col(RANK).min().over(KEY))
    alike = [cells.clean(column).n_unique() for column in _compared(mapping, several)]
    same = pl.all_horizontal(pl.lit(value=True), *(number == 1 for number in alike))
    found = best.group_by(KEY).agg(into=pl.col(ROW).min(), alike=same)
    known = several.group_by(KEY).agg(known=pl.col(RANK).is_not_null().all())
    decided = found.join(known, on=KEY).filter("alike", "known")
    joined = several.join(decided, on=KEY).filter(pl.col(ROW) != pl.col("into"))
    numbers = joined.select(pl.col(ROW).alias("row"), "into").cast(pl.UInt32)
    return nothing().vstack(numbers.sort("row"))


def _rank(mapping: Mapping) -> pl.Expr:
    """The place of a row's value in `prefer`; null if it has none. Without `prefer` all rows are equal."""
    if mapping.prefer is None:
        return pl.lit(0, dtype=pl.UInt32)
    order = pl.Series(mapping.prefer.order, dtype=pl.String)
    places = pl.Series(range(order.len()), dtype=pl.UInt32)
    return cells.clean(mapping.prefer.column).replace_strict(order, places, default=None)


def _compared(mapping: Mapping, frame: pl.DataFrame) -> list[str]:
    """The columns in which the rows of a person have to be alike: those of all fields that are not combined."""
    read = [column for path, rule in mapping.fields.items() if not mapping.is_combined(path) for column in rule.columns]
    return [column for column in dict.fromkeys(read) if column in frame.columns]


def skipped(joined: pl.DataFrame, frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """The rows that go into others, as skipped rows; see rows.SKIPPED."""
    if joined.is_empty():
        return no_skipped()
    rows = frame.filter(pl.col(ROW).is_in(joined["row"].implode()))
    key = expressions.of_fields(rows, mapping, [mapping.system.key])[mapping.system.key].cast(pl.String)
    found = rows.select(pl.col(ROW).cast(pl.UInt32).alias("row"), reason=pl.lit(REASON)).with_columns(key=key)
    return no_skipped().vstack(found.select(*SKIPPED))


def rejected_together(joined: pl.DataFrame, rejects: pl.DataFrame) -> pl.DataFrame:
    """Rejects for the other rows of the people of whom one row is rejected: half a person must not be loaded."""
    groups = _groups(joined)
    bad = groups.filter(pl.col("row").is_in(rejects["row"].implode()))
    first = bad.group_by("into").agg(bad=pl.col("row").min())
    others = groups.join(first, on="into").join(bad, on="row", how="anti").sort("row")
    reason = "row {} of the same person is rejected, and their rows are combined; correct that row and keep this one"
    return no_rejects().vstack(
        others.select(
            "row",
            column=pl.lit(None, dtype=pl.String),
            value=pl.lit(None, dtype=pl.String),
            reason=pl.format(reason, "bad"),
            summary=pl.lit("another row of the same person is rejected, and their rows are combined"),
        )
    )


def _groups(joined: pl.DataFrame) -> pl.DataFrame:
    """All rows of the people whose rows are combined, with the row that is the person's own."""
    own = joined.select(pl.col("into").alias("row"), "into").unique()
    return pl.concat([joined, own]).sort("row")


class Combined(NamedTuple):
    """
    texts: the person's own row and the patron made of all rows (PATRON); rejects, noted: of the other rows, and of all
    rows of people of whom one is rejected here; see rows.REJECTS and rows.NOTED.
    """

    texts: pl.DataFrame
    rejects: pl.DataFrame
    noted: pl.DataFrame


def combine(frame: pl.DataFrame, joined: pl.DataFrame, mapping: Mapping, refused: pl.DataFrame) -> Combined:
    """The people whose rows are `joined`, of a frame (ROW and the export's columns) that may have other rows."""
    groups = _groups(joined)
    made = transform.transform(frame.filter(pl.col(ROW).is_in(groups["row"].implode())), mapping, refused)
    rejects = made.rejects.filter(pl.col("row").is_in(joined["row"].implode()))
    together = rejected_together(joined, made.rejects)
    texts = dict(made.patrons.select("row", PATRON).iter_rows())
    people: dict[int, list[str]] = {}
    for row, into in groups.sort("into", pl.col("row") != pl.col("into"), "row").iter_rows():
        people.setdefault(into, []).append(texts.get(row, ""))
    whole = {into: _merged(rows, mapping) for into, rows in people.items() if all(rows)}
    return Combined(
        pl.DataFrame({"row": list(whole), PATRON: list(whole.values())}, schema={"row": pl.UInt32, PATRON: pl.String}),
        pl.concat([rejects, together]),
        made.noted.filter(pl.col("row").is_in(joined["row"].implode())),
    )


def rows_of(joined: pl.DataFrame) -> pl.Series:
    """The numbers of all rows of people whose rows are combined."""
    return _groups(joined)["row"]


def no_one() -> Combined:
    """The result without people whose rows are combined."""
    return Combined(pl.DataFrame(schema={"row": pl.UInt32, PATRON: pl.String}), no_rejects(), no_notes())


def with_others(patrons: pl.DataFrame, found: Combined) -> pl.DataFrame:
    """Patrons (see Transformed), with the lists of their other rows."""
    if found.texts.is_empty():
        return patrons
    whole = found.texts.rename({PATRON: "whole"})
    both = patrons.join(whole, on="row", how="left", maintain_order="left")
    return both.with_columns(pl.coalesce("whole", PATRON).alias(PATRON)).drop("whole")


def _merged(rows: list[str], mapping: Mapping) -> str:
    """One patron of the patrons of several rows, the person's own first."""
    own, *others = map(json.loads, rows)
    for path in mapping.combine:
        *around, name = path.split(".")
        lists = [found for each in (own, *others) if (found := _inside(each, around).get(name))]
        if lists:
            parent = own
            for step in around:
                parent = parent.setdefault(step, {})
            parent[name] = _union(lists, mapping.system.needed_beside.get(path))
    return json.dumps(own, ensure_ascii=False, separators=(",", ":"))


def _inside(patron: dict[str, Any], around: list[str]) -> dict[str, Any]:
    for step in around:
        patron = patron.get(step) or {}
    return patron


def _union(lists: list[list[Any]], kind: str | None) -> list[Any]:
    """All entries, each once. Of objects there is one of each `kind`, the first, and one for which a flag is true."""
    found: list[Any] = []
    for entry in (entry for entries in lists for entry in entries):
        if kind is None:
            found += [] if entry in found else [entry]
        elif all(entry.get(kind) != other.get(kind) for other in found):
            # FOLIO: one address is the primary one.
            set_before = {name for other in found for name, value in other.items() if value is True}
            twice = set_before & {name for name, value in entry.items() if value is True}
            found.append(entry | dict.fromkeys(twice, False))
    return found
