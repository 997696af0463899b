"""Values packed into one cell: JSON by key, pairs, and lists."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronload.config.rules import Rule
from patronload.errors import ConfigError
from patronload.mapping import expressions, invisible
from patronload.mapping.cells import MISREAD, TEXT, UNMADE, VALUE
from patronload.mapping.packed_cells import NO_PAIRS, NO_VALUE, NOT_JSON, NUL, REPEATED_KEY, SEVERAL, SPLIT_INSIDE
from patronload.mapping.transform import transform
from patronload.rows import no_rejects


def made(frame, cells, **rule):
    """The results of a rule for the cells of column C."""
    return expressions.apply(frame(C=cells), Rule(column="C", **rule), {})


@pytest.mark.parametrize(
    ("keys", "cell", "value"),
    [
        ("homeCampus", '{"homeCampus": "Riverside"}', "Riverside"),
        ("homeCampus", ' {"homeCampus":"  Riverside "} ', "Riverside"),
        ("n", '{"n": 1.50}', "1.50"),
        ("n", '{"n": 12345678901234567890123}', "12345678901234567890123"),
        ("n", '{"n": true}', "true"),
        ("n", '{"n": null}', None),
        ("n", '{"n": "4\\u200b7\\u00ad11 \\u00a0"}', "4711"),
        ("n", '{"n": "\\u200b"}', None),
        ("n", '{"m": "x"}', None),
        ("n", '{"n": ""}', None),
        (["a", "b.c"], '{"a": {"b.c": "Zoë \\u00fc"}}', "Zoë ü"),
        (["emails", 1], '{"emails": ["a@x.example", "b@x.example"]}', "b@x.example"),
        (["emails", 7], '{"emails": ["a@x.example"]}', None),
        ("a", '{"a": ["only"]}', "only"),
        ("a", '{"a": ["twice", "twice"]}', "twice"),
        ("a", "[]", None),
        (["a", "b"], '{"a": []}', None),
        ([], '["only"]', "only"),
        ([], '"text"', "text"),
    ],
)
def test_a_value_is_taken_out_of_json(frame, keys, cell, value):
    """By its key, or by several that lead to it; numbers keep their digits."""
    found = made(frame, [cell, ""], json=keys)
    assert found[VALUE].to_list() == [value, None]
    assert not found[UNMADE].any()


@pytest.mark.parametrize(
    ("keys", "cell", "fault"),
    [
        ("a", '{"a": "x"', NOT_JSON),
        ("a", "Riverside", NOT_JSON),
        ("a", '{"a": NaN}', NOT_JSON),
        ("a", '{"a": "\\ud800"}', NOT_JSON),
        ("a", '{"a": "x\\u0000"}', NUL),
        ("a", "[" * 100_000, NOT_JSON),
        ("a", '{"a": "x", "a": "y"}', REPEATED_KEY),
        ("a", '{"a": {"b": "x"}}', NO_VALUE),
        ("a", '["a"]', NO_VALUE),
        ("a", '{"a": ["x", "y"]}', SEVERAL),
    ],
)
def test_a_cell_that_cannot_be_read_rejects_the_row(frame, mapping, keys, cell, fault):
    """Also if the field has a default: the cell is not blank."""
    found = made(frame, [cell], json=keys, default="d", steps=["digits"])
    assert found.select(TEXT, VALUE, UNMADE, MISREAD).rows() == [(cell, None, True, fault)]
    rules = f"target: folio\nfields:\n  externalSystemId: ID\n  username: ID\n  barcode: {{column: C, json: {keys}}}\n"
    result = transform(frame(ID=["1", "2"], C=[cell, ""]), mapping(rules), no_rejects())
    assert result.patrons["row"].to_list() == [3]
    assert result.rejects["reason"].to_list() == [f"C: '{cell}' {fault}; correct the row"]
    assert cell not in result.rejects["summary"].item()


@pytest.mark.parametrize(
    ("pair", "cell", "value"),
    [
        ("SID", "SID:4711,LANG:EN", "4711"),
        ("LANG", " SID : 4711 , LANG : EN ", "EN"),
        ("URL", "URL:https://x.example", "https://x.example"),
        ("SID", "LANG:EN", None),
        ("SID", "SID:,LANG:EN,", None),
        ("sid", "SID:4711", None),
        ("SID", "SID:4711,SID:4711", "4711"),
        ({"key": "b", "between": "|", "after_key": "="}, "a=1|b=2,3", "2,3"),
    ],
)
def test_a_value_is_taken_out_of_pairs(frame, pair, cell, value):
    """By its key; the separators can be chosen."""
    found = made(frame, [cell], pair=pair)
    assert found.select(VALUE, UNMADE).rows() == [(value, False)]


@pytest.mark.parametrize(
    ("cell", "fault"),
    [("SID=4711", NO_PAIRS), ("NAME:Smith, Jane", NO_PAIRS), (":4711", NO_PAIRS), ("SID:1,SID:2", SEVERAL)],
)
def test_a_cell_that_is_not_written_as_pairs_rejects_the_row(frame, cell, fault):
    """Nothing is guessed."""
    assert made(frame, [cell], pair="SID").select(VALUE, MISREAD).rows() == [(None, fault)]


@pytest.mark.parametrize("word", ["NULL", "(null)", "N/A", "-", r"\N", "NaN"])
def test_a_blank_word_in_a_packed_cell_is_blank(frame, mapping, word):
    """Among several values, too; unless the mapping has words of its own, or the word is a code."""
    rules = """
target: folio
fields:
  externalSystemId: ID
  username: ID
  barcode: {column: J, json: a}
  personal.lastName: ID
  personal.phone: {column: P, pair: SID, default: none}
  departments: {column: L, split: ";"}
  tags.tagList: {column: J, json: t, split: ";"}
"""
    table = frame(ID=["1"], J=[json.dumps({"a": word, "t": [word, "x"]})], P=[f"SID:{word},X:1"], L=[f"a;{word}; b"])
    (patron,) = map(json.loads, transform(table, mapping(rules), no_rejects()).patrons["patron"])
    assert (patron.get("barcode"), patron["personal"]["phone"]) == (None, "none")
    assert (patron["departments"], patron["tags"]["tagList"]) == (["a", "b"], ["x"])
    (patron,) = map(json.loads, transform(table, mapping(f"{rules}blank_words: []"), no_rejects()).patrons["patron"])
    assert (patron["barcode"], patron["departments"]) == (word, ["a", word, "b"])
    codes = f"{rules}lookups:\n  d: {{'{word}': None, a: A, b: B}}\n".replace(
        'split: ";"}\n  t', 'split: ";", lookup: d}\n  t'
    )
    (patron,) = map(json.loads, transform(table, mapping(codes), no_rejects()).patrons["patron"])
    assert patron["departments"] == ["A", "None", "B"]


def test_lists_keep_their_values(frame):
    """A JSON list and repeated pairs are lists; a text is split; a value with the separator in it rejects the row."""
    cells = ['{"d": ["Music", "History", 7]}', '{"d": "Music; History"}', '{"d": []}', '{"d": ["a;b", "c"]}']
    found = made(frame, cells, json="d", split=";")
    assert found[VALUE].to_list() == [["Music", "History", "7"], ["Music", "History"], None, None]
    assert found[MISREAD].to_list() == [None, None, None, SPLIT_INSIDE]
    assert made(frame, ["D:a,D:b"], pair="D", split=";")[VALUE].to_list() == [["a", "b"]]


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("{column: C, json: a, pair: b}", "'json' and 'pair' cannot be combined"),
        ("{join: [A, B], json: a}", "cannot be combined with 'join'"),
        ("{column: C, pair: {key: a, between: ':'}}", "must be different"),
        ("{column: C, pair: 'a:b'}", "'a:b' cannot be a key"),
        ("{column: C, json: [a, -1]}", "barcode.json[1]"),
        ("{column: C, jsn: a}", "did you mean 'json'?"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_line(mapping, rule, sentence):
    """With advice."""
    with pytest.raises(ConfigError, match=r"line 5") as raised:
        mapping(f"target: folio\nfields:\n  externalSystemId: ID\n  username: ID\n  barcode: {rule}\n")
    assert sentence in str(raised.value)


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.text(min_size=1), st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1))
def test_any_text_comes_out_of_json_unchanged(values):
    """Except for blanks around it and invisible characters, which no value keeps."""
    import polars as pl

    key = next(iter(values))
    found = expressions.apply(pl.DataFrame({"C": [json.dumps(values)]}), Rule(column="C", json=[key]), {})
    visible = invisible.cleaned(pl.DataFrame({"A": [values[key].strip()]}))["A"].item()
    assert found[VALUE].to_list() == [visible.strip() or None]
