"""Milvus' configuration nodes: what the engine says of itself, and what clients may change.

The commands are read as strictly as Milvus reads them: one blank between two words and no other. A
restart brings the defaults back.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from quiver_engine.errors import RequestError
from quiver_proto import milvus_pb2 as pb

_AUTO_FLUSH = "storage.auto_flush_interval"
_NUMBER = re.compile(r"[0-9]{1,32}")
_BYTES = re.compile(r"([0-9]{1,32})([kmg]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_HIGHEST = 2**63 - 1
_SHOWN = 100
"""Characters of what a client wrote that a reason repeats."""


class Node(NamedTuple):
    """A node: how its value is read, and how it is changed while the engine runs, if it can be.

    `change` raises RequestError ILLEGAL_ARGUMENT for a value that the node cannot have. `why_fixed`
    is for a node without it.
    """

    read: Callable[[], str]
    change: Callable[[str], object] | None = None
    why_fixed: str = "this engine has no other value"


class ConfigNodes:
    """The nodes that mean something in this engine, by PARENT.NODE."""

    def __init__(self) -> None:
        self.auto_flush_interval_s = 1
        """Seconds between two flushes of all rows; 0 flushes only when asked or full."""
        interval = Node(lambda: str(self.auto_flush_interval_s), self._set_interval)
        self._nodes = {_AUTO_FLUSH: interval}

    def add(self, nodes: Mapping[str, Node]) -> None:
        self._nodes |= nodes

    def run(self, text: str) -> str:
        """Answer `get_config` and `set_config`.

        Raises RequestError UNEXPECTED_ERROR for another text, for a node that there is not, and for
        one that cannot be set; ILLEGAL_ARGUMENT for a value that it cannot have.
        """
        match text.split(" "):
            case ["get_config", "*"]:
                return json.dumps(self._by_parent())
            case ["get_config", name] if "." in name:
                return self._node(name).read()
            case ["set_config", name, value] if "." in name:
                self._set(name, value)
                return ""
        raise RequestError(
            pb.UNEXPECTED_ERROR,
            f"Invalid command: {text[:_SHOWN]!r}: give get_config PARENT.NODE, get_config * or"
            " set_config PARENT.NODE VALUE, with one blank between two words and no other",
        )

    def _by_parent(self) -> dict[str, dict[str, str]]:
        values: dict[str, dict[str, str]] = {}
        for name, node in self._nodes.items():
            parent, _, child = name.partition(".")
            values.setdefault(parent, {})[child] = node.read()
        return values

    def _node(self, name: str) -> Node:
        if name not in self._nodes:
            raise _invalid(name, f"this engine has no such node, it has {', '.join(self._nodes)}")
        return self._nodes[name]

    def _set(self, name: str, value: str) -> None:
        node = self._node(name)
        if node.change is None:
            raise _invalid(name, f"it cannot be set: {node.why_fixed}")
        try:
            node.change(value)
        except RequestError as error:
            reason = f"{name} cannot be {value[:_SHOWN]!r}: {error.reason}"
            raise RequestError(error.code, reason) from error

    def _set_interval(self, value: str) -> None:
        self.auto_flush_interval_s = number(value, f"give seconds from 0 to {_HIGHEST}")


def number(value: str, allowed: str, most: int = _HIGHEST) -> int:
    """Return a natural number, of ASCII digits; raises RequestError ILLEGAL_ARGUMENT."""
    if not _NUMBER.fullmatch(value) or int(value) > most:
        raise RequestError(pb.ILLEGAL_ARGUMENT, allowed)
    return int(value)


def amount(value: str, allowed: str, below: int) -> int:
    """Return how many bytes Milvus reads in 4294967296, 4096MB, 4096m, 4GB or 4g.

    Raises RequestError ILLEGAL_ARGUMENT for none, and for `below` and more.
    """
    found = _BYTES.fullmatch(value)
    size = int(found[1]) * _UNITS[found[2].lower()] if found else 0
    if not 0 < size < below:
        raise RequestError(pb.ILLEGAL_ARGUMENT, allowed)
    return size


def _invalid(name: str, why: str) -> RequestError:
    return RequestError(pb.UNEXPECTED_ERROR, f"Config node invalid: {name[:_SHOWN]!r}: {why}")
