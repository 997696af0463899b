"""What is sent to Infiniti, and what is set aside before: its own rules, and usernames that have changed."""

import json
from zoneinfo import ZoneInfo

import polars as pl
import pytest
import yaml

from patronload import targets
from patronload.config import mapping_files
from patronload.targets.delivery import Background
from patronload.targets.infiniti import plan as infiniti_plan
from patronload.targets.patron_ledger import PatronLedger
from tests.targets.infiniti_loads import school_target

SYDNEY = ZoneInfo("Australia/Sydney")
FILLED = ("username", "givenname", "graduationyear", "librarybarcode", "adminsystemid", "gender", "password")


@pytest.fixture
def mapping(tmp_path):
    """A mapping that fills these fields from columns of their names."""

    def make(*filled):
        written = {name: name for name in filled or FILLED}
        written |= {name: {"column": name, "lookup": "yes_no"} for name in ("enabled", "staffmember")}
        lookups = {"yes_no": {"Y": True, "N": False}}
        path = tmp_path / "mapping.yaml"
        path.write_text(yaml.safe_dump({"target": "infiniti", "fields": written, "lookups": lookups}))
        return mapping_files.load_file(path)

    return make


def pupil(number, **changed):
    """A patron as `transform` makes it."""
    whole = {
        "username": f"pupil{number}",
        "enabled": True,
        "staffmember": False,
        "givenname": "Zoë",
        "graduationyear": "2031",
        "librarybarcode": f"b{number}",
        "adminsystemid": f"a{number}",
        **changed,
    }
    return {name: value for name, value in whole.items() if value is not None}


def frame(records):
    lines = [{"row": row, **ids(record), "patron": json.dumps(record)} for row, record in enumerate(records, 2)]
    return pl.DataFrame(lines, schema={"row": pl.UInt32, **dict.fromkeys([*ids({}), "patron"], pl.String)})


def plan(mapping, *records, ledger=None, **settings):
    return infiniti_plan.plan(school_target(**settings), frame(records), mapping, Background(ledger))


def sent(planned):
    return {row: json.loads(text) for row, text in planned.patrons.frame().select("row", "patron").iter_rows()}


def reasons(planned):
    return dict(planned.rejects.select("row", "reason").iter_rows())


def ledger_of(*records):
    made = PatronLedger.empty()
    made.take(pl.DataFrame([ids(record) for record in records]), "username", ("adminsystemid", "librarybarcode"))
    return made


def ids(record):
    return {name: record.get(name) for name in ("username", "adminsystemid", "librarybarcode")}


def test_every_patron_has_every_column_and_booleans_are_said(mapping):
    """One header for the whole load; enabled and staffmember are Y or N, never left to chance."""
    planned = plan(mapping(), pupil(1, givenname=None), pupil(2, staffmember=True, graduationyear=None, enabled=False))
    assert sent(planned)[2] == {
        "username": "pupil1",
        "enabled": "Y",
        "staffmember": "N",
        "givenname": "",
        "graduationyear": "2031",
        "librarybarcode": "b1",
        "adminsystemid": "a1",
        "gender": "",
    }
    assert sent(planned)[3] == sent(planned)[2] | {
        "username": "pupil2", "enabled": "N", "staffmember": "Y", "givenname": "Zoë", "graduationyear": "",
        "librarybarcode": "b2", "adminsystemid": "a2",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "column", "words"),
    [
        ({"graduationyear": None}, "graduationyear", infiniti_plan.NO_YEAR),
        ({"graduationyear": "31"}, "graduationyear", infiniti_plan.ODD_YEAR),
        ({"graduationyear": "Year 7", "staffmember": True}, "graduationyear", infiniti_plan.ODD_YEAR),
        ({"gender": "X"}, "gender", infiniti_plan.ODD_GENDER),
    ],
)
def test_what_infiniti_would_refuse_is_set_aside(mapping, changed, column, words):
    """With the column, the value and the reason; the others go."""
    planned = plan(mapping(), pupil(1, **changed), pupil(2))
    (line,) = planned.rejects.to_dicts()
    assert (line["row"], line["column"], line["summary"]) == (2, column, words)
    assert list(sent(planned)) == [3]
    known = targets.offline(mapping(), frame([pupil(1, **changed), pupil(2)]), SYDNEY)
    assert known.rejects.equals(planned.rejects), "a preview tells the same"
    assert len(known.posted) == 1


def test_staff_need_no_graduation_year(mapping):
    """Infiniti: mandatory for students."""
    assert plan(mapping(), pupil(1, staffmember=True, graduationyear=None)).rejects.is_empty()


def test_who_cannot_borrow_is_told_with_the_number_of_rows(mapping):
    """No barcode is made up, and nobody is left out for want of one."""
    planned = plan(mapping(), *(pupil(number, librarybarcode=None) for number in range(12)), pupil(99))
    assert len(sent(planned)) == 13
    assert planned.summary["warnings"][0] == (
        "12 patrons have no barcode and cannot borrow: rows 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more."
    )
    (told, _) = plan(mapping("username", "graduationyear"), pupil(1)).summary["warnings"]
    assert told.startswith("The mapping fills no librarybarcode")
    assert targets.offline(mapping(), frame([pupil(1, librarybarcode=None)]), SYDNEY).warnings == [
        "1 patron has no barcode and cannot borrow: row 2."
    ]


def test_the_first_load_says_what_it_cannot_notice(mapping):
    """No ledger yet; an empty file says nothing."""
    assert "No earlier load of this library is known" in plan(mapping(), pupil(1)).summary["warnings"][0]
    assert plan(mapping()).summary["warnings"] == []


@pytest.mark.parametrize(
    ("before", "now", "column"),
    [
        (pupil(1), pupil(1, username="new1"), "adminsystemid"),
        (pupil(1), pupil(1, username="Pupil1"), "adminsystemid"),
        (pupil(1), pupil(1, username="new1", adminsystemid=None), "librarybarcode"),
        (pupil(1, adminsystemid=None), pupil(1, username="new1"), "librarybarcode"),
        (pupil(1), pupil(2, adminsystemid="a1"), "adminsystemid"),
    ],
)
def test_a_changed_username_is_set_aside(mapping, before, now, column):
    """It would make a second account, or overwrite somebody else's; a person has to decide."""
    planned = plan(mapping(), now, pupil(3), ledger=ledger_of(before, pupil(2)))
    (line,) = planned.rejects.to_dicts()
    words = {"adminsystemid": infiniti_plan.NEW_USERNAME, "librarybarcode": infiniti_plan.OTHERS_CARD}[column]
    assert (line["row"], line["column"], line["summary"]) == (2, column, words)
    assert list(sent(planned)) == [3]


def test_what_is_no_changed_username(mapping):
    """A new card, a card that was handed on to somebody known, a newcomer, and somebody as before."""
    known = ledger_of(pupil(1), pupil(2), pupil(3))
    now = [pupil(1, librarybarcode="b7"), pupil(2, librarybarcode="b1"), pupil(4), pupil(3)]
    planned = plan(mapping(), *now, ledger=known)
    assert planned.rejects.is_empty()
    assert (planned.summary["known"], planned.summary["new"]) == (3, 1)


def test_a_username_that_was_changed_in_infiniti_too_goes_when_the_tenant_says_so(mapping):
    """target.changed_usernames: send; from then on the new one is known."""
    known, renamed = ledger_of(pupil(1)), pupil(1, username="new1")
    assert len(sent(plan(mapping(), renamed, ledger=known, changed_usernames="send"))) == 1
    known.take(pl.DataFrame([ids(renamed)]), "username", ("adminsystemid", "librarybarcode"))
    assert plan(mapping(), renamed, ledger=known).rejects.is_empty()


@pytest.mark.parametrize(
    ("passwords", "ledger", "rows"),
    [
        ("never", None, []),
        ("never", ledger_of(pupil(1)), []),
        ("newcomers", None, []),
        ("newcomers", ledger_of(pupil(1)), [3]),
        ("everyone_at_first", None, [2, 3]),
        ("everyone_at_first", ledger_of(pupil(1)), [3]),
    ],
)
def test_whom_a_password_is_sent_for(mapping, passwords, ledger, rows):
    """Nobody unless the tenant asks for it, and then nobody whom an earlier load had."""
    people = [pupil(1, password="Welcome-1"), pupil(2, password="Welcome-2"), pupil(3)]
    planned = plan(mapping(), *people, ledger=ledger, passwords=passwords)
    assert [row for row, record in sent(planned).items() if "password" in record] == rows
    assert planned.patrons.frame().filter("apart")["row"].to_list() == rows, "in files of their own"
    assert "Welcome" not in json.dumps(planned.summary)
    assert "password" not in json.loads(targets.offline(mapping(), frame(people), SYDNEY).posted[0])


def test_a_password_that_the_file_cannot_hold(mapping):
    """It is not quoted, and where it is not sent it does not matter."""
    known, people = ledger_of(pupil(9)), [pupil(1, password="Łódź-1")]
    planned = plan(mapping(), *people, ledger=known, encoding="cp1252", passwords="newcomers")
    assert planned.rejects.height == 1
    assert "Łódź" not in str(planned.rejects.to_dicts())
    assert plan(mapping(), *people, ledger=known, encoding="cp1252").rejects.is_empty()


def test_a_letter_that_the_file_cannot_hold(mapping):
    """Nothing is replaced by a question mark."""
    planned = plan(mapping(), pupil(1, givenname="Łukasz"), pupil(2), encoding="cp1252")
    assert reasons(planned)[2].startswith("givenname 'Łukasz': a letter cannot be written in cp1252")
    assert list(sent(planned)) == [3]


@pytest.mark.parametrize("newcomers", ["reject", "skip"])
def test_form_classes_go_to_known_pupils_only(tmp_path, newcomers):
    """A pupil is known from this library's loads or from another tenant's; only the username is required."""
    path = tmp_path / "mapping.yaml"
    fields = {"username": "LOGIN", "formclass": "CLASS"}
    path.write_text(yaml.safe_dump({"target": "infiniti", "newcomers": newcomers, "fields": fields}))
    records = [{"username": f"pupil{number}", "formclass": "7B"} for number in (1, 2, 3)]
    background = Background(ledger_of(pupil(1)), elsewhere=frozenset({"pupil2"}))
    rules = mapping_files.load_file(path)
    planned = infiniti_plan.plan(school_target(), frame(records), rules, background)
    assert sent(planned) == {2: records[0], 3: records[1]}
    assert planned.summary["warnings"] == []
    if newcomers == "skip":
        assert planned.skipped.rows() == [(4, "Infiniti does not have this patron", "pupil3")]
        assert reasons(planned) == {}
    else:
        assert planned.skipped.is_empty()
        assert reasons(planned)[4].startswith("LOGIN 'pupil3': Infiniti does not have this patron")
