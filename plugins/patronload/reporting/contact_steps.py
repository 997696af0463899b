"""Advise a library's contact what to do next, in their words: files, folders and people; nothing about Airflow."""

from __future__ import annotations

import re

from patronload.reporting.approval_question import Question
from patronload.reporting.places import Places
from patronload.reporting.report import Report, count_of

ON_CALL = "The people on call have the same mail with the technical details; you do not have to do anything now."


TRIAL = "This was a trial. Nothing has changed, and there is nothing else to do."


def contact_steps(report: Report, places: Places) -> list[str]:
    """The next steps of a contact, in order."""
    if report.undo:
        return _after_an_undo(report)
    steps = {
        "stopped": _after_a_stop,
        "declined": _after_a_stop,
        "no_file": _without_a_file,
        "failed": _after_a_failure,
        "already_loaded": _loaded_before,
        "dry_run": _tried_out,
    }.get(report.outcome)
    return steps(report, places) if steps else _correct(report, places) or ["There is nothing to do."]


def _after_an_undo(report: Report) -> list[str]:
    steps = {
        "failed": [ON_CALL],
        "stopped": [ON_CALL],
        "declined": [f"If the load has to be undone after all, ask {_expert(report)}."],
        "dry_run": [TRIAL],
    }
    stays = report.rejected + report.failed + (report.undo.partly if report.undo else 0)
    by_hand = [f"Ask {_expert(report)} which patrons could not go back, and correct them by hand in {report.target}."]
    return steps.get(report.outcome) or [*(by_hand if stays else []), f"Put the right file into {_folder(report)}."]


def _after_a_stop(report: Report, places: Places) -> list[str]:
    return [
        f"If the export is wrong, ask its sender for a correct one, and put it into {_folder(report)}.",
        f"If it is right after all, ask {_expert(report)} to load it.",
        *_correct(report, places)[:2],
    ]


def _without_a_file(report: Report, _: Places) -> list[str]:
    return [
        f"Ask the sender of the export for the file, and have it put into {_folder(report)}.",
        f"When it is there, ask {_expert(report)} to start the load again.",
    ]


def _after_a_failure(report: Report, places: Places) -> list[str]:
    return [ON_CALL, *_correct(report, places)[:1]]


def _loaded_before(report: Report, _: Places) -> list[str]:
    return [
        "If there should be a newer export, ask its sender.",
        f"To load this one again, ask {_expert(report)}.",
    ]


def _tried_out(report: Report, places: Places) -> list[str]:
    return [*_correct(report, places)[:2], TRIAL]


def _correct(report: Report, places: Places) -> list[str]:
    """How rejected rows are corrected, and where they go then."""
    if not report.to_correct:
        return []
    rows = count_of(report.to_correct, "row")
    where = f" You find it on your SFTP server: {' and '.join(report.put_back)}." if report.put_back else ""
    steps = [
        f"Open the rejects (rejects.xlsx or rejects.csv): the file has the {rows} and the reasons.{where}",
        "Correct the rows there, and in the system that the export comes from, so that the next export is right too.",
        "Save the file as a workbook or as CSV, and keep the columns that begin with reject_.",
    ]
    if places.signed and places.rejects:
        return [
            *steps,
            "Upload it on your page of this load, below the downloads. That starts the load of these rows.",
        ]
    return [*steps, f"Upload it to {_folder(report)}, and ask {_expert(report)} to load it."]


def _folder(report: Report) -> str:
    return report.folder or "the folder of your exports"


def on_call(report: Report) -> str:
    """Who can act on a failure that is not the export's, with name and number if the tenant file has them."""
    return f"the people on call ({report.expert})" if report.expert else "the people on call"


def _expert(report: Report) -> str:
    return report.expert or "the people who look after your loads"


_TECHNICAL = re.compile(
    r"Airflow|\btasks?\b|\bDAGs?\b|tenant file|mapping file|\bXCom\b|\blogs?\b|Load anyway|Dry run|[a-z]+\.[a-z_]+ in\b"
    r"|connection|docs/|\bruns?\b|\bclear (?:the|its|fetch|post)\b|python|not_undone",
    re.IGNORECASE,
)


_LIMITS = re.compile(r"(?<![\w/.])(?:limits|source\.most)\.\w+")
_SETTINGS = re.compile(r"(?<![\w/.])source\.(?:pgp|rename|trailer)\b")


def without_technical(message: str) -> str:
    """A message without the sentences that only people on call can use, and without keys of the tenant file."""
    sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z'])", " ".join(message.split()))
    return without_keys(" ".join(sentence for sentence in sentences if not _TECHNICAL.search(sentence)))


def without_keys(sentence: str) -> str:
    """A sentence with words instead of the keys of the tenant file, which contacts do not know."""
    return _SETTINGS.sub("the setting", _LIMITS.sub("the limit", sentence))


def in_contact_words(question: Question) -> Question:
    """The question for an approver without an account in Airflow: no keys, no run id and no path of ours."""
    return question._replace(
        sentences=tuple(map(without_keys, question.sentences)),
        files=tuple(sentence for sentence in question.files if not _TECHNICAL.search(sentence)),
    )
