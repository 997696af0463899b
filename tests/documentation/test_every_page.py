"""The pages: links, pictures, commands and settings."""

import json
import re

import pytest
import yaml

from patronload import __main__ as command_line
from tests.documentation.pages import DOCS, PAGES, PROJECT, anchors, blocks, page, quoted

NAMES = (
    *("add-a-library", "mapping-files", "tenant-files", "plan", "when-a-run-fails", "run-artifacts", "folio"),
    *("infiniti", "in-airflow", "add-a-target", "architecture", "glossary"),
    *("operations", "kubernetes", "command-line"),
)


@pytest.mark.parametrize("name", PAGES)
def test_the_yaml_and_json_of_a_page_can_be_read(name):
    """People can copy the YAML and JSON on the pages."""
    for block in blocks(name):
        if block.language == "yaml":
            assert yaml.safe_load(block.text), f"{name}, line {block.line}"
        if block.language == "json":
            assert all(json.loads(line) is not None for line in block.text.splitlines()), f"{name}, line {block.line}"


def test_every_make_target_is_explained_and_exists():
    """The README lists every target, and no page names one that does not exist."""
    targets = set(re.findall(r"^([a-z]+):.*## ", page("Makefile"), re.MULTILINE))
    assert targets <= {word for part in quoted(page("README.md")) for word in re.findall(r"^make (\w+)", part)}
    for name in PAGES:
        code = quoted(page(name)) + [
            line.removeprefix("$ ") for block in blocks(name) for line in block.text.splitlines()
        ]
        for line in code:
            if found := re.match(r"make ([a-z]+)", line):
                assert found[1] in targets, f"{name}: {line}"


def test_every_command_and_option_is_explained():
    """The page lists all commands and options."""
    on_page = page("docs/command-line.md")
    (commands,) = [action for action in command_line.command_line_parser()._actions if action.choices]
    for command, parser in dict(commands.choices).items():
        assert f"`patronload {command}" in on_page
        for option in parser._option_string_actions:
            assert option in ("-h", "--help") or f"`{option}`" in on_page, option


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    """Every file, picture and heading that a page links to exists."""
    folder = (PROJECT / name).parent
    for link in re.findall(r"\]\(([^)\s]+)\)", page(name)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = folder / path if path else PROJECT / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_pictures_are_small_and_each_is_shown():
    """Pictures are small, so that pages load quickly."""
    for image in (DOCS / "images").iterdir():
        assert image.stat().st_size < 200_000, image.name
        assert any(image.name in page(name) for name in PAGES), image.name


def test_every_page_can_be_found_from_the_readme():
    """The README links to every page."""
    assert {f"docs/{name}.md" for name in NAMES} <= set(PAGES)
    for name in PAGES[1:]:
        assert f"({name}" in page("README.md"), name


def test_every_setting_of_the_environment_is_explained():
    """The pages explain every PATRONLOAD_... variable."""
    settings = set(re.findall(r"PATRONLOAD_[A-Z_]+", page("plugins/patronload/settings.py")))
    on_page = "".join(page(name) for name in PAGES)
    assert settings
    assert all(setting in on_page for setting in settings)


def test_the_changelog_is_kept():
    """The changelog has a section for each version."""
    assert re.search(r"^## \[(Unreleased|[0-9.]+)\]", page("CHANGELOG.md"), re.MULTILINE)
