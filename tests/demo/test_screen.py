"""What ends the story early, and what is said then."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from demo.screen import Screen


class Broken(io.StringIO):
    """A terminal that was closed."""

    def write(self, _: str) -> int:
        raise OSError("input/output error")


def test_an_interrupt_that_was_lost_comes_at_the_next_word() -> None:
    """A Ctrl-C that some destructor swallowed ends the story all the same, and once."""
    said = io.StringIO()
    screen = Screen(Console(file=said))
    with pytest.raises(KeyboardInterrupt):
        screen.interrupt()
    with pytest.raises(KeyboardInterrupt):
        screen.note("the story goes on")
    screen.end()
    screen.note("clearing up")
    assert said.getvalue() == "# clearing up\n"


def test_a_reader_that_goes_away_ends_the_story_but_not_the_clearing_up() -> None:
    """Closing the terminal is as good as Ctrl-C; what clears up then is not disturbed by it."""
    screen = Screen(Console(file=Broken()))
    with pytest.raises(KeyboardInterrupt):
        screen.note("anybody there?")
    screen.end()
    screen.note("clearing up")


def test_a_reader_that_goes_away_while_it_clears_up_disturbs_nothing() -> None:
    """What is left to be cleared away is cleared away, even if nobody listens any more."""
    screen = Screen(Console(file=Broken()))
    screen.end()
    screen.note("clearing up")
    screen.note("and more")
