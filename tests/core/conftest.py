"""Mappings written in a test."""

import textwrap

import polars as pl
import pytest

from patronload.config import mapping_files
from patronload.rows import ROW


@pytest.fixture
def mapping(tmp_path):
    """Make a mapping from YAML."""

    def make(text):
        path = tmp_path / "mapping.yaml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return mapping_files.load_file(path)

    return make


@pytest.fixture
def frame():
    """Make an export's frame from columns, its rows numbered from 2."""

    def make(**columns):
        rows = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
        return rows.with_row_index(ROW, 2)

    return make
