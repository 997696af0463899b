"""
Invisible characters in cells: zero-width and direction marks, byte order marks, soft hyphens, control characters.

They are left out of all values, or two ids that look alike would be two patrons. Accents that are characters of their
own are combined with their letters (Unicode's NFC), as FOLIO and people's keyboards write them.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

import polars as pl

from patronload.config.mapping import Mapping
from patronload.rows import NOTED, ROW, no_notes

JOINERS = r"\x{180B}-\x{180D}\x{180F}\x{200C}\x{200D}\x{FE00}-\x{FE0F}\x{E0100}-\x{E01EF}"
"""Persian, Mongolian, Japanese, the languages of India, and emoji need them between characters."""

FILLERS = r"\x{034F}\x{115F}\x{1160}\x{17B4}\x{17B5}\x{2800}\x{3164}\x{FFA0}\x{FDD0}-\x{FDEF}\x{FFFE}\x{FFFF}"
"""Letters without a shape, and code points that are not characters."""

# Line breaks and tabs are text. NUL rejects the row, because the text before it is damaged too.
INVISIBLE = rf"[[\x01-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F\p{{Cf}}{FILLERS}]--[{JOINERS}]]"

# After a Latin letter, a digit, a punctuation mark or a blank, a joiner joins nothing.
LONE_JOINERS = rf"(^|[\p{{Latin}}\p{{N}}\p{{P}}\p{{Z}}\p{{Cc}}])[{JOINERS}]+"

NO_BREAK = r"\x{A0}\x{2007}\x{202F}"
"""Blanks that look like others. At the ends of a cell they are left out, as all blanks are."""

DOUBTFUL = rf"{INVISIBLE}|{LONE_JOINERS}|^\s*[{NO_BREAK}]|[{NO_BREAK}]\s*$"

NOT_SEEN = "[" + re.sub(r"\\x\{([0-9A-F]+)\}", lambda code: f"\\U{int(code[1], 16):08X}", JOINERS + FILLERS) + "]"
"""The same characters, as Python writes them in a pattern."""

CONTROLS = bytes([*range(1, 9), 11, 12, *range(14, 32), 127])

ASCII_CONTROLS = "[" + "".join(rf"\x{code:02X}" for code in CONTROLS) + "]"

ASCII = bytes(range(128))

PLAIN = ASCII.translate(None, CONTROLS)
"""The bytes of ASCII text. NUL is among them, see above."""

HARMLESS = bytes([*range(0x80, 0xC0), *range(0xC3, 0xCC), 0xCF, 0xD0, 0xD1, *range(0xE4, 0xEA), 0xEB, 0xEC])
"""The bytes of UTF-8 that continue a character, or begin one that stays as it is: Latin, Cyrillic, most Asian ones."""

MAY_CHANGE = ("Cc", "Cf", "Cn", "Mn", "Mc", "Me", "Zs")
"""Unicode's categories of controls, invisible characters, accents, blanks, and what this Python does not know yet."""

JAMO = ("\u1100", "\u11ff")
"""The first and last part of a Korean syllable: several become one character."""


def may_occur(content: bytes, encoding: str) -> bool:
    """Whether the bytes of an export may have such characters. It is quick, and true in doubt."""
    if not has_ascii(encoding):
        return True
    odd = content.removeprefix(codecs.BOM_UTF8).translate(None, PLAIN)
    if encoding != "utf-8":
        return any(map(_may_change, _of_bytes(set(odd), encoding)))
    if odd.translate(None, CONTROLS) != odd:
        return True
    return bool(odd.translate(None, HARMLESS)) and any(map(_may_change, set(odd.decode(errors="replace"))))


def has_ascii(encoding: str) -> bool:
    """Whether the bytes of ASCII text are the same in an encoding."""
    return ASCII.decode(encoding, "replace") == ASCII.decode()


def _of_bytes(found: set[int], encoding: str) -> str:
    """The characters that these bytes may be. Where a character takes several bytes, a control character."""
    each = [bytes([byte]).decode(encoding, "ignore") for byte in found]
    return "".join(each) if all(each) else "\x07"


def _may_change(character: str) -> bool:
    """Whether a character is left out, or may become another one together with its neighbours."""
    return (
        unicodedata.category(character) in MAY_CHANGE
        or JAMO[0] <= character <= JAMO[1]
        or bool(re.match(NOT_SEEN, character))
        or not unicodedata.is_normalized("NFC", character)
    )


def cleaned(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with visible characters only; ROW stays as it is."""
    found = (_cleaned(cells, odd) for cells in frame.select(pl.col(pl.String)) if (odd := _may_have(cells)).any())
    changed = [cells for cells in found if cells is not None]
    return frame.with_columns(changed) if changed else frame


def _may_have(cells: pl.Series) -> pl.Series:
    """The cells that may have invisible characters or separate accents. Most have only printable ASCII characters."""
    return (cells.str.len_bytes() != cells.str.len_chars()) | cells.str.contains(ASCII_CONTROLS)


def _cleaned(cells: pl.Series, odd: pl.Series) -> pl.Series | None:
    """The cells, with visible characters only in the odd ones; None if all of them are already so."""
    before = cells.filter(odd)
    after = _visible(before)
    # A column with accents only would be copied for nothing.
    return None if after.equals(before) else cells.scatter(odd.arg_true(), after)


def _visible(text: pl.Series) -> pl.Series:
    return text.str.replace_all(INVISIBLE, "").str.replace_all(LONE_JOINERS, "${1}").str.normalize("NFC")


def notes(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """A note (see rows.NOTED) for each cell with an invisible character, in the columns that rules read."""
    found = [no_notes()]
    for column in mapping.columns:
        cells = frame.select(pl.col(ROW).cast(pl.UInt32).alias("row"), value=pl.col(column))
        cells = cells.filter(_may_have(cells["value"])).filter(pl.col("value").str.contains(DOUBTFUL))
        cells = cells.filter(pl.col("value").str.strip_chars() != "")
        if cells.height:
            found.append(_notes_of(cells, column))
    return pl.concat(found)


def _notes_of(cells: pl.DataFrame, column: str) -> pl.DataFrame:
    shown = [_shown(cell) for cell in cells["value"]]
    return cells.with_columns(
        effect=pl.lit("warn"),
        column=pl.lit(column),
        value=pl.Series(shown, dtype=pl.String),
        reason=pl.Series([f"{column}: '{cell}' has invisible characters, which are left out" for cell in shown]),
        summary=pl.lit(f"{column} has invisible characters, which are left out"),
    ).select(*NOTED)


def _shown(cell: str) -> str:
    """The cell with invisible characters as their numbers, like 1001<U+200B>."""
    return re.sub(r"[^ -~]", _number, cell)


def _number(found: re.Match[str]) -> str:
    sign = found[0]
    odd = re.match(NOT_SEEN, sign) or unicodedata.category(sign) in ("Cf", "Cc", "Zs")
    return f"<U+{ord(sign):04X}>" if odd and sign not in "\t\r\n" else sign
