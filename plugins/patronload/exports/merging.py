"""Combine the files of a delivery into one export, and decide which row counts if a person is in two files."""

from typing import Literal

import polars as pl

from patronload.config.mapping import Mapping
from patronload.errors import SourceError
from patronload.exports import reading, trailers
from patronload.exports.reading import Export
from patronload.folding import folded_column
from patronload.mapping import blank_words, expressions
from patronload.rows import REJECTS, ROW, no_rejects, without

SamePerson = Literal["reject", "first", "last"]


def merge(files: list[tuple[str, Export]], mapping: Mapping, same_person: SamePerson) -> Export:
    """
    The files, by name, as one export. Row numbers continue from one file to the next.

    With `first` or `last`, only a person's row in the first or last of their files counts; the others are set aside.
    With `reject`, all their rows stay, and are later rejected because they share an id.

    Raises SourceError if a file has other columns than the first.
    """
    wanted = [*mapping.columns, *mapping.checked_columns]
    files = [(name, _without_number_ids(reading.with_names(export, wanted), mapping)) for name, export in files]
    (name, whole), *others = files
    exports = [whole]
    for other_name, other in others:
        if set(other.columns) != set(whole.columns):
            raise SourceError(
                f"{other_name} does not have the same columns as {name}. The files of a delivery are read as one: "
                "ask the sender for the same header in each, or make two tenants of them."
            )
        exports.append(_after(exports, other, whole.columns))
    one = whole._replace(
        frame=pl.concat(export.frame for export in exports),
        ragged=pl.concat(export.ragged for export in exports),
        rejects=pl.concat(export.rejects for export in exports),
        # The limits apply to a complete export, even together with corrected rejects.
        mended=all(export.mended for export in exports),
        ours=pl.concat([export.ours for export in exports], how="diagonal"),
        trailer=trailers.of_all([export.trailer for export in exports]),
        may_have_invisible=any(export.may_have_invisible for export in exports),
        may_be_garbled=any(export.may_be_garbled for export in exports),
        may_have_entities=any(export.may_have_entities for export in exports),
        notices=tuple(dict.fromkeys(notice for export in exports for notice in export.notices)),
    )
    if same_person == "reject" or mapping.system.key not in mapping.fields or len(exports) == 1:
        return one
    names = [file for file, _ in files]
    return _set_aside(one, _in_two(exports, names, mapping, same_person))


def _without_number_ids(export: Export, mapping: Mapping) -> Export:
    """The export with a reject for each id that a workbook has as a number: it has lost its leading zeros, if any."""
    columns = {column for path in mapping.unique for column in mapping.fields[path].columns}
    found = export.numbers.filter(pl.col("column").is_in(columns))
    if found.is_empty():
        return export
    rejects = [
        (
            row,
            column,
            export.frame.filter(pl.col(ROW) == row)[column].item(),
            f"{column} {NUMBER}",
            f"{column} {NUMBER}",
        )
        for row, column in found.iter_rows()
    ]
    return export._replace(rejects=pl.concat([export.rejects, pl.DataFrame(rejects, schema=REJECTS, orient="row")]))


NUMBER = (
    "is a number in the workbook, not text, so leading zeros are lost; format the column as text, and enter the "
    "ids again"
)


def _after(before: list[Export], export: Export, columns: list[str]) -> Export:
    """The export with row numbers that continue from the files before it; its header line is not a row of the whole."""
    last = max([0, *(number for each in before for part in (each.frame, each.ragged) for number in part[ROW].tail(1))])
    # A fixed-width file has no header line: its first line is row 1.
    has_header = all(number > 1 for part in (export.frame, export.ragged) for number in part[ROW].head(1))
    shift = max(last - has_header, 0)
    return export._replace(
        frame=export.frame.select(pl.col(ROW) + shift, *columns),
        ragged=export.ragged.select(pl.col(ROW) + shift, *columns),
        rejects=export.rejects.with_columns(pl.col("row") + shift),
        ours=export.ours.with_columns(pl.col(ROW) + shift),
    )


def _in_two(exports: list[Export], names: list[str], mapping: Mapping, same_person: SamePerson) -> pl.DataFrame:
    """Rejects for the rows of people whose row in another file counts."""
    keys = pl.concat(
        export.frame.select(
            ROW,
            file=pl.lit(place, dtype=pl.Int64),
            key=folded_column(
                expressions.of_fields(blank_words.empty_cells(export.visible, mapping), mapping, [mapping.system.key])[
                    mapping.system.key
                ]
            ),
        )
        for place, export in enumerate(exports)
    ).drop_nulls("key")
    counts = pl.col("file").min() if same_person == "first" else pl.col("file").max()
    ranked = keys.with_columns(counts=counts.over("key"))
    taken = ranked.filter(pl.col("file") == pl.col("counts")).group_by("key").agg(taken=pl.col(ROW).min())
    left = ranked.filter(pl.col("file") != pl.col("counts")).join(taken, on="key", maintain_order="left")
    name = pl.col("counts").replace_strict(list(range(len(names))), names, return_dtype=pl.String)
    return no_rejects().vstack(
        left.select(
            pl.col(ROW).alias("row"),
            column=pl.lit(" + ".join(mapping.fields[mapping.system.key].columns)),
            value=pl.col("key"),
            reason=pl.format(
                "the same person is in row {}, in {}, the file that source.same_person uses", "taken", name
            ),
            summary=pl.lit("the person is also in another file of the delivery, and is loaded from there"),
        ).cast(pl.Schema(REJECTS))
    )


def _set_aside(export: Export, rejects: pl.DataFrame) -> Export:
    aside = export.frame.filter(pl.col(ROW).is_in(rejects["row"].implode()))
    return export._replace(
        frame=without(export.frame, rejects),
        ragged=pl.concat([export.ragged, aside]),
        rejects=pl.concat([export.rejects, rejects]),
    )
