"""Advise the reader of a report what to do next."""

from patronload.reporting import contact_steps, undo_words
from patronload.reporting.places import Places, Reader
from patronload.reporting.report import Report, count_of


def next_steps(report: Report, reader: Reader | None = None, places: Places | None = None) -> list[str]:
    """The next steps, in order. Contacts read nothing about Airflow; without a reader they are for people on call."""
    if reader and not reader.on_call:
        return contact_steps.contact_steps(report, places or Places())
    return undo_words.next_steps(report) if report.undo and report.outcome != "failed" else _after_a_load(report)


def _after_a_load(report: Report) -> list[str]:
    if report.outcome == "stopped":
        return [*_read_rejects(report), *_after_a_stop(report)]
    if report.outcome == "declined":
        return [
            *_read_rejects(report),
            "If it is the wrong file, ask its sender for the right one and start the load again.",
            "If the load is right after all, clear the task 'approve' in Airflow: it asks again.",
        ]
    if report.outcome in ("failed", "no_file"):
        return [*_after_a_failure(report), *_look_up(report), *_correct_later(report)]
    if report.outcome == "already_loaded":
        return [
            "If there should be a newer export, ask its sender.",
            "To load this one again, start the load in Airflow with a reason in 'Load anyway'.",
        ]
    if report.outcome == "dry_run":
        return [*_read_rejects(report), "To load for real, start the load in Airflow with 'Dry run' switched off."]
    return _correct(report) or ["There is nothing to do."]


def _after_a_stop(report: Report) -> list[str]:
    if not report.is_right_file:
        return [
            "If it is the wrong file, ask its sender for the right one and start the load again.",
            "If it is the right one after all, start the load in Airflow with a reason in 'Load anyway'.",
            (
                f"If future files will be like this one, have {_keys(report)} changed in the tenant file, and clear "
                f"the task {_stage(report)} in Airflow."
            ),
        ]
    return [
        "If the export is wrong, ask its sender for a corrected one and start the load again.",
        (
            "If the export is right after all, have the limit or the check named above changed in the tenant or "
            f"mapping file, and clear the task {_stage(report)} in Airflow."
        ),
    ]


def _keys(report: Report) -> str:
    """The keys of the tenant file that have stopped the run."""
    failed = [gate.gate for gate in report.gates if gate.state == "failed"]
    named = [f"limits.{gate}" for gate in failed if gate not in ("limits", "trailer")]
    named += ["source.trailer"] * ("trailer" in failed) + ["the limit named above"] * ("limits" in failed)
    return " and ".join(named)


_ADVICE = {
    "ConfigError": [
        "Correct the setting named above: a tenant file, a mapping file or an Airflow connection.",
        "If it is a file, run `python -m patronload check` to see whether it is correct now.",
        "Then clear the task {stage} in Airflow.",
    ],
    "SourceError": [
        "Ask the sender of the export about the file named above.",
        "When the file is there, start the load again in Airflow.",
    ],
    "MissingError": [
        "Ask the sender of the export for the file named above.",
        "When it is there, start the load again in Airflow; for an earlier day, with that day as 'Day'.",
    ],
    "TargetError": [
        "Fix what is named above in {target}, or in its Airflow connection.",
        "Then clear the task {stage} in Airflow; {once}.",
    ],
    "RefusedError": [
        "Read the reasons. Fix the cause in {target}, in the mapping file, or in the export.",
        "Then start the load again in Airflow. Clearing the task {stage} does no harm, but sends nothing more.",
    ],
    "FullDiskError": [
        "Free space on that disk, or give it more; see docs/operations.md, Slots and memory.",
        "Then clear the task {stage} in Airflow; {once}.",
    ],
    "NotStartedError": [
        "Check that Airflow's workers run and have enough slots for the loads; see docs/operations.md, Queueing.",
        "Then clear the task {stage} in Airflow; {once}.",
    ],
    "EndedByHandError": [
        "Find out who marked the run as failed, and why: Airflow's audit log names the person.",
        "If it should run after all, start the load again in Airflow; {once}.",
    ],
    "TransientError": [
        "A server did not answer, and trying again did not help. Find out whether it is up.",
        "When it is, clear the task {stage} in Airflow; {once}.",
    ],
}

_OTHERWISE = [
    "Tell the people who run Airflow. The task's log has more details, and the developers want to know about this.",
    "Clearing the task {stage} in Airflow is safe; {once}.",
]


def _after_a_failure(report: Report) -> list[str]:
    if report.failure is None and report.unconfirmed and not report.not_sent:
        return []
    advice = _ADVICE.get(report.failure.kind if report.failure else "", _OTHERWISE)
    once = "no patron is sent twice" if report.can_be_asked else "sending a patron twice does no harm"
    return [sentence.format(stage=_stage(report), target=report.target, once=once) for sentence in advice]


def _stage(report: Report) -> str:
    return f"'{report.failure.stage}'" if report.failure else "that failed"


def _look_up(report: Report) -> list[str]:
    if not report.unconfirmed:
        return []
    does = "looks up those whose answer was lost before it sends anything"
    if not report.can_be_asked:
        does = "sends those whose answer was lost again, which does no harm"
    sentence = (
        f"It is not known whether {report.target} loaded {count_of(report.unconfirmed, 'patron')}. Once cleared, the "
        f"task 'post' {does}. If rows stay unconfirmed after that, look them up in {report.target}."
    )
    return [sentence]


def _read_rejects(report: Report) -> list[str]:
    if not report.to_correct:
        return []
    rows = f"it has {count_of(report.to_correct, 'row')}, with the reasons"
    return [f"Open rejects.csv in a spreadsheet: {rows}. Correct them in the system that the export comes from."]


def _correct_later(report: Report) -> list[str]:
    if not report.to_correct:
        return []
    if report.failure and report.failure.kind == "RefusedError":
        return _read_rejects(report)
    return [f"The {count_of(report.to_correct, 'row')} in rejects.csv can wait until the load has finished."]


def _where(report: Report) -> str:
    """Where the library finds its rejects, if they were put back."""
    return f" It is on your SFTP server: {' and '.join(report.put_back)}." if report.put_back else ""


def _correct(report: Report) -> list[str]:
    if not report.to_correct:
        return []
    return [
        (
            f"Open rejects.xlsx (or rejects.csv) in a spreadsheet: it has the {count_of(report.to_correct, 'row')} and "
            f"the reasons.{_where(report)}"
        ),
        "Correct them there, and in the system that the export comes from, so that the next export is right as well.",
        "Save the file as a workbook or as CSV, and keep its reject_ columns.",
        (
            "Upload it on the page 'Load report' of this run in Airflow; that starts a load of these rows only. "
            "Without an account in Airflow, put it where the exports are, and ask your Airflow contact to load it."
        ),
    ]
