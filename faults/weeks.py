"""Weeks on a FOLIO and on an Infiniti: the stand-ins, and the verdict on each night."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from faults import infiniti, schedule, week
from faults.campaign import Figures
from faults.folio import FolioGround
from faults.infiniti import InfinitiGround
from faults.schedule import Schedule
from faults.week import KEPT_GROUP, Edit, Night, Week
from faults.week_load import Played, WeekStage
from faults.week_oracle import Oracle, Outcome
from faults.world import FOLIO_TENANT
from sandbox.folio import Store
from sandbox.folio.reference import made_up_id
from sandbox.infiniti import School

ZONE = "America/Chicago"
MOST_TOLD = 12
ROWS = ("created", "updated", "unchanged", "failed", "rejected", "skipped", "not_sent", "unconfirmed")
PEOPLE = ("in_file", "missing", "left", "inactive", "exempt", "gone", "waiting")


class FolioWeeks(FolioGround):
    """A FOLIO for weeks; see week_load.Ground."""

    def begin(self, week: Week) -> None:
        """No users but those whom people created by hand."""
        store = Store()
        groups = {row["group"]: row["id"] for row in store.groups}
        for key in week.strangers:
            store.users.put(
                {
                    "id": made_up_id("stranger", key),
                    "username": key.lower(),
                    "externalSystemId": key,
                    "active": True,
                    "type": "patron",
                    "patronGroup": groups["staff"],
                    "personal": {"lastName": key, "preferredContactTypeId": "002"},
                }
            )
        self.faults.clear()
        self.journal.clear()
        self.stores[FOLIO_TENANT] = store

    def arm(self, seed: int, requests: int) -> Schedule:
        """The faults of one night."""
        tenant = self.tenants[FOLIO_TENANT]
        tenant.token_seconds = 600.0
        armed = schedule.arm(random.Random(seed), self.faults, tenant, requests)
        # On a busy machine a shorter token is over before a request arrives; then no loans are read, and no one leaves.
        tenant.token_seconds = max(tenant.token_seconds, 20.0)
        return armed

    def edit(self, edit: Edit) -> None:
        """Edit users by hand, in FOLIO's own pages."""
        store = self.stores[FOLIO_TENANT]
        user = store.user(edit.key)
        if user is None:
            return
        if edit.what == "lend":
            store.lend(user["id"])
        elif edit.what == "give back":
            open_ones = [one for one in store.loans if one["userId"] == user["id"] and one["status"]["name"] == "Open"]
            for loan in open_ones[:1]:
                store.loans.put(loan | {"status": {"name": "Closed"}})
        else:
            store.users.put(_edited(user, edit))

    def tenant(self, week: Week) -> dict[str, Any]:
        """One FOLIO for both tenants."""
        target = {
            "type": "folio",
            "connection": "campaign_folio",
            "folio_tenant": FOLIO_TENANT,
            "chunk_size": week.chunk_size,
        }
        kept = {"leavers": _leavers(week) | {"except": {"patron_groups": [KEPT_GROUP]}}}
        return {"mapping": "folio/campaign", "timezone": ZONE, "target": target, **kept}

    def mapping(self, week: Week) -> dict[str, Any]:
        """A few fields; `active` in one of two weeks."""
        fields = {
            "externalSystemId": {"column": "ID", "required": True},
            "username": {"column": "LOGIN", "required": True},
            "patronGroup": {"column": "GROUP", "lookup": "groups", "required": True},
            "personal.lastName": {"column": "LAST", "required": True},
            "personal.firstName": "FIRST",
            "personal.phone": "PHONE",
            **({"active": {"value": True}} if week.fills_active else {}),
        }
        return {"target": "folio", "fields": fields, "lookups": {"groups": {one: one for one in GROUPS}}}

    def phone_of(self, key: str) -> str | None:
        """The telephone number of the user with this key; None if there is no such user."""
        user = self.stores[FOLIO_TENANT].user(key)
        return user["personal"].get("phone", "") if user else None

    def differences(self, oracle: Oracle) -> Iterator[str]:
        """Whatever is not as the oracle says."""
        store = self.stores[FOLIO_TENANT]
        groups = {row["id"]: row["group"] for row in store.groups}
        for key in oracle.week.strangers:
            stranger = store.user(key)
            if stranger is None or not stranger["active"]:
                yield f"{key}, whom no load brought in, is not active any more"
        for key, wanted in oracle.users.items():
            user = store.user(key)
            if user is None:
                yield f"{key} is not there"
                continue
            personal = user["personal"]
            found = {
                "active": user["active"],
                "lastName": personal.get("lastName"),
                "phone": personal.get("phone"),
                "group": groups[user["patronGroup"]],
                "note": personal.get("middleName", ""),
                "type": user.get("type"),
                "ends": user.get("expirationDate"),
            }
            must = {
                "active": wanted.active,
                "lastName": wanted.cells["LAST"],
                "phone": wanted.cells["PHONE"],
                "group": wanted.cells["GROUP"],
                "note": wanted.note,
                "type": "staff" if wanted.staff else "patron",
                "ends": _end_of(wanted.ends),
            }
            for name, value in must.items():
                if found[name] != value:
                    yield f"{key}: {name} is {found[name]!r}, must be {value!r}"
        if len(store.users) != len(oracle.users) + len(oracle.week.strangers):
            yield f"FOLIO has {len(store.users)} users"


GROUPS = week.GROUPS


def _leavers(week_: Week) -> dict[str, Any]:
    return week.leavers(week_.rules)


def _edited(user: dict[str, Any], edit: Edit) -> dict[str, Any]:
    if edit.what == "note":
        return user | {"personal": user["personal"] | {"middleName": edit.value}}
    if edit.what == "phone":
        return user | {"personal": user["personal"] | {"phone": edit.value}}
    return user | ({"active": False} if edit.what == "off" else {"type": "staff"})


def _end_of(day: date | None) -> str | None:
    if day is None:
        return None
    last = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(ZONE)) + timedelta(days=1, seconds=-1)
    return last.astimezone(ZoneInfo("UTC")).isoformat(timespec="milliseconds")


class InfinitiWeeks(InfinitiGround):
    """An Infiniti for weeks; see week_load.Ground."""

    def begin(self, week: Week) -> None:  # noqa: ARG002 - it begins empty
        """No users."""
        self.school = School()
        self.faults.clear()
        self.journal.clear()

    def arm(self, seed: int, requests: int) -> Schedule:
        """The faults of one night."""
        return infiniti.arm(random.Random(seed), self.faults, requests)

    def edit(self, edit: Edit) -> None:
        """Infiniti cannot be read, so that no load could heed what people do there."""

    def tenant(self, week: Week) -> dict[str, Any]:
        """One school."""
        target = {"type": "infiniti", "connection": "campaign_infiniti", "chunk_size": max(week.chunk_size, 3)}
        return {"mapping": "infiniti/campaign", "timezone": "Australia/Sydney", "target": target}

    def mapping(self, week: Week) -> dict[str, Any]:  # noqa: ARG002 - it is the same for all
        """The columns that Infiniti needs, and a few more."""
        fields = {
            "username": {"column": "ID", "required": True},
            "enabled": {"value": True},
            "staffmember": {"value": False},
            "graduationyear": "YEAR",
            "surname": "LAST",
            "givenname": "FIRST",
            "formclass": "PHONE",
            "presentationgrouplabel": {"column": "GROUP", "lookup": "groups", "required": True},
        }
        return {"target": "infiniti", "fields": fields, "lookups": {"groups": {one: one for one in GROUPS}}}

    def phone_of(self, key: str) -> str | None:
        """The school's field that takes the place of a telephone number; None if there is no user with this key."""
        user = self.school.users.get(key)
        return user.get("formclass", "") if user else None

    def differences(self, oracle: Oracle) -> Iterator[str]:
        """Whatever is not as the oracle says."""
        for key, wanted in oracle.users.items():
            user = self.school.users.get(key)
            if user is None:
                yield f"{key} is not there"
                continue
            must = {
                "enabled": wanted.active,
                "surname": wanted.cells["LAST"],
                "formclass": wanted.cells["PHONE"],
                "presentationgrouplabel": wanted.cells["GROUP"],
            }
            for name, value in must.items():
                if user.get(name) != value:
                    yield f"{key}: {name} is {user.get(name)!r}, must be {value!r}"
        if len(self.school.users) != len(oracle.users):
            yield f"Infiniti has {len(self.school.users)} users, must have {len(oracle.users)}"


def folio_week(stage: WeekStage, seed: int) -> Figures:
    """The verdict on a week of two libraries in one FOLIO."""
    return _week(stage, week.make(seed), asks=True)


def infiniti_week(stage: WeekStage, seed: int) -> Figures:
    """The verdict on a week of a school."""
    return _week(stage, week.make(seed, ("north",), edited=False), asks=False)


def _week(stage: WeekStage, made: Week, *, asks: bool) -> Figures:
    stage.begin(made)
    oracle = Oracle(made, asks)
    wrong: list[str] = []
    total = {"rows": 0, "loaded": 0, "held": 0, "attempts": 0, "cleared": 0, "struck": 0}
    faults: list[str] = []
    errors: list[str] = []
    for night in made.nights:
        must = oracle.night(night)
        played = stage.play(made, night)
        oracle.settle(stage.weeks.phone_of)
        found = [*_of_report(played, must, night), *stage.weeks.differences(oracle)]
        wrong += [f"night {night.number} of {night.tenant} ({night.kind}): {one}" for one in found]
        _add(total, played)
        faults += played.faults
        errors += played.errors
        if wrong:
            break
    imports = len(stage.weeks.imports)
    rows, loaded, held, attempts, cleared, struck = total.values()
    return Figures(
        made.seed, rows, loaded, held, attempts, cleared, imports, 0, struck, faults, wrong[:MOST_TOLD], errors
    )


def _add(total: dict[str, int], played: Played) -> None:
    told = played.report or {}
    total["rows"] += told.get("rows", 0)
    total["loaded"] += sum(told.get(name, 0) for name in ("created", "updated", "unchanged"))
    total["held"] += sum(told.get(name, 0) for name in ("rejected", "failed"))
    for name in ("attempts", "cleared", "struck"):
        total[name] += getattr(played, name)


def _of_report(played: Played, must: Outcome, night: Night) -> Iterator[str]:
    """Compare the report with the oracle, and check both of its sums."""
    report = played.report
    if report is None:
        return
    if report["outcome"] != must.outcome:
        yield f"it ended as {report['outcome']}, must be {must.outcome} ({played.errors[-1:]})"
        return
    if report["rows"] != sum(report[name] for name in ROWS):
        yield "the rows do not add up"
    if must.outcome.startswith("loaded") and report["rows"] != len(night.rows):
        yield f"the report has {report['rows']} of {len(night.rows)} rows"
    people = report.get("people")
    if people and people["known"] != sum(people[name] for name in PEOPLE):
        yield f"the people do not add up: {people}"
    if must.left is not None and people is None:
        yield "the report does not say who is missing"
    if must.left is not None and people and (people["left"], people["waiting"]) != (must.left, must.waiting):
        yield f"{people['left']} left and {people['waiting']} wait; must be {must.left} and {must.waiting}"
