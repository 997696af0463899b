"""
Read the answers of Infiniti's user import: who was created, updated and refused, as far as the answer is consistent.

Infiniti: the article "Non-interactive Patron Import and Update" shows three answers and leaves much open: whether the
details are an object or an array, at which number the rows begin, how the text of a failure looks. So an answer is
believed only if it agrees with everything else: the counts with the patrons sent, the details with the counts, and the
names in a text with its row. Everything else is unconfirmed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from patronload.targets.delivery import Failed, Outcome, Patron

MOST_KEPT = 2000
"""The number of characters that are kept of an invalid answer."""

LOADED = {"User Created": "created", "User Updated": "updated"}
"""Infiniti: the details of a successful row, word for word."""

UNKNOWN = "Infiniti refused the patron (see the rejects file)"
UNTOLD = "Infiniti refused the patron and does not say why"
FILE_REFUSED = "Infiniti refused the whole file (see the rejects file)"

COUNTED = ("processed", "created", "updated", "failed")

SUMMARIES: tuple[tuple[str, str], ...] = (
    (r"not a well-formed e-?mail address", "the e-mail address is not one that Infiniti accepts"),
    (r"barcode\W.*(in use|taken|exists|unique)", "the barcode is already used by another patron in Infiniti"),
    (r"graduation\s?year", "the graduation year is not one that Infiniti accepts"),
    (r"may not be (blank|null|empty)|is (mandatory|required)", "a field that Infiniti requires is empty"),
)


def summary(text: str) -> str:
    """A refusal by Infiniti in words that a librarian understands, without values."""
    return next((words for pattern, words in SUMMARIES if re.search(pattern, text, re.IGNORECASE)), UNKNOWN)


class Answer(NamedTuple):
    """The answer of the import: `success`, the sentence, and the details if there are any."""

    success: bool
    sentence: str
    details: Any

    @classmethod
    def of(cls, text: str) -> Answer | None:
        """The answer in a response, or None if it is not from Infiniti."""
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(content, dict) or not isinstance(content.get("success"), bool):
            return None
        sentence = content.get("summary")
        return cls(content["success"], sentence if isinstance(sentence, str) else "", content.get("details"))

    @property
    def raw(self) -> dict[str, Any]:
        """The answer for the run's artifacts."""
        return {"success": self.success, "summary": self.sentence, "details": self.details}

    @property
    def is_unauthorised(self) -> bool:
        """Whether the account may not import. Infiniti: stated in the body; the article does not mention the status."""
        return not self.success and re.match(r"\s*unauthori[sz]ed\b", self.sentence, re.IGNORECASE) is not None

    @property
    def is_refusal_of_the_file(self) -> bool:
        """Whether the answer says nothing about any patron."""
        return not self.success and not self.figures and not self.details

    @property
    def figures(self) -> dict[str, int]:
        """The numbers in the sentence, by what they count."""
        found = re.findall(rf"([\d,]*\d)\s+users?\s+({'|'.join(COUNTED)})\b", self.sentence, re.IGNORECASE)
        return {what.lower(): int(number.replace(",", "")) for number, what in found}


class _Counts(NamedTuple):
    created: int
    updated: int
    failed: int


def outcome(answer: Answer, patrons: list[Patron], first_row: int) -> Outcome:
    """
    The results of the patrons of a file, in order. `first_row` is the number that Infiniti gives the first of them.

    Patrons without a certain result are unconfirmed, and a note says why.
    """
    try:
        counts = _counts(answer, len(patrons))
        failed = list(_refused_patrons(answer, patrons, counts, first_row))
    except _Misfit as misfit:
        note = f"An answer from Infiniti is inconsistent: {misfit}. Its {len(patrons):,} patrons are unconfirmed."
        return Outcome(0, 0, [], [patron.row for patron in patrons], False, [answer.raw], (note,))
    return Outcome(counts.created, counts.updated, failed, [], False, [answer.raw])


def refused_file(answer: Answer, patrons: list[Patron]) -> Outcome:
    """All patrons of a file that Infiniti refused."""
    failed = [Failed(patron.row, answer.sentence or FILE_REFUSED, FILE_REFUSED) for patron in patrons]
    return Outcome(0, 0, failed, [], False, [answer.raw])


class _Misfit(Exception):  # noqa: N818 - it says what is inconsistent
    """The answer contradicts itself or the file; in words, without values."""


def _counts(answer: Answer, sent: int) -> _Counts:
    """The counts, if they add up. Raises _Misfit."""
    told = answer.figures
    counts = _Counts(*(told.get(what, 0) for what in COUNTED[1:]))
    if not told:
        raise _Misfit("it has no counts")
    if told.get("processed", sent) != sent:
        raise _Misfit(f"it counts {told['processed']:,} users, {sent:,} were sent")
    if sum(counts) != sent:
        raise _Misfit(
            f"{counts.created:,} created, {counts.updated:,} updated and {counts.failed:,} failed do not add "
            f"up to {sent:,}"
        )
    if answer.success != (counts.failed == 0):
        raise _Misfit(f"success is {str(answer.success).lower()}, and {counts.failed:,} failed")
    return counts


def _refused_patrons(answer: Answer, patrons: list[Patron], counts: _Counts, first_row: int) -> Iterator[Failed]:
    """The patrons that were refused, by what the details say of each. Raises _Misfit."""
    if not answer.details:
        if counts.failed not in (0, len(patrons)):
            raise _Misfit(f"{counts.failed:,} failed, and it does not say which")
        yield from (Failed(patron.row, UNTOLD, UNTOLD) for patron in patrons if counts.failed)
        return
    told = _by_place(answer.details, len(patrons), counts.failed, first_row)
    _check_outcomes(told, counts, len(patrons))
    keys = {patron.key: place for place, patron in enumerate(patrons)}
    for place, text in told.items():
        if text not in LOADED:
            _check_name(text, place, keys)
            yield Failed(patrons[place].row, text, summary(text))


def _by_place(details: Any, sent: int, failed: int, first_row: int) -> dict[int, str]:
    """The outcomes by the patron's place in the file, from 0. Raises _Misfit."""
    texts = _texts(details)
    if isinstance(details, list):
        # All outcomes, in their order; one too many is the header, as a line that is not valid.
        start = {sent: 0, sent + 1: 1}.get(len(texts))
        if start is None:
            raise _Misfit(f"its details are {len(texts):,} outcomes for {sent:,} patrons")
        return dict(enumerate(list(texts.values())[start:]))
    places = {number - first_row: text for number, text in texts.items()}
    if len(places) in (sent + 1, failed + 1):
        places.pop(-1, None)  # the header, as above
    if outside := [place for place in places if not 0 <= place < sent]:
        raise _Misfit(
            f"its details have row {outside[0] + first_row}, but according to target.first_row the rows are "
            f"{first_row} to {sent + first_row - 1}"
        )
    return places


def _texts(details: Any) -> dict[int, str]:
    """The outcomes by their number: of an object its keys, of an array the places. Raises _Misfit."""
    if not isinstance(details, dict | list):
        raise _Misfit("its details are neither an object nor an array")
    pairs = list(details.items() if isinstance(details, dict) else enumerate(details))
    if not all(str(number).strip().isdecimal() and isinstance(text, str) for number, text in pairs):
        raise _Misfit("its details are not row numbers with an outcome each")
    return {int(number): _once(text) for number, text in pairs}


def _once(text: str) -> str:
    """A failure without its repetition. Infiniti: the article's example says "X User failed to import: X"."""
    text = text.strip()
    doubled = re.fullmatch(r"(.+?)\s*User failed to import:\s*(.+)", text, re.DOTALL)
    return doubled[1] if doubled and doubled[1] == doubled[2].strip() else text


def _check_outcomes(told: dict[int, str], counts: _Counts, sent: int) -> None:
    """Check that the details agree with the counts. Raises _Misfit."""
    outcomes = [LOADED.get(text, "failed") for text in told.values()]
    for what, number in counts._asdict().items():
        # Loaded rows may be left out of the details, but not some of them.
        if outcomes.count(what) != number and not (what != "failed" and len(told) == counts.failed):
            raise _Misfit(f"{number:,} {what} in its counts, {outcomes.count(what):,} in its details")
    if len(told) not in (sent, counts.failed):
        raise _Misfit(f"its details are {len(told):,} outcomes for {sent:,} patrons")


def _check_name(text: str, place: int, keys: dict[str, int]) -> None:
    """Check that a text that names a patron is about that patron. Raises _Misfit."""
    words = {word.strip(".,;:'\"()") for word in re.split(r"[\s,;:()'\"]+", text)}
    named = {keys[word] for word in words if word in keys}
    if named and place not in named:
        other = next(iter(named)) - place
        raise _Misfit(
            f"the text of a row names the patron {abs(other)} rows {'below' if other > 0 else 'above'} it; is "
            "target.first_row right?"
        )
