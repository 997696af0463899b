"""Play a week through the product's own stages, retried as Airflow would, killed as the schedule says."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import httpx
import polars as pl

from faults.load import CLEARINGS, HEALED_AFTER, RETRIES, Killed, Product
from faults.schedule import Kill, Schedule
from faults.week import BETWEEN, Edit, Night, Week, as_csv, leavers
from faults.week_oracle import Oracle
from patronload import rows as row_tables
from patronload.artifacts import names, questions, tables
from patronload.artifacts.run import Run
from patronload.config import tenants
from patronload.connections import Connection
from patronload.errors import PatronloadError
from patronload.loads import approval, delivery, failures, gatekeeper, reruns
from patronload.loads.approval import Answer, Turn
from patronload.loads.load import Load
from patronload.stages import fetch, plan, post, report, transform
from sandbox.faults import Faults

Step = Callable[[Load], Any]
TURN = Turn(1, None)
YES = Answer(approved=True, by="ann", at=datetime(2024, 11, 4, 9, tzinfo=UTC), reason="it was the wrong file")


class Mortal:
    """Kills the worker when it does something for the nth time; a dead worker does nothing any more."""

    def __init__(self, kills: list[Kill]) -> None:
        self.kills = kills
        self.done = {"artifact": 0, "request": 0}
        self.dead = False
        self.armed = True
        self.killed = 0
        self.dies_at = 0
        """The result that is not written any more; 0 for none."""

    @contextmanager
    def writing(self, name: str) -> Iterator[None]:
        """An artifact that is written, as `around`."""
        if self.dies_at and name.startswith(f"{names.RESULTS}/"):
            self.dies_at -= 1
            if not self.dies_at:
                self._die()
        with self.around("artifact"):
            yield

    @contextmanager
    def around(self, what: str) -> Iterator[None]:
        """Something that is done; the worker dies before or after it, if it is the time."""
        if not self.armed:
            yield
            return
        self.done[what] += 1
        now = [kill.when for kill in self.kills if kill.what == what and kill.nth == self.done[what]]
        if self.dead or "before" in now:
            self._die()
        yield
        if "after" in now:
            self._die()

    def _die(self) -> None:
        self.killed += not self.dead
        self.dead = True
        raise Killed


class WeekRun(Run):
    """A run whose worker may die as it writes an artifact, the patron ledger included."""

    def __init__(self, folder: Path, mortal: Mortal) -> None:
        super().__init__(folder)
        self._mortal = mortal

    @property
    def shared(self) -> Run:
        """The usual shared folder, as mortal as the run."""
        return WeekRun(Path(str(self.folder.parent)), self._mortal)

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """Write as usual, except at the moments that the schedule names."""
        with self._mortal.writing(name), super().writing(name) as file:
            yield file


class Ground(Protocol):
    """A stand-in on which weeks are played."""

    @property
    def account(self) -> Connection:
        """Who logs in there."""

    @property
    def faults(self) -> Faults:
        """The faults of the stand-in."""

    def begin(self, week: Week) -> None:
        """Bring the stand-in into its state before the first night."""

    def arm(self, seed: int, requests: int) -> Schedule:
        """Prepare what goes wrong in one night."""

    def edit(self, edit: Edit) -> None:
        """Make a librarian's edits by hand."""

    def heal(self) -> None:
        """From now on nothing goes wrong."""

    def tenant(self, week: Week) -> dict[str, Any]:
        """The target section of the tenant files, and their mapping's name."""

    def mapping(self, week: Week) -> dict[str, Any]:
        """The mapping file."""

    @property
    def imports(self) -> Sequence[object]:
        """The requests that brought users."""

    def phone_of(self, key: str) -> str | None:
        """The telephone number of the user with this key; None if there is no such user."""

    def differences(self, oracle: Oracle) -> Iterator[str]:
        """Whatever is not as the oracle says."""


class Played(NamedTuple):
    """The result of a night: the last report (None if no run was started), and how it was reached."""

    report: dict[str, Any] | None
    attempts: int
    cleared: int
    struck: int
    faults: list[str]
    errors: list[str]


class WeekStage(Product):
    """One stand-in and one folder, for week after week."""

    def __init__(self, folder: Path, ground: Ground) -> None:
        super().__init__(folder, ground)
        self.weeks = ground

    def begin(self, week: Week) -> None:
        """A new library system, and new libraries."""
        shutil.rmtree(self.folder / "weeks", ignore_errors=True)
        shutil.rmtree(self.folder / "include", ignore_errors=True)
        self.weeks.begin(week)
        self.modified: dict[str, datetime] = {}
        for tenant in week.tenants:
            self._write(f"tenants/{tenant}.yaml", self._tenant(week, tenant))
        self._write(f"mappings/{self.weeks.tenant(week)['mapping']}.yaml", self.weeks.mapping(week))

    def _write(self, name: str, content: dict[str, Any]) -> None:
        path = self.folder / "include" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))

    def _tenant(self, week: Week, tenant: str) -> dict[str, Any]:
        return {
            "tenant": tenant,
            "library": f"Library {tenant}",
            "source": {"type": "folder", "path": f"/nowhere/{tenant}.csv", "contains": "everyone"},
            # The weeks are random, and so is the effect of a load.
            "limits": {
                "max_rejects": "100%",
                "becoming_inactive": "100%",
                "changed_fields": {},
                "known_ids": "0%",
            },
            "notify": {"on_failure": ["oncall@lib.example"]},
            "leavers": leavers(week.rules),
            **self.weeks.tenant(week),
        }

    def play(self, week: Week, night: Night) -> Played:
        """One night: what librarians did, then the load until it is through."""
        for edit in night.edits:
            self.weeks.edit(edit)
        if night.kind == "nothing":
            return Played(None, 0, 0, 0, [], [])
        seed = (week.seed * 1009 + night.number) * 7 + week.tenants.index(night.tenant)
        schedule = self.weeks.arm(seed, 2 + len(night.rows) // week.chunk_size)
        mortal = Mortal(schedule.kills)
        armed = list(self.weeks.faults.answers)
        if night.kind == "given up":
            self._give_up(night)
        load = self._undo(night, mortal) if night.kind in BETWEEN else self._load(night, mortal)
        with _mortal(mortal):
            told, attempts, errors = self._until_it_is_through(load, mortal)
        self.weeks.heal()
        struck = sum(fault.has_struck for fault in armed) + mortal.killed
        return Played(told, attempts, len(errors), struck, schedule.names, errors)

    def _give_up(self, night: Night) -> None:
        """A load whose worker dies as it would write the result of a chunk, and which no one resumes."""
        mortal = Mortal([])
        load = self._load(night, mortal)
        mortal.dies_at = night.dies_at
        answers, self.weeks.faults.answers = self.weeks.faults.answers, []
        with _mortal(mortal):
            for step in (check, transform.transform, plan.plan, post.post):
                _tried(step, load)
        mortal.armed = mortal.dead = False
        report.report(load)
        self.weeks.faults.answers = answers

    def _undo(self, night: Night, mortal: Mortal) -> Load:
        """The run that undoes another one."""
        undone = night.undoes or night.run
        run = WeekRun(self.folder / "weeks" / night.tenant / f"{'of_' * (not night.undoes)}{night.run}", mortal)
        return Load(tenants.load(night.tenant), run, run.id, night.day, undo=undone)

    def _load(self, night: Night, mortal: Mortal) -> Load:
        run = WeekRun(self.folder / "weeks" / night.tenant / night.run, mortal)
        written = datetime.combine(night.day, time(3), UTC)
        if night.kind == "old":
            written -= timedelta(days=100)
        mortal.armed = False
        content = as_csv(night.rows)
        run.write(names.EXPORT, content)
        facts = {"name": "patrons.csv", "path": "patrons.csv", "size": len(content), "modified": written.isoformat()}
        run.write_json(
            names.DELIVERY, facts | {"fetched": written.isoformat(), "sha256": hashlib.sha256(content).hexdigest()}
        )
        mortal.armed = True
        by_hand = "/nowhere/by_hand.csv" if night.kind == "by hand" else None
        return Load(
            tenants.load(night.tenant), run, run.id, night.day, dry_run=night.kind == "dry run", source_path=by_hand
        )

    def _until_it_is_through(self, load: Load, mortal: Mortal) -> tuple[dict[str, Any], int, list[str]]:
        errors: list[str] = []
        attempts = 0
        while True:
            if len(errors) >= HEALED_AFTER:
                self.weeks.heal()
                mortal.kills = []
            tried, error = self._dag_run_of(load, mortal)
            attempts += tried
            mortal.armed = False
            report.report(load)
            mortal.armed = True
            told = load.run.read_json(names.REPORT)
            if error is None or error.startswith(("Defect", "ValidationError")) or len(errors) == CLEARINGS:
                return told, attempts, [*errors, error] if error else errors
            errors.append(error)
            _look_again(load.run)

    def _dag_run_of(self, load: Load, mortal: Mortal) -> tuple[int, str | None]:
        steps: tuple[Step, ...] = (check, transform.transform, plan.plan)
        if load.undo:
            steps = (fetch.fetch, plan.plan, approve)
        if not load.dry_run:
            steps += (post.post,)
        attempts = 0
        for step in steps:
            for attempt in range(1 + RETRIES):
                attempts += 1
                mortal.dead = False
                error, ends = _tried(step, load)
                if ends:
                    return attempts, None
                if error is None:
                    break
                if attempt == RETRIES or not error.startswith(("TransientError", "Killed")):
                    return attempts, error
        return attempts, None


def check(load: Load) -> bool:
    """Validate as the stage does, but without Great Expectations, which would take too long; whether it ends."""
    if load.run.names(names.SENT) or load.run.names(names.RESULTS):
        return False
    with failures.recording(load, "validate"):
        load.run.remove(names.GATES)
        if gatekeeper.already_loaded(load):
            return True
        export = delivery.read_export(load)
        delivery.keep_rows(load, export)
        tables.write(load.run, names.VALIDATE_REJECTS, pl.DataFrame(schema=row_tables.REJECTS))
        load.run.write_json(names.VALIDATION, {"rows": export.rows, "columns": list(export.columns), "checks": []})
        gatekeeper.check_file(load, export, [])
    return False


def approve(load: Load) -> None:
    """Approve as the stage does when a person approves, without the mail."""
    if questions.verdicts_to_answer(load.run) and not reruns.anything_sent(load.run):
        approval.record_answer(load, TURN, None)
        approval.check_answer(load, approval.record_answer(load, TURN, YES))


def _tried(step: Step, load: Load) -> tuple[str | None, bool]:
    try:
        return None, step(load) is True
    except Killed:
        return "Killed", False
    except PatronloadError as error:
        return f"{type(error).__name__}: {error}", False


def _look_again(run: Run) -> None:
    """Do what the error asks of a person: delete the results of chunks with unconfirmed patrons."""
    for name in run.names("results"):
        if run.read_json(name)["unconfirmed"]:
            run.remove(name)


@contextmanager
def _mortal(mortal: Mortal) -> Iterator[None]:
    """Within, the worker may die before a request goes out, or when its answer has come."""
    send = httpx.Client.send

    def sending(self: httpx.Client, *given: Any, **named: Any) -> httpx.Response:
        with mortal.around("request"):
            return send(self, *given, **named)

    httpx.Client.send = sending  # type: ignore[method-assign]
    try:
        yield
    finally:
        httpx.Client.send = send  # type: ignore[method-assign]
