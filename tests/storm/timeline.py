"""What was done to whom, told as it happens and kept for whoever looks for a failure's cause."""

import time
from collections import Counter
from pathlib import Path

import click


class Timeline:
    """Lines with the seconds since the beginning, on the terminal and in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begun = time.monotonic()
        self.faults: Counter[str] = Counter()

    def add(self, what: str) -> None:
        line = f"{time.monotonic() - self._begun:7.1f} s  {what}"
        click.echo(line)
        with self._path.open("a") as file:
            file.write(f"{line}\n")
