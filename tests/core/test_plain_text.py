"""Text from outside, without what a log or a mail would take for something else."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patronload import plain_text
from patronload.errors import ConfigError
from patronload.reporting.report import Skip

FORGED = "patrons.csv\n2026-11-21 INFO all is well \x1b[2J\u202egnp.exe\u2028\x85\x00\r\u2066"


@given(st.text())
def test_what_is_left_is_one_line_of_characters_that_are_shown(text):
    """Whatever it was before."""
    shown = plain_text.one_line(text)
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(sign) in plain_text.NOT_SHOWN for sign in shown)
    assert plain_text.one_line(shown) == shown
    assert plain_text.is_shown(shown)


@pytest.mark.parametrize("text", ["Núñez-O’Brien", "山田 太郎", "a\u00a0b", "עברית", "№ 5 – “x”"])
def test_ordinary_text_stays_as_it_is(text):
    """Of any language; a no-break space is shown too."""
    assert plain_text.one_line(text) == text


def test_errors_and_reports_hold_nothing_else():
    """A message of ours may have several lines; what it quotes may not add control characters."""
    for text in (str(ConfigError(FORGED)), Skip(reason=FORGED, count=1).reason):
        assert not any(sign in text for sign in "\x1b\u202e\u2028\x85\x00\r\u2066")
    assert "\n" not in Skip(reason=FORGED, count=1).reason
