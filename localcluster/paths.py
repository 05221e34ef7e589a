"""Where localcluster keeps things: everything lies below one of these folders."""

from __future__ import annotations

import os
import platform
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
GO_MODULES = PACKAGE / "go"


def cache_dir() -> Path:
    """The per-user cache: built programs, images, downloads. Safe to delete at any time."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "quiver" / "localcluster"


def state_dir(name: str) -> Path:
    """Where a cluster of that name, started by `localcluster up`, keeps its state."""
    root = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(root) / "quiver" / "localcluster" / name


def platform_name() -> str:
    """Operating system and architecture as Go names them, such as `linux-amd64`."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}-{goarch(machine)}"


def goarch(machine: str | None = None) -> str:
    """Go's name of this machine's architecture."""
    machine = machine or platform.machine().lower()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
