"""How long building still takes, on a clock that the test turns."""

from __future__ import annotations

import pytest

from machine.forecast import Forecast, told

USUAL_S = {"etcd": 40.0, "kube-apiserver": 200.0, "kubectl": 20.0}


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


def test_at_the_usual_pace_the_usual_time_is_left(clock: Clock) -> None:
    """What is left are the usual times of what is not done, less what has passed of the current."""
    forecast = Forecast(USUAL_S, clock)
    assert forecast.remaining_s() == pytest.approx(260)
    forecast.begin("etcd")
    clock.now += 40
    forecast.end("etcd")
    forecast.begin("kube-apiserver")
    clock.now += 50
    assert forecast.remaining_s() == pytest.approx(170)
    assert forecast.remaining_s("kubectl") == pytest.approx(20)
    assert forecast.left == ["kube-apiserver", "kubectl"]


def test_a_slow_machine_is_given_more_time(clock: Clock) -> None:
    """What has taken three times as long as usual makes the rest take longer too."""
    forecast = Forecast(USUAL_S, clock)
    forecast.begin("etcd")
    clock.now += 120
    forecast.end("etcd")
    assert 440 < forecast.remaining_s() < 660


def test_what_outruns_its_time_is_never_about_to_end(clock: Clock) -> None:
    """A job that takes longer than foreseen moves its own end away, and that of all after it."""
    forecast = Forecast(USUAL_S, clock)
    forecast.begin("etcd")
    clock.now += 80
    before = forecast.remaining_s()
    assert before > 220
    clock.now += 80
    assert forecast.remaining_s() > before


def test_programs_that_were_found_say_nothing_of_the_pace(clock: Clock) -> None:
    """A program that need not be built only takes its own time off the forecast."""
    forecast = Forecast(USUAL_S, clock)
    clock.now += 300
    forecast.end("kube-apiserver")
    assert forecast.remaining_s() == pytest.approx(60)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "about 10 s"), (44, "about 40 s"), (100, "about 2 min"), (605, "about 10 min")],
)
def test_a_time_is_told_no_more_exactly_than_it_is_known(seconds: float, words: str) -> None:
    """Seconds are rounded to tens, and longer times to minutes."""
    assert told(seconds) == words
