"""A client that searches all the time, as a process: `python -m support.searching NAME=ADDRESS …`.

Each search is for a vector that is there. One that fails is a line of the output, and so is, at the
end, how many there were.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from machine.processes import ChildProcess
from support.milvus1_client import Milvus1, Refused, found_ids

DIMENSION = 8
ROWS = 64
PAUSE_S = 0.02
DEADLINE_S = 30.0
"""Generous, since the machine may be busy: an engine that is gone refuses at once."""


def vector(number: int) -> list[float]:
    """Return a vector that is far from those of other numbers."""
    return [float(number), float(number * number % 97), *[0.0] * (DIMENSION - 2)]


def fill(address: str, *names: str) -> None:
    """Put the vectors that are searched for into each collection."""
    client = Milvus1(address, deadline_s=30)
    for name in names:
        client.insert(name, [vector(number) for number in range(ROWS)], ids=[*range(ROWS)])
    client.flush(*names)
    client.close()


class Failure(NamedTuple):
    """A search that did not find its vector."""

    name: str
    why: str


class Searching(ChildProcess):
    """The process; `places` are the addresses of collections by their names."""

    def __init__(self, log: Path, places: dict[str, str]) -> None:
        words = [f"{name}={address}" for name, address in places.items()]
        super().__init__([sys.executable, "-m", "support.searching", *words], log)

    def failures(self) -> list[Failure]:
        """Return what has failed so far."""
        lines = (json.loads(line) for line in self.output.splitlines() if line.startswith("["))
        return [Failure(*line) for line in lines]

    def end(self) -> int:
        """End it; return how many searches found what they were for."""
        self.send(signal.SIGTERM)
        return int(self.wait_for(r"found (\d+)")[1])


def main(words: list[str]) -> None:
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    places = dict(word.split("=", 1) for word in words)
    clients = {name: Milvus1(address, deadline_s=DEADLINE_S) for name, address in places.items()}
    found = number = 0
    while not ended:
        number = (number + 1) % ROWS
        for name, client in clients.items():
            why = _search(client, name, number)
            found += why is None
            if why is not None:
                _say(json.dumps(Failure(name, why)))
        time.sleep(PAUSE_S)
    _say(f"found {found}")


def _search(client: Milvus1, name: str, number: int) -> str | None:
    try:
        ids = found_ids(client.search(name, [vector(number)]))
    except (grpc.RpcError, Refused) as error:
        return str(_words(error))[:200]
    return None if ids.tolist() == [[number]] else f"found {ids.tolist()} and not {number}"


def _words(error: Any) -> Any:
    return error.details() if isinstance(error, grpc.Call) else error


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
