"""Take a world's load through the product's own steps, retried as Airflow would, killed as the schedule says."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Generic, NamedTuple, Protocol, Self, TypeVar
from unittest.mock import patch

import httpx
import polars as pl

from faults.campaign import Figures
from faults.schedule import Kill, Schedule
from faults.world import Row
from patronload import connections, targets
from patronload.artifacts import names
from patronload.artifacts.run import Run
from patronload.config import tenants
from patronload.connections import Connection
from patronload.errors import PatronloadError, TransientError
from patronload.loads.load import Load
from patronload.stages import plan, post, report, transform
from patronload.targets.delivery import Patience
from sandbox.faults import Faults

RETRIES = 3
"""The retries, as in tasks.OPTIONS; a worker that died is retried by Airflow too."""

CLEARINGS = 8
"""So often the person on call clears the task; from the fourth time on nothing goes wrong any more."""

HEALED_AFTER = 3

QUICK = Patience(connect=5, answer=20, read=20, busy=2, settle=1.8, between=0.25, at_most=20)
"""FOLIO's own clock, by which the product tells how long ago a chunk was sent, shows whole seconds only."""


class Killed(SystemExit):
    """The worker dies; no one catches this."""


class Claim(NamedTuple):
    """A report as it was mailed, and what FOLIO held and had lived through at that moment."""

    report: dict[str, Any]
    results: list[dict[str, Any]]


class Done(NamedTuple):
    """The results of a run."""

    run: Run
    schedule: Schedule
    claims: list[Claim]
    errors: list[str]
    attempts: int
    cleared: int
    struck: int

    def figures(self, seed: int, complaints: list[str], imports: int, orphans: int = 0) -> Figures:
        """The run in figures, by its last report."""
        last = self.claims[-1].report
        return Figures(
            seed=seed,
            rows=last["rows"],
            loaded=last["created"] + last["updated"] + last["unchanged"],
            held=last["rejected"] + last["failed"],
            attempts=self.attempts,
            cleared=self.cleared,
            imports=imports,
            orphans=orphans,
            struck=self.struck,
            faults=self.schedule.names,
            complaints=complaints,
            errors=self.errors,
        )


class MortalRun(Run):
    """A run whose worker may die as it writes an artifact."""

    def __init__(self, folder: Path, reaper: Reaper) -> None:
        super().__init__(folder)
        self._reaper = reaper

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """Write as usual, except at the moments that the schedule names."""
        with self._reaper.around("artifact"), super().writing(name) as file:
            yield file


class Reaper:
    """Kills the worker when it does something for the nth time."""

    def __init__(self, kills: list[Kill]) -> None:
        self._kills = kills
        self._done = {"artifact": 0, "request": 0}
        self.armed = True
        self.killed = 0

    @contextmanager
    def around(self, what: str) -> Iterator[None]:
        """Something that is done; dies before or after it, if it is the time."""
        self._done[what] += 1
        now = [kill.when for kill in self._kills if self.armed and kill.what == what and kill.nth == self._done[what]]
        self.killed += bool(now)
        if "before" in now:
            raise Killed
        yield
        if "after" in now:
            raise Killed


class Case(Protocol):
    """The circumstances of one run, for any target."""

    @property
    def seed(self) -> int:
        """The seed that makes the same load again."""

    @property
    def columns(self) -> Sequence[str]:
        """The export's."""

    @property
    def rows(self) -> Sequence[Row]:
        """The export's."""

    @property
    def duplicates(self) -> set[int]:
        """Rows that a validation rejects: what must be unique is in the file twice."""

    def csv(self) -> bytes:
        """The export."""

    def mapping(self) -> dict[str, Any]:
        """The mapping file."""

    def tenant(self) -> dict[str, Any]:
        """The tenant file, as far as it is the target's: target, timezone, and what else is not as everywhere."""


AnyCase_contra = TypeVar("AnyCase_contra", bound=Case, contravariant=True)


class Ground(Protocol[AnyCase_contra]):
    """A stand-in, on which worlds are loaded one after the other."""

    @property
    def account(self) -> Connection:
        """Who logs in there."""

    @property
    def faults(self) -> Faults:
        """The faults of the target."""

    def lay(self, world: AnyCase_contra, folder: Path) -> Schedule:
        """Make the stand-in as it is before the load, and arm what is to go wrong. `folder` is all the runs'."""

    def after_plan(self, world: AnyCase_contra) -> None:
        """Make the edits of people in the target after the plan; called once."""

    def heal(self) -> None:
        """From now on nothing goes wrong."""


class Account(Protocol):
    """A stand-in with someone who may log in."""

    @property
    def account(self) -> Connection:
        """Who logs in there."""


class Product:
    """The product works on one stand-in on loopback, with one folder, for a `with` block."""

    def __init__(self, folder: Path, there: Account) -> None:
        self.folder = folder
        self._there = there
        self._set = ExitStack()

    def __enter__(self) -> Self:
        # Each connection would read all certificates of the machine again, and none is needed here.
        no_certificates = ssl.create_default_context()
        for change in (
            patch.dict(os.environ, {"PATRONLOAD_INCLUDE": str(self.folder / "include")}),
            patch.object(connections, "get", lambda _: self._there.account),
            patch.object(targets, "open_target", _quickly(targets.open_target)),
            patch("httpx._transports.default.create_ssl_context", lambda **_: no_certificates),
        ):
            self._set.enter_context(change)
        # What the product logs is for people; here it would only take time.
        self._set.callback(logging.disable, logging.root.manager.disable)
        logging.disable(logging.CRITICAL)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._set.close()


class Stage(Product, Generic[AnyCase_contra]):
    """One stand-in and one folder, for run after run."""

    def __init__(self, folder: Path, ground: Ground[AnyCase_contra]) -> None:
        super().__init__(folder, ground)
        self.ground = ground

    def take(self, world: AnyCase_contra) -> Done:
        """Load a world into a stand-in that is as the world says."""
        # Each is another library's first load: what the last loads of a library were lies beside their folders.
        shutil.rmtree(self.folder / "tenant", ignore_errors=True)
        plan = self.ground.lay(world, self.folder / "tenant")
        reaper = Reaper(plan.kills)
        load = self._load(world, reaper)
        self._people_work = partial(self.ground.after_plan, world)
        with _mortal(reaper):
            return self._work(load, plan, reaper)

    def _load(self, world: AnyCase_contra, reaper: Reaper) -> Load:
        tenant = made_tenant(world)
        mapping = self.folder / "include" / "mappings" / f"{tenant.mapping}.yaml"
        mapping.parent.mkdir(parents=True, exist_ok=True)
        mapping.write_text(json.dumps(world.mapping()))
        run = MortalRun(self.folder / "tenant" / "run", reaper)
        reaper.armed = False
        prepare(run, world)
        reaper.armed = True
        return Load(tenant, run, "campaign", date(2026, 11, 21))

    def _work(self, load: Load, plan: Schedule, reaper: Reaper) -> Done:
        claims: list[Claim] = []
        errors: list[str] = []
        attempts = cleared = 0
        armed = list(self.ground.faults.answers)
        while cleared <= CLEARINGS:
            if cleared >= HEALED_AFTER:
                self.ground.heal()
            tried, error = self._dag_run(load)
            attempts += tried
            reaper.armed = False
            report.report(load)
            reaper.armed = cleared + 1 < HEALED_AFTER
            claims.append(self._claim(load.run))
            if error is None:
                break
            errors.append(error)
            cleared += 1
            if error.startswith("Defect"):
                break  # for the developers; clearing does not help
            _look_again(load.run)
        struck = sum(fault.has_struck for fault in armed) + reaper.killed
        return Done(load.run, plan, claims, errors, attempts, cleared, struck)

    def _dag_run(self, load: Load) -> tuple[int, str | None]:
        """The steps in order; the attempts made, and what it failed of."""
        attempts = 0
        for step in (transform.transform, plan.plan, post.post):
            for attempt in range(1 + RETRIES):
                attempts += 1
                error = _tried(step, load)
                if error is None:
                    self._let_people_work(step)
                    break
                if attempt == RETRIES or not error.startswith(("TransientError", "Killed")):
                    return attempts, error
        return attempts, None

    def _let_people_work(self, step: object) -> None:
        """Once, behind the first plan."""
        if step is plan.plan and self._people_work:
            self._people_work()
            self._people_work = None

    _people_work: Callable[[], None] | None = None

    def _claim(self, run: Run) -> Claim:
        results = [run.read_json(name) for name in run.names("results")]
        return Claim(run.read_json(names.REPORT), results)


def _tried(step: Callable[[Load], Any], load: Load) -> str | None:
    try:
        step(load)
    except Killed:
        return "Killed"
    except TransientError as error:
        return f"TransientError: {error}"
    except PatronloadError as error:
        return f"{type(error).__name__}: {error}"
    return None


def _look_again(run: Run) -> None:
    """Do what the error asks of a person: delete the results of chunks with unconfirmed patrons."""
    for name in run.names("results"):
        if run.read_json(name)["unconfirmed"]:
            run.remove(name)


@contextmanager
def _mortal(reaper: Reaper) -> Iterator[None]:
    """Within, the worker may die before a request goes out, or when its answer has come."""
    send = httpx.Client.send

    def mortal(self: httpx.Client, *given: Any, **named: Any) -> httpx.Response:
        with reaper.around("request"):
            return send(self, *given, **named)

    with patch.object(httpx.Client, "send", mortal):
        yield


def _quickly(opened: Callable[..., Any]) -> Callable[..., Any]:
    def quick(target: Any, connection: Any, patience: Patience | None = None) -> Any:
        return opened(target, connection, patience or QUICK)

    return quick


def prepare(run: Run, world: Case) -> None:
    """Leave behind what the steps fetch and validate do; Great Expectations would take longer than all the rest."""
    content = world.csv()
    run.write(names.EXPORT, content)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    facts = {"name": "patrons.csv", "path": "patrons.csv", "size": len(content), "modified": now, "fetched": now}
    run.write_json(names.DELIVERY, facts | {"sha256": hashlib.sha256(content).hexdigest()})
    run.write_json(names.VALIDATION, {"rows": len(world.rows), "columns": list(world.columns), "checks": []})
    words = "is in the file twice"
    twins = [
        {"row": number, "column": world.columns[0], "value": None, "reason": words, "summary": words}
        for number in sorted(world.duplicates)
    ]
    schema = {"row": pl.UInt32, "column": pl.String, "value": pl.String, "reason": pl.String, "summary": pl.String}
    with run.writing(names.VALIDATE_REJECTS) as file:
        pl.DataFrame(twins, schema=schema).write_parquet(file)


def made_tenant(world: Case) -> tenants.Tenant:
    """The tenant file of a world."""
    return tenants.Tenant.model_validate(
        {
            "tenant": "campaign",
            "library": "The Campaign's Library",
            "source": {"type": "folder", "path": "/nowhere/patrons.csv"},
            # The worlds are random, and so is the effect of a load.
            "limits": {"max_rejects": "100%", "becoming_inactive": "100%", "changed_fields": {}},
            "notify": {"on_failure": ["oncall@lib.example"]},
            **world.tenant(),
        }
    )
