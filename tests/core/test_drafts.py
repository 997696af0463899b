"""Drafts: whatever sample somebody has, two files that pass the check, and what is uncertain said."""

from pathlib import Path

import pytest
import yaml

from patronload.cli import drafts, preview
from patronload.config import mapping_files, tenants
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
    """What it requires is filled; nobody is disabled or made staff for a missing column."""
    mapping, notes = written("Login,Last name,First name,Card\nann,Ash,Ann,001\n", "infiniti")
    assert mapping["target"] == "infiniti"
    assert mapping["fields"]["surname"] == "Last name"
    assert mapping["fields"]["enabled"] == {"value": True}
    assert mapping["fields"]["staffmember"] == {"value": False}
    assert any("enabled" in note for note in notes)


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
