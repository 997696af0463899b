"""The ledger: who was loaded before, and nothing that can be read."""

import json

import pytest

from patronload.targets.patron_ledger import Ledger


@pytest.fixture
def ledger():
    made = Ledger.empty()
    made.take([line("ann", "1", "b1"), line("bob", "2", None)], "username")
    return made


def line(username, admin, barcode):
    return {"username": username, "adminsystemid": admin, "librarybarcode": barcode}


def test_it_knows_who_was_loaded(ledger):
    """By the key as it is spelt: nobody knows whether Infiniti takes Ann for ann."""
    assert "ann" in ledger
    assert "Ann" not in ledger
    assert len(ledger) == 2


def test_it_knows_whose_an_id_was(ledger):
    """Not one's own, and not one that nobody had."""
    assert ledger.is_anothers("adminsystemid", "1", "anna")
    assert not ledger.is_anothers("adminsystemid", "1", "ann")
    assert not ledger.is_anothers("adminsystemid", "3", "cas")
    assert not ledger.is_anothers("librarybarcode", "1", "cas"), "another field's value"


def test_what_comes_later_holds(ledger):
    """A new card takes the old one's place, one that is handed on has one holder, and what is left out stays."""
    ledger.take([line("ann", None, "b9"), line("bob", "2", "b1")], "username")
    assert not ledger.is_anothers("librarybarcode", "b1", "bob")
    assert ledger.is_anothers("librarybarcode", "b1", "ann")
    assert ledger.is_anothers("adminsystemid", "1", "bob")
    ledger.take([line("ann", "1", "b10")], "username")
    assert not ledger.is_anothers("librarybarcode", "b9", "cas")


def test_it_is_the_same_when_it_was_kept(ledger):
    """As ledger.json."""
    again = Ledger.from_json(json.loads(json.dumps(ledger.to_json())))
    assert "ann" in again
    assert again.is_anothers("librarybarcode", "b1", "bob")
    assert again.to_json() == ledger.to_json()


def test_it_names_nobody(ledger):
    """Hashes with a key of its own: two libraries' ledgers cannot be compared either."""
    text = json.dumps(ledger.to_json())
    assert "ann" not in text
    other = Ledger.empty()
    other.take([line("ann", "1", "b1")], "username")
    assert not set(other.to_json()["patrons"]) & set(ledger.to_json()["patrons"])
