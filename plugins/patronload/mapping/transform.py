"""
Turn the rows of an export into patrons of the target, and report the rows that cannot be turned.

A patron is the JSON text that the target takes. polars builds it from the inside out, one set of columns for each
level, because nested expressions would compute their common parts again and again.
"""

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from math import ceil
from typing import NamedTuple

import numpy as np
import polars as pl

from patronload.config import date_forms
from patronload.config.mapping import Mapping
from patronload.config.rules import Case, Rule, Variant
from patronload.mapping import blank_words, date_values, expressions, field_counts, unknown_codes
from patronload.mapping.cells import MISREAD, OUTSIDE, TEXT, UNMADE, VALUE
from patronload.mapping.expressions import Part
from patronload.mapping.field_counts import GROUP
from patronload.rows import NOTED, ROW, no_notes, no_rejects
from patronload.systems.description import Kind

PATRON = "patron"

FRAGMENT, CELL, GIVEN = "fragment", "cell", " given"

AT_A_TIME = 2

PART, LEAST = 1 << 16, 1 << 13
"""The maximum number of rows in a part: enough to keep polars busy, with little JSON in memory. In a part smaller than
LEAST, the fixed cost of each part matters."""

FIRST_PLAIN, QUOTE, BACKSLASH = b' "\\'
"""JSON escapes the characters before the blank, and these two."""

SAMPLE, FEW = 4096, 2
"""The number of cells in which to look for repeated values, and the repetition from which it pays to use them."""


class Transformed(NamedTuple):
    """
    patrons: row, the target's unique fields and PATRON, the JSON text; rejects: see rows.REJECTS; groups: the patron
    group of each patron, if the mapping fills it; noted: what does not cost the patron, see rows.NOTED; filled, codes:
    how many patrons have each field, and each code of the lookup for the patron group, see field_counts.
    """

    patrons: pl.DataFrame
    rejects: pl.DataFrame
    groups: pl.Series
    noted: pl.DataFrame
    filled: pl.DataFrame
    codes: pl.DataFrame


def transform(frame: pl.DataFrame, mapping: Mapping, refused: pl.DataFrame) -> Transformed:
    """
    The frame's rows (ROW and the export's columns) as patrons, in order; rows that cannot be turned are rejects.

    Rows that are `refused` already (rejects of the validation) do not become patrons. They are still examined, so that
    the library learns everything that is wrong with a row at once.
    """
    cut = frame.iter_slices(part_size(frame.height))
    made = [*parts([frame.clear()], mapping, refused), *parts(cut, mapping, refused)]
    whole = Transformed(*(pl.concat(alike) for alike in zip(*made, strict=True)))
    return whole._replace(rejects=unknown_codes.named(whole.rejects))


def parts(frames: Iterable[pl.DataFrame], mapping: Mapping, refused: pl.DataFrame) -> Iterator[Transformed]:
    """Like `transform`, for an export in parts; the rejects are sorted by row within each part."""
    # polars does much of the work in one thread, so two parts are made at a time.
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        waiting: deque[Future[Transformed]] = deque()
        for frame in frames:
            waiting.append(pool.submit(transform_part, frame.rechunk(), mapping, refused))
            if len(waiting) > AT_A_TIME:
                yield waiting.popleft().result()
        for future in waiting:
            yield future.result()


def part_size(rows: int) -> int:
    """The number of rows in each part of an export with `rows` rows: equal parts, so that both threads end together."""
    at_once = ceil(rows / (AT_A_TIME * PART))
    return max(ceil(rows / max(AT_A_TIME * at_once, 1)), LEAST)


def transform_part(frame: pl.DataFrame, mapping: Mapping, refused: pl.DataFrame) -> Transformed:
    """Like `transform`, for one part of an export."""
    frame = blank_words.empty_cells(frame, mapping)
    made = {path: _field(frame, path, rule, mapping) for path, rule in mapping.fields.items()}
    found = [field.rejects for field in made.values() if field.rejects is not None]
    # Several fields may read the same packed cell.
    rejects = pl.concat([no_rejects(), *found]).sort("row", maintain_order=True)
    rejects = rejects.unique(("row", "column", "value", "reason"), maintain_order=True)
    unique = {path: pl.lit(None, dtype=pl.String) for path in mapping.system.unique}
    patrons = frame.select(
        pl.col(ROW).alias("row"),
        **unique | {path: made[path].value for path in mapping.unique},
        **{PATRON: _json(frame.select(**_columns(made)), mapping)},
    )
    good = ~patrons["row"].is_in(pl.concat([rejects["row"], refused["row"]]).implode())
    noted = pl.concat([no_notes(), *(field.noted for field in made.values() if field.noted is not None)])
    groups = _groups(made, mapping, frame.height)
    return Transformed(
        patrons.filter(good),
        rejects,
        groups.filter(good),
        noted.sort("row", maintain_order=True),
        field_counts.filled({path: field.fragment for path, field in made.items()}, good),
        field_counts.codes(frame, groups, good, mapping),
    )


class _Field(NamedTuple):
    """
    The result of a rule.

    fragment: JSON like `,"city":"Budapest"`, null if there is no value; value: see expressions.apply; rejects, noted:
    see rows.REJECTS and rows.NOTED, None if there are none; given: whether the value comes from the row, and is neither
    fixed nor a default, None if all values do.
    """

    fragment: pl.Series | pl.Expr
    value: pl.Series | None = None
    rejects: pl.DataFrame | None = None
    given: pl.Series | None = None
    noted: pl.DataFrame | None = None


def _columns(made: dict[str, _Field]) -> dict[str, pl.Series | pl.Expr]:
    """The fragments by their path, and beside them which values of list entries come from the row."""
    given = {f"{path}{GIVEN}": field.given for path, field in made.items() if "]" in path and field.given is not None}
    return {path: field.fragment for path, field in made.items()} | given


def _groups(made: dict[str, _Field], mapping: Mapping, rows: int) -> pl.Series:
    path = mapping.system.group
    if path in made and (value := made[path].value) is not None:
        return value.cast(pl.String).alias(GROUP)
    fixed = mapping.fields[path].value if path in mapping.fields else None
    return pl.Series(GROUP, [fixed], dtype=pl.String).new_from_index(0, rows)


def _field(frame: pl.DataFrame, path: str, rule: Variant, mapping: Mapping) -> _Field:
    name = path.rsplit(".", 1)[-1]
    if isinstance(rule, Rule) and rule.cases:
        return _field_of_cases(frame, path, rule.cases, mapping)
    if rule.is_fixed:
        return _Field(pl.lit(f"{_label(name)}{json.dumps(expressions.fixed_value(rule), ensure_ascii=False)}"))
    cells = frame.select(rule.columns)
    few = _few(cells, rule)
    span = date_values.span(path, rule, mapping.target)
    made = expressions.apply(
        cells if few is None else few, rule, mapping.lookups, span, mapping.blank_words_within(path)
    )
    made = made.with_columns(_fragment(name, made[VALUE]))
    faulty = bool(made[UNMADE].any())
    asked_for = path in mapping.unique or path == mapping.system.group
    has_default = rule.default is not None
    is_moved = rule.outside != "reject" and bool(made[OUTSIDE].is_not_null().any())
    wanted = [FRAGMENT, *([VALUE] if asked_for else []), *([UNMADE] if faulty or is_moved else [])]
    wanted += [TEXT] if faulty or has_default or is_moved else []
    wanted += [OUTSIDE] if (faulty and rule.date) or is_moved else []
    wanted += [MISREAD] if faulty and rule.is_packed else []
    made = made.select(wanted) if few is None else _each(cells, few, made.select(wanted))
    return _Field(
        made[FRAGMENT],
        made[VALUE] if asked_for else None,
        _reject_unmade(frame[ROW], made, path, rule) if faulty else None,
        made[TEXT].is_not_null() if has_default else None,
        _note_moved(frame[ROW], made, path, rule) if is_moved else None,
    )


def _field_of_cases(frame: pl.DataFrame, path: str, cases: tuple[Case, ...], mapping: Mapping) -> _Field:
    parts = expressions.by_case(frame, cases)
    fields = [_field(part.rows, path, part.case, mapping) for part in parts]
    columns = [_columns_of_case(field, part) for field, part in zip(fields, parts, strict=True)]
    made = expressions.in_order(pl.concat(columns), [part.positions for part in parts], frame.height)
    asked_for = path in mapping.unique or path == mapping.system.group
    rejects = [field.rejects for field in fields if field.rejects is not None]
    return _Field(
        made["fragment"],
        made["value"] if asked_for else None,
        pl.concat(rejects) if rejects else None,
        made["given"].fill_null(value=False),
        pl.concat([no_notes(), *(field.noted for field in fields if field.noted is not None)]),
    )


def _columns_of_case(field: _Field, part: Part) -> pl.DataFrame:
    height = part.rows.height
    fragment = field.fragment
    if isinstance(fragment, pl.Expr):
        fragment = pl.select(fragment).to_series().new_from_index(0, height)
    fixed = part.case.is_fixed
    given = pl.Series([not fixed], dtype=pl.Boolean).new_from_index(0, height) if field.given is None else field.given
    return pl.DataFrame({"fragment": fragment, "value": _value(field, part), "given": given})


def _value(field: _Field, part: Part) -> pl.Series:
    """The value of a field that is unique or a patron's group; of others it is not kept."""
    if field.value is not None:
        return field.value.cast(pl.String)
    fixed = part.case.value if isinstance(part.case.value, str) else None
    return pl.Series([fixed], dtype=pl.String).new_from_index(0, part.rows.height)


def _few(cells: pl.DataFrame, rule: Variant) -> pl.DataFrame | None:
    """The distinct cells of one column, if there are few: the rule then has to be applied only to these."""
    costly = rule.date or rule.lookup or rule.split or rule.is_packed
    if cells.width > 1 or (not costly and cells.head(SAMPLE).n_unique() * FEW > SAMPLE):
        return None
    few = cells.unique()
    return few if few.height * FEW < cells.height else None


def _each(cells: pl.DataFrame, few: pl.DataFrame, made: pl.DataFrame) -> pl.DataFrame:
    """The result for each cell, from the results for the distinct cells."""
    cell = few.to_series().alias(CELL)
    wanted = cells.select(pl.all().alias(CELL))
    return wanted.join(made.with_columns(cell), on=CELL, how="left", maintain_order="left", nulls_equal=True)


def _fragment(name: str, values: pl.Series) -> pl.Expr:
    """A field as JSON: text without escapes is put in quotes, everything else is encoded by polars."""
    if values.dtype == pl.String and not _has_escapes(values):
        return pl.concat_str(pl.lit(f'{_label(name)}"'), VALUE, pl.lit('"')).alias(FRAGMENT)
    encoded = pl.struct(pl.col(VALUE).alias(name)).struct.json_encode()
    bare = pl.concat_str(pl.lit(","), encoded.str.strip_prefix("{").str.strip_suffix("}"))
    return pl.when(pl.col(VALUE).is_not_null()).then(bare).alias(FRAGMENT)


def _has_escapes(texts: pl.Series) -> bool:
    """Whether JSON escapes one of the characters; all texts are searched as one."""
    characters = np.frombuffer(texts.str.join("").cast(pl.Binary).item(), np.uint8)
    return bool((characters < FIRST_PLAIN).any() or (characters == QUOTE).any() or (characters == BACKSLASH).any())


def _label(name: str | int) -> str:
    """The text before a value: a comma, and the name unless the value is in a list."""
    return "," if isinstance(name, int) else f",{json.dumps(name, ensure_ascii=False)}:"


def _reject_unmade(rows: pl.Series, made: pl.DataFrame, path: str, rule: Variant) -> pl.DataFrame:
    """Rejects for the rows whose value could not be made; see expressions.apply."""
    faulty = made.with_columns(rows.alias("row")).filter(UNMADE)
    if rule.is_packed:
        misread = pl.col(MISREAD).is_not_null()
        unread = _rejects(faulty.filter(misread), path, rule, pl.col(MISREAD), "correct the row")
        return pl.concat([unread, _reject_untranslated(faulty.filter(~misread), path, rule)]).sort("row")
    return _reject_untranslated(faulty, path, rule)


def _reject_untranslated(faulty: pl.DataFrame, path: str, rule: Variant) -> pl.DataFrame:
    """Rejects for texts that the rule's lookup or date does not take."""
    if rule.lookup is not None:
        code = "has a code that" if rule.split else "is a code that"
        advice = f"add it to lookups.{rule.lookup} in the mapping file, or correct the row"
        return _rejects(faulty, path, rule, pl.lit(f"{code} {unknown_codes.NOT_SET_UP}"), advice)
    if rule.date is None:
        return no_rejects()
    outside = pl.col(OUTSIDE).is_not_null()
    *others, last = map(date_forms.in_words, rule.forms)
    unread = f"is not a date like {', '.join(others)} or {last}" if others else f"is not a date like {last}"
    allow = "correct the row, or allow the date with 'earliest' or 'latest'"
    odd = _rejects(faulty.filter(outside), path, rule, pl.col(OUTSIDE), allow)
    return pl.concat([odd, _rejects(faulty.filter(~outside), path, rule, pl.lit(unread), "correct the row")]).sort(
        "row"
    )


def _rejects(bad: pl.DataFrame, path: str, rule: Variant, fault: pl.Expr, advice: str) -> pl.DataFrame:
    """The rows as rejects (see rows.REJECTS)."""
    columns = " + ".join(rule.columns)
    return bad.select(
        "row",
        column=pl.lit(columns),
        value=TEXT,
        reason=pl.format("{}: '{}' {}; {}", pl.lit(columns), pl.col(TEXT), fault, pl.lit(advice)),
        summary=pl.format("{} ({}) {}", pl.lit(columns), pl.lit(path), fault.str.replace("^is a code", "has a code")),
    )


def _note_moved(rows: pl.Series, made: pl.DataFrame, path: str, rule: Variant) -> pl.DataFrame:
    """Notes on the dates outside the span that were left out or replaced by the limit."""
    # A placeholder has no nearest limit.
    effect = "blank" if rule.outside == "blank" else "warn"
    done = "the limit is used instead"
    if rule.outside == "blank":
        done = "the field is left out" if rule.default is None else "the default is used instead"
    moved = made.with_columns(rows.alias("row")).filter(pl.col(OUTSIDE).is_not_null() & ~pl.col(UNMADE))
    found = _rejects(moved, path, rule, pl.format("{}; {}", OUTSIDE, pl.lit(done)), "")
    reason = pl.col("reason").str.strip_suffix("; ")
    return found.with_columns(reason, effect=pl.lit(effect)).select(*NOTED)


class _Branch(NamedTuple):
    """An object or a list around fields: its parts, by their names or numbers."""

    children: "dict[str | int, _Branch | str]"


class _Json(NamedTuple):
    """
    A field or a branch as JSON, with comma and label: the pieces of its text in order, and whether every row has it. If
    a row may lack it there is a single piece, which is null for such a row.
    """

    pieces: list[pl.Expr]
    always: bool


def _json(made: pl.DataFrame, mapping: Mapping) -> pl.Series:
    """Each row's patron as JSON text, made of its fragments; a null fragment is absent."""
    tree = _Branch({})
    for path in mapping.fields:
        _grow(tree, _steps(path), path)
    made, (pieces, _) = _assemble(made, tree, "", "", mapping)
    return made.select(pl.concat_str(pieces, ignore_nulls=True)).to_series()


def _steps(path: str) -> list[str | int]:
    """personal.addresses[0].city becomes personal, addresses, 0, city."""
    return [int(place) if place else name for place, name in re.findall(r"\[(\d)\]|([^.\[\]]+)", path)]


def _grow(tree: _Branch, steps: list[str | int], path: str) -> None:
    first, *rest = steps
    if not rest:
        tree.children[first] = path
        return
    branch = tree.children.setdefault(first, _Branch({}))
    assert isinstance(branch, _Branch), f"{path} is within another field"  # no system has such a path
    _grow(branch, rest, path)


def _assemble(
    made: pl.DataFrame, branch: _Branch, name: str, label: str, mapping: Mapping
) -> tuple[pl.DataFrame, _Json]:
    """
    A branch as JSON, and `made` with the columns for it.

    Copying text takes most of the time. So a branch that every row has stays in pieces until the branch around it is
    put together.
    """
    parts: list[_Json] = []
    for key, child in branch.children.items():
        if isinstance(child, _Branch):
            made, part = _assemble(made, child, f"{name}.{key}", _label(key), mapping)
            parts.append(part)
        else:
            parts.append(_Json([pl.col(child)], not made[child].null_count()))
    is_list = all(isinstance(key, int) for key in branch.children)
    opening, closing = ("[", "]") if is_list else ("{", "}")
    pieces = [pl.lit(f"{label}{opening}"), *_without_first_comma(parts), pl.lit(closing)]
    telling = _telling(branch, parts, name, made, mapping)
    if any(part.always for part in telling):
        return made, _Json(pieces, always=True)
    there = pl.any_horizontal(pl.lit(value=False), *(part.pieces[0].is_not_null() for part in telling))
    whole = pl.when(there).then(pl.concat_str(pieces, ignore_nulls=True)).alias(name)
    return made.with_columns(whole), _Json([pl.col(name)], always=False)


def _without_first_comma(parts: list[_Json]) -> list[pl.Expr]:
    """The pieces of a branch, without the comma before a row's first part."""
    first, *others = [piece for part in parts for piece in part.pieces]
    if parts[0].always:
        return [first.str.strip_prefix(","), *others]
    return [pl.concat_str(first, *others, ignore_nulls=True).str.strip_prefix(",")]


def _telling(branch: _Branch, parts: list[_Json], name: str, made: pl.DataFrame, mapping: Mapping) -> list[_Json]:
    """The parts that make a branch worth sending: an address needs more than its type, a flag and fixed values."""
    if not re.search(r"\.\d$", name):
        return parts
    children = zip(branch.children.values(), parts, strict=True)
    return [_without_defaults(child, part, made) for child, part in children if _is_telling(child, mapping)]


def _is_telling(child: _Branch | str, mapping: Mapping) -> bool:
    if isinstance(child, _Branch):
        return True
    entry, _, property_ = child.rpartition(".")
    is_type = mapping.system.needed_beside.get(re.sub(r"\[\d\]$", "", entry)) == property_
    is_flag = mapping.system.kind(child) is Kind.YES_NO
    return not (mapping.fields[child].is_fixed or is_type or is_flag)


def _without_defaults(child: _Branch | str, part: _Json, made: pl.DataFrame) -> _Json:
    given = f"{child}{GIVEN}"
    if given not in made.columns:
        return part
    return _Json([pl.when(pl.col(given)).then(part.pieces[0])], always=part.always and bool(made[given].all()))
