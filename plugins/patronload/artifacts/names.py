"""
The names of all artifacts in one table: which stage writes each, and whether it holds patrons.

Purging goes by this table, and docs/run-artifacts.md is tested against it. To add an artifact, add a line here and a
line on that page; a file that is not listed is purged with the patrons.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal, Self


class Artifact(str):
    """
    The name of a file in a run's folder, or of a folder in it with one file per chunk.

    `stages`: the stages that write it. `holds_patrons`: whether it has personal data of patrons; it is then deleted
    after keep.patrons days, otherwise after keep.reports days. `shared`: it lies beside the runs of a tenant, and is
    never purged.
    """

    __slots__ = ("holds_patrons", "shared", "stages")
    stages: tuple[str, ...]
    holds_patrons: bool
    shared: bool

    def __new__(cls, name: str, *stages: str, patrons: bool, shared: bool = False) -> Self:
        """See the class."""
        artifact = super().__new__(cls, name)
        artifact.stages, artifact.holds_patrons, artifact.shared = stages, patrons, shared
        return artifact

    @property
    def keep(self) -> Literal["patrons", "reports"] | None:
        """The key under `keep` in the tenant file that says how long the artifact is kept; None for shared ones."""
        if self.shared:
            return None
        return "patrons" if self.holds_patrons else "reports"

    def of_chunk(self, number: int) -> str:
        """The file of one chunk in this folder: sent/0001.json."""
        return f"{self}/{number:04}.json{'.zst' if self == CHUNKS else ''}"


def chunk_number(name: str) -> int:
    """The number of the chunk that a file belongs to: 1 for sent/0001.json."""
    return int(PurePosixPath(name).name.split(".", maxsplit=1)[0])


UPLOADED_FILE = Artifact("uploaded", "page", patrons=True)
UPLOADED = Artifact("uploaded.json", "page", patrons=False)
EXPORT = Artifact("export.csv", "fetch", patrons=True)
MORE = Artifact("more", "fetch", patrons=True)
DELIVERY = Artifact("export.json", "fetch", patrons=False)
UNDO = Artifact("undo.json", "fetch", patrons=False)
LATE = Artifact("late.json", "fetch", patrons=False)
ROWS = Artifact("rows.parquet", "validate", patrons=True)
RAGGED = Artifact("ragged.parquet", "validate", patrons=True)
FACTS = Artifact("rows.json", "validate", patrons=True)
VALIDATION = Artifact("validation.json", "validate", patrons=False)
FAILING = Artifact("failing.parquet", "validate", patrons=False)
SKIPPED = Artifact("skipped.parquet", "validate", patrons=True)
COMBINED = Artifact("combined.parquet", "validate", patrons=False)
NOTED = Artifact("noted.parquet", "validate", patrons=True)
VALIDATE_REJECTS = Artifact("rejects/validate.parquet", "validate", patrons=True)
GATES = Artifact("gates.json", "validate", "transform", "plan", "post", patrons=False)
TRANSFORM_NOTED = Artifact("noted_transform.parquet", "transform", patrons=True)
PATRONS = Artifact("patrons.parquet", "transform", patrons=True)
FIELDS = Artifact("fields.json", "transform", patrons=False)
TRANSFORM_REJECTS = Artifact("rejects/transform.parquet", "transform", patrons=True)
PLAN = Artifact("plan.json", "plan", patrons=False)
PLANNED = Artifact("planned.parquet", "plan", patrons=True)
PLAN_REJECTS = Artifact("rejects/plan.parquet", "plan", patrons=True)
PLAN_SKIPPED = Artifact("skipped_plan.parquet", "plan", patrons=True)
UNCHANGED = Artifact("unchanged.parquet", "plan", patrons=True)
CHANGES = Artifact("changes.parquet", "plan", patrons=True)
BEFORE = Artifact("before.parquet", "plan", patrons=True)
LEAVERS = Artifact("leavers.parquet", "plan", patrons=True)
LEAVERS_FILE = Artifact("leavers.csv", "plan", patrons=True)
ADOPTED = Artifact("adopted.parquet", "plan", patrons=True)
NOT_UNDONE = Artifact("not_undone.csv", "plan", patrons=True)
CHUNKS = Artifact("chunks", "plan", patrons=True)
APPROVAL = Artifact("approval.json", "approve", patrons=False)
CREATED = Artifact("created.json", "post", patrons=False)
PACE = Artifact("pace.json", "post", patrons=False)
SENT = Artifact("sent", "post", patrons=True)
RESULTS = Artifact("results", "post", patrons=True)
REMEMBERED = Artifact("remembered.json", "post", patrons=False)
LEDGER_CHANGES = Artifact("ledger_changes.parquet", "post", patrons=True)
UNDONE = Artifact("undone.json", "post", patrons=False)
LEDGER = Artifact("ledger.parquet", "post", patrons=True, shared=True)
LEDGER_SECRET = Artifact("ledger-secret.json", "post", patrons=True, shared=True)
OLD_LEDGER = Artifact("ledger.json", "post", patrons=True, shared=True)
FAILURE = Artifact("failure.json", "fetch", "validate", "transform", "plan", "approve", "post", patrons=False)
REPORT = Artifact("report.json", "report", patrons=False)
REPORT_PAGE = Artifact("report.html", "report", patrons=False)
VALIDATION_PAGE = Artifact("validation.html", "report", patrons=False)
NOTED_FILE = Artifact("noted.csv", "report", patrons=True)
REJECTS = Artifact("rejects.csv", "report", patrons=True)
REJECTS_WORKBOOK = Artifact("rejects.xlsx", "report", patrons=True)
PUT_BACK = Artifact("put_back.json", "report", patrons=False)
MAILED = Artifact("mailed.json", "notify", patrons=False)
LINKS = Artifact("links", "page", patrons=False)
PURGED = Artifact("purged.json", "purge", patrons=False)

ALL = tuple(value for value in list(globals().values()) if isinstance(value, Artifact))

SHARED = frozenset(artifact for artifact in ALL if artifact.shared)
"""The files beside the runs of a tenant; no run's folder has such a name."""

OF_CHUNKS = (CHUNKS, SENT, RESULTS)
"""The folders with one file per chunk."""

REJECTS_OF_STAGES = {"validate": VALIDATE_REJECTS, "transform": TRANSFORM_REJECTS, "plan": PLAN_REJECTS}
"""Where each stage puts the rows that it rejects."""

RUN_MARKERS = (UPLOADED, EXPORT, DELIVERY, UNDO, FAILURE, LATE, REPORT, PURGED)
"""A folder with one of these belongs to a run."""
