"""What keeps a node from running on this machine, and what to do about it."""

from __future__ import annotations


def node_problems() -> list[tuple[str, str]]:
    """(what is missing, its remedy) for each obstacle; empty when a node can run."""
    return [("the node is not written yet", "wait")]
