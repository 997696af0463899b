"""
Run the campaign: python -m faults --runs 500 --seed 1.

One run again: python -m faults --target folio --runs 1 --seed 4711.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence

from faults.campaign import TARGETS, Figures, campaign

JOBS = 8
"""A run spends much time waiting for FOLIO, so two cores can run more than two processes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; returns 1 if any run failed."""
    given = _parser().parse_args(arguments)
    seeds = range(given.seed, given.seed + given.runs)
    wrong = [_run(target, seeds, given) for target in ([given.target] if given.target else TARGETS)]
    return 1 if any(wrong) else 0


def _run(target: str, seeds: Sequence[int], given: argparse.Namespace) -> bool:
    """Run the campaign on one target; returns whether any run failed."""
    started = time.monotonic()
    done = []
    print(f"{target}:", flush=True)
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
    if wrong:
        print(f"  seeds of the failed runs: {', '.join(map(str, sorted(wrong)))}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--target", choices=TARGETS, help="which stand-in (default: both, one after the other)")
    parser.add_argument("--runs", type=int, default=500, help="number of random loads (default: 500)")
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the first run; the next ones count up (default: 1)"
    )
    parser.add_argument("--jobs", type=int, default=JOBS, help=f"processes at a time (default: {JOBS})")
    parser.add_argument("--verbose", action="store_true", help="print each run, and its errors")
    return parser


if __name__ == "__main__":
    sys.exit(main())
