"""What the demo needs before it can play: built once, by a process of its own, in this order.

So the story can begin on what is there while the rest is being built. That process writes to a
log, and the demo alone says how far it is: their words never mix.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Self

from demo.jobs import FIRST, JOBS
from machine.errors import BuildError
from machine.forecast import Forecast, pace_of_cores
from machine.lifetime import die_with_parent
from machine.modules import module_command, module_environment
from machine.processes import ChildProcess

POLL_S = 0.2
BEHIND_THE_STORY = 10
"""The nice value of what is built while the story is told."""
ERROR = "error: "


class Preparation:
    """The jobs that are not done yet, and the process that does them."""

    def __init__(self, names: Iterable[str], directory: Path) -> None:
        """Look which of the jobs are not done."""
        self.missing = [name for name in names if not JOBS[name].is_done()]
        self.forecast = Forecast(
            {name: JOBS[name].usual_s for name in self.missing}, first_pace=pace_of_cores()
        )
        self._events = directory / "preparation.events"
        self._log = directory / "preparation.log"
        self._read = 0
        self._process: ChildProcess | None = None

    def start(self) -> Self:
        """Begin with the first job, unless there is none."""
        if self.missing:
            command = module_command("demo.preparation", str(self._events), *self.missing)
            self._process = ChildProcess(
                command,
                self._log,
                environment=module_environment(),
                start_new_session=True,
                preexec_fn=die_with_parent,
            ).start()
        return self

    def left(self, names: Sequence[str] = ()) -> list[str]:
        """Those of the jobs (all by default) that are not done."""
        self._catch_up()
        return [job for job in self.forecast.left if not names or job in names]

    def remaining_s(self, *names: str) -> float:
        """Seconds until these jobs are done, or all of them."""
        return self.forecast.remaining_s(*names) if self.left(names) else 0.0

    def wait(self, tell: Callable[[list[str]], None], names: Sequence[str] = ()) -> None:
        """Wait until these jobs are done, or all, telling which are left. Raises BuildError."""
        while left := self.left(names):
            self._check()
            tell(left)
            time.sleep(POLL_S)

    def stop(self) -> None:
        """Give up what is not done; what is finished stays."""
        if self._process is not None and self._process.is_running:
            self._process.kill()

    def _catch_up(self) -> None:
        if not self._events.exists():
            return
        lines = self._events.read_text().splitlines(keepends=True)
        for line in lines[self._read :]:
            if not line.endswith("\n"):
                return
            event = json.loads(line)
            note = self.forecast.begin if event["event"] == "begin" else self.forecast.end
            note(event["job"], event["at"])
            self._read += 1

    def _check(self) -> None:
        if self._process is None or not self._process.is_running:
            self._catch_up()
            if self.forecast.left:
                raise BuildError(f"{self._reason()}\nIts whole output: {self._log}")

    def _reason(self) -> str:
        output = self._process.output if self._process else ""
        return output.rpartition(ERROR)[2].strip() or "what prepares the demo ended"


def _perform(events: Path, names: Sequence[str]) -> None:
    """Do the jobs one after another, and write down when each begins and ends."""
    with events.open("a", buffering=1) as file:
        for name in names:
            if name not in FIRST:
                nice = os.getpriority(os.PRIO_PROCESS, 0)
                os.setpriority(os.PRIO_PROCESS, 0, max(nice, BEHIND_THE_STORY))
            _note(file.write, "begin", name)
            JOBS[name].perform(lambda text: print(text, flush=True))  # noqa: T201 - the log
            _note(file.write, "end", name)


def _note(write: Callable[[str], object], event: str, job: str) -> None:
    # The clock is the machine's, the same for both processes.
    write(json.dumps({"event": event, "job": job, "at": time.monotonic()}) + "\n")


if __name__ == "__main__":
    try:
        _perform(Path(sys.argv[1]), sys.argv[2:])
    except (BuildError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"{ERROR}{error}")
