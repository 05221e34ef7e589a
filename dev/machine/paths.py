"""The cache folder, and the platform as Go and container registries name it."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def cache_dir() -> Path:
    """The per-user cache: built programs, images, downloads. Safe to delete at any time."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "quiver" / "localcluster"


def platform_name() -> str:
    """Operating system and architecture as Go names them, such as `linux-amd64`."""
    return f"{platform.system().lower()}-{goarch()}"


def goarch() -> str:
    """Go's name of this machine's architecture."""
    machine = platform.machine().lower()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
