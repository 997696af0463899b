"""docs/when-a-run-fails.md has every message of the program, and no other."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from patronload import errors, stages
from patronload.reporting import words
from patronload.targets.folio import answers as folio_answers
from patronload.targets.folio import errors as folio_faults
from patronload.targets.folio import new_ids, taking_over
from patronload.targets.folio import own_rules as folio_rules
from patronload.targets.folio import plan as folio_plan
from patronload.targets.folio import values as folio_values
from patronload.targets.infiniti import answers as infiniti_answers
from patronload.targets.infiniti import plan as infiniti_plan
from tests.documentation.pages import (
    FAILURES,
    HOLE,
    TASKS,
    called,
    nodes,
    page,
    parts,
    quoted,
    section,
    table,
    template,
)


def says(message: str, text: str) -> bool:
    """Whether a text contains all parts of a message."""
    return bool(parts(message)) and all(part in text for part in parts(message))


def messages() -> list[str]:
    """The messages in when-a-run-fails.md: the words in backticks in the first column of its tables."""
    return [quoted(cells[0])[0] for cells in table(page(FAILURES)) if cells[0].startswith("`")]


MISTAKE_IN_A_FILE = "….yaml, line …: …"


def test_the_tasks_are_the_same_words_in_the_same_order_everywhere():
    """In the DAG, its manual, the stages, and the headings of when-a-run-fails.md."""
    headings = re.findall(r"^## (\w+)$", page(FAILURES), re.MULTILINE)
    assert headings == TASKS
    assert re.findall(r"^\* \*\*(\w+)\*\* ", page("dags/patron_load.py"), re.MULTILINE) == TASKS
    assert stages.__doc__ == f"The eight stages of a load: {', '.join(TASKS)}."
    modules = {path.stem for path in Path(stages.__path__[0]).glob("*.py")}
    assert modules == {"__init__", *TASKS}


def test_the_index_has_every_kind_of_mail():
    """Whoever reads a mail finds its first word in the table at the top."""
    on_page = [cells[0] for cells in table(section(FAILURES, "## Start here"))]
    kinds = [*words.LOOKS.values(), words.LATE, words.ASKED, words.ATTENTION, words.ALL_WELL]
    assert sorted(on_page) == sorted(look.word for look in kinds)


def test_every_message_on_the_page_is_in_the_code():
    """Each part of a message on the page is in the code."""
    texts = [text for node in nodes() if (text := template(node))]
    for message in messages():
        assert parts(message) or message == MISTAKE_IN_A_FILE, message
        for part in parts(message):
            assert any(part in text for text in texts), f"{part!r} of {message!r}"


SPEAKING = (
    *("config/tenants.py", "config/source.py", "exports/reading.py", "checks/validation.py", "checks/reasons.py"),
    *("stages/notify.py", "stages/post.py", "stages/validate.py", "loads/planning.py", "loads/reruns.py"),
    *("loads/posting/post.py", "connections.py", "reporting/smtp.py", "loads/gatekeeper.py"),
    *(
        "loads/approval.py",
        "artifacts/history.py",
        "artifacts/purging.py",
        "artifacts/run.py",
        "artifacts/bucket_store.py",
        "artifacts/content.py",
        "loads/posting/planned_chunks.py",
    ),
    *("artifacts/encryption.py", "sources/deliveries.py", "sources/sftp.py", "sources/folder.py"),
    *("sources/sql.py", "sources/https.py"),
    *("loads/leases.py", "targets/delivery.py", "targets/folio/client.py", "targets/folio/errors.py"),
    *("targets/folio/user_import.py", "targets/folio/auth.py", "http_client.py"),
    "targets/infiniti/client.py",
)


def test_every_message_in_the_code_is_on_the_page():
    """You can look up every message. (Messages about mistakes in YAML explain themselves.)"""
    kinds = {name for name, kind in vars(errors).items() if inspect.isclass(kind)}
    said = [
        text
        for node in nodes(*SPEAKING)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds and node.args
        if (text := template(node.args[0]))
    ]
    said += [re.sub(r"\{[^}]*\}", HOLE, sentence) for sentence in folio_faults.SENTENCES.values()]
    assert len(said) > 40
    for text in said:
        assert any(says(message, text) or says(text, message) for message in messages()), text


def test_every_refusal_of_folio_is_explained():
    """In the words of the mail."""
    on_page = [cells[0] for cells in table(section(FAILURES, "## post"))]
    said = {words for _, words in folio_answers.SUMMARIES} | set(folio_answers.HELD.values())
    said |= {new_ids.GONE, new_ids.CHANGED, new_ids.STAFF}
    assert said | {folio_answers.UNKNOWN, folio_answers.UNEXPLAINED} <= set(on_page)


def test_every_refusal_of_infiniti_is_explained():
    """In the words of the mail; so are the notes of the report."""
    on_page = [cells[0] for cells in table(section(FAILURES, "## post"))]
    said = {words for _, words in infiniti_answers.SUMMARIES}
    assert said | {infiniti_answers.UNKNOWN, infiniti_answers.UNTOLD, infiniti_answers.FILE_REFUSED} <= set(on_page)
    notes = [
        text
        for node in nodes("targets/infiniti/client.py")
        if isinstance(node, ast.Yield) and (text := template(node.value))
    ]
    notes.append("An answer from Infiniti is inconsistent: …")
    assert len(notes) == 3
    for text in notes:
        assert any(says(message, text) for message in messages()), text


PLANNING = (
    *("folio/plan", "folio/values", "folio/own_rules", "folio/identity_conflicts", "folio/field_formats"),
    *("folio/taking_over", "infiniti/plan", "delivery"),
)


def reasons_of_the_plan() -> Iterator[str]:
    """The reasons for setting rows aside, with holes."""
    for node in nodes(*(f"targets/{module}.py" for module in PLANNING)):
        place = {"Problem": 2, "_set_aside": 3}.get(called(node))
        text = template(node.args[place]) if isinstance(node, ast.Call) and place else template(node)
        of_plan = place or (text and (text.startswith("FOLIO's custom field") or "; perhaps the same person" in text))
        if text and parts(text) and of_plan:
            yield text
    yield from (taking_over.NO_STAFF, taking_over.TWO_USERS, taking_over.TWO_ROWS, taking_over.STAFF_ID)
    yield from (taking_over.BOTH_IN_FILE, taking_over.KEPT, taking_over.DISAGREE.replace("{}", HOLE))
    yield from (folio_plan.UNREADABLE, folio_plan.OTHER_PREFIX, folio_plan.INCOMPLETE, folio_rules.SAME_TYPE)
    yield from (infiniti_plan.NO_YEAR, infiniti_plan.ODD_YEAR, infiniti_plan.ODD_GENDER)
    yield from (infiniti_plan.NEW_USERNAME, infiniti_plan.OTHERS_CARD)


def test_every_reason_of_the_plan_is_explained():
    """You can look up why a row was set aside."""
    on_page = [cells[0] for cells in table(section(FAILURES, "## plan")) if not cells[0].startswith("`")]
    said = list(reasons_of_the_plan())
    assert len(said) > 15
    for text in said:
        assert any(text in line for line in on_page), text
    texts = [text for node in nodes(*(f"targets/{module}.py" for module in PLANNING)) if (text := template(node))]
    for line in on_page:
        assert any(says(line, text) for text in texts), line


def test_every_finding_of_the_plan_is_explained():
    """You can look up every warning of the plan, and everything that stops it."""
    on_page = [quoted(cells[0])[0] for cells in table(section(FAILURES, "## plan")) if cells[0].startswith("`")]
    said = [
        text
        for node in nodes(*(f"targets/folio/{module}.py" for module in ("plan", "preflight", "values")))
        if isinstance(node, ast.Call) and called(node) == "Finding"
        if (text := template(node.args[2])) and parts(text)
    ]
    said.append(folio_values.TOO_MANY_TO_CREATE)
    assert len(said) >= 5
    for text in said:
        assert any(says(message, text) or parts(message)[0] in text for message in on_page), text


def test_every_permission_is_explained():
    """An administrator can give every permission in advance."""
    on_page = quoted(section("docs/add-a-library.md", "## 1. Connections"))
    assert set(folio_faults.PERMISSIONS.values()) <= set(on_page)
