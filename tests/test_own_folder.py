"""A test that writes outside its own folder is noticed."""

from pathlib import Path

from tests.own_folder import Watch


def test_what_is_written_beside_the_tests_folders_is_noticed(tmp_path: Path):
    """A file, a folder, a new name: each where it is made. What is in a test's folder is its own business."""
    one = tmp_path / "test_one"
    one.mkdir()
    watch = Watch(tmp_path)
    (one / "artifacts").mkdir()
    (one / "artifacts" / "export.csv").write_text("ID")
    (one / "artifacts" / "export.csv").read_text()
    assert watch.found == []
    (tmp_path / "_leases").mkdir()
    (tmp_path / "loose.json").write_text("{}")
    (one / "artifacts" / "export.csv").rename(tmp_path / "export.csv")
    assert watch.found == [
        f"os.mkdir {tmp_path}/_leases",
        f"open {tmp_path}/loose.json",
        f"os.rename {tmp_path}/export.csv",
    ]
