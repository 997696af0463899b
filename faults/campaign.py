"""Many runs, in one or several processes, each summarised in figures."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, TypeVar

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - artifacts are synced to disk; in memory that costs nothing


AnyStage = TypeVar("AnyStage")


class Figures(NamedTuple):
    """One run in figures, and its errors."""

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
    conditions: tuple[str, ...] = ()
    """The subjects of the run besides faults, such as edits made after the plan."""


TARGETS = ("folio", "infiniti", "folio-weeks", "infiniti-weeks")
"""Single loads into each stand-in, and whole weeks."""


def campaign(seeds: Sequence[int], jobs: int = 1, target: str = "folio") -> Iterator[Figures]:
    """The runs of some seeds, in order."""
    if jobs == 1:
        yield from several(seeds, target)
        return
    parts = [(seeds[start :: jobs * 4], target) for start in range(min(len(seeds), jobs * 4))]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for part in pool.map(_several, parts):
            yield from part


def _several(part: tuple[Sequence[int], str]) -> list[Figures]:
    return list(several(*part))


def several(seeds: Sequence[int], target: str = "folio") -> Iterator[Figures]:
    """Some runs in this process, one after the other, with one stand-in."""
    # polars and the product are slow to import, and the parent process does not need them
    from faults import folio, infiniti, weeks
    from faults.load import Stage
    from faults.week_load import WeekStage

    place = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="patronload-faults-", dir=place) as folder:
        if target == "folio-weeks":
            with weeks.FolioWeeks() as shared, WeekStage(Path(folder), shared) as stage_of_weeks:
                yield from (_judged(weeks.folio_week, stage_of_weeks, seed) for seed in seeds)
        elif target == "infiniti-weeks":
            with weeks.InfinitiWeeks() as own, WeekStage(Path(folder), own) as stage_of_weeks:
                yield from (_judged(weeks.infiniti_week, stage_of_weeks, seed) for seed in seeds)
        elif target == "folio":
            with folio.FolioGround() as ground, Stage(Path(folder), ground) as stage:
                yield from (_judged(folio.one, stage, seed) for seed in seeds)
        else:
            with infiniti.InfinitiGround() as school, Stage(Path(folder), school) as classroom:
                yield from (_judged(infiniti.one, classroom, seed) for seed in seeds)


def _judged(one: Callable[[AnyStage, int], Figures], stage: AnyStage, seed: int) -> Figures:
    """One run; any unexpected exception of the product is a finding."""
    try:
        return one(stage, seed)
    except Exception:  # noqa: BLE001 - as above
        words = traceback.format_exc().splitlines()
        return Figures(seed, 0, 0, 0, 0, 0, 0, 0, 0, [], [" | ".join(words[-6:])], [])
