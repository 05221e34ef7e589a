"""What keeps a node from running on this machine, and what to do about it."""

from __future__ import annotations

from localcluster.errors import LocalClusterError


def node_problems() -> list[tuple[str, str]]:
    """(what is missing, its remedy) for each obstacle; empty when a node can run."""
    return []


def require_node() -> None:
    """Raise LocalClusterError, with every remedy, where a node cannot run."""
    problems = node_problems()
    if problems:
        lines = [f"- {what}: {remedy}" for what, remedy in problems]
        raise LocalClusterError("\n".join(["this machine cannot run a node:", *lines]))
