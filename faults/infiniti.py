"""The campaign's Infiniti: what it is before a load, what goes wrong there, and how a run on it is judged."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import polars as pl

from faults import school
from faults.campaign import Figures
from faults.load import Claim, Done, Stage
from faults.schedule import MOST, Nth, Schedule, kills
from faults.school import CHOSEN, Expected, World
from faults.verdict import COUNTS, MOST_TOLD, private
from patronload.artifacts import names
from patronload.artifacts.run import Run
from patronload.connections import Connection
from patronload.loads import ledger_store
from patronload.targets.patron_ledger import PatronLedger
from sandbox.faults import Faults
from sandbox.infiniti import InfinitiServer, School, User


class InfinitiGround(InfinitiServer):
    """An Infiniti for a campaign; see load.Ground."""

    @property
    def account(self) -> Connection:
        """The account that may import."""
        return Connection("campaign_infiniti", host=self.url, login=self.username, password=self.password)

    def lay(self, world: World, folder: Path) -> Schedule:
        """The users and the oddities of the world, the ledger of the load before, and what goes wrong."""
        self.school = School(deepcopy(world.oddities))
        world.fill(self.school)
        self.faults.clear()
        self.journal.clear()
        if world.has_ledger:
            ledger = PatronLedger.empty()
            known = ("username", "librarybarcode", "adminsystemid")
            users = pl.DataFrame(
                [[user[name] for name in known] for user in world.stored],
                schema=dict.fromkeys(known, pl.String),
                orient="row",
            )
            ledger.take(users, "username", known[1:])
            folder.mkdir(parents=True)
            ledger_store.write(Run(folder / "before"), ledger)
        return arm(random.Random(world.seed * 7919 + 1), self.faults, 1 + len(world.rows) // world.chunk_size)

    def after_plan(self, world: World) -> None:
        """Infiniti cannot be read, so that a plan knows nothing that could change."""

    def heal(self) -> None:
        """From now on nothing goes wrong."""
        self.faults.clear()


def arm(chance: random.Random, faults: Faults, requests: int) -> Schedule:
    """Prepare some faults for a load with this number of files; the same for the same chance."""
    names = [chance.choice(list(_FAULTS)) for _ in range(chance.randint(0, MOST))]
    for name in names:
        _FAULTS[name](chance, faults, Nth(chance, requests + 2))
    killed = kills(chance)
    return Schedule(names + [f"killed {kill.when} {kill.what}" for kill in killed], killed)


def _refused(chance: random.Random, faults: Faults, nth: Nth) -> None:
    faults.answer(chance.choice([401, 404, 429]), nth=nth(), times=chance.choice([1, 1, 2]))


def _unauthorised(chance: random.Random, faults: Faults, nth: Nth) -> None:
    body = json.dumps({"success": False, "summary": "Unauthorised. Check credentials."})
    faults.answer(chance.choice([200, 401]), nth=nth(), body=body)


def _lost(chance: random.Random, faults: Faults, nth: Nth) -> None:
    faults.answer(chance.choice([500, 502, 503, 504, 0]), nth=nth(), work=chance.choice(["none", "first"]))


def _goes_on(chance: random.Random, faults: Faults, nth: Nth) -> None:
    faults.answer(504, nth=nth(), work="goes on", seconds=chance.choice([0.05, 0.2]), delay=chance.choice([0.0, 0.15]))


def _cut(_: random.Random, faults: Faults, nth: Nth) -> None:
    faults.trouble(nth=nth(), cut=True)


def _trickle(_: random.Random, faults: Faults, nth: Nth) -> None:
    faults.trouble(nth=nth(), trickle=0.2)


def _dies(chance: random.Random, faults: Faults, nth: Nth) -> None:
    faults.trouble(nth=nth(), breaks_off=chance.randint(0, 8))


def _lies(chance: random.Random, faults: Faults, nth: Nth) -> None:
    """Figures that no file of the load can have."""
    counts = [f"{chance.randint(301, 400)} users {what}." for what in ("processed", "created", "updated", "failed")]
    said: dict[str, Any] = {"success": chance.choice([True, False]), "summary": " ".join(counts)}
    if chance.random() < 0.5:  # noqa: PLR2004 - one in two
        said["details"] = chance.choice([{"1": "User Created"}, ["User Updated"], "none", {"x": 1}])
    faults.answer(200, nth=nth(), work=chance.choice(["none", "first"]), body=json.dumps(said))


def _not_infiniti(chance: random.Random, faults: Faults, nth: Nth) -> None:
    faults.answer(200, nth=nth(), work=chance.choice(["none", "first"]), body="<html>Welcome to the proxy</html>")


_FAULTS: dict[str, Callable[[random.Random, Faults, Nth], None]] = {
    "refused at the gateway": _refused,
    "Unauthorised": _unauthorised,
    "answer lost": _lost,
    "504 while the import goes on": _goes_on,
    "answer cut half-way": _cut,
    "slow trickle": _trickle,
    "import dies half-way": _dies,
    "answer that lies": _lies,
    "answer not Infiniti's": _not_infiniti,
}


def one(stage: Stage[World], seed: int) -> Figures:
    """One run, judged."""
    ground = stage.ground
    assert isinstance(ground, InfinitiGround)
    world = school.make(seed)
    done = stage.take(world)
    return done.figures(seed, list(_Judge(world, ground.school, done).all())[:MOST_TOLD], len(ground.imports))


class _Judge:
    """Infiniti must hold what the world says, and no report may claim what is not so."""

    def __init__(self, world: World, after: School, done: Done) -> None:
        self.world, self.after, self.done = world, after, done
        self.expected = list(world.expected())
        self.before = {user["username"]: user for user in world.stored}
        self.loaded = {one.row.number for one in self.expected if self._is_loaded(one)}

    def all(self) -> Iterator[str]:
        """The complaints, in sentences; none when all is well."""
        yield from self._ended()
        yield from self._users()
        yield from self._rows()
        yield from self._passwords()
        for number, claim in enumerate(self.done.claims):
            yield from self._accounted(claim, last=number == len(self.done.claims) - 1)
        yield from self._last_report(self.done.claims[-1].report)
        yield from private(self.done)

    def _ended(self) -> Iterator[str]:
        outcome = self.done.claims[-1].report["outcome"]
        if outcome not in ("loaded", "loaded_with_rejects"):
            yield f"the run ended as {outcome} after {self.done.attempts} attempts: {self.done.errors[-1:]}"

    def _is_loaded(self, one: Expected) -> bool:
        found = self.after.users.get(one.key)
        return found is not None and _plain(found) == _plain(one.user) and one.fate == "load"

    def _users(self) -> Iterator[str]:
        """None lost, none touched that is not in the file, none made up, none made twice."""
        ours = {one.key for one in self.expected}
        for name, user in self.before.items():
            if name not in self.after.users:
                yield "a stored user is lost"
            elif name not in ours and self.after.users[name] != user:
                yield "a user who is not in the file was changed"
        may = {one.key for one in self.expected if one.fate == "load"} | set(self.before)
        if strangers := set(self.after.users) - may:
            yield f"{len(strangers)} users are there who must not be"
        made = Counter(event.username for event in self.after.history if event.what == "created")
        if any(count > 1 for count in made.values()) or set(made) & set(self.before):
            yield "a user was made twice"

    def _rows(self) -> Iterator[str]:
        for one in self.expected:
            found = self.after.users.get(one.key)
            if one.fate == "load" and one.row.number not in self.loaded:
                yield f"row {one.row.number} must be loaded: {_difference(found, one.user)}"
            elif one.fate != "load" and found != one.before:
                yield f"row {one.row.number} must not be loaded ({one.fate}) and was"

    def _passwords(self) -> Iterator[str]:
        """No one gets one twice, no one whom an earlier load had gets one, and no one's own one is lost."""
        given = Counter(event.username for event in self.after.history if event.what == "password")
        if any(count > 1 for count in given.values()):
            yield "a password was sent twice"
        entitled = {one.key for one in self.expected if one.may_have_password}
        if set(given) - entitled:
            yield f"{len(set(given) - entitled)} users were sent a password and must not be"
        for name in set(self.before) - set(given):
            if self.after.users.get(name, {}).get("password") != CHOSEN:
                yield "a password that someone chose is lost"

    def _accounted(self, claim: Claim, *, last: bool) -> Iterator[str]:
        report = claim.report
        if report["rows"] != len(self.world.rows) or sum(report[name] for name in COUNTS) != report["rows"]:
            yield f"the rows do not add up: {_told(report)}"
        planned = self._chunks()
        for result in claim.results:
            failed = {one["row"] for one in result["failed"]}
            loaded = planned[result["chunk"]] - failed - set(result["unconfirmed"])
            if loaded - self.loaded:
                yield f"rows {sorted(loaded - self.loaded)[:5]} are reported as loaded and are not"
            if last and failed & self.loaded:
                yield f"rows {sorted(failed & self.loaded)[:5]} are reported as failed and are loaded"

    def _chunks(self) -> dict[int, set[int]]:
        if not self.done.run.has(names.PLANNED):
            return {}
        with self.done.run.reading(names.PLANNED) as file:
            planned = pl.read_parquet(file, columns=["chunk", "row"])
        return {chunk: set(rows) for chunk, rows in planned.group_by("chunk").agg("row").iter_rows()}

    def _last_report(self, report: dict[str, Any]) -> Iterator[str]:
        """The last report's figures against the users and their history."""
        fates = Counter(one.fate for one in self.expected)
        made = len({event.username for event in self.after.history if event.what == "created"})
        if report["created"] + report["updated"] != fates["load"] or report["failed"] != fates["fail"]:
            yield f"the report tells {_told(report)}; it must be {dict(fates)}"
        if report["rejected"] != fates["hold"]:
            yield f"the report tells {report['rejected']} rejected; {fates['hold']} must be"
        # What a file created whose answer got lost is counted as updated when it is sent again, and a note says so.
        sent_again = any("counted as updated" in warning for warning in report["warnings"])
        if report["created"] > made or (report["created"] < made and not sent_again):
            yield f"the report tells {report['created']} created, Infiniti made {made}"


def _plain(user: User) -> User:
    """A user for comparison: without empty values and without the password, which is checked separately."""
    return {name: value for name, value in user.items() if value != "" and name != "password"}


def _difference(found: User | None, wanted: User) -> str:
    if found is None:
        return "it is not there"
    is_, must = _plain(found), _plain(wanted)
    names = [name for name in {**is_, **must} if is_.get(name) != must.get(name)]
    return "; ".join(f"{name} is {is_.get(name)!r}, must be {must.get(name)!r}" for name in names)


def _told(report: dict[str, Any]) -> str:
    return ", ".join(f"{report[name]} {name}" for name in COUNTS)
