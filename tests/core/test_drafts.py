"""Drafts: whatever sample somebody has, two files that pass the check, and what is uncertain said."""

from pathlib import Path

import pytest
import yaml

from patronload.cli import drafts, preview
from patronload.config import mapping_files, tenants
from patronload.config.mapping import TO_FILL_IN
from patronload.config.source import Layout
from patronload.config.tenants import Limits
from patronload.errors import PatronloadError, SourceError

SAMPLES = sorted((Path(__file__).parents[1] / "samples").glob("*/*/*/export.csv"))


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in ("tenants", "mappings/folio", "mappings/infiniti"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(tmp_path))
    return tmp_path


def test_every_odd_file_gives_two_sound_files_or_an_error_of_the_file(include: Path):
    """And no draft but one that can be tried out at once, on the very sample."""
    made = 0
    for number, sample in enumerate(SAMPLES):
        target = sample.parents[2].name
        try:
            draft = drafts.draft(sample.read_bytes(), f"lib{number}", target)
        except SourceError:
            continue
        (include / f"tenants/lib{number}.yaml").write_text(draft.tenant)
        (include / f"mappings/{target}/lib{number}.yaml").write_text(draft.mapping)
        tenant = tenants.load(f"lib{number}")
        assert mapping_files.load(tenant.mapping).fields, sample
        made += 1
    assert made > len(SAMPLES) / 2


def written(sample: str, target: str = "folio") -> tuple[dict, list[str]]:
    draft = drafts.draft(sample.encode(), "elm", target)
    return yaml.safe_load(draft.mapping), draft.notes


def test_codes_of_groups_are_written_down_and_no_patron_is(include: Path):
    """They are few, and stand in many rows; a column in which each row has another value is not listed."""
    rows = "".join(f"{n},u{n},Ash{n},{'STU' if n % 2 else 'FAC'},f{n}\n" for n in range(10))
    mapping, notes = written("id,login,last,status,first\n" + rows)
    assert mapping["lookups"]["patron_groups"] == {"FAC": "FAC", "STU": "STU"}
    assert any("patron_groups" in note for note in notes)
    assert "Ash1" not in str(mapping)
    mapping, _ = written("id,login,last,status\n" + "".join(f"{n},u{n},Ash{n},Ash{n}\n" for n in range(10)))
    assert "lookups" not in mapping


@pytest.mark.parametrize(
    ("cells", "form", "told"),
    [
        (["2030-08-31"], "%Y-%m-%d", False),
        (["31.08.2030", "1.9.2030"], "%d.%m.%Y", False),
        (["20300831"], "%Y%m%d", False),
        (["31/08/2030"], "%d/%m/%Y", False),
        (["08/31/2030"], "%m/%d/%Y", False),
        (["08/09/2030"], "%m/%d/%Y", True),
        (["08/09/30"], "%m/%d/%y", True),
        (["31-Aug-2030"], "%d-%b-%Y", False),
        (["2030-08-31 00:00:00", "2030-09-01T12:00:00Z"], "%Y-%m-%d", False),
        (["05/31/2030", "12-MAY-2030", "12-MAY-2031"], ["%d-%b-%Y", "%m/%d/%Y"], False),
        (["08-31-2030"], "%m-%d-%Y", False),
        (["05/20/2030", "13/20/2030", "05/12/2030"], "%m/%d/%Y", True),
        (["next year"], "%Y-%m-%d", True),
        ([""], "%Y-%m-%d", True),
    ],
)
def test_how_dates_are_written(cells: list[str], form: str, told: bool):
    """What could be read in two ways, or in none, is told."""
    mapping, notes = written("id,login,last,expires\n" + "".join(f"1,a,Ash,{cell}\n" for cell in cells))
    assert mapping["fields"]["expirationDate"]["date"] == form
    assert any("expires" in note for note in notes) is told


def test_a_school_for_infiniti(include: Path):
    """What it insists on is filled; nobody is disabled, and nobody made staff or a student, for a missing column."""
    mapping, notes = written("Login,Last name,First name,Card\nann,Ash,Ann,001\n", "infiniti")
    assert mapping["target"] == "infiniti"
    assert mapping["fields"]["surname"] == "Last name"
    assert mapping["fields"]["enabled"] == {"value": True}
    assert mapping["fields"]["staffmember"] == {"column": TO_FILL_IN, "lookup": "staff", "required": True}
    assert any("enabled" in note for note in notes)
    assert any("staffmember" in note for note in notes)


def test_a_draft_of_the_template_loads_it(include: Path, project: Path):
    """Our own template is found out by itself: the patrons of the draft are those of its mapping."""
    sample = project / "docs/examples/patron_template.csv"
    draft = drafts.draft(sample.read_bytes(), "elm")
    (include / "mappings/folio/elm.yaml").write_text(draft.mapping)
    made = preview.preview("folio/elm", sample, Layout(), Limits(max_rejects="100%"))
    assert made.patrons.height == made.rows
    assert made.patrons.height


def test_a_sample_that_is_none(include: Path):
    """The error is that of a load."""
    with pytest.raises(PatronloadError):
        drafts.draft(b"", "elm")


@pytest.mark.parametrize(
    ("sample", "told"),
    [
        (b"ID,Surname\n1,Novak\n", "The sample has no accents; cp1252 is a guess. Check names with accents."),
        (
            "ID,Surname\n1,Núñez\n".encode("cp1252"),
            "The sample is not UTF-8; cp1252 is a guess. Check names with accents.",
        ),
        ("ID,Surname\n1,Núñez\n".encode("utf-16"), None),
        ("ID,Surname\n1,Núñez\n".encode(), None),
    ],
)
def test_what_is_said_of_the_encoding_is_true(sample, told):
    """ASCII is UTF-8, and a byte order mark is no guess."""
    assert [note for note in drafts.draft(sample, "northfield").notes if "guess" in note] == ([told] if told else [])


COLLEGE = """
ColleagueID,NetID,LibraryCard,Affil,Last Name,First Name,MI,Pref Name,Email Address,Home Phone,Cell,Addr 1,Addr 2,
City,ST,Zip,Country,Program,Grad Term,Exp Date,Hold for pickup
0000413,ann,00217004016,U,Núñez,Ann,M,Annie,ann@college.example,312-555-0101,312-555-0102,1 Hall,,
Whitman,WA,7834,USA,BIO,2027SP,05/12/2027,Y
0000414,bob,00217004017,U,Baker,Bo,,,bo@college.example,,,2 Hall,,
Whitman,WA,7834,USA,BIO,2027SP,12-MAY-2027,N
0000415,cas,00217004018,F,Clark,Cas,,,cas@college.example,,,3 Hall,,
Whitman,WA,7834,USA,MUS,,05/31/2027,N
0000416,dan,00217004019,F,Dee,Dan,,,dan@college.example,,,4 Hall,,
Whitman,WA,7834,USA,MUS,,05/31/2027,Y
"""
"""A college's nightly file, with invented people."""


def test_the_college_is_recognised_but_for_its_term(include: Path):
    """A tab file in cp1252: every column has its field; ids keep their zeros; codes are listed, patrons are not."""
    sample = COLLEGE.strip().replace(",\n", ",").replace("\n", "\r\n").replace(",", "\t").encode("cp1252")
    draft = drafts.draft(sample, "whitman")
    mapping, tenant = yaml.safe_load(draft.mapping), yaml.safe_load(draft.tenant)
    fields, address = mapping["fields"], "personal.addresses[0]."
    assert {path: rule for path, rule in fields.items() if path != f"{address}addressTypeId"} == {
        "externalSystemId": {"column": "ColleagueID", "required": True},
        "username": {"column": "NetID", "required": True},
        "barcode": "LibraryCard",
        "patronGroup": {"column": "Affil", "required": True, "lookup": "patron_groups"},
        "departments": {"column": "Program", "split": ";", "lookup": "departments"},
        "expirationDate": {"column": "Exp Date", "date": ["%m/%d/%Y", "%d-%b-%Y"]},
        "personal.lastName": {"column": "Last Name", "required": True},
        "personal.firstName": "First Name",
        "personal.middleName": {"column": "MI", "steps": ["name_case"]},
        "personal.preferredFirstName": "Pref Name",
        "personal.email": "Email Address",
        "personal.phone": {"column": "Home Phone", "phone": "US"},
        "personal.mobilePhone": {"column": "Cell", "phone": "US"},
        f"{address}addressLine1": "Addr 1",
        f"{address}addressLine2": "Addr 2",
        f"{address}city": "City",
        f"{address}region": "ST",
        f"{address}postalCode": "Zip",
        f"{address}countryId": {"column": "Country", "steps": ["country"]},
        "requestPreference.holdShelf": {"cases": [{"when": {"column": "Hold for pickup", "is": ["Y"]}, "value": True}]},
    }
    assert mapping["lookups"] == {"patron_groups": {"F": "F", "U": "U"}, "departments": {"BIO": "BIO", "MUS": "MUS"}}
    assert tenant["source"]["digits"] == {"ColleagueID": 7, "LibraryCard": 11}
    assert (tenant["source"]["delimiter"], tenant["source"]["encoding"]) == ("\t", "cp1252")
    assert "No field was found for these columns: Grad Term." in draft.notes
    (include / "mappings/folio/whitman.yaml").write_text(draft.mapping)
    (include / "whitman.txt").write_bytes(sample)
    layout = Layout(delimiter="\t", encoding="cp1252")
    made = preview.preview("folio/whitman", include / "whitman.txt", layout, Limits(max_rejects="100%"))
    assert (made.patrons.height, made.rejected) == (4, 0)


HEADERS = {
    "externalSystemId": (
        "Emplid, primary_id, University ID, externalID, SPRIDEN_ID, Banner ID, Colleague ID, Worker ID, "
        "Student ID, Employee ID, Universal ID, Adno, Admission Number, stud_code, UNIQUE ID, UNIV ID, "
        "Campus_ID, PERSON.ID"
    ),
    "username": ("NetID, OPRID, userid, GOBTPAC_EXTERNAL_USER, Login ID, sAMAccountName, userPrincipalName"),
    "barcode": ("LibraryCard, cardnumber, P BARCODE, Library Barcode, Card No"),
    "patronGroup": (
        "Acad Career, primary_group, categorycode, user_group, P TYPE, Affil, ACADEMIC_LEVEL, "
        "SGBSTDN_LEVL_CODE, Worker Type, STU.ACAD.LEVEL, Class Level"
    ),
    "departments": ("Program, ACAD_PROG, ACAD_PLAN, DEPTID, Cost Center, Department Name"),
    "expirationDate": (
        "Exp Date, dateexpiry, expiry_date, EXP DATE, Leaving date, Valid to, Termination Date, Enrolled Until"
    ),
    "enrollmentDate": ("dateenrolled, Hire Date"),
    "personal.lastName": ("SPRIDEN_LAST_NAME, Legal Surname, Legal_Name_-_Last_Name, LAST.NAME, surname, Family name"),
    "personal.firstName": ("SPRIDEN_FIRST_NAME, Legal Forename, Legal Name - First Name, firstname, Given names"),
    "personal.middleName": ("Middle Initial, MI, SPRIDEN_MI, othernames, middle_name"),
    "personal.preferredFirstName": ("PREF_FIRST_NAME, Chosen Name, Preferred Name - First Name, preferred_first_name"),
    "personal.email": (
        "primary_email, EMAIL_ADDR, GOREMAL_EMAIL_ADDRESS, Primary Work Email, e_mail, PERSON.EMAIL.ADDRESSES"
    ),
    "personal.phone": (
        "Telephone Number, Home Phone, SPRTELE_PHONE_NUMBER, TELEPHONE, phone_number, Primary Home Phone"
    ),
    "personal.mobilePhone": ("mobile, Cell Phone, Student Mobile, mob_phone"),
    "personal.dateOfBirth": ("BIRTHDATE, birth_date, SPBPERS_BIRTH_DATE, DOB, dateofbirth"),
    "personal.addresses[0].addressLine1": (
        "ADDRESS1, Addr 1, SPRADDR_STREET_LINE1, address_line1, Primary Address - Line 1, Home Street"
    ),
    "personal.addresses[0].region": ("ST, state_province, SPRADDR_STAT_CODE, Mailing State"),
    "personal.addresses[0].postalCode": ("zipcode, POSTAL, SPRADDR_ZIP, postal_code, Perm. ZIP"),
    "personal.addresses[0].countryId": ("NATN_CODE, SPRADDR_NATN_CODE"),
}
"""Of Banner, PeopleSoft, Colleague, Workday, TASS, SIMS, Koha, Alma and Sierra."""

HEADERS_LIKE_THEM = {
    "externalSystemId": (
        "PATRON_ID, borrowernumber, Student Code, StudentIdentifier, Local ID, Staff Number, sourcedId, Student #, "
        "ID_NUM, MIS ID"
    ),
    "username": "Login Name, eduPersonPrincipalName, Student_Web_ID, AD Username, NETWORK_LOGIN",
    "barcode": "CARD_NUM, Badge ID, primary_barcode, OneCard, Student Card Number",
    "patronGroup": "EMPL_CLASS, Student Level, Grade_Level, PATRON_CATEGORY, Member Type",
    "departments": "DEPT_DESCR, Home Department, Supervisory Organization, SGBSTDN_MAJR_CODE_1",
    "expirationDate": "Expires On, END_DT, SGBSTDN_EXP_GRAD_DATE, ExitDate, Patron Expiration Date",
    "enrollmentDate": "Entry Date, HIRE_DT, Admit Date",
    "personal.lastName": "Student Last Name, LAST_NM, PreferredLastName, stud_surname",
    "personal.firstName": "Forenames, Patron First Name, StudentGiven1, FIRST_NM",
    "personal.middleName": "MIDDLE_INIT, other_name, Mid Name",
    "personal.preferredFirstName": "Chosen First Name, Preferred Given Name, Known As Name",
    "personal.email": "Institutional Email, Email (Work), Email - Primary Work, Student Email Address",
    "personal.phone": "PHONE_NUM, Work Phone, Permanent Phone, Tel No, Phone#",
    "personal.mobilePhone": "smsalertnumber, Personal Mobile, Cellular",
    "personal.dateOfBirth": "BIRTH_DT, Student DOB, Born",
    "personal.addresses[0].addressLine1": "Street Address, Permanent Address Line 1, MAILING_ADDR_1, Home Address 1",
    "personal.addresses[0].city": "Municipality, PERM_CITY, Town/City, Home Address - City",
    "personal.addresses[0].region": "STATE_CD, Mailing State, Prov",
    "personal.addresses[0].postalCode": "Home Zip, POSTAL_CD, Permanent Postal Code",
    "personal.addresses[0].countryId": "COUNTRY_CD, Home Country, Country Region",
    "personal.pronouns": "Pronoun, Personal Pronouns, PREFERRED_PRONOUNS",
    "active": "HR_STATUS, Is Active, Enroll_Status",
}
"""Recognised by what is left without words that do not matter, and with abbreviations written out."""


@pytest.mark.parametrize(
    ("path", "header"),
    [
        (path, one)
        for known in (HEADERS, HEADERS_LIKE_THEM)
        for path, listed in known.items()
        for one in listed.split(", ")
    ],
)
def test_everyday_headers_are_recognised(path, header):
    """Each fills its field, whatever its spelling."""
    mapping, _ = written(f"{header},Shoe size\nA,44\nB,45\n")
    rule = mapping["fields"][path]
    assert header in (rule, rule["column"] if isinstance(rule, dict) else rule)


def test_departments_that_folio_may_lack_are_mentioned(include: Path):
    """A row with one is rejected, which a newcomer learns from the draft, and not from the first load."""
    cells = "".join(f"{number},Dept {number}\n" for number in range(40))
    _, notes = written(f"Student No,Dept\n{cells}")
    assert any("target.create" in note and "target.unknown_values" in note for note in notes)


def test_an_export_without_usernames_gets_advice(include: Path):
    """FOLIO requires one; many libraries write the id again, and the note says how."""
    mapping, notes = written("Student No,Surname\n1,Ash\n2,Elm\n")
    assert mapping["fields"]["username"]["column"] == TO_FILL_IN
    advice = "If no column has it, write the id's again: username: Student No"
    assert f"username is required: which column has it? {advice}" in notes
    _, notes = written("login,Surname\n1,Ash\n2,Elm\n")
    assert not any("write the id's again" in note for note in notes)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("status,user_group", {"active": "status", "patronGroup": "user_group"}),
        ("Status,Patron Group", {"active": "Status", "patronGroup": "Patron Group"}),
        ("Role,Type", {"patronGroup": "Role"}),
        ("Type", {"patronGroup": "Type"}),
        ("Official Email,Email", {"personal.email": "Email"}),
        ("Mailing City,City,Local City", {"personal.addresses[0].city": "City"}),
        ("Parent Email,Emergency Contact Phone,Previous Last Name,NATIONAL_ID,SchoolID,Home Library,purge_date", {}),
    ],
)
def test_the_surest_column_fills_a_field(columns, expected):
    """Whatever the order; a column of active and inactive is no group, and a parent is not the patron."""
    names = columns.split(",")
    states = [["Active", "Inactive"][n % 2] for n in range(4)]
    rows = "".join(
        ",".join([states[n] if "tatus" in name else "AB"[n % 2] for name in names]) + ",4\n" for n in range(4)
    )
    mapping, _ = written(f"{columns},Shoe size\n{rows}")
    found = {path: rule if isinstance(rule, str) else rule.get("column") for path, rule in mapping["fields"].items()}
    assert {path: column for path, column in found.items() if column in names} == expected


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("stud_code", "adminsystemid"),
        ("Reg", "formclass"),
        ("form_cls", "formclass"),
        ("pctut_grp", "formclass"),
        ("year_grp", "presentationgrouplabel"),
        ("Legal Surname", "surname"),
        ("preferred_name", "preferredname"),
        ("e_mail", "emailaddress"),
        ("sex", "gender"),
        ("Student_Number", "adminsystemid"),
        ("NetworkLogin", "username"),
        ("Sched_YearOfGraduation", "graduationyear"),
        ("StudentYearLevel", "presentationgrouplabel"),
        ("Home_Room", "formclass"),
        ("StudentPreferredName", "preferredname"),
    ],
)
def test_headers_of_schools_are_recognised(header, field):
    """Of TASS and SIMS, for Infiniti."""
    mapping, _ = written(f"{header},Shoe size\nA,44\nB,45\n", "infiniti")
    rule = mapping["fields"][field]
    assert header == (rule["column"] if isinstance(rule, dict) else rule)


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        ("fullname", ["Smith, Jane Marie", "Bo, Al"], {"personal.lastName": "Smith", "personal.firstName": "Jane"}),
        ("Name", ["Jane Marie Smith", "Al Bo"], {"personal.lastName": "Smith", "personal.middleName": "Marie"}),
        ("Addr 1", ["Poplar Bluff, MO 63901"] * 2, {"city": "Poplar Bluff", "region": "MO", "postalCode": "63901"}),
        ("City State Zip", ["Cork, ME 04001-1234"] * 2, {"city": "Cork", "postalCode": "04001-1234"}),
        ("P TYPE", ["0061l-000lsb  --05/17/2027"] * 2, {"patronGroup": "000lsb", "expirationDate": "2027-05-17"}),
    ],
)
def test_packed_cells_fill_several_fields(include: Path, header, cells, expected):
    """The patrons of the draft have each part in its field."""
    lines = "".join(f'{n},u{n},"{cell}",L{n}\n' for n, cell in enumerate(cells, 1))
    last = "Shoe" if header in ("fullname", "Name") else "Last"
    sample = f"id,login,{header},{last}\n{lines}"
    (include / "mappings/folio/elm.yaml").write_text(drafts.draft(sample.encode(), "elm").mapping)
    (include / "elm.csv").write_text(sample)
    made = preview.preview("folio/elm", include / "elm.csv", Layout(), Limits(max_rejects="100%"))
    patron = made.patrons["patron"][0]
    assert [value for value in expected.values() if f'"{value}' not in patron] == []


@pytest.mark.parametrize(
    ("cell", "told"), [('"{""homeCampus"": ""Riverside""}"', "json: KEY"), ('"SID:4711,LANG:EN"', "pair: KEY")]
)
def test_a_column_with_several_values_is_noted_with_the_way_to_read_it(cell, told):
    """What is in it decides a person."""
    _, notes = written(f"id,login,last,extra\n1,a,Ash,{cell}\n2,b,Bo,{cell}\n")
    assert any(told in note for note in notes)


@pytest.mark.parametrize(
    ("sample", "told"),
    [
        (b'[{"id": 1}]', "JSON"),
        (b'{"users": []}', "JSON"),
        ('[{"id": 1}]'.encode("utf-16"), "JSON"),
        (b'{"id": "1"}\n{"id": "2"}\n', "JSON"),
        (b"<users><user/></users>", "XML"),
        (b"\xef\xbb\xbf\n<?xml version='1.0'?>", "XML"),
        (b"just a line\nand another one\n", "not a table"),
        (b"Patrons of 2026, spring\n1,a,b,c\n2,d,e,f\n", "not a table"),
        (b"1001,ann@x.example,2027-06-30\n1002,bob@x.example,2027-06-30\n", "no header line"),
        (b"1001\tAdams\tann\tann@x.example\n1002\tBaker\tbob\tbob@x.example\n", "no header line"),
        (b"Adams,ann,UG\nBaker,bob,FAC\nClark,cas,UG\n", "no header line"),
        (b"12,Adams,ann\n13,Baker,bob\n", "no header line"),
        (b"u-1,ann,1,Student,Adams,Ann,,\nu-2,bob,2,Student,Baker,Bob,,\n", "no header line"),
        (b"Patrons of ann\nID,Last Name,Email\n0001,A,a@x.example\n", "remove the lines before the header"),
        (b"ID,Name,Name\n1,ann,bob\n", "the same name"),
        (b"0000413   Adams     ann\n0000414   Baker     bob\n", "one column"),
        (b"%PDF-1.4", "PDF"),
        (bytes(range(256)) * 4, "not cp1252"),
    ],
)
def test_what_is_no_table_is_refused_in_a_sentence_that_shows_no_patron(sample, told):
    """Not with a draft of nonsense."""
    with pytest.raises(SourceError, match=told) as caught:
        drafts.draft(sample, "elm")
    assert "ann" not in str(caught.value)


@pytest.mark.parametrize(
    ("sample", "source"),
    [
        ("sep=;\nid;last\n1;A\n", {"delimiter": ";"}),
        ('id|last|nick\n1|Ash|"Bo" A\n2|Bo|\n', {"delimiter": "|", "quote": "none"}),
        ('id\tlast\n1\t"Ash\n2\tBo\n', {"delimiter": "\t", "quote": "none"}),
        ('id,last\n1,"Ash, A"\n', {"delimiter": ","}),
    ],
)
def test_how_the_sample_is_written(sample, source):
    """In the tenant file: Excel's first line names the delimiter, and quotes may be characters like others."""
    made = yaml.safe_load(drafts.draft(sample.encode(), "elm").tenant)["source"]
    assert {key: value for key, value in made.items() if key in ("delimiter", "quote")} == source


def test_infiniti_staff_by_a_column_of_types(include: Path):
    """The codes that were found are in the lookup; for what is not known the person is asked."""
    rows = "".join(f"u{n},S{n},{kind},2030,Y\n" for n, kind in enumerate(["Staff", "Student", "Guest"] * 4))
    mapping, notes = written(f"Login,Surname,Type,grad year,Status\n{rows}", "infiniti")
    assert mapping["lookups"]["staffmember"] == {"guest": False, "staff": True, "student": False}
    assert any("guest" in note for note in notes)
    assert mapping["lookups"]["enabled"] == {"y": True}
