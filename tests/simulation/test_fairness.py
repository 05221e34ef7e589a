"""What one tenant asks for costs another tenant nothing, however much it is."""

import logging
from collections.abc import Callable, Coroutine, Iterator
from unittest.mock import patch

import pytest

from quiver.control.work.fair_queue import UNLIMITED, Limits
from quiver.settings import Settings
from simulation.loop import VirtualLoop, end_all
from simulation.neighbours import LATE_S, Neighbourhood

ENGINES = 400
PROBES = 15
PERIOD_S = Settings.resync_period
STORM_P99_S = 0.5
MANY, EACH = 10_000, 60
"""Collections of a crowd, and how many of them are on one engine."""

Story = Callable[[Neighbourhood], Coroutine[None, None, None]]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def tell(story: Story) -> None:
    loop = VirtualLoop()
    place = Neighbourhood(loop)
    try:
        loop.run_until_complete(story(place))
    finally:
        place.end()
        end_all(loop)


def add_slow_engines(place: Neighbourhood, tenants: int) -> None:
    """Have tenants make engines that answer just inside the deadline, each with collections."""
    for number in range(tenants):
        engines = place.add_engines(f"greedy-{number}", ENGINES // tenants, LATE_S)
        place.add_collections(engines, each=2)


async def times_quiet(place: Neighbourhood, tenants: int) -> float:
    """Return how long new collections take beside slow engines, as a multiple of the quiet time."""
    place.start()
    quiet = await place.each_second(PROBES)
    add_slow_engines(place, tenants)
    beside = await place.each_second(PROBES)
    return max(beside) / min(quiet[1:])


@pytest.mark.parametrize("tenants", [1, 20])
def test_slow_engines_delay_no_other_namespace(tenants: int) -> None:
    """Beside 400 engines that answer just inside the deadline, of one tenant or of many, a new
    collection of another namespace is Ready within twice the quiet time.
    """

    async def story(place: Neighbourhood) -> None:
        assert await times_quiet(place, tenants) <= 2

    tell(story)


def test_without_shares_of_namespaces_slow_engines_delay_the_others() -> None:
    """The measure finds the mistake that it is there for."""

    async def story(place: Neighbourhood) -> None:
        with patch.object(Limits, "share", lambda *_: UNLIMITED):
            assert await times_quiet(place, 1) > 10

    tell(story)


def test_an_operator_that_starts_beside_slow_engines_serves_all() -> None:
    """It finds everything waiting at once, and a new collection is Ready right after the start."""

    async def story(place: Neighbourhood) -> None:
        add_slow_engines(place, 20)
        place.start()
        start = await place.one()
        assert start < 1
        assert max(await place.each_second(PROBES)) <= 2 * start

    tell(story)


def test_slow_engines_delay_neither_lists_nor_checks_of_others() -> None:
    """The cluster is listed each period, and what vanished from an engine is back within one."""

    async def story(place: Neighbourhood) -> None:
        place.start()
        await place.each_second(PROBES)
        add_slow_engines(place, 1)
        for _ in range(3):
            assert await place.vanished() <= 1.3 * PERIOD_S
        gaps = [b - a for a, b in zip(place.listed_at, place.listed_at[1:], strict=False)]
        assert max(gaps) <= 1.3 * PERIOD_S

    tell(story)


def test_a_crowd_delays_no_other_namespace() -> None:
    """While the collections of a crowd are made, and while they are at rest and verified, a new one
    of another namespace is Ready within twice the quiet time.
    """

    async def story(place: Neighbourhood) -> None:
        place.start()
        quiet = min((await place.each_second(PROBES))[1:])
        crowd = place.add_collections(place.add_engines("crowd", MANY // EACH), EACH)
        storm = max(await place.each_second(PROBES))
        assert storm <= min(2 * quiet, STORM_P99_S)
        await place.ready(crowd)
        assert max(await place.each_second(PROBES)) <= 2 * quiet

    tell(story)
