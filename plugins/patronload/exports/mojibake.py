"""
Detect text that was read in the wrong encoding before it reached us: José as JosÃ©, or as Jos with a U+FFFD or NUL.

A program mistook UTF-8 for Windows-1252. That is certain if a word, encoded in Windows-1252 again, is valid UTF-8.
"""

import re
import unicodedata

import polars as pl

from patronload.config.mapping import Mapping
from patronload.mapping.cells import clean
from patronload.rows import ROW, holding, no_rejects

REPLACED, NUL = "\ufffd", "\0"
"""The replacement for an unreadable character, and a remnant of UTF-16; FOLIO's database cannot store NUL."""

SUSPECT = r"[\u{C2}-\u{F4}][^\x00-\x7F]"
"""Two characters that look like the first and second byte of a character in UTF-8."""

SUSPECT_BYTES = re.compile(
    rb"\xc3[\x82-\xb4]"
    rb"(?:\xc2|\xc5[\x92\x93\xa0\xa1\xb8\xbd\xbe]|\xc6\x92|\xcb[\x86\x9c]|\xe2[\x80\x82\x84])"
)
"""The same in UTF-8; the second is one that Windows-1252 or Latin-1 has for a byte from 80 to BF."""

NOT_LATIN = r"[\u0250-\u0258\u025A\u025C-\u02AF\u02C0-\u02FF\u0310-\u0320\u0329-\u07FF]"
"""
The results of É, Ö or ß before a dash, a quotation mark or a no-break space: characters of Hebrew, N'Ko or phonetics,
which do not occur among Latin letters. Combining accents, and letters of Azerbaijan and Hawaii, are not included.
"""

REASON = "is garbled: it was read in the wrong encoding before it reached us; enter it again"


def may_occur(content: bytes, encoding: str) -> bool:
    """Whether the bytes of an export may have such text. It is quick, and true in doubt."""
    if encoding != "utf-8":
        return True
    # A single byte is found ten times as fast, and most files do not have it.
    replaced = REPLACED.encode()
    has_replaced = replaced[:1] in content and replaced in content
    return has_replaced or NUL.encode() in content or SUSPECT_BYTES.search(content) is not None


def find_garbled(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """Rejects for garbled cells in the columns that the mapping uses."""
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
    """Whether a word of the text is UTF-8 mistaken for Windows-1252 or Latin-1, or contains U+FFFD or NUL."""
    return REPLACED in text or NUL in text or any(_is_utf8(word) for word in text.split(" "))


def _is_utf8(word: str) -> bool:
    return any(_reads_as_utf8(word, encoding) for encoding in ("cp1252", "latin-1"))


def _reads_as_utf8(word: str, encoding: str) -> bool:
    try:
        read = word.encode(encoding).decode()
    except UnicodeError:
        return False
    among_latin = any(sign.isascii() and sign.isalpha() for sign in word)
    # No name contains a control character: ÂŠ would be one.
    odd = (unicodedata.category(sign) == "Cc" or (among_latin and re.match(NOT_LATIN, sign)) for sign in read)
    return read != word and not any(odd)
