"""How the stand-in compares values and answers CQL."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.folio.folding import fold
from sandbox.folio.refusals import Refusal
from sandbox.folio.store import Table


@pytest.mark.parametrize(
    ("one", "other"), [("JDoe", "jdoe"), ("José", "JOSE"), ("Ærø", "aero"), ("Straße", "STRASSE"), ("Łódź", "lodz")]
)
def test_values_are_compared_without_case_and_accents(one, other):
    """FOLIO: mod-users schema.json, unique on lower(f_unaccent(value))."""
    assert fold(one) == fold(other)


def letters_of_postgresql() -> list[list[str]]:
    """The code of a letter, its folded form, and that of a capital alpha and the letter."""
    lines = Path(__file__).with_name("postgresql_folding.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def test_every_letter_with_case_folds_as_postgresql_folds_it():
    """Measured: a table made with PostgreSQL; only the sigma differs from Python, and only at a word's end."""
    rows = letters_of_postgresql()
    assert len(rows) > 2800
    for code, alone, behind_alpha in rows:
        letter = chr(int(code, 16))
        assert (fold(letter), fold(f"Α{letter}")) == (alone, behind_alpha), code


@pytest.mark.parametrize(("one", "other", "same"), [("ΑΣ", "ας", False), ("ΑΣ", "ασ", True), ("ας", "ασ", False)])
def test_a_sigma_at_the_end_of_a_word_has_no_rule_of_its_own(one, other, same):
    """Measured: PostgreSQL's lower() has no final-sigma rule, so a final sigma is a letter of its own."""
    assert (fold(one) == fold(other)) is same


@given(st.text("aZ9 _-áÀßÆøŁıİÞéЖΩΣς漢’", max_size=8))
def test_folding_twice_changes_nothing_more(value):
    """A folded key must find itself again."""
    assert fold(fold(value)) == fold(value)


def table() -> Table:
    rows = [
        {
            "id": "a",
            "externalSystemId": "test_123",
            "username": "José",
            "active": True,
            "personal": {"lastName": "Ünal"},
        },
        {
            "id": "b",
            "externalSystemId": "test2_123",
            "username": "b*b",
            "active": False,
            "personal": {"lastName": "Abe"},
        },
        {"id": "c", "externalSystemId": "a-test-1", "username": 'say "hi"', "personal": {"lastName": "abe"}},
        {"id": "d", "username": "dd", "departments": ["x", "y"]},
    ]
    return Table(("externalSystemId", "username"), rows)


def found(query: str) -> str:
    return "".join(row["id"] for row in table().search(query, 100, 0).rows)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ('externalSystemId==("test_123" or "a-test-1")', "ac"),
        ("externalSystemId==(test_123 or a-test-1)", "ac"),
        ('externalSystemId=="TEST_123"', "a"),
        ('username=="jose"', "a"),
        ('username=="b\\*b"', "b"),
        ('username=="say \\"hi\\""', "c"),
        ('username=="*b"', "b"),
        ('username=="?d"', "d"),
        ("externalSystemId<>''", "abc"),
        ('externalSystemId==""', ""),
        ('externalSystemId=""', "abc"),
        ("active==true", "a"),
        ("cql.allRecords=1 not active==true", "bcd"),
        ('username=="jose" or username=="dd"', "ad"),
        ('(username=="jose" or username=="dd") and active==true', "a"),
        ('personal.lastName=="abe"', "bc"),
        ('departments=="y"', "d"),
        ("cql.allRecords=1 sortBy id", "abcd"),
        ("cql.allRecords=1 sortby id/sort.descending", "dcba"),
        ("cql.allRecords=1 sortBy personal.lastName username", "dbca"),
        ('id>"b" and cql.allRecords=1 sortBy id', "cd"),
        ('id==("c" or "a")', "ca"),
        ("", "abcd"),
        ('externalSystemId adj "test 123"', "a"),
        ('externalSystemId all "123 test"', "a"),
        ('externalSystemId ANY "123 1"', "abc"),
        ('username ==/string "dd"', "d"),
        ('username=/@type=a/masked "dd"', "d"),
        ('username==/respectCase ("dd" or "jose")', "da"),
        ("active==true AND (username=jose OR username=dd)", "a"),
        ("cql.allRecords=1 NOT departments=x sortBy id/sort.descending/string", "cba"),
        ("personal.lastName >= abe and personal.lastName < b", "bc"),
    ],
)
def test_clients_queries_find_what_folio_finds(query, ids):
    """FOLIO: RMB's CQL2PgJSON; the queries of mod-user-import, folioclient and our own target."""
    assert found(query) == ids


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("amount >/number 9", "bc"),
        ("amount > 9", "d"),
        ("amount ==/number 10.0", "b"),
        ("amount <>/number 10", "ac"),
        ("amount <=/number ten", ""),
    ],
)
def test_numbers_are_compared_as_text_unless_the_query_says_number(query, ids):
    """FOLIO: RMB README, the modifier /number; without it 10 comes before 9."""
    kept = Table(rows=[{"id": key, "amount": amount} for key, amount in (("a", 9), ("b", 10), ("c", 11.5), ("d", "x"))])
    assert "".join(row["id"] for row in kept.search(query, 100, 0).rows) == ids


def test_a_prefix_query_finds_other_sources_too():
    """FOLIO: RMB turns =^test_* into the full-text query 'test':*, which matches words, not beginnings."""
    rows = (
        "test_123",
        "test2_123",
        "TEST_123",
        "tester99",
        "a-test-1",
        "abc test",
        "test@uni.example",
        "uni_test_5",
        "x",
    )
    kept = Table(rows=[{"id": value, "externalSystemId": value} for value in rows])
    assert kept.search("externalSystemId=^test_*", 100, 0).total == 8


@pytest.mark.parametrize(
    "query", ["externalSystemId==", "(a==b", "a==b c", "== b", "a b c", 'a=="b', "a==b) sortBy id"]
)
def test_what_is_not_cql_is_a_400(query):
    """FOLIO: mod-users UsersAPI.response, CQL Parsing Error."""
    with pytest.raises(Refusal, match="CQL Parsing Error") as refusal:
        table().search(query, 10, 0)
    assert refusal.value.status == 400


def test_paging_by_limit_and_offset_counts_all():
    """totalRecords is of the query, not of the page."""
    page = table().search("cql.allRecords=1 sortBy id", 2, 1)
    assert ([row["id"] for row in page.rows], page.total) == (["b", "c"], 4)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.text("xyXYé", max_size=2)), max_size=12), st.data())
def test_a_look_up_by_key_finds_the_same_as_reading_every_row(steps, data):
    """The table's index must never disagree with its rows, whatever was put and deleted before."""
    kept = Table(("username",))
    for row_id, name in steps:
        row = {"id": row_id, "username": name}
        if data.draw(st.booleans()) and row_id in kept:
            kept.delete(row_id)
        elif kept.holder("username", row) is None:
            kept.put(row)
    for row in kept:
        assert kept.find("username", row["username"].upper()) == row
    assert [row["id"] for row in kept.search("cql.allRecords=1 sortBy id", 99, 0).rows] == sorted(r["id"] for r in kept)
