"""Milvus' configuration nodes: what clients may change while the engine runs.

A restart brings the defaults back.
"""

import json
import re

from quiver_engine.errors import RequestError
from quiver_proto import milvus_pb2 as pb

_AUTO_FLUSH = "storage.auto_flush_interval"
_MAX_INTERVAL_S = 3600
_INTERVAL = re.compile(r"[0-9]{1,9}")


class ConfigNodes:
    """The values of the nodes that this engine has."""

    def __init__(self) -> None:
        self.auto_flush_interval_s = 1
        """Seconds between two flushes of all rows; 0 flushes only when asked or full."""

    def get(self, node: str) -> str:
        """Return a node's value; for `*`, all nodes as JSON.

        Raises RequestError UNEXPECTED_ERROR for a node that there is not.
        """
        values = {_AUTO_FLUSH: str(self.auto_flush_interval_s)}
        if node == "*":
            return json.dumps(values)
        if node not in values:
            raise _no_such_node(node)
        return values[node]

    def set(self, node: str, value: str) -> None:
        """Change a node's value; raises RequestError UNEXPECTED_ERROR for one it cannot have."""
        if node != _AUTO_FLUSH:
            raise _no_such_node(node)
        if not _INTERVAL.fullmatch(value) or int(value) > _MAX_INTERVAL_S:
            raise RequestError(
                pb.UNEXPECTED_ERROR,
                f"{node} cannot be {value[:50]!r}: give seconds from 0 to {_MAX_INTERVAL_S}",
            )
        self.auto_flush_interval_s = int(value)


def _no_such_node(node: str) -> RequestError:
    return RequestError(
        pb.UNEXPECTED_ERROR,
        f"there is no configuration node {node[:100]!r} here: there is {_AUTO_FLUSH}; the rest is"
        " set by the options the engine is started with",
    )
