"""What runs of a cluster, seen from outside."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from localcluster.layout import Layout
from localcluster.teardown import supervisors

MIB = 2**20


@dataclass(frozen=True)
class RunningProcess:
    """One process of a cluster."""

    name: str
    pid: int
    memory_mib: int


@dataclass(frozen=True)
class Status:
    """A cluster that was started with `python -m localcluster up`."""

    server: str
    since: datetime
    with_node: bool
    processes: list[RunningProcess]

    @property
    def is_up(self) -> bool:
        """Whether anything of it runs."""
        return bool(self.processes)

    def age(self) -> str:
        """How long it has been standing, such as `2 h 5 min`."""
        minutes = int((datetime.now(UTC) - self.since).total_seconds() // 60)
        return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def record(layout: Layout, server: str, *, with_node: bool) -> None:
    """Write down what `read_status` reports."""
    content = {"server": server, "since": datetime.now(UTC).isoformat(), "with_node": with_node}
    layout.state.write_text(json.dumps(content))


def read_status(layout: Layout) -> Status | None:
    """The cluster's status; None when there is none in that folder."""
    try:
        content = json.loads(layout.state.read_text())
    except FileNotFoundError:
        return None
    since = datetime.fromisoformat(content["since"])
    processes = _processes(layout)
    return Status(content["server"], since, content["with_node"], processes)


def _processes(layout: Layout) -> list[RunningProcess]:
    parents = dict.fromkeys(supervisors(layout.directory), "")
    for node in layout.node_names():
        parents |= dict.fromkeys(supervisors(layout.node(node)), f"{node}/")
    found = []
    for parent, prefix in parents.items():
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(parent).children()
            found += [_describe(c, prefix) for c in children if c.pid not in parents]
    return sorted(found, key=lambda process: process.pid)


def _describe(process: psutil.Process, prefix: str) -> RunningProcess:
    arguments = process.cmdline()
    module = arguments[2] if arguments[1:2] == ["-m"] else Path(arguments[0]).name
    memory = process.memory_info().rss // MIB
    return RunningProcess(prefix + module.removeprefix("localcluster."), process.pid, memory)
