"""Output for people: tables that are coloured on a terminal, and plain in a pipe."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

PIPE_WIDTH = 4096
"""Columns in a pipe, where nothing is to be cut into lines."""


def console() -> Console:
    """Return the console of stdout. It heeds NO_COLOR, and prints plain text into a pipe."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=PIPE_WIDTH, force_terminal=False, color_system=None)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return rows under headings, as kubectl shows them."""
    found = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        found.add_column(heading.upper(), overflow="fold")
    for row in rows:
        found.add_row(*row)
    return found
