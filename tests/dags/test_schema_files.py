"""The schemas that editors use, and the models that read the files."""

import pytest

from patronload.config import schemas


@pytest.mark.parametrize("name", sorted(schemas.all_schemas()))
def test_the_schema_files_are_up_to_date(project, name):
    """What an editor completes is what Patronload takes; `python -m patronload schemas` writes them anew."""
    written = (project / "include" / "schemas" / name).read_text(encoding="utf-8")
    assert written == schemas.text(schemas.all_schemas()[name])


def test_there_are_no_others(project):
    """Each schema file has its model."""
    assert {file.name for file in (project / "include" / "schemas").iterdir()} == schemas.all_schemas().keys()
