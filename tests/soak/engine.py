"""The soak's engine: how it ends, and what it uses, as the kernel tells it."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from machine.engine_process import EngineProcess
from machine.processes import MIB, ProcessFailed

STOP_S = 60.0
# Not by preexec_fn: a fork of a process with gRPC's threads may hang in whatever it runs.
_PROGRAM = """
import runpy
from machine.lifetime import die_with_parent
die_with_parent()
runpy.run_module("quiver_engine", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Use:
    """What a process uses: descriptors of segments and indexes are counted apart.

    `open_deleted` are files that are removed and held open all the same.
    """

    rss_mib: float
    anonymous_mib: float
    threads: int
    descriptors: int
    segment_descriptors: int
    open_deleted: list[str]


class Engine(EngineProcess):
    """An engine on one data directory, which dies with us; after an end it can be started again."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "data", program=("-c", _PROGRAM), append=True)
        self.log = folder / "engine.log"
        self.starts = 0

    def start(self, *options: str, under: Sequence[str] = ()) -> Self:
        self.starts += 1
        return super().start(*options, under=under)

    def check_end(self) -> None:
        """Wait for its end after SIGTERM; raises ProcessFailed where its exit code is not 0."""
        code = self.wait(STOP_S)
        if code:
            raise ProcessFailed(f"after SIGTERM its exit code is {code}: {self.last_lines}")

    @property
    def last_lines(self) -> str:
        return "\n".join(self._lines[-15:])

    @property
    def complaints(self) -> list[str]:
        """Lines of its log that tell of something worse than a refused call."""
        worse = re.compile(r"ERROR|CRITICAL|Traceback|damaged")
        return [line for line in self._lines if worse.search(line)]

    @property
    def _lines(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines()

    def use(self) -> Use:
        opened = list(self._opened())
        ours = [path for path in opened if path.startswith(f"{self.data_dir}/segments/")]
        return Use(
            rss_mib=self.rss_mib,
            anonymous_mib=self.status_bytes("RssAnon") / MIB,
            threads=self.usage.num_threads(),
            descriptors=len(opened) - len(ours),
            segment_descriptors=len(ours),
            open_deleted=[path for path in ours if path.endswith("(deleted)")],
        )

    def _opened(self) -> Iterator[str]:
        # psutil leaves out files that are removed, of which the kernel says "(deleted)".
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                yield os.readlink(entry)  # noqa: PTH115 - what is removed is no path
            except OSError:
                yield ""

    def disk_mib(self, below: str = "") -> float:
        """Return what the files in the data directory, or a directory of it, hold."""
        return sum(map(_size, (self.data_dir / below).rglob("*"))) / MIB

    def segment_files(self) -> list[str]:
        """Return the names of the files of segments and indexes."""
        return sorted(path.name for path in (self.data_dir / "segments").iterdir())

    def file_sizes(self) -> dict[str, int]:
        """Return the bytes of each file of segments and indexes."""
        return {path.name: _size(path) for path in (self.data_dir / "segments").iterdir()}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0
