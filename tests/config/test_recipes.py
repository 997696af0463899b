"""The named steps: each does what its own example says, to any text."""

import re
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given
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


@pytest.mark.parametrize("name", value_steps.WITH_ARGUMENT)
def test_the_example_with_a_value_is_true(name: str) -> None:
    """What the documentation shows is what happens; a blank text stays blank."""
    known = value_steps.WITH_ARGUMENT[name]
    step = value_steps.parse({name: yaml.safe_load(known.example)})
    docstring = known.step.__doc__ or ""
    examples = re.findall(r"(?:^|, and )(.+?) becomes (.+?)(?=, and |\.$)", docstring)
    column = pl.DataFrame({"text": [*(before for before, _ in examples), "", None]}, schema={"text": pl.String})
    after = column.select(step.apply(pl.col("text"))).to_series().to_list()
    assert [text or None for text in after] == [*(text for _, text in examples), None, None]


@pytest.mark.parametrize(
    ("steps", "before", "after"),
    [
        ([{"extract": "^[^,]+"}], "Smith, Jane Marie", "Smith"),
        ([{"extract": "^[^,]+, *([^ ]+)"}], "Smith, Jane Marie", "Jane"),
        ([{"extract": "^[^,]+, *[^ ]+ +(.+)$"}], "Smith, Jane Marie", "Marie"),
        ([{"extract": "^[^,]+, *[^ ]+ +(.+)$"}], "Smith, Jane", None),
        ([{"extract": r"--(\d\d/\d\d/\d{4})"}], "0061l-000lsb  --05/17/2027", "05/17/2027"),
        ([{"extract": r"^(.+), [A-Z]{2} \d{5}"}], "Poplar Bluff, MO 63901", "Poplar Bluff"),
        ([{"first": 5}], "90210-1234", "90210"),
        ([{"pad": 5}], "7834", "07834"),
        ([{"pad": 5}], "123456", "123456"),
        (
            [{"extract": "^[^,]+"}, "name_case"],
            "GARC\u00cdA M\u00c1RQUEZ, GABRIEL JOS\u00c9",
            "Garc\u00eda M\u00e1rquez",
        ),
        ([{"extract": "^[^,]+, *([^ ]+)"}], "SMITH,JOHN", "JOHN"),
        ([{"extract": "^[^,]+, *[^ ]+ +(.+)$"}], "O'Neil, Mary-Kate Ann Lou", "Ann Lou"),
        ([{"extract": "[^ ]+$"}], "Ann Lee-Jones", "Lee-Jones"),
        ([{"extract": "[^ ]+$"}], "Cher", "Cher"),
        ([{"extract": r", *([A-Z]{2})[ ,]"}], "St. Louis, MO 63101-1234", "MO"),
        ([{"extract": r"([A-Z]\d[A-Z] ?\d[A-Z]\d)$"}], "Toronto ON K1A 0B1", "K1A 0B1"),
        ([{"extract": r"([0-9]{5}(-[0-9]{4})?)$"}], "Cork, ME 04001-0001", "04001-0001"),
        ([{"extract": "^[0-9]+"}, {"pad": 5}, {"first": 5}], "501-0001", "00501"),
        ([{"extract": "^[0-9]+"}, {"pad": 5}, {"first": 5}], "123456789", "12345"),
        ([{"replace": {"pattern": "^(.{3})(.{3})(.{4})$", "with": "${1}-${2}-${3}"}}], "3125550199", "312-555-0199"),
        ([{"prefix": "SC"}, {"suffix": "@x.example"}, "lower"], "4711", "sc4711@x.example"),
        ([{"remove": "ID-"}, "without_leading_zeros"], "ID-000", "0"),
        ([{"last": 4}], "12", "12"),
        ([{"suffix": "@college.example"}], "4711", "4711@college.example"),
        ([{"remove": "."}], "a.b.c", "abc"),
        (["decode_html"], "O&amp;#39;Brien", "O'Brien"),
        (["name_case"], "SMITH-JONES", "Smith-Jones"),
        (["name_case"], "VAN DER BERG III", "van der Berg III"),
        (["name_case"], "VAN", "Van"),
        (["name_case"], "ANN (JACK)", "Ann (Jack)"),
        (["name_case"], "SMITH/JONES", "Smith/Jones"),
        (["name_case"], "J.R.R. MCDONALD, RON", "J.R.R. McDonald, Ron"),
        (["name_case"], "O\u2019NEILL", "O\u2019Neill"),
        (["name_case"], "McDonald", "McDonald"),
        (["country"], "U.S.A.", "US"),
        (["country"], " England ", "GB"),
        (["country"], "uk", "GB"),
        (["country"], "Russia", "RU"),
        (["country"], "DEU", "DE"),
        (["country"], "Viet Nam", "VN"),
        (["country"], "Korea", "Korea"),
        (["country"], "XX", "XX"),
        (["name_case"], "MCDONALD'S", "McDonald's"),
        (["name_case"], "O`NEIL-MCKAY", "O`Neil-McKay"),
        (["name_case"], "DALL'OGLIO", "Dall'Oglio"),
        (["name_case"], "ISMA'IL AL-SAYED", "Isma'il Al-Sayed"),
        (["name_case"], "D'", "D'"),
        (["name_case"], "\u00c9LODIE", "\u00c9lodie"),
        ([{"name_case": ["MacDonald"]}], "MACDONALD-SMITH", "MacDonald-Smith"),
    ],
)
def test_everyday_texts(steps: list[Any], before: str, after: str | None) -> None:
    """What libraries meet in their exports."""
    column = pl.DataFrame({"text": [before]}, schema={"text": pl.String})
    for step in steps:
        column = column.select(value_steps.parse(step).apply(pl.col("text")))
    assert column.item() == after


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("pad", "the step 'pad' needs a value, like {pad: 5}."),
        ({"pad": "5"}, "the step 'pad' takes a value like {pad: 5}."),
        ({"pad": True}, "the step 'pad' takes a value like"),
        ({"pad": 0}, "the step 'pad' takes a value like"),
        ({"lower": 1}, "the step 'lower' takes no value. Write only lower."),
        ({"padd": 5}, "there is no step 'padd'; did you mean 'pad'?"),
        ({"pad": 5, "first": 3}, "each step is an entry of the list"),
        ({"replace": "a"}, "the step 'replace' takes a value like {replace: {pattern:"),
        ({"replace": {"pattern": "(?=a)", "with": ""}}, "lookaround"),
        ({"replace": {"pattern": "(a)", "with": "${2}"}}, "'${2}' names the group '2', but the pattern has no such"),
        ({"replace": {"pattern": "(a)", "with": "$1x"}}, "'$1x' names the group '1x', but the pattern has no such"),
        ({"replace": {"pattern": "(a)", "with": "${first}"}}, "names the group 'first', but"),
        ({"extract": "("}, "cannot be used as a pattern: unclosed group"),
        ({"name_case": "MacDonald"}, "the step 'name_case' takes a value like {name_case: [MacDonald, DeSouza]}."),
    ],
)
def test_a_wrong_step_is_explained(written: Any, sentence: str) -> None:
    """With what to write instead."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        value_steps.parse(written)


@pytest.mark.parametrize("name", value_steps.STEPS)
def test_what_is_absent_stays_absent(name: str) -> None:
    """No step makes a value out of nothing."""
    assert through(name, None) == [None]
    assert through(name, "") == [""]


@pytest.mark.parametrize("name", value_steps.STEPS)
@given(text=st.text())
def test_a_step_twice_is_a_step_once(name: str, text: str) -> None:
    """So that no one has to know whether a mapping applied it already."""
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
