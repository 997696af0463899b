"""Many runs, in a process or several, each in figures."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - artifacts are synced to disk; here there is none to wait for


class Figures(NamedTuple):
    """One run in figures, and what is wrong with it."""

    seed: int
    rows: int
    loaded: int
    held: int
    attempts: int
    cleared: int
    imports: int
    orphans: int
    struck: int
    faults: list[str]
    complaints: list[str]
    errors: list[str]


def campaign(seeds: Sequence[int], jobs: int = 1) -> Iterator[Figures]:
    """The runs of some seeds, in their order."""
    if jobs == 1:
        yield from several(seeds)
        return
    parts = [seeds[start :: jobs * 4] for start in range(min(len(seeds), jobs * 4))]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for part in pool.map(_several, parts):
            yield from part


def _several(seeds: Sequence[int]) -> list[Figures]:
    return list(several(seeds))


def several(seeds: Sequence[int]) -> Iterator[Figures]:
    """Some runs in this process, one after the other, with one FOLIO."""
    from faults.load import Stage, folio  # polars and the product take their time, which the parent process needs not

    place = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    folder = tempfile.TemporaryDirectory(prefix="patronload-faults-", dir=place)
    with folder, folio() as server, Stage(Path(folder.name), server) as stage:
        for seed in seeds:
            yield one(stage, seed)


def one(stage: object, seed: int) -> Figures:
    """One run, judged."""
    from faults import load, oracle, verdict, world
    from sandbox.folio import Store

    assert isinstance(stage, load.Stage)
    made = world.make(seed)
    fresh = Store()
    made.fill(fresh)
    expected = oracle.expect(made, fresh)
    made.duplicates = oracle.twins(made)
    before = verdict.Before(made)
    try:
        done, store = stage.take(made)
        wrong = verdict.complaints(made, expected, before, store, done, stage.server.imports)
    except Exception:  # noqa: BLE001 - whatever the product raises that it should not is a finding
        words = traceback.format_exc().splitlines()
        return Figures(seed, len(made.rows), 0, 0, 0, 0, 0, 0, 0, [], [" | ".join(words[-6:])], [])
    last = done.claims[-1].report
    return Figures(
        seed=seed,
        rows=last["rows"],
        loaded=last["created"] + last["updated"],
        held=last["rejected"] + last["failed"],
        attempts=done.attempts,
        cleared=done.cleared,
        imports=len(stage.server.imports),
        orphans=len(store.orphans["permission_users"]),
        struck=done.struck,
        faults=done.schedule.names,
        complaints=wrong,
        errors=done.errors,
    )
