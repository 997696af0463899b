"""Every key of a tenant file and of a mapping file is explained, with its default."""

import inspect
import json
import re
import typing

import pytest
import yaml

from patronload import systems
from patronload.config import expectations, mapping, mapping_files, ownership, tenants, value_steps
from patronload.config.leavers import Leavers
from patronload.config.source import Most, SftpSource
from patronload.in_airflow import tasks
from patronload.systems import fields
from tests.documentation.conftest import files_of_the_pages
from tests.documentation.pages import blocks, put, quoted, section, table
from tests.documentation.test_examples import examples


def test_the_tenant_file_that_a_page_shows_has_every_key():
    """The example uses every key."""
    written = yaml.safe_load(files_of_the_pages()["tenants/elmwood.yaml"])
    assert set(written) == set(tenants.Tenant.model_fields)
    # These have parts of their own: a file cannot be CSV with a header and of fixed width, and few are encrypted.
    written["source"] |= dict.fromkeys(("widths", "columns", "pgp"))
    for part, model in PARTS.items():
        assert set(written[part]) == set(keys(model)), part


def keys(model):
    """The fields of a part by their keys in a file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


PARTS = {
    "source": SftpSource,
    "target": tenants.FolioTarget,
    "limits": tenants.Limits,
    "leavers": Leavers,
    "approval": tenants.Approval,
    "rejects": tenants.Rejects,
    "links": tenants.Links,
    "notify": tenants.Notify,
    "people": tenants.People,
    "keep": tenants.Keep,
}

OF_OTHERS = {"## source": {"query"}}
"""The keys in a table that other models of the same part have."""


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("## The library", tenants.Tenant),
        *((f"## {part}", model) for part, model in PARTS.items()),
        ("## source.most", Most),
        ("## target of type infiniti", tenants.InfinitiTarget),
    ],
)
def test_every_key_of_a_tenant_file_is_explained_with_its_default(heading, model):
    """The page lists every key and no other, with its default."""
    on_page = {
        quoted(cells[0])[0]: cells[2]
        for cells in table(section("docs/tenant-files.md", heading))
        if len(cells) == 3 and cells[0].startswith("`")
    }
    assert set(on_page) == set(keys(model)) | OF_OTHERS.get(heading, set())
    for name, field in keys(model).items():
        if field.is_required():
            assert on_page[name] == "required", name
        elif isinstance(field.default, str | bool | int | float):
            assert on_page[name] == f"`{json.dumps(field.default).strip(chr(34))}`", name
        else:
            assert on_page[name] not in ("", "required"), name


def test_every_kind_of_source_is_explained():
    """The page explains all, and their keys."""
    page = section("docs/tenant-files.md", "## source")
    for model in typing.get_args(tenants.Tenant.model_fields["source"].annotation):
        (kind,) = typing.get_args(model.model_fields["type"].annotation)
        assert f"`{kind}`" in page
        assert set(keys(model)) <= set(keys(SftpSource)) | OF_OTHERS["## source"], "a key that no table names"


def test_every_setting_of_a_run_is_explained():
    """By its title in the form and by its name in REST."""
    on_page = {quoted(cells[1])[0]: cells[0] for cells in table(section("docs/tenant-files.md", "## Trigger settings"))}
    assert on_page == {name: param.schema["title"] for name, param in tasks.PARAMS.items()}


def test_every_part_of_a_mapping_file_is_explained():
    """The keys at the top of the file, and the parts of `expect`."""
    on_page = [quoted(cells[0])[0] for cells in table(section("docs/mapping-files.md", "## Its parts"))]
    assert on_page == list(mapping.Mapping.model_fields)
    assert all(
        f"`{part}`" in section("docs/mapping-files.md", "## Its parts") for part in mapping.Expectations.model_fields
    )


def test_every_owner_and_every_default_is_explained():
    """The page lists all owners and the fields with a default other than campus."""
    text = section("docs/mapping-files.md", "## Ownership")
    assert [quoted(cells[0])[0] for cells in table(text)] == ["campus", "first", "library", "last"]
    assert {"campus", "first", "last", "library"} == set(typing.get_args(ownership.Owner))
    defaults = systems.KNOWN["folio"].owners
    assert defaults
    on_page = re.search(
        r"^The default owner is `first`(.*)It is `campus` for all others", text, re.DOTALL | re.MULTILINE
    )
    assert on_page
    assert set(defaults.values()) == {"first"}
    assert set(quoted(on_page[1])) == set(defaults)


def test_an_ownership_that_a_page_shows_is_taken(shown):
    """The example on the page is valid."""
    path = shown / "mappings/folio/elmwood_patrons.yaml"
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    (block,) = [
        block
        for block in blocks("docs/mapping-files.md")
        if block.language == "yaml" and block.text.startswith("ownership:")
    ]
    put(path, yaml.safe_dump(written | yaml.safe_load(block.text), sort_keys=False))
    assert mapping_files.load("folio/elmwood_patrons").ownership


def test_every_key_of_a_rule_has_a_heading_and_an_example():
    """The page lists every key and no other."""
    rules = section("docs/mapping-files.md", "## Rules")
    on_page = [key for heading in re.findall(r"^### (.+)$", rules, re.MULTILINE) for key in heading.split(" and ")]
    assert sorted(on_page) == sorted(field.alias or name for name, field in mapping.Rule.model_fields.items())
    for key in on_page:
        assert any(re.search(rf"\b{key}:\s", example.rule) for example in examples()), key


def test_every_step_is_explained_by_its_docstring():
    """The page repeats the docstring in the code."""
    on_page = {quoted(cells[0])[0]: cells[1] for cells in table(section("docs/mapping-files.md", "## Steps"))}
    plain = {name: inspect.getdoc(step) for name, step in value_steps.STEPS.items()}
    argued = {
        f"{{{name}: {known.example}}}": inspect.getdoc(known.step) for name, known in value_steps.WITH_ARGUMENT.items()
    }
    assert on_page == plain | argued


def test_every_field_is_explained_with_what_it_takes():
    """With what it takes, in the order of the code."""
    on_page = {quoted(cells[0])[0]: cells[1] for cells in table(section("docs/mapping-files.md", "## Fields"))}
    kinds = {name: fields.kind("folio", name) for name in [*fields.names("folio"), "customFields.NAME"]}
    school = {
        quoted(cells[0])[0]: cells[1] for cells in table(section("docs/mapping-files.md", "## Fields of Infiniti"))
    }
    assert school == {name: kind.value for name, kind in systems.KNOWN["infiniti"].fields.items()}
    assert list(on_page) == list(kinds)
    for name, kind in kinds.items():
        assert kind, name
        assert on_page[name].replace(" and ", " or ") == kind.value.replace("only true and false", "true or false"), (
            name
        )
    assert set(systems.KNOWN["folio"].unique) == {
        name
        for name, *_, note in table(section("docs/mapping-files.md", "## Fields"))
        if "nique." in note
        for name in quoted(name)
    }


def test_every_expectation_with_words_of_its_own_is_explained():
    """With an example of the wording in the code."""
    on_page = {quoted(cells[0])[0]: cells[1] for cells in table(section("docs/mapping-files.md", "## Expectations"))}
    assert list(on_page) == list(expectations.KNOWN)
    for name, known in expectations.KNOWN.items():
        pattern = re.sub(r"\\\{\w+\\\}", ".+", re.escape(known.words))
        assert re.fullmatch(rf".+ {pattern}", on_page[name]), name
