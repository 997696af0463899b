"""How large a request may be."""

from patronload.loads.posting.pace import FEWEST, Pace


def test_whole_chunks_as_long_as_they_are_answered_in_time():
    """Nobody has to set anything where FOLIO is quick."""
    pace = Pace()
    pace.took(250, 12)
    assert pace.next(250) == 250


def test_a_slow_answer_makes_the_next_request_smaller():
    """So that it ends well before a gateway gives up after a minute; and it grows again when FOLIO is quick again."""
    pace = Pace()
    pace.took(250, 50)
    assert pace.next(250) == 100
    pace.took(100, 20.5)
    assert pace.next(250) == 97
    pace.took(97, 2)
    assert pace.next(250) == 194
    pace.took(20, 0.1)
    assert pace.next(250) == 194, "the end of a chunk tells little"


def test_a_lost_answer_halves_it_and_never_below_a_partition():
    """Ten users are FOLIO's own unit; less gains nothing."""
    pace = Pace()
    for _ in range(9):
        pace.note_lost(pace.next(250))
    assert pace.next(250) == FEWEST


def test_one_patron_that_is_too_large_says_nothing_of_the_others():
    """The way to it was a way down to one patron a request; the others go as before."""
    pace = Pace()
    pace.too_large(4)
    pace.too_large(2)
    assert pace.next(25) == 1
    pace.one_too_large()
    assert pace.next(25) == 25


def test_a_gateways_limit_is_not_forgotten():
    """A request that was too large is too large tomorrow too, however quick the answers are."""
    pace = Pace()
    pace.too_large(250)
    for _ in range(5):
        pace.took(125, 0.1)
    assert pace.next(250) == 125
