"""Compare values as FOLIO's database does: `lower(unaccent(value))`."""

from __future__ import annotations

import unicodedata

# PostgreSQL's unaccent.rules spells these out; Unicode does not decompose them.
_SPELT_OUT = str.maketrans(
    {
        "Æ": "AE",
        "æ": "ae",
        "Œ": "OE",
        "œ": "oe",
        "ß": "ss",
        "ẞ": "SS",
        "Ø": "O",
        "ø": "o",
        "Đ": "D",
        "đ": "d",
        "Ð": "D",
        "ð": "d",
        "Ħ": "H",
        "ħ": "h",
        "ı": "i",
        "Ł": "L",
        "ł": "l",
        "Ŋ": "N",
        "ŋ": "n",
        "Þ": "TH",
        "þ": "th",
        "Ŧ": "T",
        "ŧ": "t",
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
    }
)


def fold(value: str) -> str:
    """José becomes jose, Ærø becomes aero.

    FOLIO: RMB's unique indexes have caseSensitive=false and removeAccents=true by default; mod-users' schema.json
    keeps both defaults for externalSystemId, username, barcode, group, department and address type.
    """
    if value.isascii():
        return value.lower()
    decomposed = unicodedata.normalize("NFKD", value.translate(_SPELT_OUT))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign)).lower()
