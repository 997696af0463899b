"""
Tell where text was read in the wrong encoding before it came to us: José as JosÃ©, or as Jos with a U+FFFD or NUL.

Somebody's program took UTF-8 for Windows-1252. That is certain where a word, written in Windows-1252 again, is UTF-8.
"""

import re
import unicodedata

import polars as pl

from patronload.config.mapping import Mapping
from patronload.mapping.cells import clean
from patronload.rows import ROW, holding, no_rejects

REPLACED, NUL = "\ufffd", "\0"
"""What stands for a character that could not be read, and what is left of UTF-16; FOLIO's database keeps no NUL."""

SUSPECT = r"[\u{C2}-\u{F4}][^\x00-\x7F]"
"""Two characters of which the first looks like the beginning of a character in UTF-8, and the second could go on."""

NOT_LATIN = r"[\u0250-\u0258\u025A\u025C-\u02AF\u02C0-\u02FF\u0310-\u0320\u0329-\u07FF]"
"""
What É, Ö or ß become with a dash, a quotation mark or a no-break space behind them: signs of Hebrew, N'Ko or phonetics,
which nobody has among Latin letters. Accents of their own, and letters of Azerbaijan and Hawaii, are not in here.
"""

REASON = "is text that was read in the wrong encoding on its way to us, and nobody can be called so: write it anew"


def garbled(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """Rejects for the cells, in the columns that the mapping takes, whose text was garbled before it came to us."""
    found = [no_rejects()]
    for name in mapping.columns:
        suspects = holding(frame, name, rf"{REPLACED}|\x00|{SUSPECT}").select(ROW, name)
        if suspects.height:
            cells = [cell for cell in suspects[name].unique() if is_garbled(cell)]
            bad = suspects.filter(pl.col(name).is_in(cells))
            found.append(
                bad.select(
                    pl.col(ROW).cast(pl.UInt32).alias("row"),
                    column=pl.lit(name),
                    value=clean(name),
                    reason=pl.format("{} '{}' {}", pl.lit(name), clean(name), pl.lit(REASON)),
                    summary=pl.lit(f"{name} is garbled: its text was read in the wrong encoding, like JosÃ©"),
                )
            )
    return pl.concat(found)


def is_garbled(text: str) -> bool:
    """Whether a word of the text is UTF-8 that was taken for Windows-1252 or Latin-1, or holds U+FFFD or NUL."""
    return REPLACED in text or NUL in text or any(_is_utf8(word) for word in text.split(" "))


def _is_utf8(word: str) -> bool:
    return any(_reads_as_utf8(word, encoding) for encoding in ("cp1252", "latin-1"))


def _reads_as_utf8(word: str, encoding: str) -> bool:
    try:
        read = word.encode(encoding).decode()
    except UnicodeError:
        return False
    among_latin = any(sign.isascii() and sign.isalpha() for sign in word)
    # A control character is in nobody's name: ÂŠ would be one.
    odd = (unicodedata.category(sign) == "Cc" or (among_latin and re.match(NOT_LATIN, sign)) for sign in read)
    return read != word and not any(odd)
