"""Show what a load would send and what it would reject, without using Airflow or sending anything."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl

from patronload import rows, settings, targets
from patronload.checks import gates, limits, unread, validation
from patronload.cli import private_files
from patronload.config import mapping_files, tenants
from patronload.config.mapping import Expectations, Mapping
from patronload.config.source import Layout
from patronload.config.tenants import Limits
from patronload.errors import ConfigError
from patronload.exports import merging, pgp, reading, reject_files, reject_workbooks
from patronload.exports.reading import Export
from patronload.mapping import combining, transform

PATRONS = "patrons.jsonl"
REJECTS = "rejects.csv"
WORKBOOK = "rejects.xlsx"
NOTED = "noted.csv"
REPORT = "report.json"

STAGES = ("validate", "transform", "plan")
"""The stages of a load that reject rows, in their order."""

UTC = ZoneInfo("UTC")
"""The time zone in which a day ends, without a tenant."""


class Preview(NamedTuple):
    """
    The result of a load without a library system. rejects: see rows.REJECTS, with the stage; noted: see rows.NOTED;
    skipped: see rows.SKIPPED; refusals: sentences, why the run would stop; posted: the patrons as they are posted if
    they are new; warnings: sentences.
    """

    rows: int
    patrons: pl.DataFrame
    rejects: pl.DataFrame
    noted: pl.DataFrame
    skipped: pl.DataFrame
    refusals: list[str]
    rejects_file: bytes
    rejects_workbook: bytes | None
    noted_file: bytes
    posted: list[str]
    warnings: list[str]

    @property
    def rejected(self) -> int:
        """The number of rows that would be rejected."""
        return self.rejects["row"].n_unique()

    @property
    def reasons(self) -> list[dict[str, Any]]:
        """Each reason with its number of rows, the most frequent first."""
        counted = self.rejects.select("row", "stage", "summary").unique().group_by("stage", "summary").len("count")
        return counted.sort("count", "summary", descending=[True, False]).to_dicts()

    @property
    def notes(self) -> list[dict[str, Any]]:
        """The notes, counted like the reasons."""
        counted = self.noted.select("row", "effect", "summary").unique().group_by("effect", "summary").len("count")
        return counted.sort("count", "summary", descending=[True, False]).to_dicts()

    @property
    def skips(self) -> list[dict[str, Any]]:
        """Each reason to skip rows with its number of rows, the most frequent first."""
        counted = self.skipped.group_by("reason").len("count")
        return counted.sort("count", "reason", descending=[True, False]).to_dicts()

    def summary(self) -> dict[str, Any]:
        """The content of report.json."""
        return {
            "rows": self.rows,
            "patrons": self.patrons.height,
            "rejected": self.rejected,
            "skipped": self.skips,
            "reasons": self.reasons,
            "noted": self.notes,
            "refusals": self.refusals,
            "warnings": self.warnings,
        }


def preview(  # noqa: PLR0913 - the keys of a tenant file, for those who have none
    mapping: str,
    export: Path | Sequence[Path],
    layout: Layout,
    allowed: Limits,
    zone: ZoneInfo = UTC,
    *,
    missing_columns: Literal["keep", "stop"] = "keep",
    same_person: merging.SamePerson = "reject",
    more: Expectations | None = None,
    key: pgp.Key | None = None,
) -> Preview:
    """
    Validate and map the export (one file or several) with a mapping and `more` expectations.

    `mapping` is its name, with or without .yaml, or the path of a file.

    Days end in `zone`; for `missing_columns` see Source; `key` decrypts files that are encrypted with PGP. Raises
    ConfigError for a mistake in the mapping file, SourceError for a file that cannot be read as CSV.
    """
    whole = _mapping(mapping).expecting(more or Expectations())
    files = [export] if isinstance(export, Path) else export
    read = merging.merge([(file.name, _read(file, layout, key)) for file in files], whole, same_person)
    rules = whole.over(read.columns) if missing_columns == "keep" else whole
    found = validation.validate(read, rules)
    made = None if found.refusals else _transform(read, rules, found)
    noted = pl.concat([found.noted, made.noted]) if made else found.noted
    patrons = made.patrons if made else pl.DataFrame(schema={"row": pl.UInt32, transform.PATRON: pl.String})
    known = targets.offline(rules, patrons, zone)
    patrons = patrons.join(known.rejects.select("row").unique(), on="row", how="anti", maintain_order="left")
    by_stage = {"validate": found.rejects, "plan": known.rejects} | ({"transform": made.rejects} if made else {})
    rejects = pl.concat(by_stage[stage].with_columns(stage=pl.lit(stage)) for stage in STAGES if stage in by_stage)
    refusals = found.refusals or [
        *_incomplete(allowed, sum(file.stat().st_size for file in files), read),
        *limits.breaches(allowed, read, rejects["row"].n_unique()),
    ]
    delivered = pl.concat([read.frame, read.ragged]).rename(read.names)
    rejects_file = reject_files.write(delivered, rejects, layout.delimiter, read.encoding)
    workbook = reject_workbooks.write(delivered, rejects, read.names) if rejects.height else None
    noted_file = reject_files.write_notes(noted, layout.delimiter, layout.encoding)
    # If the run would stop for a missing column, its effect does not matter.
    warnings = [
        *([] if found.refusals else whole.lacking(read.columns)),
        # The first line of a file without a header line is a patron.
        *([] if found.refusals else unread.sentences(unread.count_filled(read.frame, whole))),
        *known.warnings,
    ]
    files_of_rows = (rejects_file, workbook, noted_file)
    skipped = found.skipped.join(rejects, on="row", how="anti", maintain_order="left")
    return Preview(read.rows, patrons, rejects, noted, skipped, refusals, *files_of_rows, known.posted, warnings)


def _transform(read: reading.Export, rules: Mapping, found: validation.Validation) -> transform.Transformed:
    """The patrons of all rows, and the rows that cannot become one."""
    frame = rows.blank_noted(read.visible, found.noted)
    joined = found.combined
    whole = combining.combine(frame, joined, rules, found.rejects) if joined.height else combining.no_one()
    refused = pl.concat([found.rejects, whole.rejects])
    made = transform.transform(rows.without(frame, found.skipped), rules, refused)
    return made._replace(
        patrons=combining.with_others(made.patrons, whole),
        rejects=pl.concat([made.rejects, whole.rejects])
        .unique(("row", "column", "value", "reason"), maintain_order=True)
        .sort("row", maintain_order=True),
        noted=pl.concat([made.noted, whole.noted]),
    )


def _mapping(given: str) -> Mapping:
    """The mapping of a name like folio/flat_patrons, or in the file at a path; .yaml may be left out."""
    bare = given.removesuffix(".yaml")
    for path in (settings.mappings() / f"{bare}.yaml", Path(f"{bare}.yaml"), Path(given)):
        if path.is_file():
            return mapping_files.load_file(path)
    return mapping_files.load(bare)


def _read(file: Path, layout: Layout, key: pgp.Key | None) -> Export:
    content = file.read_bytes()
    return reading.read(content, layout) if key is None else pgp.read(content, layout, key)


def _incomplete(allowed: Limits, size: int, read: Export) -> list[str]:
    """Why the file is incomplete. Whether it is the right one, only a load can decide: it has the history."""
    verdicts = [] if read.mended else gates.complete(allowed, size, read.rows, read.trailer)
    return [verdict.sentence for verdict in verdicts if not verdict.passed]


def of_tenant(
    name: str, export: Path | Sequence[Path], key: pgp.Key | None = None, layout: dict[str, str] | None = None
) -> Preview:
    """Like `preview`, with the settings of a tenant, except those in `layout`. Raises as `preview` does."""
    tenant = tenants.load(name)
    source = tenant.source.model_copy(update=layout or {})
    if source.pgp is not None and key is None:
        raise ConfigError(
            f"The exports of {name} are encrypted with PGP: give the private key with --pgp-key FILE. A preview does "
            "not read Airflow's connections."
        )
    return preview(
        tenant.mapping,
        export,
        source,
        tenant.limits,
        tenant.zone,
        missing_columns=source.missing_columns,
        same_person=source.same_person,
        more=tenant.expect,
        key=key,
    )


def write(made: Preview, out: Path) -> None:
    """
    Write patrons.jsonl (one record per line, exactly as it would be posted), the rejects and report.json. Only this
    account can read them.
    """
    private_files.write(out / PATRONS, "".join(f"{patron}\n" for patron in made.posted).encode())
    private_files.write(out / REJECTS, made.rejects_file)
    for name, content in ((WORKBOOK, made.rejects_workbook), (NOTED, made.noted_file if made.noted.height else None)):
        # Those of an earlier preview would be taken for this one's.
        (out / name).unlink(missing_ok=True)
        if content:
            private_files.write(out / name, content)
    private_files.write(out / REPORT, json.dumps(made.summary(), ensure_ascii=False, indent=2).encode() + b"\n")
