"""
Each folder below tests/samples/<target>/<mapping>/ is an export with what must become of it; a new case is no code.

    export.csv      the file as a library sends it (invented people); export_2.csv and so on: several of one delivery
    layout.yaml     how it is written, if not with commas in UTF-8: what `source` in a tenant file says of it
    patrons.jsonl   the patrons, one a line, as they are posted
    rejects.txt     row, column and reason of each reject
    skipped.txt     row and reason of each skipped row
    stops.txt       why the run stops, if it does; then there are no patrons

To write down what a new case gives now, and read it with care: PATRONLOAD_WRITE_SAMPLES=1 make test
"""

import json
import os
from pathlib import Path

import pytest
import yaml

from patronload.cli import preview
from patronload.config.source import Layout
from patronload.config.tenants import Limits
from patronload.errors import PatronloadError

SAMPLES = Path(__file__).parents[1] / "samples"
CASES = sorted(path.parent for path in SAMPLES.glob("*/*/*/export.csv"))


def outcome(case: Path) -> dict[str, str]:
    """What the case gives: the text of each file that has any."""
    layout = case / "layout.yaml"
    settings = yaml.safe_load(layout.read_text()) if layout.exists() else {}
    mapping = case.parent.relative_to(SAMPLES).as_posix()
    same_person = settings.pop("same_person", "reject")
    files, limits = sorted(case.glob("export*.csv")), Limits(max_rejects="100%")
    try:
        made = preview.preview(mapping, files, Layout(**settings), limits, same_person=same_person)
    except PatronloadError as error:
        return {"stops.txt": f"{type(error).__name__}: {error}\n"}
    rejects = made.rejects.sort("row", maintain_order=True)
    texts = {
        "patrons.jsonl": "".join(f"{patron}\n" for patron in made.patrons["patron"]),
        "rejects.txt": "".join(
            f"row {line['row']}, {line['stage']}, {line['column'] or '-'}: {line['reason']}\n"
            for line in rejects.iter_rows(named=True)
        ),
        "skipped.txt": "".join(f"row {row}: {reason}\n" for row, reason, _ in made.skipped.iter_rows()),
        "stops.txt": "".join(f"{refusal}\n" for refusal in made.refusals),
    }
    found = made.patrons.height + made.rejected + made.skipped.height
    assert found == made.rows or made.refusals, "every row is accounted for"
    return {name: text for name, text in texts.items() if text}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_a_sample_gives_the_expected_patrons_and_rejects(case):
    """An export that a library once sent is read, checked and mapped as its folder says."""
    given = outcome(case)
    for line in given.get("patrons.jsonl", "").split("\n")[:-1]:
        json.loads(line)
    if os.environ.get("PATRONLOAD_WRITE_SAMPLES"):
        for name in ("patrons.jsonl", "rejects.txt", "skipped.txt", "stops.txt"):
            (case / name).unlink(missing_ok=True)
        for name, text in given.items():
            (case / name).write_text(text, encoding="utf-8", newline="")
    expected = {path.name: path.read_bytes().decode() for path in case.glob("*") if path.suffix in (".txt", ".jsonl")}
    assert given == expected


def test_there_are_samples():
    """A slip in the search for samples must not pass for a green run."""
    assert len(CASES) >= 120
