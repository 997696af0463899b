"""A short fault campaign, and that the campaign would notice a product that is wrong. `make faults` is the long one."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from faults import folio, oracle, school, surprises, world
from faults.campaign import Figures, several
from patronload.targets.folio import answers as answers_of_folio
from patronload.targets.folio import identity_conflicts, merge, sending, taking_over, three_way, user_import
from patronload.targets.infiniti import answers, client, plan
from sandbox.folio import Store


def test_loads_come_out_right_whatever_goes_wrong():
    """Random faults, kills, stored users and policies: FOLIO holds what the oracle says, and the reports say so."""
    done = list(several(range(1, 9)))
    assert [figures.complaints for figures in done] == [[]] * 8
    assert sum(figures.struck for figures in done) > 8
    assert sum(figures.loaded + figures.held for figures in done) == sum(figures.rows for figures in done)


def test_loads_into_infiniti_come_out_right_whatever_goes_wrong():
    """The same for the other target: nothing lost, nothing made up, no password twice, no false claim."""
    done = list(several(range(1, 9), "infiniti"))
    assert [figures.complaints for figures in done] == [[]] * 8
    assert sum(figures.struck for figures in done) > 8
    assert sum(figures.loaded + figures.held for figures in done) == sum(figures.rows for figures in done)


@pytest.mark.parametrize("seed", [412, 422])
def test_what_went_wrong_once_stays_right(seed):
    """412: the same ten met a failed search twice. 422: what was sent again got lost as well, and was still at work."""
    assert next(several([seed])).complaints == []


def test_the_same_seed_is_the_same_run():
    """A seed that failed can be run again: the same people, the same faults."""
    assert world.make(4711) == world.make(4711)
    assert school.make(4711) == school.make(4711)
    for target in ("folio", "infiniti"):
        first, again = (next(several([2001], target)) for _ in range(2))
        assert first[:4] == again[:4]
        assert first.faults == again.faults


def test_the_oracle_knows_each_fate():
    """Made-up exports have rows that load and rows that must not, or a campaign proves nothing."""
    fates = []
    for seed in range(1, 9):
        made, store = world.make(seed), Store()
        made.fill(store)
        fates += [one.fate for one in oracle.expect(made, store)]
    assert fates.count("load") > 1500
    assert fates.count("hold") > 50


def test_the_schools_oracle_knows_each_fate():
    """As above, for what Infiniti refuses by itself, too."""
    fates = [one.fate for seed in range(1, 9) for one in school.make(seed).expected()]
    assert fates.count("load") > 1500
    assert fates.count("hold") > 50
    assert fates.count("fail") > 10


def takes_an_unknown_chunk_for_loaded(self: Any, chunk: Any, sent_at: Any, last: Any, again: Any) -> Any:
    return user_import.Outcome(len(chunk.rows), 0, [], [], True, [])


def sends_an_unknown_chunk_again(self: Any, chunk: Any, sent_at: Any, last: Any, again: Any) -> Any:
    return self.deliver(chunk, sent_at, again)


@pytest.fixture
def wrong(monkeypatch) -> Iterator[Callable[..., Figures]]:
    """A run with a product in which one thing was changed for the worse."""

    def run(seed: int, thing: object, name: str, change: object, target: str = "folio") -> Figures:
        monkeypatch.setattr(thing, name, change)
        return next(several([seed], target))

    return run


@pytest.mark.parametrize("change", [takes_an_unknown_chunk_for_loaded, sends_an_unknown_chunk_again])
def test_a_guess_at_what_became_of_a_chunk_is_noticed(wrong, change):
    """Whoever believes or repeats a lost request tells counts that FOLIO's history does not bear out."""
    figures = wrong(2002, user_import.UserImport, "resolve", change)
    assert any("FOLIO has" in sentence for sentence in figures.complaints)


def test_a_wrong_day_is_noticed(wrong):
    """Midnight UTC is not the end of a day anywhere."""
    figures = wrong(2000, merge, "end_of_day", lambda day, _: f"{day}T00:00:00.000+00:00")
    assert any("expirationDate is" in sentence for sentence in figures.complaints)


def loads_staff_like_patrons(record: Any, stored: Any, paths: Any) -> Any:
    return record


def forgets_edits(current: Any, planned: Any, paths: Any) -> Any:
    return planned


def believes_the_list_of_failed_users(answer: Any, patrons: Any, source_type: Any) -> Any:
    """All users of a request stand in the list once one update of a partition was refused."""
    failed = list(answers_of_folio.named_failures(answer, patrons, source_type).values())
    return answers_of_folio.Counted(0, len(patrons) - len(failed), failed)


def rejects_every_row_with_a_shared_barcode(self: Any) -> None:
    for field in identity_conflicts.SHARED:
        for claim in self.claims:
            value = claim.wants.get(field)
            if value and sum(other.wants.get(field) == value for other in self.claims) > 1:
                self._set_aside(claim, field, "shared", "shared")


def takes_over_whoever_has_one_id(self: Any, ours: Any, name: str, user: Any, found: Any) -> Any:
    return iter(())


def believes_created_date(self: Any, patron: Any, user: Any) -> bool:
    return str(user.get("createdDate")) >= self.sent_at.isoformat()


@pytest.mark.parametrize(
    ("thing", "name", "change", "complaint"),
    [
        (merge, "restore", loads_staff_like_patrons, "must be loaded: active is False, must be True"),
        (three_way, "apply", forgets_edits, "by hand"),
        (sending.Sending, "_is_created", believes_created_date, "created, FOLIO made"),
        (sending, "count", believes_the_list_of_failed_users, "are reported as failed and are loaded"),
        (
            identity_conflicts.Settling,
            "_find_doubles",
            rejects_every_row_with_a_shared_barcode,
            "must be loaded: untouched",
        ),
    ],
    ids=[
        "staff made inactive",
        "edits of librarians lost",
        "updates counted as created",
        "a refused update fails its neighbours",
        "a shared barcode rejects its owner too",
    ],
)
def test_a_load_that_harms_people_is_noticed(wrong, thing, name, change, complaint):
    """Each of what the real FOLIO taught: without its rule, the oracle complains."""
    complaints = wrong(3000, thing, name, change).complaints
    assert any(complaint in sentence for sentence in complaints), complaints


def test_taking_over_the_wrong_people_is_noticed(wrong):
    """Without its rules, a load takes over staff, and users of whom only one id fits."""
    complaints = wrong(3001, taking_over.TakingOver, "_problems", takes_over_whoever_has_one_id).complaints
    assert any("a user who is not in the file was changed" in sentence for sentence in complaints), complaints


def sends_passwords_again(self: Any, chunk: Any, sent_at: Any, last: Any, again: Any) -> Any:
    again()
    return self.deliver(chunk, sent_at, again)


def everyone_was_loaded(answer: Any, patrons: Any, first_row: int) -> Any:
    return user_import.Outcome(len(patrons), 0, [], [], False, [])


@pytest.mark.parametrize(
    ("seed", "thing", "name", "change", "told"),
    [
        (10, client.Infiniti, "resolve", takes_an_unknown_chunk_for_loaded, "reported as loaded and are not"),
        (18, client.Infiniti, "resolve", sends_passwords_again, "a password was sent twice"),
        (1, answers, "outcome", everyone_was_loaded, "reported as loaded and are not"),
        (1, plan, "_username_problems", lambda *_: [], "must not be loaded (hold) and was"),
        (3, plan, "without_password", lambda record: record, "users were sent a password and must not be"),
    ],
)
def test_a_wrong_infiniti_is_noticed(wrong, seed, thing, name, change, told):
    """Each guess and each guard that is missing comes to light."""
    assert any(told in sentence for sentence in wrong(seed, thing, name, change, "infiniti").complaints)


def test_every_condition_that_the_real_folio_taught_is_met():
    """Refused updates, early answers, both createdDates, edits after the plan, barcodes used twice, and so on."""
    met = {words for seed in range(1, 9) for words in surprises.conditions(folio.world_of(seed))}
    assert met >= {
        "createdDate kept by updates",
        "createdDate set by updates",
        "updates that FOLIO refuses",
        "answers before the rest is done",
        "edits by hand after the plan",
        "barcodes given away after the plan",
        "a barcode in two rows",
        "users protected by hand",
        "users without an externalSystemId",
        "users taken over",
    }


def test_it_can_be_started_by_hand():
    """`make faults` prints its figures, and tells by its exit status."""
    command = [sys.executable, "-m", "faults", "--runs", "1", "--seed", "3", "--jobs", "1", "--verbose"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": "plugins"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("seed 3: ok") == 4, "FOLIO and Infiniti, single loads and whole weeks"
