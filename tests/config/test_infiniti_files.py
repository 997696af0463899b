"""Tenant and mapping files for Infiniti: what they take, and what is said of a mistake."""

import re

import pytest

from patronload.config import mapping_files, tenants
from patronload.errors import ConfigError
from tests.config.conftest import change, write
from tests.config.files import JARGON, TENANT

MAPPING = """\
target: infiniti
fields:
  username: {column: LOGIN, required: true}
  enabled: {column: STATE, lookup: states}
  staffmember: {value: false}
  graduationyear: LEAVES
  gender: SEX
lookups:
  states: {A: true, otherwise: false}
"""

TARGET = """\
target:
  type: infiniti
  connection: riverside_infiniti
  chunk_size: 100
  chunk_bytes: 500000
  first_row: 0
  header: {middlename: middleinitialname, staffmember: staffmemberid}
  encoding: cp1252
  passwords: newcomers
  changed_usernames: send
"""


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A good tenant file and a good mapping file."""
    # Infiniti cannot be asked what FOLIO is asked about leavers.
    without_leavers = re.sub(r"(?m)^leavers:\n(?:  .+\n)+", "", TENANT)
    before, rest = re.split(r"(?m)^target:\n(?:  .+\n)+", without_leavers)
    write(tmp_path / "tenants/riverside.yaml", before.replace("folio/people", "infiniti/people") + TARGET + rest)
    write(tmp_path / "mappings/infiniti/people.yaml", MAPPING)
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(tmp_path))
    return tmp_path


def told(files, name, old, new):
    """What is said of a mistake; the line is right."""
    line = change(files / name, old, new)
    with pytest.raises(ConfigError) as caught:
        tenants.load("riverside") if name.startswith("tenants") else mapping_files.load("infiniti/people")
    assert f", line {line}: " in str(caught.value)
    assert not JARGON.search(str(caught.value))
    return str(caught.value)


def test_the_good_ones_are_taken(files):
    """Every key, and the defaults are safe ones."""
    target = tenants.load("riverside").target
    assert target.header == {"middlename": "middleinitialname", "staffmember": "staffmemberid"}
    assert mapping_files.load("infiniti/people").unique == ["username"]
    plain = tenants.InfinitiTarget(type="infiniti", connection="x")
    assert (plain.passwords, plain.changed_usernames, plain.first_row, plain.encoding) == (
        "never",
        "reject",
        1,
        "utf-8",
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("first_row: 0", "first_row: 3", "3 is too large; the maximum is 2"),
        ("passwords: newcomers", "passwords: all", "'everyone_at_first'"),
        ("encoding: cp1252\n  passwords", "encoding: cp999999\n  passwords", "is not an encoding"),
        ("chunk_size: 100", "chunk_size: 0", "the minimum is 1"),
        ("first_row: 0", "folio_tenant: fs1", "no such key"),
    ],
)
def test_a_mistake_in_the_target(files, old, new, words):
    """FOLIO's keys are not Infiniti's."""
    assert words in told(files, "tenants/riverside.yaml", old, new)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("{middle: middleinitialname}", "Infiniti has no column 'middle'"),
        ("{middlename: surname}", "two columns would be called 'surname'"),
        ("{middlename: x, surname: x}", "two columns would be called 'x'"),
        ("{middlename: ''}", "must not be empty"),
    ],
)
def test_a_header_that_makes_no_sense(files, header, words):
    """Nothing would arrive where it belongs."""
    old = "{middlename: middleinitialname, staffmember: staffmemberid}"
    change(files / "tenants/riverside.yaml", old, header)
    with pytest.raises(ConfigError, match=re.escape(words)):
        tenants.load("riverside")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("enabled: {column: STATE, lookup: states}", "enabled: STATE", "takes true or false"),
        ("graduationyear: LEAVES", "graduationyear: {value: soon}", "takes a year"),
        ("graduationyear: LEAVES", "graduationyear: {column: LEAVES, date: '%d/%m/%Y'}", "takes a year, not a date"),
        ("graduationyear: LEAVES", "graduationyear: {column: LEAVES, split: ';'}", "takes a year, not a list"),
        ("gender: SEX", "personal.lastName: SEX", "no such field"),
    ],
)
def test_a_mistake_in_a_rule(files, old, new, words):
    """Each column has its type."""
    assert words in told(files, "mappings/infiniti/people.yaml", old, new)


@pytest.mark.parametrize("needed", ["username", "enabled", "staffmember"])
def test_what_infiniti_insists_on_is_mapped(files, needed):
    """Without it there is no load."""
    path = files / "mappings/infiniti/people.yaml"
    path.write_text(re.sub(rf"(?m)^  {needed}: .*\n", "  formclass: FORM\n", path.read_text()).split("lookups")[0])
    with pytest.raises(ConfigError, match=f"{needed} is missing"):
        mapping_files.load("infiniti/people")


def test_nobody_but_the_campus_owns_anything(files):
    """What cannot be read cannot be kept."""
    write(files / "mappings/infiniti/people.yaml", f"{MAPPING}ownership:\n  surname: library\n")
    with pytest.raises(ConfigError, match=r"so the campus owns all fields\. Remove this section"):
        mapping_files.load("infiniti/people")


def test_a_mapping_is_for_one_target(files):
    """FOLIO's mapping under an Infiniti target."""
    write(files / "mappings/folio/people.yaml", MAPPING)
    assert "this mapping is not for the target type infiniti" in told(
        files, "tenants/riverside.yaml", "mapping: infiniti/people", "mapping: folio/people"
    )
