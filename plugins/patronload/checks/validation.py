"""
Check an export with Great Expectations: rows and expectations in, checks and rejects out.

Great Expectations is the validator of record. It evaluates three tables: the export as the library wrote it, for the
mapping's own expectations; the target's key fields, for the built-in checks: required fields have a value, and no two
patrons share a unique value, compared as the target does; and the defects of each delivered row: too few or too many
cells, an exact copy, damaged numbers and texts.

Expectations that blank a cell run first; all others see the cell as empty, as the mapping will.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any, NamedTuple

import pandas as pd
import polars as pl
import pyarrow as pa

from patronload.checks import great_expectations, later_header, reasons
from patronload.checks.reasons import OTHERS_NAMED, THERE, TOO_SMALL, Expected
from patronload.config.mapping import Expectation, Mapping
from patronload.exports import entities, headers, mojibake, spreadsheet_damage
from patronload.exports.reading import Export
from patronload.folding import folded_column
from patronload.mapping import blank_words, cells, combining, expressions, invisible, preferring, skipping
from patronload.mapping.cells import TEXT, VALUE
from patronload.rows import NOTED, ROW, blank_noted, no_notes, no_rejects, no_skipped, without

PART = 1 << 13
"""Rows per block when rows are hashed, which needs a copy of them."""

CELLS = 1 << 21
"""Cells that are converted for Great Expectations at a time, in whole columns; at least one column."""


ROWS_AT_ONCE = 250_000
"""Rows that Great Expectations gets at once, as far as it looks at each of them alone."""

ROWS_NAMED = 1000
"""The maximum number of failing rows that a check lists; all of them are in Validation.failing."""


class Check(NamedTuple):
    """
    One expectation and its result, without patron data. `failed` is the number of failing rows, if it is about single
    rows, and `rows` are the first of them; `looks_for` is the meaning of a failure, `looked_at` the number of rows,
    `holds` what is true of the file if no row fails.
    """

    expectation: str
    columns: list[str]
    scope: str
    passed: bool
    failed: int
    sentence: str
    arguments: dict[str, Any]
    looks_for: str
    looked_at: int | None = None
    rows: tuple[int, ...] = ()
    holds: str = ""


class Validation(NamedTuple):
    """
    The checks, the built-in ones first, then in the order of the mapping file.

    rejects: see rows.REJECTS; noted: problems that do not reject a row, see rows.NOTED; failing: every row that fails a
    check, whatever the consequence, as check (its place in `checks`, from 0) and row; skipped: the rows that the
    mapping skips, which are not checked, and those that go into another row, see rows.SKIPPED; combined: the latter,
    see combining.COMBINED.
    """

    checks: list[Check]
    rejects: pl.DataFrame
    noted: pl.DataFrame
    failing: pl.DataFrame
    skipped: pl.DataFrame
    combined: pl.DataFrame = combining.nothing()

    @property
    def refusals(self) -> list[str]:
        """Why the run has to stop; none if it may go on."""
        return [check.sentence for check in self.checks if check.scope == "file" and not check.passed]


class _Found(NamedTuple):
    """The results of some expectations; each check with all rows that fail it."""

    checks: list[tuple[Check, list[int]]]
    rejects: pl.DataFrame
    noted: pl.DataFrame


def validate(
    export: Export, mapping: Mapping, beside: Executor | None = None, *, before_plan: bool = False
) -> Validation:
    """
    The export against the mapping's expectations and the built-in ones.

    beside: runs the work of polars in parallel with Great Expectations. before_plan: a plan follows, which decides
    between two rows with the same barcode by who has it in the library system (System.settled_by_plan).
    """
    missing = _missing_columns(export, mapping)
    if not missing.passed:
        return Validation([missing], export.rejects, no_notes(), _failing([]), no_skipped())
    delivered_frame = export.frame
    export = export._replace(frame=blank_words.empty_cells(export.visible, mapping))
    skipped = skipping.find_skipped(export.frame, mapping)
    if not mapping.combine:
        skipped = pl.concat([skipped, preferring.passed_over(without(export.frame, skipped), mapping)])
    delivered_frame = without(delivered_frame, skipped)
    export = export._replace(
        frame=without(export.frame, skipped), rejects=export.rejects.join(skipped, on="row", how="anti")
    )
    with nullcontext(beside) if beside else ThreadPoolExecutor(1) as pool:
        damage = pool.submit(_find_damage, delivered_frame, mapping, garbled=export.may_be_garbled)
        odd = pool.submit(_odd_characters, export._replace(frame=delivered_frame), mapping)
        repeated = _copies(export.frame)
        joined = combining.find(export.frame, mapping, repeated)
        copies = repeated["row"]
        blanks = _own(export.frame, mapping, copies, ("blank",))
        frame = blank_noted(export.frame, blanks.noted)
        unique = mapping.unique_in_file if before_plan else mapping.unique
        keys = _keys(frame, mapping, unique, pl.concat([copies, joined["row"]]))
        own = _own(frame, mapping, copies, ("file", "rows", "warn"))
    delivered = [export.rejects, repeated, *damage.result()]
    checks = [(missing, []), *_check_delivered(export, delivered), *keys.checks, *own.checks, *blanks.checks]
    # A mapping and a tenant file may contain the same check, or one that is built in.
    once = reasons.each_once(pl.concat([keys.rejects, own.rejects]))
    found = pl.concat([*delivered, once])
    together = combining.rejected_together(joined, found)
    joined = joined.join(pl.concat([found, together]), on="row", how="anti")
    return Validation(
        [check for check, _ in checks],
        pl.concat([found, together]).sort("row", maintain_order=True),
        pl.concat([odd.result(), blanks.noted, own.noted]).unique(maintain_order=True).sort("row", maintain_order=True),
        _failing([rows for _, rows in checks]),
        pl.concat([skipped, combining.skipped(joined, export.frame, mapping)]),
        joined,
    )


def _odd_characters(export: Export, mapping: Mapping) -> pl.DataFrame:
    """The notes on invisible characters and on entities of HTML."""
    hidden = invisible.notes(export.frame, mapping) if export.may_have_invisible else no_notes()
    coded = entities.notes(export.frame, mapping) if export.may_have_entities else no_notes()
    return pl.concat([hidden, coded])


def _find_damage(frame: pl.DataFrame, mapping: Mapping, *, garbled: bool) -> list[pl.DataFrame]:
    """Rejects for damaged numbers, and for texts; garbled text has invisible characters, as in JosÃ<soft hyphen>."""
    texts = frame if garbled else frame.clear()
    numbers = [spreadsheet_damage.find_damage(frame, mapping), spreadsheet_damage.find_broken_ids(frame, mapping)]
    return [pl.concat(numbers), mojibake.find_garbled(texts, mapping)]


def _failing(rows: list[list[int]]) -> pl.DataFrame:
    """The failing rows of all checks, one after the other."""
    found = pl.DataFrame(
        {"check": range(len(rows)), "row": rows}, schema={"check": pl.UInt16, "row": pl.List(pl.UInt32)}
    )
    return found.with_columns(pl.col("row").list.sort()).explode("row").drop_nulls()


def _missing_columns(export: Export, mapping: Mapping) -> Check:
    """Raise SourceError if a column is missing; see Mapping.over for those that may be missing."""
    name = "expect_table_columns_to_match_set"
    wanted = Expectation(name=name, arguments={"column_set": mapping.columns, "exact_match": False})
    header = pd.DataFrame(columns=export.columns)
    (result,) = great_expectations.results(header, [wanted])
    missing = [column for column in mapping.columns if column not in export.columns]
    sentence = (
        f"The export has no column {', '.join(missing)}. Is there a header line, with the names spelt as "
        f"in the mapping file?"
    )
    sentence += headers.shown(export.columns) or later_header.sentence(export, mapping.columns) or _advice(export)
    if result is None or great_expectations.had_error(result):
        return _not_evaluated(Expected(wanted, "file", [], reasons.saying("", None, ""), ""))
    passed = bool(result.success) and not missing
    told = "" if passed else sentence
    looks_for = "a column that the mapping file reads is missing"
    holds = "Every column that the mapping file reads is there"
    return Check(
        name, missing or mapping.columns, "file", passed, 0, told, dict(wanted.arguments), looks_for, holds=holds
    )


def _advice(export: Export) -> str:
    if len(export.columns) == 1:
        return " It has only one column: is source.delimiter right?"
    return " For a file without one, list its columns under source.columns in the tenant file."


def _copies(frame: pl.DataFrame) -> pl.DataFrame:
    """Rejects for rows that are exact copies; the first one is kept."""
    # Few rows share a hash with another row, so few have to be compared cell by cell.
    hashes = pl.concat([pl.Series(dtype=pl.UInt64), *(part.drop(ROW).hash_rows() for part in frame.iter_slices(PART))])
    doubtful = frame.filter(hashes.is_duplicated())
    numbered = doubtful.select(ROW, first=pl.col(ROW).first().over(pl.struct(pl.exclude(ROW))))
    return no_rejects().vstack(
        numbered.filter(pl.col(ROW) != pl.col("first")).select(
            pl.col(ROW).alias("row"),
            column=pl.lit(None, dtype=pl.String),
            value=pl.lit(None, dtype=pl.String),
            reason=pl.format("the row is an exact copy of row {}, which is loaded; remove this one", "first"),
            summary=pl.lit("the row is an exact copy of another one, which is loaded"),
        )
    )


MATTERS = {
    "not whole": "a row has too few or too many cells, its person is in another file of the delivery too, or a "
    "corrected row has changed in other cells",
    "repeated": "a row is an exact copy of another one",
    "spoilt number": "a spreadsheet has changed a number, like 2.13E+12",
    "garbled text": "a text was read in the wrong encoding before it reached us, like JosÃ©",
}
"""The defects of delivered rows, and their description for people; in the order in which they are found."""

WHOLE = {
    "not whole": "Every row is whole",
    "repeated": "No row is an exact copy of another one",
    "spoilt number": "No number was changed by a spreadsheet",
    "garbled text": "No text was read in the wrong encoding",
}
"""The same, of a file without the defect."""


def _check_delivered(export: Export, delivered: list[pl.DataFrame]) -> Iterable[tuple[Check, list[int]]]:
    """
    Check the delivered rows; `delivered` are the rejects for each of MATTERS.

    Great Expectations gets one column for each, which should be empty in every row of the export.
    """
    rows = pl.concat([export.frame[ROW], export.ragged[ROW]]).cast(pl.UInt32)
    table = pd.DataFrame(
        {
            name: pl.select(pl.when(rows.is_in(found["row"].implode())).then(1.0)).to_series().to_numpy()
            for name, found in zip(MATTERS, delivered, strict=True)
        },
        index=rows.to_numpy(),
    )
    name = "expect_column_values_to_be_null"
    asked = [
        Expected(
            Expectation(name=name, arguments={"column": matter}),
            "rows",
            [],
            reasons.saying("", None, ""),
            words,
            passed=WHOLE[matter],
        )
        for matter, words in MATTERS.items()
    ]
    for each, result in zip(asked, great_expectations.results(table, [each.put for each in asked]), strict=True):
        failing = great_expectations.failing_rows(each.expectation.name, result)
        yield from [(_not_evaluated(each), [])] if failing is None else _to_checks(each, result, failing)


def _own(frame: pl.DataFrame, mapping: Mapping, left_out: pl.Series, scopes: Iterable[str]) -> _Found:
    """Evaluate the mapping file's expectations of these scopes on the export as the library wrote it."""
    expected = mapping.expect.scopes()
    asked = [reasons.library_check(each, scope) for scope in scopes for each in expected[scope]]
    if not asked:
        return _Found([], no_rejects(), no_notes())
    used = list(_texts([each.expectation.arguments for each in asked]))
    # A column that no expectation uses would only cost memory, so it is empty, with one byte per row.
    table = frame.lazy().select(
        ROW,
        *(
            cells.clean(name) if any(name in text for text in used) else pl.lit(False).alias(name)
            for name in frame.columns[1:]
        ),
    )
    # Two checks may compare the same numbers.
    numbers = {each.number: _as_number(each) for each in asked if each.number}
    table = table.with_columns(*numbers.values())
    return _evaluate(table, table.collect_schema().names()[1:], asked, left_out)


def _as_number(asked: Expected) -> pl.Expr:
    """
    A column's numbers. Other text is outside any range: it counts as too large, or without a maximum as too small.

    Great Expectations reads "6" as the number 6, and then cannot compare it with the text of a cell.
    """
    text = pl.col(asked.columns[0])
    beyond = float("-inf") if str(asked.number).startswith(TOO_SMALL) else float("inf")
    number = pl.when(text.str.contains(NUMBER)).then(text).cast(pl.Float64, strict=False).fill_null(beyond)
    return pl.when(text.is_not_null()).then(number).alias(str(asked.number))


NUMBER = r"^[+-]?[0-9]+(\.[0-9]+)?$"
"""The numbers: 5, 007, -1.5; neither 1e5 nor 1,000, which are unintended or ambiguous."""


def _texts(arguments: Any) -> Iterator[str]:
    """All texts in the arguments, at any depth."""
    if isinstance(arguments, str):
        yield arguments
    elif isinstance(arguments, dict | list):
        for inner in arguments.values() if isinstance(arguments, dict) else arguments:
            yield from _texts(inner)


def _keys(frame: pl.DataFrame, mapping: Mapping, unique: list[str], left_out: pl.Series) -> _Found:
    """Evaluate the built-in expectations on the target's key fields."""
    columns: dict[str, pl.Series] = {}
    for path in dict.fromkeys([*mapping.required, *unique]):
        words = mapping.blank_words_within(path)
        made = expressions.apply(frame, mapping.fields[path], mapping.lookups, words=words)
        if path in mapping.required:
            columns[f"{THERE}{path}"] = made.select(
                pl.when(pl.col(TEXT).is_not_null() | pl.col(VALUE).is_not_null()).then(1.0)
            ).to_series()
        if path in unique:
            columns[path], columns[f"folded {path}"] = made[VALUE], folded_column(made[VALUE])
    asked = [reasons.required_check(path, mapping) for path in mapping.required]
    asked += [reasons.unique_check(path, mapping) for path in unique]
    seen = [str(each.put.arguments["column"]) for each in asked]
    return _evaluate(frame.select(ROW, **columns).lazy(), seen, asked, left_out)


def _evaluate(table: pl.LazyFrame, seen: list[str], asked: list[Expected], left_out: pl.Series) -> _Found:
    """
    Evaluate the expectations on a table with ROW, of which they use the columns `seen`, without the rows `left_out`.

    Some of the failing rows become rejects, others get a note.
    """
    checks: list[tuple[Check, list[int]]] = []
    rejects, noted = [no_rejects()], [no_notes()]
    for each, result in zip(asked, _results(table, seen, asked, left_out), strict=True):
        failing = great_expectations.failing_rows(each.expectation.name, result)
        if failing is None:
            checks.append((_not_evaluated(each), []))
            continue
        checks += _to_checks(each, result, failing)
        # With `mostly`, a warning is about the file; single rows are not reported.
        if not failing or each.scope == "file" or (each.scope == "warn" and result.success):
            continue
        bad = table.filter(pl.col(ROW).is_in(pl.Series(failing, dtype=pl.UInt32).implode())).collect()
        told = each.says(bad).with_columns(summary=pl.lit(each.summary))
        if each.scope == "rows":
            rejects.append(told)
        else:
            noted.append(told.with_columns(effect=pl.lit(each.scope)).select(*NOTED))
    return _Found(checks, pl.concat(rejects), pl.concat(noted))


def _results(table: pl.LazyFrame, seen: list[str], asked: list[Expected], left_out: pl.Series) -> list[Any]:
    """
    Great Expectations' result for each expectation, without the rows `left_out`.

    In a large table, what looks at each row alone is evaluated in parts, and only the other expectations, such as those
    on unique values, get all rows of the columns that they name: pandas takes several times the memory of polars.
    """
    kept = table.filter(~pl.col(ROW).is_in(left_out.implode())) if left_out.len() else table
    height = kept.select(pl.len()).collect().item()
    every = [each.put for each in asked]
    if height <= ROWS_AT_ONCE:
        return _of_all_rows(kept, seen, every)
    single = [place for place, put in enumerate(every) if great_expectations.is_row_by_row(put)]
    others = [place for place in range(len(every)) if place not in single]
    found = dict(zip(others, _of_all_rows(kept, seen, [every[place] for place in others]), strict=True))
    parts = [
        great_expectations.results(
            _for_pandas(kept.slice(start, ROWS_AT_ONCE), seen), [every[place] for place in single]
        )
        for start in range(0, height, ROWS_AT_ONCE)
    ]
    found |= dict(zip(single, map(great_expectations.merge, map(list, zip(*parts, strict=True))), strict=True))
    return [found[place] for place in range(len(every))]


def _of_all_rows(table: pl.LazyFrame, seen: list[str], asked: list[Expectation]) -> list[Any]:
    """The results of expectations for all rows; columns that they do not name are empty."""
    if not asked:
        return []
    columns: list[pl.Expr | pl.Series] = []
    for name in seen:
        users = [each.name for each in asked if any(name in text for text in _texts(each.arguments))]
        if users and all(user.endswith("_be_unique") for user in users):
            columns.append(great_expectations.as_numbers(table.select(name).collect().to_series()))
        else:
            columns.append(pl.col(name) if users else pl.lit(False).alias(name))
    return great_expectations.results(_for_pandas(table.select(ROW, *columns), seen), asked)


def _for_pandas(kept: pl.LazyFrame, names: list[str]) -> pd.DataFrame:
    """These columns, with the row numbers as index; a few at a time, because each takes several times its memory."""
    pa.default_memory_pool().release_unused()  # what the table before this one took
    rows = kept.select(ROW).collect().to_series()
    few = max(CELLS // max(rows.len(), 1), 1)
    columns: dict[str, Any] = {}
    for start in range(0, len(names), few):
        made = kept.select(names[start : start + few]).collect()
        columns |= {name: made.drop_in_place(name).to_pandas() for name in made.columns}
    frame = pd.DataFrame(columns, columns=names, copy=False)
    frame.index = pd.Index(rows.to_numpy())
    return frame


def _to_checks(asked: Expected, result: Any, failing: list[int]) -> Iterable[tuple[Check, list[int]]]:
    """Why the run stops: a failure in scope `file`; in `rows` and `blank` with `mostly`, if too few rows are good."""
    name, failed, success = asked.expectation.name, len(failing), bool(result.success)
    named = ", ".join(map(str, failing[:OTHERS_NAMED]))
    where = f" (rows {named}{', ...' if failed > OTHERS_NAMED else ''})" if failing else ""
    begin = _beginning(asked)
    sentence = "" if success else f"{begin}{where}."
    looked_at = result.result.get("element_count")
    check = Check(
        name,
        asked.columns,
        asked.scope,
        success,
        failed,
        sentence,
        dict(asked.expectation.arguments),
        asked.summary,
        None if looked_at is None else int(looked_at),
        tuple(failing[:ROWS_NAMED]),
        asked.passed,
    )
    yield check, failing
    mostly = asked.expectation.arguments.get("mostly")
    if asked.scope in ("rows", "blank") and mostly is not None and not success:
        share = f"{100 * mostly:.6g}%"  # 99.5% must not become 100%
        sentence = f"{begin} in {failed:,} rows; at least {share} of the rows must be good."
        yield check._replace(scope="file", sentence=sentence), failing


def _not_evaluated(asked: Expected) -> Check:
    """Why the run stops for a check that was not evaluated: in no scope may it count as passed."""
    sentence = (
        f"{asked.expectation.name} could not be evaluated. Does the export have the column "
        f"{' and '.join(asked.columns) or 'that it names'}, and are its arguments right? See the mapping file."
    )
    arguments = dict(asked.expectation.arguments)
    return Check(asked.expectation.name, asked.columns, "file", False, 0, sentence, arguments, sentence)


def _beginning(asked: Expected) -> str:
    """The meaning of a failure, to begin a sentence; the name of a column stays as the library writes it."""
    summary = asked.summary
    return summary if asked.columns else f"{summary[:1].upper()}{summary[1:]}"
