"""
Compute what a number of libraries needs: slots, memory, disk. docs/capacity.md explains it, and shows what this prints.

    python deploy/capacity.py --libraries 100 --rows 30000 --largest 300000 --hours 4

Needs nothing but Python. The figures below were measured (benchmarks/README.md); yours differ, so leave room.
"""

import argparse
import math
from collections.abc import Sequence
from typing import NamedTuple

TASK_SECONDS = 1.5
"""From one task of a load to the next, with preloading: the scheduler, Redis, the start of the task."""
TASKS = 8
LOAD_CPU = 13.0
"""CPU seconds of a small load, of all parts of Airflow."""
ROW_CPU = 0.0003
"""CPU seconds of a row that FOLIO has already: read, checked, mapped, compared. Of these, comparing takes most."""
BUSY = 0.6
"""The share of the processors that loads should use at most."""

SLOT_GB, SLOT_GB_PER_MILLION = 0.5, 1.5
"""Memory of a slot, and more of it for each million rows in the largest export."""
PARTS_GB = 4.0
"""Memory of everything but the workers: PostgreSQL, Redis, S3, scheduler, API server, DAG processor."""

DATABASE_KB = 20
"""The size of a load in Airflow's database."""
DAG_KB = 20
"""The size of a DAG there."""
LOG_KB = 45
"""The logs of a load's tasks."""
ARTIFACT_KB, ARTIFACT_BYTES_PER_ROW = 64, 330
"""The size of a load's folder, and the size for each row, until the patrons are purged."""
REPORT_KB = 40
"""The size of a load after that."""

READING_SECONDS = 0.035
"""The time of a processor to read one tenant file and store its DAG."""
READ_EVERY = (500, 120, 300)
"""Up to this number of libraries they are read every 120 seconds, from there on every 300."""


class Plan(NamedTuple):
    """The question: libraries, rows in a common and in the largest export, the share of rows that change."""

    libraries: int
    rows: int = 20_000
    largest: int = 100_000
    hours: float = 4.0
    changed: float = 0.02
    per_second: float = 20.0
    loads_a_day: float = 1.0
    patron_days: int = 30
    report_days: int = 400
    database_days: int = 365


class Needs(NamedTuple):
    """The answer: what the libraries need."""

    minutes_a_load: float
    slots: int
    processors: int
    memory_gb: float
    database_gb: float
    logs_gb: float
    artifacts_gb: float
    reading_share: float


def needs(plan: Plan) -> Needs:
    """Compute it. Raises ValueError for a window that no number of slots can make long enough."""
    sending = plan.rows * plan.changed / plan.per_second
    cpu = LOAD_CPU + plan.rows * ROW_CPU
    seconds = TASKS * TASK_SECONDS + plan.rows * ROW_CPU + sending
    window = plan.hours * 3600
    if plan.largest * max(ROW_CPU, plan.changed / plan.per_second) > window:
        raise ValueError("The largest library alone takes longer than the window. Give more hours.")
    slots = max(2, math.ceil(plan.libraries * seconds / window))
    loads = plan.libraries * plan.loads_a_day
    most, often, seldom = READ_EVERY
    reading = plan.libraries * READING_SECONDS / (often if plan.libraries <= most else seldom)
    return Needs(
        minutes_a_load=seconds / 60,
        slots=slots,
        processors=max(2, math.ceil((plan.libraries * cpu / window + reading) / BUSY)),
        memory_gb=PARTS_GB + slots * (SLOT_GB + SLOT_GB_PER_MILLION * plan.largest / 1e6),
        database_gb=(loads * plan.database_days * DATABASE_KB + plan.libraries * DAG_KB) / 1e6,
        logs_gb=loads * plan.database_days * LOG_KB / 1e6,
        artifacts_gb=loads * (plan.patron_days * _kb(plan.rows) + plan.report_days * REPORT_KB) / 1e6,
        reading_share=reading,
    )


def _kb(rows: int) -> float:
    return ARTIFACT_KB + rows * ARTIFACT_BYTES_PER_ROW / 1000


TABLE = (1, 10, 100, 300, 1000)

HEADS = ("libraries", "a load takes", "slots", "processors", "memory", "database", "logs", "artifacts", "reading files")


def lines(plans: Sequence[Plan]) -> list[str]:
    """A table in Markdown, one line for each plan."""
    return [_line(HEADS), _line(["---"] * len(HEADS)), *(_line(_cells(plan)) for plan in plans)]


def _cells(plan: Plan) -> list[str]:
    took = needs(plan)
    disk = (took.database_gb, took.logs_gb, took.artifacts_gb)
    return [
        f"{plan.libraries:,}",
        f"{took.minutes_a_load:.1f} min",
        f"{took.slots}",
        f"{took.processors}",
        f"{took.memory_gb:.0f} GB",
        *(f"{size:.1f} GB" for size in disk),
        f"{took.reading_share:.0%} of a processor",
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(words: Sequence[str] | None = None) -> None:
    """Print the table, or the line of one number of libraries."""
    parser = argparse.ArgumentParser(description="Compute what a number of libraries needs: slots, memory, disk.")
    default = Plan(libraries=0)
    parser.add_argument("--libraries", type=int, help="without it, a table from 1 to 1,000")
    parser.add_argument("--rows", type=int, default=default.rows, help="in a common export (%(default)s)")
    parser.add_argument("--largest", type=int, default=default.largest, help="in the largest export (%(default)s)")
    parser.add_argument("--hours", type=float, default=default.hours, help="to load all of them (%(default)s)")
    parser.add_argument("--changed", type=float, default=default.changed, help="share of the rows (%(default)s)")
    parser.add_argument(
        "--per-second", type=float, default=default.per_second, help="patrons that FOLIO takes (%(default)s)"
    )
    chosen = vars(parser.parse_args(words))
    number = chosen.pop("libraries")
    try:
        print("\n".join(lines([Plan(each, **chosen) for each in ([number] if number else TABLE)])))
    except (ValueError, ZeroDivisionError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
