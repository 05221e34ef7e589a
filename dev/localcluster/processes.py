"""What a supervisor runs, written down so that it can be handed to another process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ProcessSpec:
    """One process: how it is started, where it logs and what must be there before.

    `needs` holds probes: `https://…` (answers 200) or `unix:/path` (accepts connections).
    """

    name: str
    argv: Sequence[str]
    log: str
    needs: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NetworkSpec:
    """The cluster's network namespace and its link to the host.

    `host_namespace` is a file descriptor of the host's network namespace; `host_link` is the
    name of the link's end there. Addresses carry their prefix length.
    """

    host_link: str
    host_namespace: int
    uplink_addresses: Sequence[str]
    loopback_addresses: Sequence[str]


@dataclass(frozen=True)
class SupervisorSpec:
    """All that a supervisor needs: its processes, and what it sets up before them."""

    authority: str
    processes: Sequence[ProcessSpec]
    private_mounts: Sequence[tuple[str, str]] = ()
    network: NetworkSpec | None = None
    nested: bool = False

    def save(self, path: Path) -> Path:
        """Write the specification as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1))
        return path

    @classmethod
    def load(cls, path: Path) -> SupervisorSpec:
        """Read what `save` wrote."""
        content: dict[str, Any] = json.loads(path.read_text())
        network = content.pop("network")
        return cls(
            processes=[ProcessSpec(**process) for process in content.pop("processes")],
            network=NetworkSpec(**network) if network else None,
            **content,
        )
