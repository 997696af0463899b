"""The documentation: that it names everything there is, and that what it shows is what happens."""

import ast
import inspect
import json
import re
import shlex
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from docs import picture
from patronload import __main__ as command_line
from patronload import errors, systems
from patronload.artifacts import purging
from patronload.artifacts import run as runs
from patronload.cli import preview
from patronload.config import expectations, mapping, mapping_files, ownership, tenants, value_steps
from patronload.config.tenants import Layout, Limits
from patronload.exports import reject_files
from patronload.in_airflow import tasks
from patronload.loads.posting import post as posting
from patronload.reporting import report as reports
from patronload.stages import steps
from patronload.systems import fields
from patronload.targets.folio import answers as folio_answers
from patronload.targets.folio import errors as folio_faults
from patronload.targets.folio import plan as folio_plan
from patronload.targets.folio import preflight as folio_preflight
from patronload.targets.infiniti import answers as infiniti_answers
from patronload.targets.infiniti import plan as infiniti_plan

PROJECT = Path(__file__).resolve().parents[1]
DOCS = PROJECT / "docs"
PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", *(f"docs/{page.name}" for page in sorted(DOCS.glob("*.md")))]
NAMES = (
    *("add-a-library", "mapping-files", "tenant-files", "plan", "when-a-run-fails", "run-artifacts", "folio"),
    *("infiniti", "in-airflow", "add-a-target", "architecture", "glossary"),
)


class Block(NamedTuple):
    """A fenced block of a page: its language, its text, and the comment just above it, such as `file: ...`."""

    language: str
    text: str
    note: str
    line: int


def page(name: str) -> str:
    return (PROJECT / name).read_text(encoding="utf-8")


def blocks(name: str) -> list[Block]:
    """The fenced blocks of a page, in their order."""
    text = page(name)
    found = re.finditer(r"(?:^<!-- ([^\n]*) -->\n)?^( *)```(\w*)\n(.*?)^\2```$", text, re.DOTALL | re.MULTILINE)
    return [
        Block(
            language=each[3],
            text=re.sub(rf"^{each[2]}", "", each[4], flags=re.MULTILINE),
            note=each[1] or "",
            line=text.count("\n", 0, each.start()) + 1,
        )
        for each in found
    ]


def section(name: str, heading: str) -> str:
    """What stands below a heading of a page, up to the next one of its level or above."""
    level = heading.count("#", 0, heading.index(" "))
    start = f"\n{page(name)}".index(f"\n{heading}\n") + len(heading) + 1
    rest = page(name)[start:]
    after = re.search(rf"^#{{1,{level}}} ", rest, re.MULTILINE)
    return rest[: after.start()] if after else rest


def table(text: str) -> list[list[str]]:
    """The cells of all tables in a text, line by line, without their headers."""
    lines = [
        [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        for line in re.sub(r"^\|.*\|\n(?=\| ---)", "", text, flags=re.MULTILINE).splitlines()
        if line.startswith("|")
    ]
    return [cells for cells in lines if not cells[0].startswith("---")]


def quoted(text: str) -> list[str]:
    """What stands in backticks."""
    without_blocks = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`\n]+)`", without_blocks)


class Example(NamedTuple):
    """A rule, an export, and what comes of it."""

    line: int
    rule: str
    export: str
    patrons: str
    told: str


def examples() -> list[Example]:
    """The examples of mapping-files.md: blocks of yaml, csv, then json (patrons), text (rejects), or both."""
    found = []
    all_blocks = blocks("docs/mapping-files.md")
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
"""What the target insists on and an example leaves out, so that it shows one thing only."""


@pytest.mark.parametrize("example", examples(), ids=lambda example: f"line {example.line}")
def test_an_example_of_a_rule_gives_what_the_page_says(example, tmp_path, monkeypatch):
    """Whoever copies a rule gets what the page shows."""
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
    made = preview.preview("folio/example", export, Layout(), Limits(max_rejects="100%"))
    patrons = [without(json.loads(patron), added) for patron in made.patrons["patron"]]
    assert patrons == [json.loads(line) for line in example.patrons.splitlines()]
    told = [f"stops: {refusal}" for refusal in made.refusals]
    if not told:
        told = [f"row {line['row']}: {line['reason']}" for line in made.rejects.sort("row").iter_rows(named=True)]
    assert told == example.told.splitlines()


def without(patron: dict[str, Any], paths_added: dict[str, str]) -> dict[str, Any]:
    """The patron without the fields that were added to the example."""
    for path in paths_added:
        *around, last = path.split(".")
        holder = patron
        for name in around:
            holder = holder[name]
        holder.pop(last)
    return {name: value for name, value in patron.items() if value != {}}


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


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


def test_the_files_that_pages_show_can_be_copied(shown, capsys):
    """A tenant file and a mapping file from the pages pass the check as they are."""
    assert sorted(files_of_the_pages()) == ["mappings/folio/elmwood_patrons.yaml", "tenants/elmwood.yaml"]
    assert command_line.main(["check"]) == 0, capsys.readouterr().err


def test_the_tenant_file_that_a_page_shows_has_every_key():
    """One example in which each key can be looked up."""
    written = yaml.safe_load(files_of_the_pages()["tenants/elmwood.yaml"])
    assert set(written) == set(tenants.Tenant.model_fields)
    # These two have pages of their own: a file cannot be CSV and of fixed width, and few are encrypted.
    written["source"] |= dict.fromkeys(("widths", "pgp"))
    for part, model in PARTS.items():
        assert set(written[part]) == set(model.model_fields), part


@pytest.mark.parametrize("name", PAGES)
def test_the_yaml_and_json_of_a_page_can_be_read(name):
    """No slip of the pen in what people copy."""
    for block in blocks(name):
        if block.language == "yaml":
            assert yaml.safe_load(block.text), f"{name}, line {block.line}"
        if block.language == "json":
            assert all(json.loads(line) is not None for line in block.text.splitlines()), f"{name}, line {block.line}"


def test_the_readme_shows_a_real_tenant_file():
    """Word for word the demo's."""
    shown_files = [block.text.strip() for block in blocks("README.md") if block.language == "yaml"]
    assert (PROJECT / "include/tenants/northfield.yaml").read_text(encoding="utf-8").strip() in shown_files


def test_the_readme_shows_a_real_mapping_shortened(tmp_path):
    """Each line of it stands in the demo's file, in its order, and what is left is a mapping."""
    (text,) = [
        block.text for block in blocks("README.md") if block.language == "yaml" and "\ntarget: folio\n" in block.text
    ]
    lines = iter((PROJECT / "include/mappings/folio/banner_patrons.yaml").read_text(encoding="utf-8").splitlines())
    for line in filter(None, text.splitlines()):
        assert line in lines, f"'{line}' is not there, or in another order"
    assert mapping_files.load_file(put(tmp_path / "banner_patrons.yaml", text)).fields


def test_a_mistake_in_a_mapping_file_is_told_as_the_page_says(shown):
    """The message is the real one."""
    path = shown / "mappings/folio/elmwood_patrons.yaml"
    put(path, path.read_text(encoding="utf-8").replace("true, steps: [lower]", "true, steps: [lowr]"))
    with pytest.raises(errors.ConfigError) as told:
        mapping_files.load("folio/elmwood_patrons")
    assert f"{told.value}\n" in [block.text for block in blocks("docs/mapping-files.md")]


def test_a_mistake_in_a_tenant_file_is_told_as_the_page_says(tmp_path):
    """The message is the real one."""
    text = (PROJECT / "include/tenants/stclare.yaml").read_text(encoding="utf-8")
    path = put(tmp_path / "stclare.yaml", text.replace("max_rejects:", "max_reject:"))
    with pytest.raises(errors.ConfigError) as told:
        tenants.load_file(path)
    assert f"{told.value}\n" in [block.text for block in blocks("docs/tenant-files.md")]


def previews() -> Iterator[tuple[list[str], str]]:
    """The previews that pages show: the words of the command, and what it prints."""
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
    """Whoever tries the command sees the same."""
    for path in (PROJECT / "include/mappings").rglob("*.yaml"):
        put(shown / path.relative_to(PROJECT / "include"), path.read_text(encoding="utf-8"))
    export = words.index("--export") + 1
    words[export] = str(PROJECT / words[export])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command_line.out, "width", 100)
    assert command_line.main(words) == 0
    assert re.sub(r" +$", "", capsys.readouterr().out, flags=re.MULTILINE) == printed


def test_there_are_previews_and_examples():
    """A slip in the search for them must not pass for a green run."""
    assert len(list(previews())) == 2
    assert len(examples()) >= 14


def test_the_reject_of_the_readme_is_real(tmp_path):
    """The row of the README, put through the demo's mapping, comes back with the line that the README shows."""
    header, line = next(block.text for block in blocks("README.md") if "reject_row" in block.text).splitlines()
    columns, ours = header.split("|"), len(reject_files.COLUMNS)
    export = put(tmp_path / "export.csv", "".join("|".join(row.split("|")[:-ours]) + "\n" for row in (header, line)))
    made = preview.preview("folio/banner_patrons", export, Layout(delimiter="|"), Limits(max_rejects="100%"))
    told, reject = made.rejects_file.decode("utf-8-sig").splitlines()
    assert told == header
    place = columns.index("reject_row")
    assert reject.split("|")[:place] == line.split("|")[:place]
    assert reject.split("|")[place + 1 :] == line.split("|")[place + 1 :]


PARTS = {
    "source": tenants.SftpSource,
    "target": tenants.FolioTarget,
    "limits": tenants.Limits,
    "approval": tenants.Approval,
    "notify": tenants.Notify,
    "people": tenants.People,
    "keep": tenants.Keep,
}


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("## The library", tenants.Tenant),
        *((f"## {part}", model) for part, model in PARTS.items()),
        ("## target of type infiniti", tenants.InfinitiTarget),
    ],
)
def test_every_key_of_a_tenant_file_is_told_with_its_default(heading, model):
    """Each key that there is, none that there is not, and what happens when it is left out."""
    told = {
        quoted(cells[0])[0]: cells[2]
        for cells in table(section("docs/tenant-files.md", heading))
        if len(cells) == 3 and cells[0].startswith("`")
    }
    assert set(told) == set(model.model_fields)
    for name, field in model.model_fields.items():
        if field.is_required():
            assert told[name] == "required", name
        elif isinstance(field.default, str | bool | int | float):
            assert told[name] == f"`{json.dumps(field.default).strip(chr(34))}`", name
        else:
            assert told[name] not in ("", "required"), name


def test_every_kind_of_source_is_told():
    """sftp and folder."""
    for model in typing.get_args(tenants.Tenant.model_fields["source"].annotation):
        (kind,) = typing.get_args(model.model_fields["type"].annotation)
        assert f"`{kind}`" in section("docs/tenant-files.md", "## source")
        assert set(model.model_fields) <= set(tenants.SftpSource.model_fields), "a key that no table names"


def test_every_setting_of_a_run_is_told():
    """By the title of the form, and by the name in REST."""
    told = {quoted(cells[1])[0]: cells[0] for cells in table(section("docs/tenant-files.md", "## Trigger settings"))}
    assert told == {name: param.schema["title"] for name, param in tasks.PARAMS.items()}


def test_every_part_of_a_mapping_file_is_told():
    """The keys at the top of the file, and the two parts of `expect`."""
    told = [quoted(cells[0])[0] for cells in table(section("docs/mapping-files.md", "## Its parts"))]
    assert told == list(mapping.Mapping.model_fields)
    assert all(
        f"`{part}`" in section("docs/mapping-files.md", "## Its parts") for part in mapping.Expectations.model_fields
    )


def test_every_owner_and_every_default_is_told():
    """Whose word counts, and what holds where a mapping says nothing."""
    text = section("docs/mapping-files.md", "## Ownership")
    assert [quoted(cells[0])[0] for cells in table(text)] == ["campus", "first", "library", "last"]
    assert {"campus", "first", "last", "library"} == set(typing.get_args(ownership.Owner))
    defaults = systems.KNOWN["folio"].owners
    assert defaults
    told = re.search(r"^The default owner is `first`(.*)It is `campus` for all others", text, re.DOTALL | re.MULTILINE)
    assert told
    assert set(defaults.values()) == {"first"}
    assert set(quoted(told[1])) == set(defaults)


def test_an_ownership_that_a_page_shows_is_taken(shown):
    """The lines of the page are read without complaint."""
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
    """Each key that there is, and none that there is not."""
    rules = section("docs/mapping-files.md", "## Rules")
    told = [key for heading in re.findall(r"^### (.+)$", rules, re.MULTILINE) for key in heading.split(" and ")]
    assert sorted(told) == sorted(field.alias or name for name, field in mapping.Rule.model_fields.items())
    for key in told:
        assert any(re.search(rf"\b{key}: ", example.rule) for example in examples()), key


def test_every_step_is_told_by_its_docstring():
    """The page and the code say the same."""
    told = {quoted(cells[0])[0]: cells[1] for cells in table(section("docs/mapping-files.md", "## Steps"))}
    assert told == {name: inspect.getdoc(step) for name, step in value_steps.STEPS.items()}


def test_every_field_is_told_with_what_it_takes():
    """In the order of the code."""
    told = {quoted(cells[0])[0]: cells[1] for cells in table(section("docs/mapping-files.md", "## Fields"))}
    kinds = {name: fields.kind("folio", name) for name in [*fields.names("folio"), "customFields.NAME"]}
    school = {
        quoted(cells[0])[0]: cells[1] for cells in table(section("docs/mapping-files.md", "## Fields of Infiniti"))
    }
    assert school == {name: kind.value for name, kind in systems.KNOWN["infiniti"].fields.items()}
    assert list(told) == list(kinds)
    for name, kind in kinds.items():
        assert kind, name
        assert told[name].replace(" and ", " or ") == kind.value.replace("only true and false", "true or false"), name
    assert set(systems.KNOWN["folio"].unique) == {
        name
        for name, *_, note in table(section("docs/mapping-files.md", "## Fields"))
        if "nique." in note
        for name in quoted(name)
    }


def test_every_expectation_with_words_of_its_own_is_told():
    """And the example says what the code would say."""
    told = {quoted(cells[0])[0]: cells[1] for cells in table(section("docs/mapping-files.md", "## Expectations"))}
    assert list(told) == list(expectations.KNOWN)
    for name, known in expectations.KNOWN.items():
        pattern = re.sub(r"\\\{\w+\\\}", ".+", re.escape(known.words))
        assert re.fullmatch(rf".+ {pattern}", told[name]), name


def test_every_make_target_is_told_and_every_one_told_is_there():
    """The README has all of them."""
    targets = set(re.findall(r"^([a-z]+):.*## ", page("Makefile"), re.MULTILINE))
    assert targets <= {word for part in quoted(page("README.md")) for word in re.findall(r"^make (\w+)", part)}
    for name in PAGES:
        code = quoted(page(name)) + [
            line.removeprefix("$ ") for block in blocks(name) for line in block.text.splitlines()
        ]
        for line in code:
            if found := re.match(r"make ([a-z]+)", line):
                assert found[1] in targets, f"{name}: {line}"


def test_every_command_and_option_is_told():
    """The README has all of `python -m patronload`."""
    told = page("README.md")
    (commands,) = [action for action in command_line._parser()._actions if action.choices]
    for command, parser in dict(commands.choices).items():
        assert f"`python -m patronload {command}`" in told
        for option in parser._option_string_actions:
            assert option in ("-h", "--help") or f"`{option}`" in told, option


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    """Files, pictures and headings that a page links to are there."""
    folder = (PROJECT / name).parent
    for link in re.findall(r"\]\(([^)\s]+)\)", page(name)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = folder / path if path else PROJECT / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def anchors(path: Path) -> list[str]:
    """The headings of a page as GitHub links to them; one that comes again gets a number."""
    found: list[str] = []
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        again = sum(re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", other) is not None for other in found)
        found.append(f"{anchor}-{again}" if again else anchor)
    return found


def test_pictures_are_small_and_each_is_shown():
    """A page loads at once."""
    for image in (DOCS / "images").iterdir():
        assert image.stat().st_size < 200_000, image.name
        assert any(image.name in page(name) for name in PAGES), image.name


def test_every_page_can_be_found_from_the_readme():
    """One line for each page."""
    assert {f"docs/{name}.md" for name in NAMES} <= set(PAGES)
    for name in PAGES[1:]:
        assert f"({name}" in page("README.md"), name


FAILURES = "docs/when-a-run-fails.md"
TASKS = re.findall(r"tasks\.(\w+)\(name\)", page("dags/patron_load.py"))


def test_the_tasks_are_the_same_words_in_the_same_order_everywhere():
    """The DAG, its manual, the steps, and the headings of when-a-run-fails.md."""
    headings = re.findall(r"^## (\w+)$", page(FAILURES), re.MULTILINE)
    assert headings == TASKS
    assert re.findall(r"^\* \*\*(\w+)\*\* ", page("dags/patron_load.py"), re.MULTILINE) == TASKS
    assert [name for name, _ in inspect.getmembers(steps, inspect.isfunction) if name in TASKS] == sorted(TASKS)


HOLE = "…"
SHORT = 8
"""A part of a message with fewer letters could be anybody's."""


def template(node: ast.AST) -> str | None:
    """The text of an expression, with a hole for what is filled in; None if it is no text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"\{[^}]*\}", HOLE, node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else HOLE for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = template(node.left), template(node.right)
        return None if left is None and right is None else f"{left or HOLE}{right or HOLE}"
    return None


def nodes(*names: str) -> Iterator[ast.AST]:
    """All nodes of the modules; without names, of the whole package."""
    package = PROJECT / "plugins/patronload"
    for path in [package / name for name in names] or sorted(package.rglob("*.py")):
        yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def parts(message: str) -> list[str]:
    """What is between the holes of a message, and long enough to tell."""
    found = [part.strip(" .,:;()'") for part in message.split(HOLE)]
    return [part for part in found if len(part) >= SHORT]


def says(message: str, text: str) -> bool:
    """Whether all parts of a message stand in a text."""
    return bool(parts(message)) and all(part in text for part in parts(message))


def messages() -> list[str]:
    """The messages that when-a-run-fails.md tells, in backticks in the first column of its tables."""
    return [quoted(cells[0])[0] for cells in table(page(FAILURES)) if cells[0].startswith("`")]


MISTAKE_IN_A_FILE = "….yaml, line …: …"


def test_every_message_told_is_one_that_the_code_says():
    """Each of its parts stands in the code as it stands on the page."""
    texts = [text for node in nodes() if (text := template(node))]
    for message in messages():
        assert parts(message) or message == MISTAKE_IN_A_FILE, message
        for part in parts(message):
            assert any(part in text for text in texts), f"{part!r} of {message!r}"


SPEAKING = (
    *("config/tenants.py", "exports/reading.py", "checks/validation.py", "stages/steps.py"),
    *("loads/posting/post.py", "connections.py", "reporting/mails.py", "loads/gatekeeper.py"),
    *("loads/approval.py", "artifacts/history.py", "artifacts/purging.py", "artifacts/run.py"),
    *("artifacts/encryption.py", "sources/deliveries.py", "sources/sftp.py", "sources/folder.py"),
    *("loads/leases.py", "targets/delivery.py", "targets/folio/client.py", "targets/folio/errors.py"),
    *("targets/folio/user_import.py", "targets/folio/auth.py", "targets/http_client.py"),
    "targets/infiniti/client.py",
)


def test_every_message_that_the_code_says_is_told():
    """Whoever sees a message finds it on the page. (Mistakes in the YAML say themselves what to write.)"""
    kinds = {name for name, kind in vars(errors).items() if inspect.isclass(kind)}
    said = [
        text
        for node in nodes(*SPEAKING)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds and node.args
        if (text := template(node.args[0]))
    ]
    said += [re.sub(r"\{[^}]*\}", HOLE, sentence) for sentence in folio_faults._SENTENCES.values()]
    assert len(said) > 40
    for text in said:
        assert any(says(message, text) or says(text, message) for message in messages()), text


def test_every_refusal_of_folio_is_told():
    """In the words of the mail."""
    told = [cells[0] for cells in table(section(FAILURES, "## post"))]
    said = {words for _, words in folio_answers._SUMMARIES} | set(folio_answers._HELD.values())
    assert said | {folio_answers.UNKNOWN, folio_answers.UNEXPLAINED} <= set(told)


def test_every_refusal_of_infiniti_is_told():
    """In the words of the mail; and so are the notes of the report, and the reasons of its plan."""
    told = [cells[0] for cells in table(section(FAILURES, "## post"))]
    said = {words for _, words in infiniti_answers._SUMMARIES}
    assert said | {infiniti_answers.UNKNOWN, infiniti_answers.UNTOLD, infiniti_answers.FILE_REFUSED} <= set(told)
    notes = [
        text
        for node in nodes("targets/infiniti/client.py")
        if isinstance(node, ast.Yield) and (text := template(node.value))
    ]
    notes.append("An answer of Infiniti's cannot be right: …")
    assert len(notes) == 3
    for text in notes:
        assert any(says(message, text) for message in messages()), text


PLANNING = (*("folio/plan", "folio/preflight", "folio/identity_conflicts", "folio/reference_data", "infiniti/plan"),)


def reasons_of_the_plan() -> Iterator[str]:
    """The words that the plan sets rows aside with, with holes."""
    for node in nodes(*(f"targets/{module}.py" for module in PLANNING)):
        place = {"Problem": 2, "_set_aside": 3}.get(called(node))
        text = template(node.args[place]) if isinstance(node, ast.Call) and place else template(node)
        if text and parts(text) and (place or text.startswith("FOLIO's custom field")):
            yield text
    yield from (folio_plan.UNREADABLE, folio_plan.OTHER_PREFIX, folio_plan.SAME_TYPE)
    yield from (infiniti_plan.NO_YEAR, infiniti_plan.ODD_YEAR, infiniti_plan.ODD_GENDER)
    yield from (infiniti_plan.NEW_USERNAME, infiniti_plan.OTHERS_CARD)


def called(node: ast.AST) -> str:
    """The name of what is called."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "id", "") or getattr(node.func, "attr", "")


def test_every_reason_of_the_plan_is_told():
    """A row that was set aside can be looked up."""
    told = [cells[0] for cells in table(section(FAILURES, "## plan")) if not cells[0].startswith("`")]
    said = list(reasons_of_the_plan())
    assert len(said) > 15
    for text in said:
        assert any(text in line for line in told), text
    texts = [text for node in nodes(*(f"targets/{module}.py" for module in PLANNING)) if (text := template(node))]
    for line in told:
        assert any(says(line, text) for text in texts), line


def test_every_finding_of_the_plan_is_told():
    """A warning of the plan, and what stops it, can be looked up."""
    told = [quoted(cells[0])[0] for cells in table(section(FAILURES, "## plan")) if cells[0].startswith("`")]
    said = [
        text
        for node in nodes("targets/folio/plan.py", "targets/folio/preflight.py")
        if isinstance(node, ast.Call) and called(node) == "Finding"
        if (text := template(node.args[2])) and parts(text)
    ]
    said.append(folio_preflight.TOO_MANY_TO_CREATE)
    assert len(said) >= 5
    for text in said:
        assert any(says(message, text) or parts(message)[0] in text for message in told), text


def test_every_kind_of_error_is_told():
    """The error tree is part of the architecture."""
    kinds = [kind.__name__ for kind in errors.PatronloadError.__subclasses__()]
    assert all(f"`{kind}`" in page("docs/architecture.md") for kind in kinds)


def test_every_permission_is_told():
    """What FOLIO may ask for, an administrator can give beforehand."""
    told = quoted(section("docs/add-a-library.md", "## 1. Connections"))
    assert set(folio_faults._PERMISSIONS.values()) <= set(told)


def test_the_connections_can_be_copied():
    """Each is JSON on one line, of the kind that its use asks for."""
    kinds = [
        (block.note.removeprefix("connection: "), json.loads(block.text))
        for block in blocks("docs/add-a-library.md")
        if block.language == "json"
    ]
    assert [kind for kind, _ in kinds] == ["sftp", "sftp", "http", "http", "smtp"]
    for kind, connection in kinds:
        assert connection["conn_type"] == kind
        assert kind != "sftp" or connection["extra"]["host_key"].startswith("ssh-ed25519 ")


ARTIFACTS = "docs/run-artifacts.md"


def test_every_artifact_is_told_with_the_task_that_writes_it():
    """The names of runs.py and steps.py, and the folders of the chunks."""
    told = {quoted(cells[0])[0]: cells[1] for cells in table(section(ARTIFACTS, "## The files"))}
    names = {value for name, value in vars(runs).items() if name.isupper() and isinstance(value, str)}
    names |= {steps.VALIDATE_REJECTS, steps.TRANSFORM_REJECTS, steps.PLAN_REJECTS, posting.CREATED, posting.PACE}
    names |= {posting._name(folder, 1) for folder in (posting.CHUNKS, posting.SENT, posting.RESULTS)}
    assert set(told) == names
    overview = section(ARTIFACTS, "# Run artifacts").split("##", 1)[0]
    assert all(name in overview for name in names)
    writing = {task for writers in told.values() for task in re.findall(r"\w+", writers.replace(" or ", " "))}
    # purge is the task of another DAG.
    assert writing <= {*TASKS, "purge"}


def test_what_is_kept_when_patrons_go_is_what_holds_none():
    """The files that stay after a purge are those of which the page says that no personal data is in them."""
    told = {quoted(cells[0])[0]: cells[2] for cells in table(section(ARTIFACTS, "## The files"))}
    assert {name for name, personal in told.items() if "yes" not in personal} == set(purging.KEPT)


def test_every_count_outcome_and_column_is_told():
    """What report.json and rejects.csv say can be looked up."""
    account = [quoted(cells[0])[0] for cells in table(section(ARTIFACTS, "## The counts and the outcome"))]
    counts = ["created", "updated", "failed", "rejected", "not_sent", "unconfirmed"]
    assert account == [*counts, *typing.get_args(reports.Outcome)]
    assert f"rows = {' + '.join(counts)}" in page(ARTIFACTS)
    columns = [quoted(cells[0])[0] for cells in table(section(ARTIFACTS, "## rejects.csv"))]
    assert columns == list(reject_files.COLUMNS)


def test_every_setting_of_the_environment_is_told():
    """PATRONLOAD_... of settings.py."""
    settings = set(re.findall(r"PATRONLOAD_[A-Z_]+", page("plugins/patronload/settings.py")))
    told = "".join(page(name) for name in PAGES)
    assert settings
    assert all(setting in told for setting in settings)


def test_every_package_is_explained():
    """A new package, and a new module beside the packages, gets its line in architecture.md too."""
    packages = section("docs/architecture.md", "## The packages")
    for path in (PROJECT / "plugins/patronload").iterdir():
        if path.suffix == ".py" or (path / "__init__.py").exists():
            assert path.stem == "__init__" or f"`{path.stem}" in packages, path.name


def test_the_picture_of_the_packages_is_current():
    """It is drawn from the code: `make docs` draws it again."""
    text = page("docs/architecture.md")
    assert picture.current(text) == text, "the imports have changed: run `make docs`"


def test_an_arrow_that_others_imply_is_left_out():
    """A to C says nothing that A to B and B to C do not say."""
    assert picture.without_implied({("a", "b"), ("b", "c"), ("a", "c")}) == {("a", "b"), ("b", "c")}


def test_the_changelog_is_kept():
    """What is not released yet has its place."""
    assert re.search(r"^## \[(Unreleased|[0-9.]+)\]", page("CHANGELOG.md"), re.MULTILINE)


def test_the_five_minutes_of_the_readme(tmp_path, monkeypatch, capsys):
    """The commands under "Your own file in five minutes" work, in this order."""
    (commands,) = [block for block in blocks("README.md") if block.language == "sh" and " draft " in block.text]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(tmp_path / "include"))
    put(tmp_path / "docs/examples/patron_template.csv", page("docs/examples/patron_template.csv"))
    for line in commands.text.splitlines():
        if " patronload " in line:
            words = shlex.split(line)[shlex.split(line).index("patronload") + 1 :]
            assert command_line.main(words) == 0, capsys.readouterr().err
    assert mapping_files.load("folio/mylib").fields
    assert (tmp_path / ".local/preview/rejects.csv").exists()
