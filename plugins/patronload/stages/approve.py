"""
Approve: where something about the load is unusual, ask a person.

On ordinary days this stage has nothing to do, so nothing slow is imported at the top.
"""

from __future__ import annotations

import logging

from patronload.artifacts import names, questions
from patronload.artifacts.models import ApprovalRecord
from patronload.errors import PatronloadError
from patronload.loads import approval, failures, leases, reruns
from patronload.loads.approval import Answer, Turn
from patronload.loads.load import Load
from patronload.reporting.approval_question import Question

log = logging.getLogger(__name__)


def approve(load: Load, turn: Turn, answer: Answer | None = None) -> Question | None:
    """
    The question for a person, if something is unusual and not answered yet; None when the load may continue.

    The question is mailed once; waiting for the answer is up to Airflow. Raises Declined.
    """
    if not questions.verdicts_to_answer(load.run):
        load.run.remove(names.APPROVAL)
        log.info("Nothing is unusual: no approval is needed")
        return None
    if reruns.anything_sent(load.run):
        reruns.keep(load.run, "answer", names.APPROVAL)
        return None
    with failures.recording(load, "approve"):
        reruns.check_plan(load.run)
        record = approval.record_answer(load, turn, answer)
        if not record.answer:
            question = approval.question(load, record)
            _ask(load, question, record, turn)
            return question
        approval.check_answer(load, record)
    log.info("Approved by %s", record.by)
    return None


def _ask(load: Load, question: Question, record: ApprovalRecord, turn: Turn) -> None:
    """Mail the question, once. It is shown in Airflow too, so a mail server that is down stops nothing."""
    from patronload.reporting import channels, mails, places, smtp  # slow, and needed only on unusual days

    # Other loads need not wait for a person. Post takes the lease again, and sends nothing if another load has sent.
    leases.release(load.run.root, load.called)
    log.info("Waiting for an answer until %s: %s", question.until, " ".join(question.sentences))
    if record.mailed:
        return
    posting = channels.Posting(load.tenant, channels.question(load.tenant, load.day, question))
    posting.post_all()
    site, mark = places.site(load.tenant, turn.base), questions.mark(record)
    try:
        for mail in mails.question_mails(site, load.run_id, load.day, question, turn.link, mark):
            smtp.send(mail)
    except PatronloadError as error:
        log.warning("The question could not be mailed. %s", error)
        return
    approval.record_mail(load, record)
