"""Lose the power at every system call of a store's life, and check what the next start finds.

Run as `power_loss.py DIRECTORY`; wants strace. A life is traced once. Of every moment in it there
is what a disk may hold then: all that was written and half of the last write; synced data only
under all names; synced data under synced names only. Each is laid out as files and opened.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from crash_script import CHANGES, check, live
from traced_disk import SYSCALLS, UNKNOWN, Call, Disk, Files, parsed

KINDS = [("written", "written"), ("written", "synced"), ("synced", "synced")]


def traced(directory: Path) -> list[Call]:
    """Live in a process of its own; return its system calls on `directory`."""
    trace = directory / "trace"
    calls = ",".join(f"?{name}" for name in (*SYSCALLS, *UNKNOWN))
    strace = ["strace", "-o", str(trace), "-xx", "-s", "10000000", "-e", f"trace={calls}"]
    subprocess.run([*strace, sys.executable, __file__, directory, "live"], check=True)
    return list(parsed(trace.read_text()))


def moments(calls: list[Call], root: Path) -> Iterator[tuple[Disk, int]]:
    """Yield the disk after each call, and half of each write, with the changes answered by then."""
    disk, answered, told = Disk(root), 0, None
    for call in calls:
        if call.name == "openat" and call.paths[0] == root / "answered":
            told = call.rest and str(call.result)
        if disk.tear(call):
            yield disk, answered
        disk.apply(call)
        answered += call.name == "write" and call.rest[0] == told
        yield disk, answered


def possible(calls: list[Call], root: Path) -> dict[tuple[object, ...], tuple[Files, int, int]]:
    """Return all states of the disk, and from how many to how many answers each may be met at."""
    found: dict[tuple[object, ...], tuple[Files, int, int]] = {}
    for disk, answered in moments(calls, root):
        for names, data in KINDS:
            files = disk.files(names=names, data=data)
            files = {p: content for p, content in files.items() if p.parts[0] == "data"}
            key = tuple(sorted(files.items()))
            first = found.get(key, (files, answered, answered))[1]
            found[key] = (files, first, answered)
    return found


def lay_out(files: Files, directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for path, content in files.items():
        if content is None:
            (directory / path).mkdir()
        else:
            (directory / path).write_bytes(content)


def main(directory: Path) -> None:
    states = possible(traced(directory), directory)
    for files, first, last in states.values():
        lay_out(files, directory / "found")
        check(directory / "found" / "data", last, min(max(first + 1, last), len(CHANGES)))
    print(f"{len(states)} states")  # noqa: T201 - the caller reads it


if __name__ == "__main__":
    if sys.argv[2:] == ["live"]:
        answered = os.open(Path(sys.argv[1]) / "answered", os.O_WRONLY | os.O_CREAT, 0o600)
        live(Path(sys.argv[1]) / "data", lambda: os.write(answered, b"."))
    else:
        main(Path(sys.argv[1]))
