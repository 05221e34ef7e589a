"""Cmd, the call of the protocol that takes a command as text."""

import json
import os
import resource
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from quiver_engine.config_nodes import ConfigNodes
from quiver_engine.metrics.in_flight import InFlight
from quiver_engine.store.store import Store

MILVUS_VERSION = "1.1.1"
"""Of the Milvus whose protocol this is: clients compare it. pymilvus takes any that is 1.1."""
BUILD = f"quiver-{version('quiver-operator')}"
_CONFIG = ("get_config", "set_config")

MOST_NAMED = 32
"""Collections that a report names: those with the most damaged segments."""
_KNOWN = (
    "version, status, mode, build_commit_id, tasktable, requests, get_system_info, get_config,"
    " set_config, instance, report"
)


class Commands:
    """Answers the text of a command with a text.

    As in Milvus, only the exact word is the command. Raises RequestError UNEXPECTED_ERROR or
    ILLEGAL_ARGUMENT for what a configuration node cannot do.
    """

    def __init__(self, store: Store, config_nodes: ConfigNodes, in_flight: InFlight) -> None:
        self._store = store
        self._in_flight = in_flight
        self._config_nodes = config_nodes

    def run(self, text: str) -> str:
        if text.startswith(_CONFIG):
            return self._config_nodes.run(text)
        answers: dict[str, Callable[[], str]] = {
            "version": lambda: MILVUS_VERSION,
            "build_commit_id": lambda: BUILD,
            "status": lambda: "OK",
            "mode": lambda: "GPU" if self._store.device.gpus() else "CPU",
            "tasktable": self._tasks,
            "requests": lambda: json.dumps({"requests": self._in_flight.names()}),
            "get_system_info": self._system_info,
            "instance": lambda: self._store.directory.instance,
            "report": lambda: json.dumps(self._report()),
        }
        if text not in answers:
            return f"Unknown command {text[:100]!r}: this engine knows {_KNOWN}"
        return answers[text]()

    def _tasks(self) -> str:
        tasks = [
            {"task": "build index", "collection": collection.schema.name, "segment": str(s.id)}
            for collection in self._store.collections()
            for _, s in collection.due
        ]
        return json.dumps(tasks)

    def _report(self) -> dict[str, Any]:
        """Return what the engine serves in spite of, in one answer for those who watch over it."""
        disk, room = self._store.directory.disk, self._store.directory.disk.room
        return {
            "damaged": self._damaged(),
            "disk": {"full": disk.is_full, "free": room.free, "total": room.total},
            "why_no_gpu": self._store.device.why_no_gpu,
        }

    def _damaged(self) -> dict[str, Any]:
        counts = {c.schema.name: len(c.damaged) for c in self._store.collections()}
        worst = sorted(((n, name) for name, n in counts.items() if n), reverse=True)
        named = {name: n for n, name in worst[:MOST_NAMED]}
        return {"segments": sum(counts.values()), "collections": named}

    def _system_info(self) -> str:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        total = os.sysconf("SC_PHYS_PAGES") * resource.getpagesize()
        info = {"memory_total": total, "memory_used": pages * resource.getpagesize()}
        for gpu in self._store.device.gpus():
            info[f"gpu{gpu.number}_memory_total"] = gpu.total
            info[f"gpu{gpu.number}_memory_used"] = gpu.used
        return json.dumps({name: str(value) for name, value in info.items()})
