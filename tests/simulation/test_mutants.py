"""The simulation finds bugs: those that are planted."""

import logging
from collections.abc import Iterator

import pytest

from simulation.mutants import MUTANTS, Mutant
from simulation.scenario import run_seed

FOUND_BY = {
    "the claim is written after the collection is created": 0,
    "the finalizer goes before the drop": 6,
    "a stale cache is trusted when an engine is changed": 888,
    "a write has no precondition": 6,
    "what failed is never tried again": 0,
    "another collection under the name is dropped": 11,
    "two workers have one key": 58,
    "somebody else's collection is taken": 283,
    "each reconcile writes the status": 0,
    "the lease is not looked at before a write": 17,
}
"""The seed that is tried first, since it found it once. As the stories change others may."""
MANY = 2000


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    "mutant", [m for m in MUTANTS if m.name in FOUND_BY], ids=lambda mutant: mutant.name
)
def test_a_planted_bug_is_found(mutant: Mutant) -> None:
    """A mistake that somebody could make breaks a promise in a seed that is well without it."""
    with mutant.plant():
        seeds = (FOUND_BY[mutant.name], *range(MANY))
        found = next((seed for seed in seeds if run_seed(seed).broken), None)
    assert found is not None
    assert not run_seed(found).broken
