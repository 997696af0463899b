"""Compare values as FOLIO's database does: `lower(unaccent(value))`."""

from functools import cache

from sandbox import PROJECT

SMALL_SIGMA = "\N{GREEK SMALL LETTER SIGMA}"


def fold(value: str) -> str:
    """José becomes jose, Ærø becomes aero.

    PostgreSQL's lower() looks at each letter alone, so it has no rule for a sigma at the end of a word, as Python has.

    FOLIO: RMB's unique indexes have caseSensitive=false and removeAccents=true by default; mod-users' schema.json
    keeps both defaults for externalSystemId, username, barcode, group, department and address type.
    """
    return (value if value.isascii() else value.translate(_unaccent()).replace("Σ", SMALL_SIGMA)).lower()


@cache
def _unaccent() -> dict[int, str]:
    """PostgreSQL's own table (contrib/unaccent/unaccent.rules): a letter, a tab, and what stands for it."""
    rules = (PROJECT / "plugins" / "patronload" / "unaccent.rules").read_text(encoding="utf-8")
    lines = [line.partition("\t") for line in rules.splitlines()]
    return {ord(letter): instead.strip() for letter, _, instead in lines}
