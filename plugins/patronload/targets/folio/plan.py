"""
Plan a load: compare the file with what FOLIO has, and say what is to be sent, in which order, and what is not.

Nothing is changed in FOLIO. What is sent later are complete records, each the stored user with the file's values laid
over it; rows that FOLIO would refuse, or that would touch someone else's ids, are set aside here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import closing
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from patronload import rows
from patronload.config.mapping import Mapping
from patronload.folding import fold
from patronload.mapping import last_changed
from patronload.systems.folio import FOLIO
from patronload.targets.delivery import (
    BEFORE,
    CHANGES,
    NO_BACKGROUND,
    Background,
    Leaving,
    Planned,
    Problem,
    Record,
    newcomer,
    reject,
    skip_newcomers,
)
from patronload.targets.folio import (
    adoption,
    changes,
    departures,
    group_offsets,
    identity_conflicts,
    merge,
    own_rules,
    preflight,
    stored_users,
    three_way,
    touched_users,
)
from patronload.targets.folio import findings as about_rows
from patronload.targets.folio import protection as protected_fields
from patronload.targets.folio.client import Folio
from patronload.targets.folio.comparison import Comparison
from patronload.targets.folio.departures import Departure, Departures, Reading
from patronload.targets.folio.findings import Finding
from patronload.targets.folio.group_offsets import GroupOffsets
from patronload.targets.folio.identity_conflicts import Claim, Order
from patronload.targets.folio.lines import Line, Lines, Settled, claim, ids, to_json, to_text
from patronload.targets.folio.preflight import Drift
from patronload.targets.folio.protection import Protection, is_staff
from patronload.targets.folio.reference_data import Reference
from patronload.targets.folio.taking_over import TakingOver
from patronload.targets.folio.touched_users import Stored
from patronload.targets.folio.values import Values
from patronload.targets.spool import Spool, in_parts

UNREADABLE = "FOLIO's user import cannot read this user: it has a property that the import does not know"
OTHER_PREFIX = "FOLIO has this user under an externalSystemId whose prefix is spelt differently"
INCOMPLETE = "FOLIO refuses a patron without it, and neither the file nor FOLIO has one"


def plan(
    folio: Folio,
    patrons: pl.DataFrame | pl.LazyFrame,
    mapping: Mapping,
    zone: ZoneInfo,
    background: Background = NO_BACKGROUND,
) -> Planned:
    """
    The plan for `patrons` (row, externalSystemId, username, barcode, id, patron; see transform).

    Raises TargetError for everything that has to be fixed first, in one message; TransientError.
    """
    return _Planning(folio, mapping, zone, background).plan(patrons.lazy(), background.leaving)


class _Planning:
    def __init__(
        self,
        folio: Folio,
        mapping: Mapping,
        zone: ZoneInfo,
        background: Background,
    ) -> None:
        self.folio = folio
        self.adopting = background.adopting
        self.refused = {fold(folio.prefix + key): row for row, key in background.refused}
        self.mapping = mapping
        self.zone = zone
        self.ledger = background.ledger
        self.left = self.ledger.left() if self.ledger else {}
        self.contested = last_changed.paths(mapping)
        self.identities = background.identities
        self.rejects: list[tuple[int, str, str | None, str, str]] = []
        self.gone: dict[str, int] = {}
        self.drifts: list[Drift] = []
        self.unreadable: set[str] = set()
        self.staff = self.protected = self.kept_back = 0
        """Rows of staff, rows of users protected by hand, and rows that would change what staff keep."""
        self.reactivated: set[int] = set()
        """Rows of inactive users who become active."""
        self.comparison = Comparison(folio)
        self.changes, self.before, self.lines = Spool(CHANGES), Spool(BEFORE), Lines()
        self.stored = self.active = 0
        """How many of the file's patrons FOLIO has, and how many of those are active."""
        self.newcomers: list[tuple[int, str]] = []
        """Rows that are skipped because FOLIO does not have their patron, with its key."""
        self.other_ids = 0
        """Rows with an id whose user has another one in FOLIO."""

    def plan(self, patrons: pl.LazyFrame, leaving: Leaving | None) -> Planned:
        reference, stored, warnings = self._read(patrons, leaving)
        with closing(stored), closing(self.lines):
            return self._plan(patrons, leaving, stored, Values(self.folio.target, reference), warnings)

    def _plan(
        self, patrons: pl.LazyFrame, leaving: Leaving | None, stored: Stored, values: Values, warnings: list[str]
    ) -> Planned:
        self.gone |= self._refused_before(stored)
        self.taking_over = TakingOver(self.folio, self.identities, stored, patrons, self.refused)
        count = self._compare_all(patrons, stored, values)
        order = self._order(stored)
        going = Settled(self.lines, order)
        if values.may_create:
            values.create_for(going.records())
        findings = self._findings(values, order, going, stored.prefixed)
        gone = self._departures(leaving, stored, values.reference)
        departing = [self._departing(one, stored) for one in gone.leave]
        for row, key in gone.inactive:
            self.changes.add(row, key, "inactive", None, None, None, changes.LEFT)
        rejects = pl.DataFrame(self.rejects, schema=rows.REJECTS, orient="row")
        summary = self._summary(findings, values, stored.read)
        return Planned(
            patrons=going.to_send(self.folio.target.chunk_size, departing),
            rejects=rejects,
            stops=[finding.sentence for finding in findings if finding.effect == "stop"],
            summary={"patrons": count}
            | self._counts(going, order)
            | {"rejected": rejects["row"].n_unique()}
            | summary
            | {"warnings": warnings + summary["warnings"] + gone.warnings},
            skipped=skip_newcomers(self.newcomers, FOLIO.name),
            unchanged=going.unchanged,
            changes=self.changes,
            before=self.before,
            departures=gone.outcomes,
            adopted=adoption.found(self.folio, self.adopting, self.ledger, values.reference) if self.adopting else None,
        )

    def _compare_all(self, patrons: pl.LazyFrame, stored: Stored, values: Values) -> int:
        """Compare each patron with the stored user; returns how many patrons there are."""
        count = 0
        for part in in_parts(patrons, "row", "patron"):
            count += part.height
            for row, text in part.iter_rows():
                if line := self._line(row, text, stored, values):
                    self.lines.add(line, self._claim(line))
        return count

    def _read(self, patrons: pl.LazyFrame, leaving: Leaving | None) -> tuple[Reference, Stored, list[str]]:
        """FOLIO's lists, the users whom the load touches, and warnings. Raises one TargetError for all refusals."""
        changes_users = bool(self.folio.target.match.users_without_id or self.identities)
        permissions = preflight.log_in(self.folio, changes_users=changes_users)
        self.drifts, warnings = preflight.drifts(self.folio)
        reference = preflight.reference(self.folio, permissions)
        others = [one.old.removeprefix(self.folio.prefix) for one in self.identities]
        others += leaving.keys if leaving else []
        stored = permissions.attempt(lambda: touched_users.read(self.folio, patrons, others), touched_users.NONE)
        permissions.check()
        return reference, stored, warnings

    def _counts(self, going: Settled, order: Order) -> dict[str, int]:
        return {
            "new": going.height - going.known,
            "known": going.known,
            "unchanged": going.unchanged.height,
            "stored": self.stored,
            "active": self.active,
            "staff": self.staff,
            "protected": self.protected,
            "becoming_active": len(self.reactivated - order.conflicts.keys()),
            "taken_over": going.taken_over,
            "renamed": going.renamed,
        }

    def _claim(self, line: Line) -> Claim:
        return claim(line, self.taking_over.others(line.record[FOLIO.key]), brings_ids="id" in self.mapping.fields)

    def _order(self, stored: Stored) -> Order:
        """The order of the rows. A row whose ids no one else wants or holds has the level 0, which is not listed."""
        lines, holders = self.lines.contested(stored)
        order = identity_conflicts.settle(
            [self._claim(line) for line in lines],
            holders,
            self.gone,
            rejects_same_email=self.folio.target.same_email == "reject",
        )
        self._reject_conflicts(order, lines)
        return order

    def _refused_before(self, stored: Stored) -> dict[str, int]:
        """The stored users whose own rows did not get as far as here."""
        found = ((stored.holder_of_key(key), row) for key, row in self.refused.items())
        return {holder.id: row for holder, row in found if holder is not None}

    def _line(self, row: int, text: str, stored: Stored, values: Values) -> Line | None:
        """The merged patron, or None when the row is set aside."""
        written = json.loads(text)
        found = self.taking_over.find(written)
        user = found.user
        if user is None and self.mapping.newcomers != "create":
            self._refuse_newcomer(row, written["externalSystemId"])
            return None
        ours, dropped = values.without_dropped(written)
        stored_id = user["id"] if user else None
        self.other_ids += "id" in ours and stored_id is not None and fold(ours["id"]) != fold(stored_id)
        self.stored += user is not None
        self.active += bool(user and user.get("active"))
        problems = [*found.problems, *self._of_user(user, ours), *own_rules.same_types(ours)]
        if not problems:
            theirs = self._as_import(user, stored, values.reference)
            rules = self._rules_for(written)
            if group_offsets.is_open(ours):
                group = merge.merge(group_offsets.without(ours), theirs, rules, dropped).get("patronGroup")
                ours = self._offsets(values.reference).with_expiry_date(ours, group)
            record = merge.merge(ours, theirs, rules, dropped)
            self._count_protected(ours, theirs, rules, dropped)
            problems = [*found.protection_problems(theirs, rules.protection), *values.problems(record)]
            record |= found.ids(ours)
            problems += self._incomplete(record)
            if not problems:
                changed, unsaid = self._changed_paths(record, theirs), self._dropped_values(written, ours)
                if theirs and record["active"] and not theirs["active"]:
                    self.reactivated.add(row)
                line = Line(row, record, stored_id, changed, unsaid, former=found.former)
                return self._settle(line, user, theirs, stored)
        for problem in problems:
            self._reject(row, problem)
        if stored_id:
            self.gone[stored_id] = row
        return None

    def _refuse_newcomer(self, row: int, key: str) -> None:
        """A patron whom FOLIO does not have, when the mapping loads known patrons only."""
        if self.mapping.newcomers == "skip":
            self.newcomers.append((row, key))
        else:
            self._reject(row, newcomer(FOLIO.key, key, FOLIO.name))

    def _incomplete(self, record: Record) -> Iterator[Problem]:
        """Required fields that neither the file nor FOLIO has."""
        for path in FOLIO.required:
            if not record.get(path):
                yield Problem(path, "", INCOMPLETE)
        for parent, path in FOLIO.required_within.items():
            inside = record.get(parent)
            if inside and not inside.get(path.rpartition(".")[2]):
                yield Problem(path, "", INCOMPLETE)

    def _offsets(self, reference: Reference) -> GroupOffsets:
        if self._group_offsets is None:
            today = self.folio.clock().astimezone(self.zone).date()
            self._group_offsets = GroupOffsets(reference.groups, today)
        return self._group_offsets

    _group_offsets: GroupOffsets | None = None

    def _count_protected(
        self, ours: Record, theirs: Record | None, rules: merge.Rules, dropped: Collection[str]
    ) -> None:
        if theirs is None:
            return
        self.protected += bool(rules.protection.by_hand(theirs))
        if is_staff(theirs):
            self.staff += 1
            free = merge.merge(ours, theirs, rules._replace(protection=Protection()), dropped)
            self.kept_back += any(free.get(name) != theirs.get(name) for name in rules.protection.staff)

    def _settle(self, line: Line, user: Record | None, theirs: Record | None, stored: Stored) -> Line:
        """The line with what it changes noted; without most of its record when it changes nothing."""
        key = line.record[FOLIO.key]
        if user is None or theirs is None:
            self.changes.add(line.row, key, "create", None, None, to_text(line.record), None)
            return line._replace(action="create")
        preference = stored.preference(user["id"])
        if self.folio.target.send == "changed" and line.former is None and self._holds(line.record, user, preference):
            self.changes.add(line.row, key, "unchanged", None, None, None, None)
            return line._replace(record=ids(line.record), is_unchanged=True)
        found = [*changes.of_key(line.former, key), *changes.changes(theirs, line.record, self.mapping)]
        for change in found or [changes.NOTHING]:
            before, after = to_json(change.before), to_json(change.after)
            self.changes.add(line.row, key, "update", change.field or None, before, after, change.why)
        self.before.add(line.row, key, to_text({"user": user, "requestPreference": preference}))
        return line._replace(action="update")

    def _departures(self, leaving: Leaving | None, stored: Stored, reference: Reference) -> Departures:
        if leaving is None:
            return departures.NOBODY
        reading = Reading(
            as_import=lambda user: self._as_import(user, stored, reference) or {},
            obstacle=self._obstacle,
        )
        return departures.plan(self.folio, leaving, stored, reading, self.rules)

    def _obstacle(self, user: Record) -> str:
        """Why a stored user cannot be made one who has left."""
        if user["id"] in self.taking_over.renamed:
            return "has a new externalSystemId, which is in the file"
        return "; ".join(problem.words for problem in self._of_user(user, user))

    def _departing(self, one: Departure, stored: Stored) -> Line:
        """A user who leaves, as a line of the plan."""
        key = one.record[FOLIO.key]
        for change in changes.changes(one.theirs, one.record, self.mapping):
            self.changes.add(
                one.row, key, "leave", change.field, to_json(change.before), to_json(change.after), changes.LEFT
            )
        preference = stored.preference(one.user["id"])
        self.before.add(one.row, key, to_text({"user": one.user, "requestPreference": preference}))
        changed = self._changed_paths(one.record, one.theirs)
        return Line(one.row, one.record, one.user["id"], changed, [], action="leave")

    def _holds(self, record: Record, user: Record, preference: Record | None) -> bool:
        """Whether an import of the record would leave FOLIO as it is. What cannot be proved is not so."""
        return self.comparison.holds(record, user) and self.comparison.holds_preference(record, preference)

    @property
    def rules(self) -> merge.Rules:
        """How the file is merged into FOLIO's users."""
        if self._rules is None:
            erase = self.folio.target.blank_cells == "erase"
            protection = protected_fields.of_target(self.folio.target)
            self._rules = merge.rules(self.mapping, self.zone, self.folio.clock(), erase=erase, protection=protection)
        return self._rules

    _rules: merge.Rules | None = None

    def _rules_for(self, ours: Record) -> merge.Rules:
        """The rules for one patron of the file."""
        left = self.left.get(fold(ours[FOLIO.key]))
        rules = self.rules._replace(left=left) if left else self.rules
        if not self.contested or self.ledger is None:
            return rules
        said = last_changed.values(ours, self.contested, self.mapping)
        return rules._replace(changed=self.ledger.changed_fields(ours[FOLIO.key], said))

    def _changed_paths(self, record: Record, theirs: Record | None) -> str | None:
        if theirs is None:
            return None
        return "\n".join(three_way.changed_paths(record, theirs, self.rules.fills_only_if_empty))

    def _dropped_values(self, written: Record, ours: Record) -> list[str]:
        """Values that are dropped: they count as new once FOLIO knows them."""
        if ours is written or not self.contested:
            return []
        left = last_changed.values(ours, self.contested, self.mapping)
        every = last_changed.values(written, self.contested, self.mapping)
        return [name for name, text in every.items() if left.get(name) != text]

    def _as_import(self, user: Record | None, stored: Stored, reference: Reference) -> Record | None:
        if user is None:
            return None
        return stored_users.as_import(user, self.folio.prefix, reference, stored.preference(user["id"]))

    def _of_user(self, user: Record | None, ours: Record) -> Iterator[Problem]:
        """Why the user import could not update a stored user at all."""
        if user is None:
            return
        unknown = stored_users.unknown_properties(user)
        unknown += [drift.property for drift in self.drifts if stored_users.has(user, drift.property)]
        if unknown:
            self.unreadable |= set(unknown)
            yield Problem("externalSystemId", ours["externalSystemId"], f"{UNREADABLE}: {', '.join(unknown)}")
        key = user.get("externalSystemId")
        if key and not key.startswith(self.folio.prefix):
            yield Problem("externalSystemId", key, OTHER_PREFIX)

    def _reject(self, row: int, problem: Problem) -> None:
        line = reject(row, problem, self.mapping)
        self.rejects.append((row, line["column"], line["value"], line["reason"], line["summary"]))

    def _reject_conflicts(self, order: Order, lines: list[Line]) -> None:
        records = {line.row: line.record for line in lines if line.row in order.conflicts}
        for row, conflict in sorted(order.conflicts.items()):
            name = conflict.field.rpartition(".")[2]
            value = (records[row].get("personal") or {}).get(name) if "." in conflict.field else records[row].get(name)
            column = self.mapping.source_of(conflict.field) or conflict.field
            self.rejects.append((row, column, value, f"{column} '{value}': {conflict.reason}", conflict.summary))

    def _findings(self, values: Values, order: Order, going: Settled, prefixed: int) -> list[Finding]:
        return [
            *self._findings_of_values(values),
            *about_rows.new_ids(going.taken_over, going.renamed, doubles=self.taking_over.doubles),
            *about_rows.prefixed_ids(prefixed, self.folio.prefix),
            *about_rows.other_ids(self.other_ids),
            *about_rows.same_emails(order.same_email if self.folio.target.same_email == "report" else []),
            *about_rows.kept_back_rows(self.kept_back),
            *about_rows.without_offset(self._group_offsets.lacking if self._group_offsets else {}),
            *about_rows.without_group(going.without_group),
        ]

    def _findings_of_values(self, values: Values) -> list[Finding]:
        found = [*preflight.drift_findings(self.drifts, self.mapping.fields), *values.findings()]
        if self.unreadable:
            sentence = (
                f"FOLIO has users with properties that its user import cannot read "
                f"({', '.join(sorted(self.unreadable))}); the update of one of them fails for nine others with it. "
                "Their rows are rejected. Ask FOLIO's administrator for a newer mod-user-import."
            )
            found.append(Finding("stored users", "reject", sentence, []))
        return found

    def _summary(self, findings: list[Finding], values: Values, read: str) -> dict[str, Any]:
        return {
            "read": read,
            "warnings": [finding.sentence for finding in findings if finding.effect != "stop"],
            "findings": [finding._asdict() for finding in findings],
            "create": values.to_create(),
        }
