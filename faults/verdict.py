"""Judge a run: FOLIO must hold what the oracle says, and no report may claim what is not so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import polars as pl

from faults.load import Claim, Done
from faults.oracle import Expected, comparable, comparable_preference
from faults.world import MARK, User, World
from sandbox.folio import Seen, Store

COUNTS = ("created", "updated", "unchanged", "failed", "rejected", "skipped", "not_sent", "unconfirmed")
MOST_TOLD = 12


class Before:
    """FOLIO before the load."""

    def __init__(self, world: World) -> None:
        self.users = {user["id"]: json.dumps(user, sort_keys=True) for user in world.stored}
        self.preferences = {row["userId"]: row for row in world.preferences}


def complaints(
    world: World, expected: list[Expected], before: Before, store: Store, done: Done, imports: list[Seen]
) -> list[str]:
    """The complaints, in sentences; none when all is well."""
    judge = _Judge(world, expected, before, store, done, imports)
    return list(judge.all())[:MOST_TOLD]


class _Judge:
    def __init__(
        self, world: World, expected: list[Expected], before: Before, store: Store, done: Done, imports: list[Seen]
    ) -> None:
        self.world, self.expected, self.before, self.store = world, expected, before, store
        self.done, self.imports = done, imports
        self.chunks = self._chunks()
        self.loaded = {one.row.number for one in expected if self._is_loaded(one)}
        self.created = {event.user_id for event in store.history if event.what == "created"}

    def all(self) -> Iterator[str]:
        yield from self._ended()
        yield from self._users()
        yield from self._rows()
        yield from self._history()
        for number, claim in enumerate(self.done.claims):
            yield from self._accounted(claim, last=number == len(self.done.claims) - 1)
        yield from self._last_report(self.done.claims[-1])
        yield from private(self.done)
        yield from self._requests()

    def _chunks(self) -> dict[int, set[int]]:
        """The rows of each chunk, as they were planned; none if the run never got so far."""
        if not self.done.run.has("planned.parquet"):
            return {}
        with self.done.run.reading("planned.parquet") as file:
            planned = pl.read_parquet(file, columns=["chunk", "row"])
        return {chunk: set(rows) for chunk, rows in planned.group_by("chunk").agg("row").iter_rows()}

    def _user(self, one: Expected) -> User | None:
        return self.store.users.find("externalSystemId", one.key)

    def _is_loaded(self, one: Expected) -> bool:
        found = self._user(one)
        if found is None:
            return False
        preference = self.store.preferences.find("userId", found["id"])
        return bool(
            comparable(found) == comparable(one.user)
            and comparable_preference(preference) == comparable_preference(one.preference)
            and (one.before is None or found["id"] == one.before["id"])
        )

    def _is_untouched(self, one: Expected) -> bool:
        found = self._user(one)
        if one.before is None:
            return found is None
        preference = self.store.preferences.find("userId", one.before["id"])
        same = json.dumps(self.store.users.get(one.before["id"]), sort_keys=True) == self.before.users[one.before["id"]]
        return same and preference == self.before.preferences.get(one.before["id"])

    def _ended(self) -> Iterator[str]:
        outcome = self.done.claims[-1].report["outcome"]
        if outcome not in ("loaded", "loaded_with_rejects"):
            yield f"the run ended as {outcome} after {self.done.attempts} attempts: {self.done.errors[-1:]}"

    def _users(self) -> Iterator[str]:
        """None lost, none twice, none touched that is not in the file, none made up."""
        ours = {one.before["id"] for one in self.expected if one.before}
        for user_id, user in self.before.users.items():
            found = self.store.users.get(user_id)
            if found is None:
                yield "a stored user is lost"
            elif user_id not in ours and json.dumps(found, sort_keys=True) != user:
                yield "a user who is not in the file was changed"
        keys = Counter((user.get("externalSystemId") or user["id"]).lower() for user in self.store.users)
        if twice := [key for key, count in keys.items() if count > 1]:
            yield f"{len(twice)} users are there twice"
        wanted = {one.key.lower() for one in self.expected}
        strangers = [user for user in self.store.users if user["id"] not in self.before.users]
        if unknown := [user for user in strangers if user["externalSystemId"].lower() not in wanted]:
            yield f"{len(unknown)} users were made whom the file does not have"
        for name, rows in self.store.orphans.items():
            # FOLIO: mod-user-import writes the preference of a user whom it could not create.
            if name == "preferences" and len(rows) > len(self.world.refused):
                yield f"{len(rows)} request preferences belong to no one"

    def _rows(self) -> Iterator[str]:
        for one in self.expected:
            loaded, untouched = one.row.number in self.loaded, self._is_untouched(one)
            if one.fate == "load" and not loaded:
                yield f"row {one.row.number} must be loaded: {self._difference(one)}"
            elif one.fate == "hold" and not untouched:
                yield f"row {one.row.number} must be held back and was not: {self._change(one)}"
            elif one.fate == "either" and not (loaded or untouched):
                yield f"row {one.row.number} is half loaded: {self._difference(one)}"

    def _difference(self, one: Expected) -> str:
        found = self._user(one)
        if found is None:
            return "it is not there"
        is_, must = comparable(found), comparable(one.user)
        parts = [
            f"{name} is {is_.get(name)!r}, must be {must.get(name)!r}"
            for name in {**is_, **must}
            if is_.get(name) != must.get(name)
        ]
        preference = comparable_preference(self.store.preferences.find("userId", found["id"]))
        if preference != comparable_preference(one.preference):
            parts.append(f"preference is {preference!r}, must be {comparable_preference(one.preference)!r}")
        return ("untouched; " if self._is_untouched(one) else "") + "; ".join(parts)

    def _change(self, one: Expected) -> str:
        return "created" if one.before is None else "changed"

    def _history(self) -> Iterator[str]:
        made = Counter(event.user_id for event in self.store.history if event.what == "created")
        if any(count > 1 for count in made.values()) or any(event.what == "deleted" for event in self.store.history):
            yield "a user was made twice, or deleted"

    def _accounted(self, claim: Claim, *, last: bool) -> Iterator[str]:
        report = claim.report
        if report["rows"] != len(self.world.rows) or sum(report[name] for name in COUNTS) != report["rows"]:
            yield f"the rows do not add up: {self._told(report)}"
        if report["created"] > len(self.created):
            yield f"a report claims {report['created']} created, FOLIO made {len(self.created)}"
        for result in claim.results:
            failed = {one["row"] for one in result["failed"]}
            said_loaded = self.chunks[result["chunk"]] - failed - set(result["unconfirmed"])
            if said_loaded - self.loaded:
                yield f"rows {sorted(said_loaded - self.loaded)[:5]} are reported as loaded and are not"
            if last and failed & self.loaded - self._same_as_before:
                yield f"rows {sorted(failed & self.loaded)[:5]} are reported as failed and are loaded"

    @property
    def _same_as_before(self) -> set[int]:
        """Rows whose user already was as it had to become."""
        return {
            one.row.number
            for one in self.expected
            if one.before
            and comparable(one.before) == comparable(one.user)
            and comparable_preference(self.before.preferences.get(one.before["id"]))
            == comparable_preference(one.preference)
        }

    def _last_report(self, claim: Claim) -> Iterator[str]:
        """The last report's figures against the store's real history."""
        report = claim.report
        new = {one.row.number for one in self.expected if one.before is None}
        touched = {event.user_id for event in self.store.history}
        changed = {
            one.row.number
            for one in self.expected
            if one.before and one.row.number in self.loaded and one.before["id"] in touched
        }
        made = len(self.loaded & new)
        # Who was there already as the export wants them may have been sent, or have been found so by a look-up.
        unchanged = self.loaded & self._same_as_before - changed
        as_they_were = report["updated"] + report["unchanged"] - len(changed)
        fits = len(changed) <= report["updated"] and 0 <= as_they_were <= len(unchanged)
        if report["created"] != made or not fits:
            yield f"the report tells {self._told(report)}; FOLIO has {made} created and {len(changed)} updated"
        if made != len(self.created):
            yield f"FOLIO made {len(self.created)} users, {made} of them as they must be"
        must_not = sum(one.fate == "hold" for one in self.expected)
        may = sum(one.fate == "either" for one in self.expected)
        refused = report["failed"] + report["rejected"]
        if not must_not <= refused <= must_not + may:
            yield f"the report tells {refused} refused rows; {must_not} to {must_not + may} must be"
        if report["failed"] and not self.world.refused:
            yield f"{report['failed']} rows were sent and refused; the plan should have found them"

    def _told(self, report: dict[str, Any]) -> str:
        return ", ".join(f"{report[name]} {name}" for name in COUNTS)

    def _requests(self) -> Iterator[str]:
        flags = {name for seen in self.imports for name in seen.flags}
        if "deactivateMissingUsers" in flags:
            yield "deactivateMissingUsers was sent"


def private(done: Done) -> Iterator[str]:
    """Whether a report, a plan or an error of the run quotes a patron."""
    run = done.run
    for name in ("report.json", "plan.json", "failure.json"):
        if run.has(name) and MARK in run.read(name).decode().replace(run.url, ""):
            yield f"{name} quotes a patron"
    if any(MARK in error.replace(run.url, "") for error in done.errors):
        yield "an error quotes a patron"
