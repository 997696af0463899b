"""What Airflow keeps of the loads: no patron, no secret. Comes last, to look at all that the other tests left."""

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.airflow.libraries import CANARY, World

MEASURED = rb"([0-9])\.[0-9]{9,}"
"""A duration, as Airflow writes it: 1.0546120070002871. Sooner or later ten of its digits are those of some card."""


@pytest.fixture(scope="module")
def kept(world: World, loads) -> dict[str, bytes]:
    """All that Airflow's database and logs hold: name -> content."""
    home = world.airflow.home
    files = [
        *home.glob("airflow.db*"),
        *home.glob("*.log"),
        *(file for file in home.glob("logs/**/*") if file.is_file()),
    ]
    found = {str(file.relative_to(home)): file.read_bytes() for file in files}
    # A long value lies in pieces in the file; here it is whole.
    found["the database in words"] = "\n".join(in_words(home / "airflow.db")).encode()
    return {name: re.sub(MEASURED, rb"\1", content) for name, content in found.items()}


def in_words(database: Path) -> Iterator[str]:
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        yield from connection.iterdump()
    connection.close()


def test_the_places_are_the_right_ones(kept: dict[str, bytes]):
    """Where a patron would be found if one were told of, there are counts of the loads."""
    assert b"patron_load__northfield" in kept["airflow.db"]
    assert b"loaded_with_rejects" in kept["the database in words"]
    assert any(b"chunk 1 of 2: 250 patrons" in content for name, content in kept.items() if "task_id=post" in name)
    assert {"scheduler.log", "dag-processor.log", "api-server.log"} <= kept.keys()


def test_no_patron(world: World, kept: dict[str, bytes]):
    """Neither names nor barcodes, logins or addresses of patrons are in Airflow's database or logs."""
    tell_tales = [CANARY.encode(), b"@mail.example"]
    northfield, stclare = world.demo_exports["northfield"], world.demo_exports["stclare"]
    for row in northfield.rows:
        tell_tales += [row["CARD"].encode(), row["EMAIL"].encode()]
    for row in stclare.rows:
        tell_tales += [row["barcode"].encode(), row["email"].encode()]
    for row in world.demo_exports["wattlegrove"].rows:
        tell_tales += [row["Card"].encode(), row["Email"].encode()]
    for row in [northfield.rows[number - 2] for numbers in northfield.faults.values() for number in numbers]:
        tell_tales += [row["LOGIN"].encode(), row["STREET"].encode(), f"{row['FIRST']} {row['SURNAME']}".encode()]
    assert_nowhere([each for each in tell_tales if each], kept)


def test_no_secret(world: World, kept: dict[str, bytes]):
    """No password, no key and no token is in Airflow's database or logs."""
    secrets = []
    for account in world.sandbox.description["sftp"]["accounts"]:
        secrets += [account["password"]] if "password" in account else account["private_key"].splitlines()[1:-1]
    secrets += [account["password"] for account in world.sandbox.description["folio"]["tenants"]]
    secrets += [world.sandbox.infiniti.password]
    secrets += [world.airflow.password, next(iter(world.folio.tenants.values())).password]
    for folio in (world.sandbox.folio, world.folio):
        secrets += list(folio.logins.tokens)
    assert len(secrets) > 10
    assert_nowhere([secret.encode() for secret in secrets], kept)
    # As they stand in a log of JSON lines.
    assert_nowhere([json.dumps(secret)[1:-1].encode() for secret in secrets], kept)


def assert_nowhere(tell_tales: list[bytes], kept: dict[str, bytes]) -> None:
    everything = b"\0".join(kept.values()).lower()
    told = [tell_tale for tell_tale in tell_tales if tell_tale.lower() in everything]
    assert told == [], [name for name, content in kept.items() if told[0].lower() in content.lower()]
