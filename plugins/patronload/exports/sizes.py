"""How large an export may be: the limits of source.most, and how few of its cells may have anything in them."""

from patronload.config.source import Most
from patronload.errors import SourceError

WORDS = {
    "bytes": "bytes",
    "rows": "rows",
    "columns": "columns",
    "cells": "cells (rows times columns)",
    "cell": "bytes in a cell",
}
"""The unit of each limit of source.most."""

FEW_CELLS = 10_000_000
"""Cells that a small file may have. Each takes 16 bytes, also an empty one: 160 MB."""

WIDE = 100
"""More columns than this are rare, and so are rows in which nearly all of them are empty."""

LEAST_BYTES, LEAST_BYTES_IF_WIDE = 2, 6
"""The bytes for each cell of a file with more cells, with its delimiter; exports have eight or more."""


def expect_at_most(most: Most, what: str, found: int) -> None:
    """Raise SourceError if there is more of something than `most` allows."""
    if found > getattr(most, what):
        raise SourceError(
            f"The export is larger than source.most.{what} allows: {found:,} of at most {getattr(most, what):,} "
            f"{WORDS[what]}. If the file is right, raise that limit in the tenant file; otherwise ask the sender."
        )


def expect_cells(most: Most, rows: int, columns: int, size: int) -> None:
    """
    Raise SourceError for more cells than `most` allows, or than a file of `size` bytes should have.

    A file of commas or of short lines shrinks to a thousandth, and its cells would fill the memory. A tenant file that
    has source.most.cells allows them.
    """
    expect_at_most(most, "cells", rows * columns)
    least = LEAST_BYTES_IF_WIDE if columns > WIDE else LEAST_BYTES
    if "cells" not in most.model_fields_set and rows * columns > max(FEW_CELLS, size // least):
        raise SourceError(
            f"The export has {rows:,} rows of {columns:,} columns or more in {size:,} bytes, so its cells are nearly "
            f"all empty. If the file is right, write 'cells: {most.cells}' under source.most in the tenant file; "
            "otherwise ask the sender."
        )
