"""The patron ledger: who was loaded, who is missing, and whose an id was."""

import io
import json
from datetime import date, timedelta
from hashlib import blake2b

import polars as pl
import pytest

from patronload.targets.patron_ledger import PatronLedger

DAY = date(2026, 11, 2)
IDS = ("adminsystemid", "librarybarcode")


@pytest.fixture
def ledger():
    made = PatronLedger.empty()
    made.take(patrons(("ann", "1", "b1"), ("bob", "2", None)), "username", IDS)
    return made


def patrons(*lines):
    schema = dict.fromkeys(("username", *IDS), pl.String)
    return pl.DataFrame(lines, schema=schema, orient="row")


def people(*names):
    return pl.DataFrame({"key": list(names)})


def of(ledger, key):
    """The patron's line."""
    return ledger.patrons.filter(pl.col("hash") == ledger.hash(key)).row(0, named=True)


def test_it_knows_who_was_loaded(ledger):
    """By the key as it is spelled: whether Infiniti takes Ann for ann is not known."""
    assert "ann" in ledger
    assert "Ann" not in ledger
    assert len(ledger) == 2


def test_folio_takes_two_spellings_for_one_patron():
    """mod-users finds a key without case and accents."""
    ledger = PatronLedger.empty(folds=True)
    ledger.confirm(people("É1"), "key", DAY)
    ledger.confirm(people("e1"), "key", DAY + timedelta(1))
    assert "E1" in ledger
    assert len(ledger) == 1
    assert of(ledger, "e1")["key"] == "e1", "as the last file spelled it"


def test_it_knows_whose_an_id_was(ledger):
    """Not one's own, and not one that no patron had."""
    assert ledger.is_anothers("adminsystemid", "1", "anna")
    assert not ledger.is_anothers("adminsystemid", "1", "ann")
    assert not ledger.is_anothers("adminsystemid", "3", "cas")
    assert not ledger.is_anothers("librarybarcode", "1", "cas"), "another field's value"


def test_what_comes_later_holds(ledger):
    """A new card replaces the old one, one that is handed on has one holder, and what is left out stays."""
    ledger.take(patrons(("ann", None, "b9"), ("bob", "2", "b1")), "username", IDS)
    assert not ledger.is_anothers("librarybarcode", "b1", "bob")
    assert ledger.is_anothers("librarybarcode", "b1", "ann")
    assert ledger.is_anothers("adminsystemid", "1", "bob")
    ledger.take(patrons(("ann", "1", "b10")), "username", IDS)
    assert not ledger.is_anothers("librarybarcode", "b9", "cas")


def test_it_is_the_same_after_it_was_written(ledger):
    """As a parquet file, with the secret beside it."""
    file = io.BytesIO()
    ledger.write(file)
    file.seek(0)
    again = PatronLedger.read(file, ledger.secret)
    assert again.patrons.equals(ledger.patrons)
    assert again.is_anothers("librarybarcode", "b1", "bob")


def test_two_libraries_cannot_be_compared(ledger):
    """Each ledger hashes with a secret of its own."""
    other = PatronLedger.empty()
    other.take(patrons(("ann", "1", "b1")), "username", IDS)
    assert not set(other.patrons["hash"]) & set(ledger.patrons["hash"])


def test_a_ledger_of_an_earlier_version_is_read():
    """ledger.json had hashes only; the key is known again as soon as a file has the patron."""
    secret = bytes(range(32))

    def hashed(text):
        return blake2b(text.encode(), digest_size=12, key=secret).hexdigest()

    old = {
        "secret": secret.hex(),
        "patrons": {hashed("ann"): {"librarybarcode": hashed("b1")}},
        "said": {hashed("bob"): {"personal.email": hashed('"bob@x.example"')}},
    }
    ledger = PatronLedger.from_json(json.loads(json.dumps(old)))
    assert "ann" in ledger
    assert ledger.is_anothers("librarybarcode", "b1", "bob")
    assert ledger.changed_fields("bob", {"personal.email": '"bob@x.example"'}) == {"personal.email": False}
    assert ledger.changed_fields("bob", {"personal.email": '"new@x.example"'}) == {"personal.email": True}
    assert of(ledger, "ann")["key"] is None
    ledger.confirm(people("ann"), "key", DAY)
    assert of(ledger, "ann")["key"] == "ann"
    assert ledger.is_anothers("librarybarcode", "b1", "bob")


def test_it_counts_days_and_loads_of_those_who_are_missing():
    """From the first complete file without them; whoever comes back starts again."""
    ledger = PatronLedger.empty()
    ledger.confirm(people("ann", "bob"), "key", DAY)
    for night in (1, 2):
        ledger.count_missing(ledger.hashes(["ann"]), DAY + timedelta(night))
    bob = of(ledger, "bob")
    assert (bob["missing_since"], bob["missing_loads"], bob["state"]) == (DAY + timedelta(1), 2, "missing")
    assert of(ledger, "ann")["state"] == "present"
    ledger.count_missing(ledger.hashes(["ann", "bob"]), DAY + timedelta(3))
    bob = of(ledger, "bob")
    assert (bob["missing_since"], bob["missing_loads"], bob["state"]) == (None, 0, "present")


def test_whoever_was_never_confirmed_is_not_missing(ledger):
    """A patron whose answer was lost may not be there at all."""
    ledger.count_missing(ledger.hashes([]), DAY)
    assert set(ledger.patrons["state"]) == {"present"}
    assert ledger.patrons["missing_since"].null_count() == 2


def test_the_first_and_the_last_file_of_a_patron():
    """An older file that is loaded later changes no days backwards."""
    ledger = PatronLedger.empty()
    for day in (DAY, DAY + timedelta(5), DAY + timedelta(2)):
        ledger.confirm(people("ann"), "key", day)
    ann = of(ledger, "ann")
    assert (ann["first_load"], ann["last_load"]) == (DAY, DAY + timedelta(5))


def test_what_became_of_the_missing():
    """The state has a day; whoever is in a file again is present."""
    ledger = PatronLedger.empty()
    ledger.confirm(people("ann", "bob"), "key", DAY)
    ledger.settle(ledger.hashes(["bob"]), "left", DAY + timedelta(14))
    bob = of(ledger, "bob")
    assert (bob["state"], bob["since"]) == ("left", DAY + timedelta(14))
    ledger.count_missing(ledger.hashes(["ann"]), DAY + timedelta(15))
    assert of(ledger, "bob")["state"] == "left", "who has left is not missing again"
    ledger.confirm(people("bob"), "key", DAY + timedelta(20))
    assert of(ledger, "bob")["state"] == "present"


def test_what_the_file_said_before():
    """A field that a file is silent about keeps what the file before said."""
    ledger = PatronLedger.empty()
    first = people("ann").with_columns(said=pl.Series([ledger.pack({"a": "1", "b": "2"})]))
    ledger.confirm(first, "key", DAY)
    second = people("ann").with_columns(said=pl.Series([ledger.pack({"b": "3"})]))
    ledger.confirm(second, "key", DAY)
    assert ledger.changed_fields("ann", {"a": "1", "b": "3", "c": "9"}) == {"a": False, "b": False}
    assert ledger.changed_fields("ann", {"a": "2"}) == {"a": True}
    assert ledger.changed_fields("bob", {"a": "2"}) == {}
