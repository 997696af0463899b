"""One DAG for each tenant file, saying what the tenant file says."""

import ast
import json
import re
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG, RetryAction, get_parsing_context
from airflow.sdk.definitions.context import _AIRFLOW_PARSING_CONTEXT_DAG_ID
from airflow.sdk.exceptions import AirflowRescheduleException
from airflow.serialization.serialized_objects import DagSerialization

from patronload import errors
from patronload.artifacts.run import Run
from patronload.config import tenants
from patronload.loads.leases import Lease
from patronload.loads.load import Load
from tests.dags.dag_files import dags_in

FAR = ("plan", "post")
STAGES = ["fetch", "validate", "transform", "plan", "approve", "post", "report", "notify"]


@pytest.fixture
def northfield(read) -> DAG:
    """The DAG of the demo's first library."""
    return dags_in(read("patron_load"))["patron_load__northfield"]


def test_one_dag_for_each_tenant_file(read):
    """A tenant file in include/ is a DAG; nothing else is."""
    assert dags_in(read("patron_load")).keys() == {f"patron_load__{name}" for name in tenants.names()}
    assert dags_in(read("tenant_files")) == {}


def test_how_a_library_is_shown(northfield: DAG):
    """Name, owner, tags, description and manual tell a person which library this is and where its files are."""
    assert northfield.dag_display_name == "Patron load: Northfield University Library"
    assert northfield.owner == "Northfield University Library"
    assert northfield.tags == {"patron-load", "tenant:northfield", "target:folio"}
    assert northfield.description == "sftp to folio, by folio/banner_patrons"
    for told in (
        "include/tenants/northfield.yaml",
        "include/mappings/folio/banner_patrons.yaml",
        "outgoing/patrons_{date:%Y%m%d}.csv",
        "30 4 * * *",
        "America/Chicago",
        "docs/when-a-run-fails.md",
    ):
        assert told in str(northfield.doc_md)


def test_the_manual_the_tasks_and_the_stages_have_the_same_names(northfield: DAG, project):
    """The manual, the task ids, the tasks and the stages have the same names in the same order."""
    assert re.findall(r"^\* \*\*(\w+)\*\*", str(northfield.doc_md), flags=re.MULTILINE) == STAGES
    assert [task.task_id for task in northfield.topological_sort()] == STAGES
    package = project / "plugins" / "patronload"
    module = ast.parse((package / "in_airflow" / "tasks.py").read_text(encoding="utf-8"))
    functions = [node.name for node in module.body if isinstance(node, ast.FunctionDef)]
    assert [function for function in functions if not function.startswith("_")] == STAGES
    assert {path.stem for path in (package / "stages").glob("*.py")} == {"__init__", *STAGES}


def test_the_stages_run_one_after_the_other(northfield: DAG):
    """Each stage waits for the one before it."""
    assert [task.downstream_task_ids for task in northfield.topological_sort()] == [
        *({name} for name in STAGES[1:]),
        set(),
    ]


def test_every_library_has_the_task_that_asks(read):
    """Also one without `approval` in its tenant file: an undo is always asked about."""
    dags = dags_in(read("patron_load"))
    assert [task.task_id for task in dags["patron_load__stclare"].topological_sort()] == STAGES


def test_what_no_answer_means(northfield: DAG):
    """The safe thing: nothing is sent. What is asked, and until when, is made when it is asked."""
    ask = northfield.get_task("approve")
    assert (ask.options, ask.defaults) == (["Approve", "Reject"], ["Reject"])
    assert ask.response_timeout == timedelta(hours=20)


def test_the_asset(northfield: DAG):
    """A load stands for the library's patrons in its system: post, which a dry run skips, has them as its outlet."""
    assert {task.task_id: [asset.uri for asset in task.outlets] for task in northfield.tasks if task.outlets} == {
        "post": ["x-folio://northfield/patrons"]
    }


def test_never_two_loads_of_one_library_at_once(northfield: DAG):
    """One run at a time; and because a backfill does not heed that, one of each step at a time."""
    assert northfield.max_active_runs == 1
    assert [task.max_active_tis_per_dag for task in northfield.tasks] == [1] * 8
    assert northfield.catchup is False
    assert northfield.is_paused_upon_creation is True


def test_report_and_notify_run_after_a_failure_and_leave_the_run_red(northfield: DAG):
    """They are teardowns; the run has the colour of post and of notify, both of which Airflow asks."""
    teardowns = {task.task_id: task.on_failure_fail_dagrun for task in northfield.tasks if task.is_teardown}
    # Were report to count, Airflow would no longer ask post: a failed load was green. tests/airflow sees it for real.
    assert teardowns == {"report": False, "notify": True}


def test_the_form(northfield: DAG):
    """Each parameter of the form has a title, a description and a type; left alone, they ask for an ordinary load."""
    params = {name: northfield.params.get_param(name) for name in northfield.params}
    assert list(params) == ["dry_run", "day", "source_path", "load_anyway", "send_all", "adopt", "undo", "leave"]
    assert all(param.schema["title"] and param.description for param in params.values())
    assert {name: param.schema["type"] for name, param in params.items()} == {
        "dry_run": "boolean",
        "day": ["null", "string"],
        "source_path": ["null", "string"],
        "load_anyway": ["null", "string"],
        "send_all": "boolean",
        "adopt": ["null", "string"],
        "undo": ["null", "string"],
        "leave": "boolean",
    }
    # Airflow's form shows a calendar for this format.
    assert params["day"].schema["format"] == "date"
    # Each task having a copy would take Airflow more than twice as long to read a library's DAG.
    assert [dict(task.params) for task in northfield.tasks] == [{}] * 8
    assert northfield.params.dump() == {
        "dry_run": False,
        "day": None,
        "source_path": None,
        "load_anyway": None,
        "send_all": False,
        "adopt": None,
        "undo": None,
        "leave": False,
    }


@pytest.mark.parametrize(("send_all", "send"), [(False, "changed"), (True, "all")])
def test_everyone_can_be_sent_for_one_run(northfield: DAG, monkeypatch, tmp_path, send_all, send):
    """Whatever the tenant file says in `target.send`, which stays as it is."""
    from patronload.in_airflow import current_load

    run = SimpleNamespace(
        run_id="r", run_type="manual", partition_key=None, run_after=datetime(2026, 1, 15, 12, tzinfo=UTC)
    )
    context = {"dag_run": run, "params": northfield.params.dump() | {"send_all": send_all}}
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS", f"{tmp_path}")
    monkeypatch.setattr(current_load, "get_current_context", lambda: context)
    assert current_load.of_the_task("northfield").tenant.target.send == send
    assert tenants.load("northfield").target.send == "changed"


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (None, None),
        ("", None),
        (" \n", None),
        ("\x1b[31m", "[31m"),
        ("  new term,\n says Mr Reed ", "new term, says Mr Reed"),
    ],
)
def test_blanks_are_no_reason(northfield: DAG, written, reason):
    """Whoever leaves the field empty has not said that the file is right."""
    from patronload.in_airflow import current_load

    assert current_load.on_one_line(written) == reason


@pytest.mark.parametrize(
    ("kind", "key", "past"),
    [
        pytest.param("backfill", "2026-01-15", True, id="a backfill"),
        pytest.param("manual", "2026-01-15", True, id="by hand, for that day"),
        pytest.param("scheduled", "2026-01-15", False, id="a scheduled run that is late, or cleared"),
        pytest.param("manual", None, False, id="by hand"),
        pytest.param("backfill", "2999-01-15", False, id="a day to come"),
    ],
)
def test_who_asks_for_a_day_that_is_over(kind, key, past):
    """Only a person's wish for a past day is answered from the archive of earlier runs."""
    run = SimpleNamespace(run_type=kind, partition_key=key, run_after=datetime(2026, 1, 15, 12, tzinfo=UTC))
    from patronload.in_airflow import current_load

    assert current_load.is_past(run, tenants.load("northfield")) is past


@pytest.mark.parametrize("step", FAR)
def test_what_another_run_of_the_library_holds_is_not_waited_for_in_a_task(monkeypatch, tmp_path, step):
    """It may have to take the very task: its plan, whose process was killed, and of which only one runs at a time."""
    from patronload.in_airflow import tasks

    tenant, root = tenants.load("northfield"), tmp_path / "artifacts"
    load = Load(tenant, Run(root / "northfield" / "mine"), "mine", date(2026, 11, 21))
    monkeypatch.setattr(tasks.current_load, "of_the_task", lambda _: load)
    Lease(load.run.root, "folio.example/main", "northfield/other").hold()
    with pytest.raises(AirflowRescheduleException):
        getattr(tasks, step).function("northfield")


def test_every_task_ends_some_time(northfield: DAG):
    """A task that hangs is ended, and only those that talk to FOLIO may take hours."""
    limits = {task.task_id: task.execution_timeout for task in northfield.tasks}
    assert all(limit is not None and limit <= timedelta(hours=1) for name, limit in limits.items() if name not in FAR)
    assert all((limits[name] or timedelta.max) <= timedelta(hours=12) for name in FAR)


ORDER = ("fetch", "validate", "transform", "plan", "approve", "post")


@pytest.mark.parametrize(
    ("states", "ended_at"),
    [
        ({"fetch": "failed"} | dict.fromkeys(ORDER[1:], "skipped"), "fetch"),
        (dict.fromkeys(ORDER, "skipped"), "fetch"),
        (dict.fromkeys(ORDER[:4], "success") | {"approve": "failed", "post": "skipped"}, "approve"),
        ({"fetch": "failed"} | dict.fromkeys(ORDER[1:], "upstream_failed"), None),
        ({"fetch": "success"} | dict.fromkeys(ORDER[1:], "skipped"), None),
        (dict.fromkeys(ORDER[:5], "success") | {"post": "skipped"}, None),
        (dict.fromkeys(ORDER, "success"), None),
    ],
    ids=["at fetch", "before fetch", "at approve", "an error", "loaded before", "a dry run", "a load"],
)
def test_a_run_that_a_person_marked_as_failed_is_known(northfield: DAG, monkeypatch, states, ended_at):
    """Airflow skips the tasks that had not begun; after an error they would be upstream_failed."""
    from patronload.in_airflow import ended_by_hand

    ended = [{"task_id": task, "state": state, "duration": 1} for task, state in states.items()]
    task = SimpleNamespace(get_task_breadcrumbs=lambda *_: iter(ended))
    context = {"ti": task, "dag": northfield, "dag_run": SimpleNamespace(run_id="manual__1")}
    monkeypatch.setattr(ended_by_hand, "get_current_context", lambda: context)
    assert ended_by_hand.stage() == ended_at


KINDS = (
    *("ConfigError", "SourceError", "ValidationError", "Declined", "TargetError", "TransientError"),
    *("NotStartedError", "Defect"),
)


@pytest.mark.parametrize(
    ("error", "action"),
    [
        pytest.param(errors.TransientError("busy"), RetryAction.RETRY, id="TransientError"),
        *(
            pytest.param(getattr(errors, kind)("no"), RetryAction.FAIL, id=kind)
            for kind in KINDS
            if kind != "TransientError"
        ),
    ],
)
def test_only_what_may_go_away_by_itself_is_tried_again(northfield: DAG, error, action):
    """An error that a retry cannot help fails the task at once; a busy server gets three more tries."""
    for task in northfield.tasks:
        assert task.retries == 3
        assert task.retry_policy.evaluate(error, 1, 3).action is action


@pytest.mark.parametrize(("asked", "pause"), [(None, None), (90.0, 90), (86_400.0, 3600)])
def test_a_pause_that_the_far_end_asks_for_is_made(northfield: DAG, asked, pause):
    """Airflow tries again no sooner than FOLIO said, an hour later at most; else after its own, growing pauses."""
    error = errors.TransientError("busy")
    error.retry_after = asked
    decision = northfield.get_task("post").retry_policy.evaluate(error, 1, 3)
    assert decision.action is RetryAction.RETRY
    assert decision.reason == "busy", "the pages show it"
    assert decision.retry_delay == (timedelta(seconds=pause) if pause else None)


def test_every_kind_of_error_is_covered():
    """No kind of error is forgotten above."""
    kinds = {kind.__name__ for kind in errors.PatronloadError.__subclasses__()}
    assert kinds == set(KINDS)


def test_reading_twice_gives_the_same(read):
    """Airflow makes no new version of a DAG as long as its tenant file stays the same."""
    first, second = (
        {name: json.dumps(DagSerialization.to_dict(dag), sort_keys=True) for name, dag in dags_in(read(file)).items()}
        for file in ("patron_load", "patron_load")
    )
    assert _without_place(first) == _without_place(second)


def _without_place(serialized: dict[str, str]) -> dict[str, str]:
    """The tests give each module a name of its own; Airflow gives it the same one each time."""
    return {name: re.sub(r"dag_file_patron_load_\d", "patron_load", text) for name, text in serialized.items()}


def test_a_task_builds_its_own_dag_only(read, monkeypatch):
    """With hundreds of tenants, a task must not wait for the DAGs of the others."""
    # This is how Airflow says in a task's process which DAG it is of.
    monkeypatch.setenv(_AIRFLOW_PARSING_CONTEXT_DAG_ID, "patron_load__stclare")
    assert get_parsing_context().dag_id == "patron_load__stclare"
    assert list(dags_in(read("patron_load"))) == ["patron_load__stclare"]


def test_a_library_without_a_schedule_is_loaded_by_hand(read, add_tenant):
    """Without `schedule` there is a DAG that waits to be triggered."""
    add_tenant("riverside", {'schedule: "30 4 * * *"\n': ""})
    dag = dags_in(read("patron_load"))["patron_load__riverside"]
    assert dag.schedule is None
    assert "`by hand`" in str(dag.doc_md)


@pytest.mark.parametrize(
    ("chosen", "partition", "day", "past"),
    [
        (None, None, "2026-11-20", False),
        (None, "2026-10-02", "2026-10-02", True),
        ("2026-10-01", None, "2026-10-01", True),
        ("2026-10-01", "2026-10-02", "2026-10-01", True),
    ],
)
def test_the_day_of_a_run_by_hand(monkeypatch, tmp_path, chosen, partition, day, past):
    """The chosen day comes first, then that of the partition; without either it is the library's own day."""
    from patronload.in_airflow import current_load

    run = SimpleNamespace(
        run_id="manual__1",
        partition_key=partition,
        run_type="manual",
        run_after=datetime(2026, 11, 21, 3, tzinfo=UTC),  # in Chicago it is still the day before
    )
    params = {"dry_run": False, "source_path": None, "day": chosen}
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS", tmp_path.as_uri())
    monkeypatch.setattr(current_load, "get_current_context", lambda: {"dag_run": run, "params": params})
    made = current_load.of_the_task("northfield")
    assert f"{made.day}" == day
    assert made.past == past
