"""The named steps: each does what its own example says, to any text."""

import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronload.config import value_steps


def through(step: str, *values: str | None) -> list[str | None]:
    """Each value after the step."""
    column = pl.DataFrame({"text": values}, schema={"text": pl.String})
    return column.select(value_steps.STEPS[step](pl.col("text"))).to_series().to_list()


@pytest.mark.parametrize("name", value_steps.STEPS)
def test_the_example_is_true(name: str) -> None:
    """What the documentation shows is what happens."""
    docstring = value_steps.STEPS[name].__doc__ or ""
    examples = re.findall(r"(?:^|, and )(.+?) becomes (.+?)(?=, and |\.$)", docstring)
    assert examples, f"{name} has no example"
    for before, after in examples:
        assert through(name, before) == [after]


@pytest.mark.parametrize("name", value_steps.STEPS)
def test_what_is_absent_stays_absent(name: str) -> None:
    """No step makes a value out of nothing."""
    assert through(name, None) == [None]
    assert through(name, "") == [""]


@pytest.mark.parametrize("name", value_steps.STEPS)
@settings(deadline=None)  # a busy machine is no reason to fail
@given(text=st.text())
def test_a_step_twice_is_a_step_once(name: str, text: str) -> None:
    """So that nobody has to know whether a mapping applied it already."""
    (once,) = through(name, text)
    assert through(name, once) == [once]


@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        ("lower", "ÉLODIE Ñ", "élodie ñ"),
        ("upper", "élodie ß", "ÉLODIE SS"),
        ("digits", "no digits", ""),
        ("digits", "٣4", "4"),
        ("without_leading_zeros", "0", "0"),
        ("without_leading_zeros", "0A1", "0A1"),
        ("without_leading_zeros", "100", "100"),
        ("without_leading_zeros", "000", "0"),
        ("single_spaces", "a\u00a0 b\tc", "a b c"),
    ],
)
def test_odd_texts(step: str, before: str, after: str) -> None:
    """What people ask about."""
    assert through(step, before) == [after]


def test_a_step_has_the_name_of_its_function() -> None:
    """So that whoever reads a mapping finds it."""
    for name, step in value_steps.STEPS.items():
        assert getattr(value_steps, name) is step
