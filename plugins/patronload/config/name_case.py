"""Names in capital letters, in the usual spelling: MCDONALD as McDonald."""

import re
from collections.abc import Collection

PARTICLES = {
    *("af", "al", "av", "bin", "da", "das", "de", "del", "den", "der", "di", "do", "dos", "du", "e", "el", "ibn", "la"),
    *("las", "le", "los", "ten", "ter", "van", "vom", "von", "y", "zu", "zum", "zur"),
}
"""Words that are written small when another word follows."""

BETWEEN = r"([-/()\[\"\u201c&+.,])"
"""After one of these a word begins within a word: SMITH-JONES, JOHN (JACK), J.R.R."""

APOSTROPHE = "['\u2019\u2018`\u00b4\u02bc]"

ELIDED = "DALL|DELL|SANT|DE"
"""A capital letter follows these and an apostrophe, as after a single letter: DALL'OGLIO, O'BRIEN."""

NUMERALS = ("II", "III", "IV", "VI", "VII", "VIII")


def in_name_case(text: str, exceptions: Collection[str] = ()) -> str:
    """
    A name in capital letters in the usual spelling; a text with small letters stays as it is.

    `exceptions` are words in their right spelling, such as MacDonald, which no rule can know.
    """
    if text != text.upper():
        return text
    spellings = {word.upper(): word for word in exceptions}
    words = re.split(r"(\s+)", text)
    last = len(words) - 1
    return "".join(_word(word, spellings, is_last=place >= last) for place, word in enumerate(words))


def _word(word: str, spellings: dict[str, str], *, is_last: bool) -> str:
    if word in spellings or word in NUMERALS:
        return spellings.get(word, word)
    if word.lower() in PARTICLES and not is_last:
        return word.lower()
    return "".join(_part(part, spellings) for part in re.split(BETWEEN, word))


def _part(part: str, spellings: dict[str, str]) -> str:
    """A part between hyphens: O'BRIEN, MCDONALD, SMITH."""
    if part in spellings:
        return spellings[part]
    if found := re.fullmatch(rf"(\w|{ELIDED})({APOSTROPHE})(\w\w.*)", part):
        return f"{found[1].capitalize()}{found[2]}{_part(found[3], spellings)}"
    if re.match(r"MC\w{2}", part):
        return f"Mc{part[2:3]}{part[3:].lower()}"
    return f"{part[:1]}{part[1:].lower()}"
