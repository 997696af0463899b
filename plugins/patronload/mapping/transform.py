"""
Turn the rows of an export into patrons of the target, and tell which rows cannot be.

A patron is the JSON text that the target takes. It is put together by polars from the inside out, one stage for each
level: the same expressions nested into one another would compute what they share again and again.
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

from patronload.config.mapping import Mapping, Rule
from patronload.mapping import expressions
from patronload.mapping.expressions import OUTSIDE, TEXT, UNMADE, VALUE, Span
from patronload.rows import ROW, no_rejects

PATRON, GROUP = "patron", "group"

FRAGMENT, CELL = "fragment", "cell"

AT_A_TIME = 2

PART, LEAST = 1 << 16, 1 << 13
"""So many rows a part has at most: enough to keep polars busy, and their JSON is little beside the whole. With fewer
than the least, what is done once for a part counts."""

FIRST_PLAIN, QUOTE, BACKSLASH = b' "\\'
"""JSON escapes what comes before the blank, and these two."""

SAMPLE, FEW = 4096, 2
"""Whether cells repeat themselves is seen in so many of them; worth the while are so many cells to a different one."""


class Transformed(NamedTuple):
    """
    patrons: row, the target's unique fields and PATRON, the JSON text; rejects: see rows.REJECTS; groups: what kind of
    patron each of the patrons is, as the mapping makes it, if it does.
    """

    patrons: pl.DataFrame
    rejects: pl.DataFrame
    groups: pl.Series


def transform(frame: pl.DataFrame, mapping: Mapping, refused: pl.DataFrame) -> Transformed:
    """
    The frame's rows (ROW and the export's columns) as patrons, in their order; rows that cannot be made are rejects.

    The rows that are `refused` already (rejects of the validation) become no patrons either. They are looked at all the
    same, so that the library learns of all that is to be mended in a row at once.
    """
    cut = frame.iter_slices(part_size(frame.height))
    made = [*parts([frame.clear()], mapping, refused), *parts(cut, mapping, refused)]
    return Transformed(*(pl.concat(alike) for alike in zip(*made, strict=True)))


def parts(frames: Iterable[pl.DataFrame], mapping: Mapping, refused: pl.DataFrame) -> Iterator[Transformed]:
    """As `transform`, for an export's rows that come in parts; the rejects are sorted by row within each part."""
    # Much of the work is done by one thread of polars', so two parts are made at a time.
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        waiting: deque[Future[Transformed]] = deque()
        for frame in frames:
            waiting.append(pool.submit(_part, frame.rechunk(), mapping, refused))
            if len(waiting) > AT_A_TIME:
                yield waiting.popleft().result()
        for future in waiting:
            yield future.result()


def part_size(rows: int) -> int:
    """How many rows each part of an export of so many should have: all alike, so that none waits alone for the last."""
    at_once = ceil(rows / (AT_A_TIME * PART))
    return max(ceil(rows / max(AT_A_TIME * at_once, 1)), LEAST)


def _part(frame: pl.DataFrame, mapping: Mapping, refused: pl.DataFrame) -> Transformed:
    made = {path: _field(frame, path, rule, mapping) for path, rule in mapping.fields.items()}
    found = [field.rejects for field in made.values() if field.rejects is not None]
    rejects = pl.concat([no_rejects(), *found]).sort("row", maintain_order=True)
    unique = {path: pl.lit(None, dtype=pl.String) for path in mapping.system.unique}
    patrons = frame.select(
        pl.col(ROW).alias("row"),
        **unique | {path: made[path].value for path in mapping.unique},
        **{PATRON: _json(frame.select(**{path: field.fragment for path, field in made.items()}), mapping)},
    )
    good = ~patrons["row"].is_in(pl.concat([rejects["row"], refused["row"]]).implode())
    return Transformed(patrons.filter(good), rejects, _groups(made, mapping, frame.height).filter(good))


class _Field(NamedTuple):
    """
    What a rule makes of rows. fragment: `,"city":"Budapest"` as JSON, null where there is no value; value: see
    expressions.made; rejects: see rows.REJECTS, None if there are none.
    """

    fragment: pl.Series | pl.Expr
    value: pl.Series | None = None
    rejects: pl.DataFrame | None = None


def _groups(made: dict[str, _Field], mapping: Mapping, rows: int) -> pl.Series:
    path = mapping.system.group
    if path in made and (value := made[path].value) is not None:
        return value.cast(pl.String).alias(GROUP)
    fixed = mapping.fields[path].value if path in mapping.fields else None
    return pl.Series(GROUP, [fixed], dtype=pl.String).new_from_index(0, rows)


def _field(frame: pl.DataFrame, path: str, rule: Rule, mapping: Mapping) -> _Field:
    name = path.rsplit(".", 1)[-1]
    if rule.value is not None:
        return _Field(pl.lit(f"{_label(name)}{json.dumps(rule.value, ensure_ascii=False)}"))
    cells = frame.select(rule.columns)
    few = _few(cells, rule)
    span = expressions.span(path, rule, mapping.target)
    made = expressions.made(cells if few is None else few, rule, mapping.lookups, span)
    made = made.with_columns(_fragment(name, made[VALUE]))
    faulty = bool(made[UNMADE].any())
    asked_for = path in mapping.unique or path == mapping.system.group
    wanted = [FRAGMENT, *([VALUE] if asked_for else []), *([TEXT, UNMADE] if faulty else [])]
    wanted += [OUTSIDE] if faulty and rule.date else []
    made = made.select(wanted) if few is None else _each(cells, few, made.select(wanted))
    return _Field(
        made[FRAGMENT],
        made[VALUE] if asked_for else None,
        _unmade(frame[ROW], made, path, rule, span) if faulty else None,
    )


def _few(cells: pl.DataFrame, rule: Rule) -> pl.DataFrame | None:
    """The different cells of one column, if they are few beside all: what is made of them has to be made once."""
    dear = rule.date or rule.lookup or rule.split
    if cells.width > 1 or (not dear and cells.head(SAMPLE).n_unique() * FEW > SAMPLE):
        return None
    few = cells.unique()
    return few if few.height * FEW < cells.height else None


def _each(cells: pl.DataFrame, few: pl.DataFrame, made: pl.DataFrame) -> pl.DataFrame:
    """What was made of the few different cells, for each cell."""
    cell = few.to_series().alias(CELL)
    wanted = cells.select(pl.all().alias(CELL))
    return wanted.join(made.with_columns(cell), on=CELL, how="left", maintain_order="left", nulls_equal=True)


def _fragment(name: str, values: pl.Series) -> pl.Expr:
    """A field as JSON; text that needs no escapes is put between quotes, all else is encoded by polars."""
    if values.dtype == pl.String and not _has_escapes(values):
        return pl.concat_str(pl.lit(f'{_label(name)}"'), VALUE, pl.lit('"')).alias(FRAGMENT)
    encoded = pl.struct(pl.col(VALUE).alias(name)).struct.json_encode()
    bare = pl.concat_str(pl.lit(","), encoded.str.strip_prefix("{").str.strip_suffix("}"))
    return pl.when(pl.col(VALUE).is_not_null()).then(bare).alias(FRAGMENT)


def _has_escapes(texts: pl.Series) -> bool:
    """Whether JSON writes one of the characters in another way. All texts in one piece are looked through at once."""
    signs = np.frombuffer(texts.str.join("").item().encode(), np.uint8)
    return bool((signs < FIRST_PLAIN).any() or (signs == QUOTE).any() or (signs == BACKSLASH).any())


def _label(name: str | int) -> str:
    """What stands before a value: the comma after the one before, and the name, if it is not in a list."""
    return "," if isinstance(name, int) else f",{json.dumps(name, ensure_ascii=False)}:"


def _unmade(rows: pl.Series, made: pl.DataFrame, path: str, rule: Rule, span: Span) -> pl.DataFrame:
    """The rows whose value for one field is an unlisted code, an unreadable date or one that makes no sense."""
    if rule.date and made[OUTSIDE].any():
        faulty, outside = made.with_columns(rows.alias("row")).filter(UNMADE), pl.col(OUTSIDE).fill_null(value=False)
        word = "latest" if span.latest else "earliest"
        odd = _told(faulty.filter(outside), path, rule, f"is {span.words}", f"mend the row, or allow it by '{word}'")
        return pl.concat([odd, _unread(faulty.filter(~outside), path, rule)]).sort("row")
    return _unread(made.with_columns(rows.alias("row")).filter(UNMADE), path, rule)


def _unread(bad: pl.DataFrame, path: str, rule: Rule) -> pl.DataFrame:
    what = f"is not listed in the lookup '{rule.lookup}'" if rule.lookup else f"is not a date written like {rule.date}"
    mend = f"add it to lookups.{rule.lookup} in the mapping file, or mend the row" if rule.lookup else "mend the row"
    return _told(bad, path, rule, what, mend)


def _told(bad: pl.DataFrame, path: str, rule: Rule, what: str, mend: str) -> pl.DataFrame:
    columns = " + ".join(rule.columns)
    return bad.select(
        "row",
        column=pl.lit(columns),
        value=TEXT,
        reason=pl.format("{} '{}' {}: {}", pl.lit(columns), pl.col(TEXT), pl.lit(what), pl.lit(mend)),
        summary=pl.lit(f"{columns} ({path}) {what}"),
    )


class _Branch(NamedTuple):
    """An object or a list on the way to the fields: its name in the object around it, and what is in it."""

    children: "dict[str | int, _Branch | str]"


class _Json(NamedTuple):
    """
    A field or a branch as JSON, with comma and label: the texts that make it one after the other, and whether every row
    has it. Where a row may be without it there is one piece, which is null then.
    """

    pieces: list[pl.Expr]
    always: bool


def _json(made: pl.DataFrame, mapping: Mapping) -> pl.Series:
    """Each row's patron as JSON text, of its fragments; what is null is absent."""
    tree = _Branch({})
    for path in mapping.fields:
        _grow(tree, _steps(path), path)
    made, (pieces, _) = _assembled(made, tree, "", "", mapping)
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
    assert isinstance(branch, _Branch), f"{path} lies within a field"  # the fields' table has no such path
    _grow(branch, rest, path)


def _assembled(
    made: pl.DataFrame, branch: _Branch, name: str, label: str, mapping: Mapping
) -> tuple[pl.DataFrame, _Json]:
    """
    A branch as JSON, and `made` with the columns that it is put together from.

    Copying text is what takes the time. So a branch that every row has is not put together before what is around it is.
    """
    parts: list[_Json] = []
    for key, child in branch.children.items():
        if isinstance(child, _Branch):
            made, part = _assembled(made, child, f"{name}.{key}", _label(key), mapping)
            parts.append(part)
        else:
            parts.append(_Json([pl.col(child)], not made[child].null_count()))
    is_list = all(isinstance(key, int) for key in branch.children)
    opening, closing = ("[", "]") if is_list else ("{", "}")
    pieces = [pl.lit(f"{label}{opening}"), *_without_first_comma(parts), pl.lit(closing)]
    telling = _telling(branch, parts, name, mapping)
    if any(part.always for part in telling):
        return made, _Json(pieces, always=True)
    there = pl.any_horizontal(pl.lit(value=False), *(part.pieces[0].is_not_null() for part in telling))
    whole = pl.when(there).then(pl.concat_str(pieces, ignore_nulls=True)).alias(name)
    return made.with_columns(whole), _Json([pl.col(name)], always=False)


def _without_first_comma(parts: list[_Json]) -> list[pl.Expr]:
    """What is in a branch, where the part that comes first in a row has no comma in front."""
    first, *others = [piece for part in parts for piece in part.pieces]
    if parts[0].always:
        return [first.str.strip_prefix(","), *others]
    return [pl.concat_str(first, *others, ignore_nulls=True).str.strip_prefix(",")]


def _telling(branch: _Branch, parts: list[_Json], name: str, mapping: Mapping) -> list[_Json]:
    """The parts that make the branch worth sending: for an address made only of fixed values there are none."""
    if not re.search(r"\.\d$", name):
        return parts
    fixed = [isinstance(child, str) and mapping.fields[child].value is not None for child in branch.children.values()]
    return [part for part, is_fixed in zip(parts, fixed, strict=True) if not is_fixed]
