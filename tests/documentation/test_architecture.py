"""docs/architecture.md and docs/run-artifacts.md: packages, errors, artifacts, counts."""

import re
import typing

from docs import picture
from patronload import errors
from patronload.artifacts import names
from patronload.exports import reject_files
from patronload.reporting import report as reports
from tests.documentation.pages import PROJECT, TASKS, page, quoted, section, table


def test_every_kind_of_error_is_explained():
    """The error tree is part of the architecture."""
    kinds = [kind.__name__ for kind in errors.PatronloadError.__subclasses__()]
    assert all(f"`{kind}`" in page("docs/architecture.md") for kind in kinds)


ARTIFACTS = "docs/run-artifacts.md"
PRODUCT = PROJECT / "plugins/patronload"


def test_every_artifact_is_explained_with_the_stages_that_write_it():
    """The page lists every name in artifacts/names.py, and no other, with who writes it and whether it has patrons."""
    lines = table(section(ARTIFACTS, "## The files"))
    on_page = {quoted(cells[0])[0]: (re.findall(r"\w+", cells[1].replace(" or ", " ")), cells[2]) for cells in lines}
    in_code = {a.of_chunk(1) if a in names.OF_CHUNKS else a: (list(a.stages), a.holds_patrons) for a in names.ALL}
    assert {name: (stages, "yes" in personal) for name, (stages, personal) in on_page.items()} == in_code
    overview = section(ARTIFACTS, "# Run artifacts").split("##", 1)[0]
    assert all(name in overview for name in in_code)
    # purge is the task of another DAG, page is the page of a run.
    assert {stage for stages, _ in in_code.values() for stage in stages} == {*TASKS, "purge", "page"}


def test_every_count_outcome_and_column_is_explained():
    """Every count and outcome of report.json and every column of rejects.csv is explained."""
    account = [quoted(cells[0])[0] for cells in table(section(ARTIFACTS, "## The counts and the outcome"))]
    counts = ["created", "updated", "unchanged", "failed", "rejected", "skipped", "not_sent", "unconfirmed"]
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


def test_every_module_of_a_target_has_its_part():
    """The tables name each module of the two library systems, so that a newcomer finds it by its subject."""
    parts = table(section("docs/architecture.md", "## The packages"))
    for column, target in enumerate(("folio", "infiniti"), 1):
        on_page = {name for cells in parts if len(cells) > column for name in quoted(cells[column])}
        modules = {path.stem for path in (PRODUCT / "targets" / target).glob("*.py")} - {"__init__"}
        assert modules <= on_page, modules - on_page


def test_a_new_thing_has_a_place_that_exists():
    """Each file, folder and name in the table exists; a name is in one of the files beside it."""
    for cells in table(section("docs/architecture.md", "## Where to put a new thing")):
        named = [name for name in quoted(cells[1]) if " " not in name]
        files = [name for name in named if "/" in name or name.endswith(".py")]
        found = {
            name: next((root / name for root in (PRODUCT, PROJECT) if (root / name).exists()), None) for name in files
        }
        assert all(found.values()), found
        code = "".join(path.read_text(encoding="utf-8") for path in found.values() if path and path.is_file())
        for name in set(named) - set(files):
            assert re.search(rf"^(class )?{name}\b", code, re.MULTILINE), name


def test_the_picture_of_the_packages_is_current():
    """The picture shows the imports in the code; `make docs` draws it again."""
    text = page("docs/architecture.md")
    assert picture.current(text) == text, "the imports have changed: run `make docs`"


def test_an_arrow_that_others_imply_is_left_out():
    """A to B and B to C imply A to C."""
    assert picture.without_implied({("a", "b"), ("b", "c"), ("a", "c")}) == {("a", "b"), ("b", "c")}
