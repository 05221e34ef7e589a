"""The simulation's command line: `python -m simulation --help`."""

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import click

from simulation.mutants import MUTANTS, Mutant
from simulation.scenario import Verdict, run_seed

TAIL = 60
CHUNK = 25


@click.command()
@click.option("--seeds", default=500, help="How many seeds to run.")
@click.option("--first", default=0, help="The first of them.")
@click.option("--seed", type=int, help="Run this one alone, and print the end of its trace.")
@click.option("--trace", is_flag=True, help="With --seed: print all of its trace.")
@click.option("--mutants", is_flag=True, help="Plant bugs and say how many seeds find each.")
@click.option("--jobs", default=os.cpu_count() or 1, help="How many processes to use.")
def main(seeds: int, first: int, seed: int | None, trace: bool, mutants: bool, jobs: int) -> None:
    """Run the operator through storms on virtual time. A failing seed prints how to replay it."""
    logging.disable(logging.CRITICAL)
    if seed is not None:
        verdict = run_seed(seed)
        click.echo(told(verdict, sys.maxsize if trace else TAIL))
        sys.exit(bool(verdict.broken))
    numbers = range(first, first + seeds)
    with ProcessPoolExecutor(jobs) as pool:
        if mutants:
            missed = [m.name for m in MUTANTS if not _hunt(m, numbers, pool)]
            sys.exit(bool(missed))
        failed = list(_run_all(numbers, pool))
    sys.exit(bool(failed))


def told(verdict: Verdict, lines: int = TAIL) -> str:
    """Return what a person needs of a failing seed."""
    broken = "\n".join(f"  {sentence}" for sentence in verdict.broken) or "  all is well"
    return (
        f"{verdict.trace.tail(lines)}\n\nseed {verdict.seed}:\n{broken}\n"
        f"replay: python -m simulation --seed {verdict.seed} --trace\n"
    )


def _run_all(numbers: range, pool: ProcessPoolExecutor) -> Iterator[Verdict]:
    """Run all seeds, print those that fail, and yield them."""
    began, failed = time.monotonic(), 0
    for verdict in pool.map(_run_quietly, numbers, chunksize=CHUNK):
        if verdict is not None:
            failed += 1
            click.echo(told(verdict))
            yield verdict
    seconds = time.monotonic() - began
    click.echo(f"{len(numbers)} seeds in {seconds:.0f} s, {failed} of them failed")


def _run_quietly(seed: int) -> Verdict | None:
    """Return the verdict if something is wrong: traces are too long to be handed around."""
    logging.disable(logging.CRITICAL)
    verdict = run_seed(seed)
    return verdict if verdict.broken else None


def _hunt(mutant: Mutant, numbers: range, pool: ProcessPoolExecutor) -> bool:
    """Print how many seeds find the planted bug; tell whether one does."""
    index = MUTANTS.index(mutant)
    run = partial(_run_mutant, index)
    found = [v for v in pool.map(run, numbers, chunksize=CHUNK) if v is not None]
    first = f"seed {found[0][0]}: {found[0][1]}" if found else "never"
    click.echo(f"| {mutant.name} | {len(found)} of {len(numbers)} | {first} |")
    return bool(found)


def _run_mutant(index: int, seed: int) -> tuple[int, str] | None:
    logging.disable(logging.CRITICAL)
    with MUTANTS[index].plant():
        verdict = run_seed(seed)
    return (seed, verdict.broken[0]) if verdict.broken else None


def seeds_that_fail(numbers: Iterable[int]) -> list[Verdict]:
    """Run the seeds here, one after the other."""
    return [verdict for verdict in map(run_seed, numbers) if verdict.broken]


if __name__ == "__main__":
    main()
