"""Die at every step of a store's life in turn, and check what the next start finds.

Run as `crash_points.py DIRECTORY`. A child process lives through crash_script's life and is killed
before its k-th step that changes the disk, for every k until it lives to the end.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crash_script import CHANGES, check, live

from quiver_engine.files.catalog import Catalog

CATALOG_CHANGES = (
    "create_collection", "drop_collection", "create_partition", "drop_partition", "publish",
    "set_index", "add_index", "remove_index",
)  # fmt: skip


def die_at(step: int) -> None:
    """Make this process die before the step-th change of the disk, counted from 0."""
    left = iter(range(step))

    def dying(operation: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any, **kwargs: Any) -> Any:
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return operation(*args, **kwargs)

        return instead

    for operation in ("write", "fsync", "rename", "unlink"):
        setattr(os, operation, dying(getattr(os, operation)))
    for change in CATALOG_CHANGES:
        setattr(Catalog, change, dying(getattr(Catalog, change)))


def live_until(step: int, directory: Path) -> tuple[bool, int]:
    """Return whether the child lived to its end, and how many changes were answered by then."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        tell = os.write
        die_at(step)
        live(directory, lambda: tell(writer, b"."))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        answered = len(told.read())
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), "the child broke by itself"
    return status == 0, answered


def main(directory: Path) -> None:
    step, lived = 0, False
    while not lived:
        shutil.rmtree(directory, ignore_errors=True)
        lived, answered = live_until(step, directory)
        if directory.exists():
            check(directory, answered, min(answered + 1, len(CHANGES)))
        step += 1
    print(f"died {step - 1} times")  # noqa: T201 - the caller reads it


if __name__ == "__main__":
    main(Path(sys.argv[1]))
