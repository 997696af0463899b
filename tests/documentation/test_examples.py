"""The examples, files, previews and connections in the documentation are real."""

import json
import re
import shlex
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple

import polars as pl
import pytest
import yaml
from airflow.providers.sftp import get_provider_info as sftp
from airflow.providers.smtp import get_provider_info as smtp

from patronload import __main__ as command_line
from patronload import errors
from patronload.cli import preview
from patronload.config import mapping_files, tenants
from patronload.config.source import Layout
from patronload.config.tenants import Limits
from patronload.exports import reject_files
from tests.documentation.conftest import files_of_the_pages
from tests.documentation.pages import PROJECT, blocks, page, put, section


class Example(NamedTuple):
    """A rule, an export, and the result."""

    line: int
    rule: str
    export: str
    patrons: str
    rejects: str


def examples(name: str = "docs/mapping-files.md") -> list[Example]:
    """The examples of a page: blocks of yaml, csv, then json (patrons), text (rejects), or both."""
    found = []
    all_blocks = blocks(name)
    for place, block in enumerate(all_blocks[:-2]):
        if block.language == "yaml" and all_blocks[place + 1].language == "csv":
            kinds: dict[str, str] = {}
            for after in all_blocks[place + 2 : place + 4]:
                if after.language not in ("json", "text") or after.language in kinds:
                    break
                kinds[after.language] = after.text
            found.append(
                Example(
                    block.line, block.text, all_blocks[place + 1].text, kinds.get("json", ""), kinds.get("text", "")
                )
            )
    return found


REST = {"externalSystemId": "key", "username": "key", "personal.lastName": "key"}
"""Fields that the target requires and the examples leave out, so that each shows only one thing."""


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(example, id=f"{name}, line {example.line}")
        for name in ("docs/mapping-files.md", "docs/recipes.md")
        for example in examples(name)
    ],
)
def test_an_example_of_a_rule_gives_what_the_page_says(example, tmp_path, monkeypatch):
    """A copied rule gives the result that the page shows."""
    written = yaml.safe_load(example.rule)
    personal = any(path.startswith("personal.") for path in written["fields"])
    added = {path: key for path, key in REST.items() if path not in written["fields"]}
    if not personal:
        added.pop("personal.lastName", None)
    mapping = {"target": "folio", **written, "fields": {**written["fields"], **added}}
    put(tmp_path / "mappings/folio/example.yaml", yaml.safe_dump(mapping, sort_keys=False))
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(tmp_path))
    header, *rows = example.export.splitlines()
    keyed = [f"{header},key", *(f"{row},k{number}" for number, row in enumerate(rows))]
    export = put(tmp_path / "export.csv", "\n".join(keyed) + "\n")
    result = preview.preview("folio/example", export, Layout(), Limits(max_rejects="100%"))
    patrons = [without(json.loads(patron), added) for patron in result.patrons["patron"]]
    assert patrons == [json.loads(with_dates(line)) for line in example.patrons.splitlines()]
    assert outcome_in_words(result) == example.rejects.splitlines()


def with_dates(line: str) -> str:
    """A line of a page with `<120 days from today>` as a date."""
    later = r"<(\d+) days from today>"
    return re.sub(later, lambda found: (date.today() + timedelta(days=int(found[1]))).isoformat(), line)


def outcome_in_words(result: preview.Preview) -> list[str]:
    """Why the run stops, or the skipped and the rejected rows, as the pages show them."""
    if result.refusals:
        return [f"stops: {refusal}" for refusal in result.refusals]
    skipped = [(row, f"row {row} is skipped: {reason}") for row, reason, _ in result.skipped.iter_rows()]
    rejected = [(line["row"], f"row {line['row']}: {line['reason']}") for line in result.rejects.iter_rows(named=True)]
    # The pages show the effect of checks on cells in the patrons, so here are only the notes of the mapping.
    mapped = result.noted.filter(pl.col("reason").str.contains("; the "))
    noted = [(line["row"], f"noted: row {line['row']}: {line['reason']}") for line in mapped.iter_rows(named=True)]
    return [words for _, words in sorted(skipped + noted + rejected, key=lambda line: line[0])]


def without(patron: dict[str, Any], paths_added: dict[str, str]) -> dict[str, Any]:
    """The patron without the fields that were added to the example."""
    for path in paths_added:
        *around, last = path.split(".")
        holder = patron
        for name in around:
            holder = holder[name]
        holder.pop(last)
    return {name: value for name, value in patron.items() if value != {}}


def test_the_files_that_pages_show_can_be_copied(shown, capsys):
    """A tenant file and a mapping file from the pages pass the check as they are."""
    assert sorted(files_of_the_pages()) == ["mappings/folio/elmwood_patrons.yaml", "tenants/elmwood.yaml"]
    assert command_line.main(["check"]) == 0, capsys.readouterr().err


def test_the_readme_shows_a_real_tenant_file():
    """It is the demo's file, unchanged."""
    shown_files = [block.text.strip() for block in blocks("README.md") if block.language == "yaml"]
    assert (PROJECT / "include/tenants/northfield.yaml").read_text(encoding="utf-8").strip() in shown_files


def test_the_readme_shows_a_real_mapping_shortened(tmp_path):
    """Every line is in the demo's file, in the same order, and the shortened file is a valid mapping."""
    (text,) = [
        block.text for block in blocks("README.md") if block.language == "yaml" and "\ntarget: folio\n" in block.text
    ]
    lines = iter((PROJECT / "include/mappings/folio/banner_patrons.yaml").read_text(encoding="utf-8").splitlines())
    for line in filter(None, text.splitlines()):
        assert line in lines, f"'{line}' is not there, or in another order"
    assert mapping_files.load_file(put(tmp_path / "banner_patrons.yaml", text)).fields


def test_a_mistake_in_a_mapping_file_is_reported_as_the_page_says(shown):
    """The message is the real one."""
    path = shown / "mappings/folio/elmwood_patrons.yaml"
    put(path, path.read_text(encoding="utf-8").replace("true, steps: [lower]", "true, steps: [lowr]"))
    with pytest.raises(errors.ConfigError) as raised:
        mapping_files.load("folio/elmwood_patrons")
    assert f"{raised.value}\n" in [block.text for block in blocks("docs/mapping-files.md")]


def test_a_mistake_in_a_tenant_file_is_reported_as_the_page_says(tmp_path):
    """The message is the real one."""
    text = (PROJECT / "include/tenants/stclare.yaml").read_text(encoding="utf-8")
    path = put(tmp_path / "stclare.yaml", text.replace("max_rejects:", "max_reject:"))
    with pytest.raises(errors.ConfigError) as raised:
        tenants.load_file(path)
    assert f"{raised.value}\n" in [block.text for block in blocks("docs/tenant-files.md")]


def previews() -> Iterator[tuple[list[str], str]]:
    """The previews on the pages: the command's arguments, and its output."""
    for name in ("README.md", "docs/add-a-library.md"):
        for block in blocks(name):
            lines = block.text.replace("\\\n", " ").splitlines()
            if block.language != "console" or " preview " not in lines[0]:
                continue
            words = shlex.split(lines[0])
            if "make" in words:
                given = dict(word.split("=", 1) for word in words if "=" in word)
                words = ["-m", "patronload", "preview", "--mapping", given["MAPPING"]]
                words += ["--export", given["EXPORT"], "--out", given["OUT"]]
            yield words[words.index("preview") :], "\n".join(lines[1:]) + "\n"


@pytest.mark.parametrize(("words", "printed"), list(previews()))
def test_a_preview_prints_what_the_page_shows(words, printed, shown, tmp_path, monkeypatch, capsys):
    """The command prints what the page shows."""
    for path in (PROJECT / "include/mappings").rglob("*.yaml"):
        put(shown / path.relative_to(PROJECT / "include"), path.read_text(encoding="utf-8"))
    export = words.index("--export") + 1
    words[export] = str(PROJECT / words[export])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command_line.out, "width", 100)
    assert command_line.main(words) == 0
    assert re.sub(r" +$", "", capsys.readouterr().out, flags=re.MULTILINE) == printed


def test_there_are_previews_and_examples():
    """The searches above find something."""
    assert len(list(previews())) == 2
    assert len(examples()) >= 14


def test_the_reject_of_the_readme_is_real(tmp_path):
    """The demo's mapping rejects the README's row with the line that the README shows."""
    header, line = next(block.text for block in blocks("README.md") if "reject_row" in block.text).splitlines()
    columns, ours = header.split("|"), len(reject_files.COLUMNS)
    export = put(tmp_path / "export.csv", "".join("|".join(row.split("|")[:-ours]) + "\n" for row in (header, line)))
    result = preview.preview("folio/banner_patrons", export, Layout(delimiter="|"), Limits(max_rejects="100%"))
    first, reject = result.rejects_file.decode("utf-8-sig").splitlines()
    assert first == header
    place = columns.index("reject_row")
    assert reject.split("|")[:place] == line.split("|")[:place]
    assert reject.split("|")[place + 1 :] == line.split("|")[place + 1 :]


def test_the_five_minutes_of_the_readme(tmp_path, monkeypatch, capsys):
    """The commands under "Your own file in five minutes" work, in this order."""
    (commands,) = [block for block in blocks("README.md") if block.language == "sh" and " draft " in block.text]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(tmp_path / "include"))
    put(tmp_path / "docs/examples/patron_template.csv", page("docs/examples/patron_template.csv"))
    for line in commands.text.splitlines():
        if line.startswith(".venv/bin/patronload "):
            words = shlex.split(line)[1:]
            assert command_line.main(words) == 0, capsys.readouterr().err
    assert mapping_files.load("folio/mylib").fields
    assert (tmp_path / ".local/preview/rejects.csv").exists()


def test_the_connections_can_be_copied():
    """Each is JSON on one line, with the right type of connection."""
    kinds = [
        (block.note.removeprefix("connection: "), json.loads(block.text))
        for block in blocks("docs/add-a-library.md")
        if block.language == "json"
    ]
    assert [kind for kind, _ in kinds] == ["sftp", "sftp", "postgres", "http", "http", "http", "smtp"]
    for kind, connection in kinds:
        assert connection["conn_type"] == kind
        assert kind != "sftp" or connection["extra"]["host_key"].startswith("ssh-ed25519 ")


def test_the_form_for_connections_has_the_fields_that_the_page_names():
    """The labels are those of Airflow's own form."""
    forms = section("docs/add-a-library.md", "## 1. Connections")
    smtp_form, sftp_form = (provider.get_provider_info()["connection-types"][0] for provider in (smtp, sftp))
    assert sftp_form["ui-field-behaviour"]["relabeling"] == {"login": "Username"}
    for field in ("from_email", "disable_ssl", "disable_tls"):
        assert smtp_form["conn-fields"][field]["label"] in forms
