"""Clears up what a cluster leaves outside its namespaces, when its parent is gone.

It holds the reading end of a pipe: the end of input means that the parent ended, however that
came about. `detach` on the pipe means that the cluster is to outlive the parent.
"""

from __future__ import annotations

import sys
from pathlib import Path

from localcluster.layout import Layout
from localcluster.teardown import tear_down


def main() -> None:
    """Wait for the parent's end, then clear up the cluster of the folder argument."""
    if sys.stdin.read().strip() != "detach":
        tear_down(Layout(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
