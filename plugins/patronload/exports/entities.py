"""Entities of HTML in cells, such as O&#39;Brien, that no step of the mapping decodes."""

import re
from html.entities import name2codepoint

import polars as pl

from patronload.config.mapping import Mapping
from patronload.mapping import invisible
from patronload.rows import NOTED, ROW, no_notes

ENTITY = rf"&(#[0-9]{{1,7}}|#[xX][0-9A-Fa-f]{{1,6}}|apos|{'|'.join(name2codepoint)});"

AS_BYTES = re.compile(rb"&#?[0-9A-Za-z]{1,9};")
"""Whatever may be an entity, in any encoding that has ASCII."""


def may_occur(content: bytes, encoding: str) -> bool:
    """Whether the bytes of an export may have such entities. It is quick, and true in doubt."""
    return not invisible.has_ascii(encoding) or (b"&" in content and AS_BYTES.search(content) is not None)


def notes(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """A note (see rows.NOTED) for each cell with such an entity, in the columns that rules read."""
    found = [no_notes()]
    for column in _not_decoded(mapping):
        cells = frame.filter(pl.col(column).str.contains("&", literal=True)).filter(pl.col(column).str.contains(ENTITY))
        if cells.height:
            found.append(_notes_of(cells, column))
    return pl.concat(found)


def _not_decoded(mapping: Mapping) -> list[str]:
    """The columns that a rule reads without decoding entities."""
    variants = [variant for rule in mapping.fields.values() for variant in rule.variants]
    return list(dict.fromkeys(column for variant in variants if not variant.decodes_html for column in variant.columns))


def _notes_of(cells: pl.DataFrame, column: str) -> pl.DataFrame:
    advice = "is loaded as it is; if it should be decoded, add the step decode_html"
    return cells.select(
        pl.col(ROW).cast(pl.UInt32).alias("row"),
        effect=pl.lit("warn"),
        column=pl.lit(column),
        value=pl.col(column),
        reason=pl.format(f"{{}}: '{{}}' has an HTML entity, which {advice}", pl.lit(column), pl.col(column)),
        summary=pl.lit(f"{column} has an HTML entity, which {advice}"),
    ).select(*NOTED)
