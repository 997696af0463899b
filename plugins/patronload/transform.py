"""
Turn the rows of an export into patrons of the target, and tell which rows cannot be.

A patron is the JSON text that the target takes. It is put together by polars from the inside out, one stage for each
level: the same expressions nested into one another would compute what they share again and again.
"""

import json
import re
from typing import NamedTuple

import polars as pl

from patronload import expressions
from patronload.mappings import Mapping, Rule
from patronload.rows import ROW, no_rejects, without

PATRON = "patron"


class Transformed(NamedTuple):
    """patrons: row, the target's unique fields and PATRON, the JSON text; rejects: see rows.REJECTS."""

    patrons: pl.DataFrame
    rejects: pl.DataFrame


def transform(frame: pl.DataFrame, mapping: Mapping, refused: pl.DataFrame) -> Transformed:
    """
    The frame's rows (ROW and the export's columns) as patrons, in their order; rows that cannot be made are rejects.

    The rows that are `refused` already (rejects of the validation) become no patrons either. They are looked at all the
    same, so that the library learns of all that is to be mended in a row at once.
    """
    rejects = _rejects(frame, mapping)
    good = without(without(frame, rejects), refused)
    unique = mapping.system.unique
    named = {path: pl.lit(None, dtype=pl.String) for path in unique} | expressions.of_fields(mapping, mapping.unique)
    patrons = good.select(pl.col(ROW).alias("row"), **named)
    return Transformed(patrons.with_columns(_json(good, mapping)), rejects)


def _rejects(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    found = [_unmade(frame, path, rule, mapping) for path, rule in mapping.fields.items() if rule.lookup or rule.date]
    return pl.concat([no_rejects(), *found]).sort("row", maintain_order=True)


def _unmade(frame: pl.DataFrame, path: str, rule: Rule, mapping: Mapping) -> pl.DataFrame:
    """The rows whose value for one field is an unlisted code or an unreadable date."""
    columns = " + ".join(rule.columns)
    what = f"is not listed in the lookup '{rule.lookup}'" if rule.lookup else f"is not a date written like {rule.date}"
    mend = f"add it to lookups.{rule.lookup} in the mapping file, or mend the row" if rule.lookup else "mend the row"
    bad = frame.filter(expressions.unmade(rule, mapping.lookups)).select(
        pl.col(ROW).alias("row"), column=pl.lit(columns), value=expressions.text(rule)
    )
    return bad.with_columns(
        reason=pl.format("{} '{}' {}: {}", pl.lit(columns), pl.col("value"), pl.lit(what), pl.lit(mend)),
        summary=pl.lit(f"{columns} ({path}) {what}"),
    )


class _Branch(NamedTuple):
    """An object or a list on the way to the fields: its name in the object around it, and what is in it."""

    children: "dict[str | int, _Branch | str]"


def _json(frame: pl.DataFrame, mapping: Mapping) -> pl.Series:
    """Each row's patron as JSON text; what is null is absent."""
    tree = _Branch({})
    for path in mapping.fields:
        _grow(tree, _steps(path), path)
    made = frame.select(*[_fragment(path, rule, mapping).alias(path) for path, rule in mapping.fields.items()])
    made = _assembled(made, tree, "", mapping)
    return made[""].alias(PATRON)


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


def _fragment(path: str, rule: Rule, mapping: Mapping) -> pl.Expr:
    """One field as `"city":"Budapest"`, encoded by polars; null where there is no value."""
    name = path.rsplit(".", 1)[-1]
    if rule.value is not None:
        return pl.lit(f"{json.dumps(name)}:{json.dumps(rule.value, ensure_ascii=False)}")
    value = expressions.value(rule, mapping.lookups)
    encoded = pl.struct(value.alias(name)).struct.json_encode()
    return pl.when(value.is_not_null()).then(encoded.str.slice(1, encoded.str.len_chars() - 2))


def _assembled(made: pl.DataFrame, branch: _Branch, name: str, mapping: Mapping) -> pl.DataFrame:
    """`made` with one more column, `name`: the branch as JSON, put together from its children's columns."""
    parts: list[pl.Expr] = []
    for key, child in branch.children.items():
        if isinstance(child, _Branch):
            inner = f"{name}.{key}"
            made = _assembled(made, child, inner, mapping)
            label = "" if isinstance(key, int) else f"{json.dumps(key)}:"
            parts.append(pl.when(pl.col(inner).is_not_null()).then(pl.format("{}{}", pl.lit(label), pl.col(inner))))
        else:
            parts.append(pl.col(child))
    is_list = all(isinstance(key, int) for key in branch.children)
    opening, closing = ("[", "]") if is_list else ("{", "}")
    whole = pl.concat_str(pl.lit(opening), pl.concat_str(parts, separator=",", ignore_nulls=True), pl.lit(closing))
    there = pl.any_horizontal(part.is_not_null() for part in _telling(branch, parts, name, mapping))
    return made.with_columns(pl.when(there).then(whole).alias(name))


def _telling(branch: _Branch, parts: list[pl.Expr], name: str, mapping: Mapping) -> list[pl.Expr]:
    """The parts that make the branch worth sending: for an address made only of fixed values there are none."""
    if not re.search(r"\.\d$", name):
        return parts
    own = [
        key
        for key, child in branch.children.items()
        if not (isinstance(child, str) and mapping.fields[child].value is not None)
    ]
    return [part for key, part in zip(branch.children, parts, strict=True) if key in own] or [pl.lit(None)]
