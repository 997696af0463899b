"""An include/ folder made of the files that the pages show."""

from pathlib import Path

import pytest

from tests.documentation.pages import PAGES, blocks, put


def files_of_the_pages() -> dict[str, str]:
    """The whole files that pages show, by their place below include/."""
    return {
        block.note.removeprefix("file: "): block.text
        for name in PAGES
        for block in blocks(name)
        if block.note.startswith("file: ")
    }


@pytest.fixture
def shown(tmp_path, monkeypatch) -> Path:
    """An include/ of the files that the pages show."""
    for name, text in files_of_the_pages().items():
        put(tmp_path / name, text)
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(tmp_path))
    return tmp_path
