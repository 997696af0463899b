"""docs/architecture.md and docs/run-artifacts.md: packages, errors, artifacts, counts."""

import re
import typing

from docs import picture
from patronload import errors
from patronload.artifacts import purging
from patronload.artifacts import run as runs
from patronload.exports import reject_files
from patronload.loads.posting import post as posting
from patronload.reporting import report as reports
from tests.documentation.pages import PROJECT, TASKS, page, quoted, section, table


def test_every_kind_of_error_is_explained():
    """The error tree is part of the architecture."""
    kinds = [kind.__name__ for kind in errors.PatronloadError.__subclasses__()]
    assert all(f"`{kind}`" in page("docs/architecture.md") for kind in kinds)


ARTIFACTS = "docs/run-artifacts.md"


def test_every_artifact_is_explained_with_the_task_that_writes_it():
    """The page lists every name in the code, and no other, with the right task."""
    on_page = {quoted(cells[0])[0]: cells[1] for cells in table(section(ARTIFACTS, "## The files"))}
    names = {value for name, value in vars(runs).items() if name.isupper() and isinstance(value, str)}
    names -= {runs.CHUNKS, runs.SENT, runs.RESULTS}
    names |= {posting.CREATED, posting.PACE}
    names |= {posting._name(folder, 1) for folder in (runs.CHUNKS, runs.SENT, runs.RESULTS)}
    assert set(on_page) == names
    overview = section(ARTIFACTS, "# Run artifacts").split("##", 1)[0]
    assert all(name in overview for name in names)
    writing = {task for writers in on_page.values() for task in re.findall(r"\w+", writers.replace(" or ", " "))}
    # purge is the task of another DAG.
    assert writing <= {*TASKS, "purge"}


def test_what_is_kept_when_patrons_go_is_what_holds_none():
    """A purge keeps exactly the files that hold no personal data, according to the page."""
    on_page = {quoted(cells[0])[0]: cells[2] for cells in table(section(ARTIFACTS, "## The files"))}
    assert {name for name, personal in on_page.items() if "yes" not in personal} == set(purging.KEPT)


def test_every_count_outcome_and_column_is_explained():
    """Every count and outcome of report.json and every column of rejects.csv is explained."""
    account = [quoted(cells[0])[0] for cells in table(section(ARTIFACTS, "## The counts and the outcome"))]
    counts = ["created", "updated", "failed", "rejected", "skipped", "not_sent", "unconfirmed"]
    assert account == [*counts, *typing.get_args(reports.Outcome)]
    assert f"rows = {' + '.join(counts)}" in page(ARTIFACTS)
    columns = [quoted(cells[0])[0] for cells in table(section(ARTIFACTS, "## rejects.csv"))]
    assert columns == list(reject_files.COLUMNS)


def test_every_package_is_explained():
    """A new package, or a new module beside the packages, needs its line in architecture.md."""
    packages = section("docs/architecture.md", "## The packages")
    for path in (PROJECT / "plugins/patronload").iterdir():
        if path.suffix == ".py" or (path / "__init__.py").exists():
            assert path.stem == "__init__" or f"`{path.stem}" in packages, path.name


def test_the_picture_of_the_packages_is_current():
    """The picture shows the imports in the code; `make docs` draws it again."""
    text = page("docs/architecture.md")
    assert picture.current(text) == text, "the imports have changed: run `make docs`"


def test_an_arrow_that_others_imply_is_left_out():
    """A to B and B to C imply A to C."""
    assert picture.without_implied({("a", "b"), ("b", "c"), ("a", "c")}) == {("a", "b"), ("b", "c")}
