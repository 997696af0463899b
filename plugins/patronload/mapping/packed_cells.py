"""Values that are packed into one cell: taken out of JSON by key, or out of pairs like SID:4711,LANG:EN."""

import json
from typing import Any, NamedTuple

import polars as pl

from patronload.config.packed import PairKey
from patronload.config.rules import Variant
from patronload.mapping.cells import MISREAD, TEXT

NOT_JSON = "is not JSON"
REPEATED_KEY = "is JSON that has the same key twice"
NO_VALUE = "is JSON that has an object or a list where a single value is expected"
SEVERAL = "has several values here"
SPLIT_INSIDE = "has a value that contains the text in 'split'"
NUL = "is JSON with a NUL character, which cannot be stored"
NO_PAIRS = "is not written as pairs of a key and a value"


class _Misread(Exception):  # noqa: N818 - it becomes the reason of a reject
    """The cell is not written as the rule says."""


class _Texts(NamedTuple):
    """The texts of a cell, or the reason why there are none."""

    text: str | None
    fault: str | None = None


def unpack(cells: pl.Series, rule: Variant) -> pl.DataFrame:
    """
    The packed value of each cell, in TEXT. Several values become one text with the rule's `split` between them.

    MISREAD is the reason why a cell could not be read, or null.
    """
    different = cells.unique().drop_nulls()
    found = [_texts(cell, rule) for cell in different]
    table = pl.DataFrame(
        {
            cells.name: different,
            "found": pl.Series([each.text for each in found], dtype=pl.String),
            MISREAD: pl.Series([each.fault for each in found], dtype=pl.String),
        }
    )
    read = cells.to_frame().join(table, on=cells.name, how="left", maintain_order="left")
    return read.select(pl.col("found").alias(TEXT), MISREAD)


def _texts(cell: str, rule: Variant) -> _Texts:
    try:
        values = _of_json(cell, rule.json_keys) if rule.json_keys is not None else _of_pairs(cell, rule.pair)
        return _Texts(_join(values, rule.split))
    except _Misread as misread:
        return _Texts(None, str(misread))


def _join(values: list[str], split: str | None) -> str | None:
    if len(set(values)) > 1:
        if split is None:
            raise _Misread(SEVERAL)
        if any(split in value for value in values):
            raise _Misread(SPLIT_INSIDE)
    return (split or "").join(dict.fromkeys(values)) or None


def _of_json(cell: str, keys: tuple[str | int, ...]) -> list[str]:
    value = _parse(cell)
    for key in keys:
        if isinstance(key, str) and isinstance(value, dict):
            value = value.get(key)
        elif isinstance(key, int) and isinstance(value, list):
            value = value[key] if key < len(value) else None
        elif value not in (None, [], {}):  # some systems write an empty object as []
            raise _Misread(NO_VALUE)
    return [_text(one) for one in (value if isinstance(value, list) else [value]) if one is not None]


def _parse(cell: str) -> Any:
    """The JSON in a cell; numbers stay as they are written, because 007 and 1.50 may be codes."""
    try:
        cell.encode()
        return json.loads(
            cell, parse_int=str, parse_float=str, parse_constant=_refuse, object_pairs_hook=_without_repeated_keys
        )
    except (ValueError, RecursionError):
        raise _Misread(NOT_JSON) from None


def _refuse(_: str) -> None:
    raise ValueError


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise _Misread(REPEATED_KEY)
    return dict(pairs)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        raise _Misread(NO_VALUE)
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        raise _Misread(NOT_JSON) from None
    if "\0" in value:
        raise _Misread(NUL)
    return value.strip()


def _of_pairs(cell: str, pair: PairKey | None) -> list[str]:
    assert pair is not None, "the rule has `json` or `pair`"
    values = []
    for part in cell.split(pair.between):
        key, after_key, value = part.partition(pair.after_key)
        if part.strip() and not (after_key and key.strip()):
            raise _Misread(NO_PAIRS)
        if key.strip() == pair.key and value.strip():
            values.append(value.strip())
    return values
