"""Hold an export against the limits that its tenant sets."""

from patronload.checks.gates import Verdict
from patronload.config.tenants import Limits
from patronload.exports.reading import Export, Facts


def verdicts(limits: Limits, export: Export | Facts, rejected: int) -> list[Verdict]:
    """The limits that an export is outside of, as gates that failed."""
    return [Verdict("limits", False, sentence) for sentence in breaches(limits, export, rejected)]


def breaches(limits: Limits, export: Export | Facts, rejected: int) -> list[str]:
    """The limits that an export exceeds, in sentences. A corrected rejects file has only a few rows."""
    if export.mended:
        return []
    rows, sentences = export.rows, []
    if rows < limits.min_rows:
        sentences.append(
            f"The export has {rows:,} rows; limits.min_rows requires at least {limits.min_rows:,}. If the file "
            f"is complete, lower the limit in the tenant file; otherwise ask the sender for the complete file."
        )
    if rejected > limits.rejects_allowed(rows):
        sentences.append(
            f"{rejected:,} of {rows:,} rows are rejected; limits.max_rejects allows {limits.max_rejects}. See the "
            "reasons in the report, and correct the export or the mapping file."
        )
    return sentences
