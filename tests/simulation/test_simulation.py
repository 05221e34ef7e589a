"""The operator keeps its promises in every storm that the seeds make."""

import logging
from collections.abc import Iterator

import pytest

from simulation.__main__ import told
from simulation.scenario import run_seed

SEEDS = 500
PARTS = 10


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What operators log in storms is of no interest; the trace says more."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_storm_breaks_a_promise(part: int) -> None:
    """Whatever fails, and whenever the operator dies: nothing unclaimed is dropped, nothing has two
    owners, nothing is dropped because of an edit, no write changes nothing; and once faults have
    ceased, all is as the specs say and nothing more is written.
    """
    for seed in range(part, SEEDS, PARTS):
        verdict = run_seed(seed)
        assert not verdict.broken, told(verdict)


def test_a_seed_tells_the_same_story_every_time() -> None:
    """A failure can be replayed: the same seed makes the same calls at the same moments."""
    seeds = (3, 50, 52)
    first, again = ([run_seed(seed).trace.entries for seed in seeds] for _ in range(2))
    assert first == again
