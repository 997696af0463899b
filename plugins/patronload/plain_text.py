"""
Text from outside without what a log, a mail or a page would take for something else than text.

File names, column names and what a library system answers are written by others. A line break in them would forge a
line of a log, an escape sequence would change a terminal, and a change of direction would show an address backwards.
"""

import unicodedata

NOT_SHOWN = ("Cc", "Cf", "Cs", "Cn", "Co")
"""Unicode's categories of control, direction and other characters that are not shown."""

BREAKS = dict.fromkeys(map(ord, "\t\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"), " ")
"""Characters that begin a new line or leave a gap."""


def one_line(text: str) -> str:
    """The text on one line, without characters that are not shown; ordinary text stays as it is."""
    if text.isprintable():
        return text
    return "".join(sign for sign in text.translate(BREAKS) if unicodedata.category(sign) not in NOT_SHOWN)


def composed(text: str) -> str:
    """The text with accents joined to their letters (Unicode's NFC), as values are compared."""
    return unicodedata.normalize("NFC", text)


def lines(text: str) -> str:
    """Like one_line, but line feeds stay: a message may have several lines."""
    return "\n".join(map(one_line, text.split("\n")))


def is_shown(name: str) -> bool:
    """Whether all of a name can be written and shown as it is."""
    return one_line(name) == name
