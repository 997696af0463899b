"""
Run the campaign: python -m faults --runs 500 --seed 1.

One run again: python -m faults --target folio --runs 1 --seed 4711.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections import Counter
from collections.abc import Sequence

from faults.campaign import TARGETS, Figures, campaign

RUNS = {"folio": 500, "infiniti": 500, "folio-weeks": 300, "infiniti-weeks": 150}
"""How many loads or weeks are played of each part, unless --runs says otherwise."""

JOBS = 8
"""A run spends much time waiting for FOLIO, so two cores can run more than two processes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; returns 1 if any run failed."""
    given = _parser().parse_args(arguments)
    wrong = [_run(target, given) for target in ([given.target] if given.target else TARGETS)]
    return 1 if any(wrong) else 0


def _run(target: str, given: argparse.Namespace) -> bool:
    """Run the campaign on one target; returns whether any run failed."""
    seeds = range(given.seed, given.seed + (given.runs or RUNS[target]))
    started = time.monotonic()
    done = []
    print(f"{target}, from seed {given.seed}:", flush=True)
    for figures in campaign(seeds, given.jobs, target):
        done.append(figures)
        if figures.complaints or given.verbose:
            _tell(target, figures)
    _sum_up(target, done, time.monotonic() - started)
    return any(one.complaints for one in done)


def _tell(target: str, figures: Figures) -> None:
    print(f"seed {figures.seed}: {'FAILED' if figures.complaints else 'ok'}; {', '.join(figures.faults) or 'no fault'}")
    met = (f"(met: {error})" for error in dict.fromkeys(figures.errors))
    for sentence in [*figures.complaints, *met]:
        print(f"    {sentence[:400]}", flush=True)
    if figures.complaints:
        print(f"    repeat with: python -m faults --target {target} --runs 1 --seed {figures.seed} --verbose")


def _sum_up(target: str, done: list[Figures], seconds: float) -> None:
    met = Counter(name for figures in done for name in figures.faults)
    wrong = [figures.seed for figures in done if figures.complaints]
    print(f"{len(done)} runs in {seconds:.0f} s: {len(done) - len(wrong)} ok, {len(wrong)} failed")
    rows, loaded, held = (sum(getattr(one, name) for one in done) for name in ("rows", "loaded", "held"))
    print(f"  {rows:,} rows: {loaded:,} loaded, {held:,} held back, {rows - loaded - held:,} otherwise")
    attempts, cleared, imports, orphans = (
        sum(getattr(one, name) for one in done) for name in ("attempts", "cleared", "imports", "orphans")
    )
    print(f"  {imports:,} user imports, {attempts:,} attempts of stages, cleared {cleared:,} times by a person")
    if target == "folio":
        print(f"  {orphans:,} orphaned permission users")
    print(
        f"  {sum(met.values()):,} faults and kills prepared, {sum(one.struck for one in done):,} of them took effect:"
    )
    print("    " + ", ".join(f"{count} {name}" for name, count in met.most_common()))
    conditions = Counter(words for figures in done for words in figures.conditions)
    if conditions:
        print("  runs with " + ", ".join(f"{words} ({count})" for words, count in conditions.most_common()))
    if wrong:
        print(f"  seeds of the failed runs: {', '.join(map(str, sorted(wrong)))}")


def _seed(text: str) -> int:
    """A seed; `new` is another one each time."""
    return secrets.randbelow(10**9) if text == "new" else int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--target", choices=TARGETS, help="which part (default: all, one after the other)")
    default = ", ".join(f"{count} {target}" for target, count in RUNS.items())
    parser.add_argument("--runs", type=int, help=f"number of random loads or weeks (default: {default})")
    parser.add_argument(
        "--seed", type=_seed, default=1, help="seed of the first run, or `new`; the next ones count up (default: 1)"
    )
    parser.add_argument("--jobs", type=int, default=JOBS, help=f"processes at a time (default: {JOBS})")
    parser.add_argument("--verbose", action="store_true", help="print each run, and its errors")
    return parser


if __name__ == "__main__":
    sys.exit(main())
