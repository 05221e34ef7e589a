"""Opens the folders of dynamic volumes to every pod, as local-path provisioners do.

The controller manager's host-path provisioner makes them with mode 0750 for root, whatever its
umask, and kubelet changes no ownership of host paths: pods that do not run as root could not
write.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

POLL_S = 0.05


def open_new_folders(parent: Path, opened: set[str]) -> None:
    """Make folders of `parent` that are not among `opened` writable for all, and add them."""
    for folder in parent.iterdir():
        if folder.name not in opened:
            folder.chmod(0o777)
            opened.add(folder.name)


def main() -> None:
    """Serve the folder argument for ever."""
    parent, opened = Path(sys.argv[1]), set[str]()
    while True:
        open_new_folders(parent, opened)
        time.sleep(POLL_S)


if __name__ == "__main__":
    main()
