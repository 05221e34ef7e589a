"""Running modules of this source root as processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

SOURCE_ROOT = Path(__file__).resolve().parents[1]


def module_environment() -> dict[str, str]:
    """An environment in which a module of this source root runs from any folder.

    Without proxies: a cluster's programs talk to each other and to nobody else.
    """
    search = [str(SOURCE_ROOT), os.environ.get("PYTHONPATH", "")]
    kept = {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
    }
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, search))}


def module_command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module, such as `localcluster.supervisor`."""
    return [sys.executable, "-m", module, *arguments]
