"""How far a command is, on stderr if that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Done = Callable[[], None]
Progress = Callable[[str, int], Done]
"""Begins something that has so many parts, and returns what is called after each."""


@contextmanager
def progress() -> Iterator[Progress]:
    if not sys.stderr.isatty():
        yield lambda _what, _total: _nothing
        return
    from rich.console import Console  # noqa: PLC0415 - takes a moment
    from rich.progress import Progress as Bars  # noqa: PLC0415

    with Bars(console=Console(stderr=True), transient=True) as bars:

        def begin(what: str, total: int) -> Done:
            task = bars.add_task(what, total=total)
            return lambda: bars.advance(task)

        yield begin


def _nothing() -> None:
    pass
