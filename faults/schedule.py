"""Random schedules of faults: lost or false answers, crashing modules, killed workers."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

from sandbox.folio import Faults, FolioTenant

MOST = 6


class Kill(NamedTuple):
    """The worker is killed before or after its nth action of a kind: writing an artifact, or sending a request."""

    what: str
    when: str
    nth: int


class Schedule(NamedTuple):
    """The faults of one run, in words, and when the worker is killed."""

    names: list[str]
    kills: list[Kill]


class Nth(NamedTuple):
    """The request that a fault affects: one of the first few, so that most faults take effect."""

    chance: random.Random
    requests: int

    def __call__(self) -> int:
        """The number of a request."""
        return self.chance.randint(1, self.requests)


def arm(chance: random.Random, faults: Faults, tenant: FolioTenant, requests: int) -> Schedule:
    """Prepare some faults for a load with this number of user imports; the same for the same chance."""
    names: list[str] = []
    for _ in range(chance.randint(0, MOST)):
        name = chance.choice(list(_FAULTS))
        _FAULTS[name](chance, faults, Nth(chance, requests + 2))
        names.append(name)
    if chance.random() < 0.2:  # noqa: PLR2004 - in one run of five, tokens expire all the time
        tenant.token_seconds = chance.choice([0.5, 20.0, 61.0])
        names.append("short tokens")
    killed = kills(chance)
    return Schedule(names + [f"killed {kill.when} {kill.what}" for kill in killed], killed)


def kills(chance: random.Random) -> list[Kill]:
    """When the worker is killed; at most twice."""
    return [_kill(chance) for _ in range(chance.choice([0, 0, 1, 1, 2]))]


def _kill(chance: random.Random) -> Kill:
    what = chance.choice(["artifact", "artifact", "request"])
    return Kill(what, chance.choice(["before", "after"]), chance.randint(1, 40 if what == "artifact" else 25))


def _refused(chance: random.Random, faults: Faults, nth: Nth) -> None:
    status = chance.choice([401, 429, 503, 502, 500])
    headers = {"retry-after": chance.choice(["0", "1"])} if status == 429 and chance.random() < 0.7 else {}  # noqa: PLR2004
    faults.answer(status, nth=nth(), times=chance.choice([1, 1, 2, 5]), headers=headers)


def _lost(chance: random.Random, faults: Faults, nth: Nth) -> None:
    status = chance.choice([500, 502, 503, 504, 0])
    faults.answer(status, nth=nth(), work=chance.choice(["none", "first"]))


def _goes_on(chance: random.Random, faults: Faults, nth: Nth) -> None:
    delay = chance.choice([0.0, 0.0, 0.15])
    faults.answer(504, nth=nth(), work="goes on", seconds=chance.choice([0.05, 0.2]), delay=delay)


def _cut(_: random.Random, faults: Faults, nth: Nth) -> None:
    faults.trouble(nth=nth(), cut=True)


def _trickle(_: random.Random, faults: Faults, nth: Nth) -> None:
    faults.trouble(nth=nth(), trickle=0.2)


def _over_count(chance: random.Random, faults: Faults, nth: Nth) -> None:
    partitions = tuple(sorted(chance.sample(range(25), chance.randint(1, 4))))
    faults.trouble(nth=nth(), failed_searches=partitions, times=chance.choice([1, 1, 2]))


def _set_up(chance: random.Random, faults: Faults, nth: Nth) -> None:
    listed = chance.choice(["address types", "patron groups", "departments", "custom fields", "service points"])
    faults.trouble(nth=nth(), failed_setup=f"Failed to list {listed}.")


def _dies(chance: random.Random, faults: Faults, nth: Nth) -> None:
    faults.trouble(nth=nth(), breaks_off=chance.randint(0, 8))


def _lies(chance: random.Random, faults: Faults, nth: Nth) -> None:
    said = {"message": "Users were imported successfully.", "totalRecords": chance.randint(0, 300)}
    for name in ("createdRecords", "updatedRecords", "failedRecords"):
        said[name] = chance.randint(251, 400)
    faults.answer(200, nth=nth(), work=chance.choice(["none", "first"]), body=json.dumps(said))


def _not_folio(chance: random.Random, faults: Faults, nth: Nth) -> None:
    faults.answer(200, nth=nth(), work=chance.choice(["none", "first"]), body="<html>Welcome to the proxy</html>")


def _reading(chance: random.Random, faults: Faults, _: Nth) -> None:
    path = chance.choice(
        ["/users", "/users", "/groups", "/addresstypes", "/request-preference-storage/request-preference"]
    )
    more: dict[str, Any] = {
        "method": "GET",
        "path": path,
        "nth": chance.randint(1, 6),
        "times": chance.choice([1, 1, 3]),
    }
    kind = chance.choice(["busy", "gone", "cut", "slow"])
    if kind == "busy":
        faults.answer(chance.choice([429, 500, 502, 503, 504]), **more)
    elif kind == "gone":
        faults.hang_up(**more)
    else:
        faults.trouble(**more, cut=kind == "cut", trickle=0.1)


def _login(chance: random.Random, faults: Faults, _: Nth) -> None:
    path = "/authn/login-with-expiry"
    faults.answer(chance.choice([500, 503, 502]), path=path, nth=chance.randint(1, 3))


_FAULTS: dict[str, Callable[[random.Random, Faults, Nth], None]] = {
    "refused at the gateway": _refused,
    "answer lost": _lost,
    "504 while the import goes on": _goes_on,
    "answer cut half-way": _cut,
    "slow trickle": _trickle,
    "over-count": _over_count,
    "failed set-up": _set_up,
    "module dies half-way": _dies,
    "answer that lies": _lies,
    "answer not FOLIO's": _not_folio,
    "trouble while reading": _reading,
    "trouble at login": _login,
}
