"""Folding, compared with a table that PostgreSQL made."""

from pathlib import Path

import polars as pl

from patronload.folding import fold, fold_cells, folded_column

TABLE = Path(__file__).parents[1] / "sandbox" / "postgresql_folding.tsv"


def rows() -> list[tuple[str, str, str]]:
    """Each letter with case, what PostgreSQL folds it to alone, and what behind an alpha."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    parts = [line.split("\t") for line in lines if not line.startswith("#")]
    return [(chr(int(code, 16)), alone, behind) for code, alone, behind in parts]


def test_every_letter_with_case_is_folded_as_postgresql_folds_it():
    """Alone and at the end of a word, as one text and as a column; otherwise two ids collide in FOLIO, or seem to."""
    letters, alone, behind = zip(*rows(), strict=True)
    words = [f"Α{letter}" for letter in letters]
    assert len(letters) > 2800
    assert [fold(letter) for letter in letters] == list(alone)
    assert [fold(word) for word in words] == list(behind)
    assert folded_column(pl.Series(words)).to_list() == list(behind)
    assert pl.DataFrame({"word": words}).select(fold_cells(pl.col("word")))["word"].to_list() == list(behind)


def test_sigma_has_one_small_form():
    """Its final form stays apart in FOLIO: two ids that differ only by it are two."""
    assert fold("ΑΣ") == fold("ασ") != fold("ας")
