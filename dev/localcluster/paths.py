"""Where localcluster keeps things, the cache apart: everything lies below one of these folders."""

from __future__ import annotations

import os
from pathlib import Path

GO_MODULES = Path(__file__).resolve().parent / "go"


def state_dir(name: str) -> Path:
    """Where a cluster of that name, started by `python -m localcluster up`, keeps its state."""
    root = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(root) / "quiver" / "localcluster" / name
