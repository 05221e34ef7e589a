"""The one way in which tests and tools run programs."""

import sys
from pathlib import Path

import pytest

from machine.processes import ChildProcess, ProcessFailed

SAYS = "print('ready', flush=True)"
WAITS = f"{SAYS}; import time; time.sleep(60)"


def python(program: str, log: Path, *, append: bool = False) -> ChildProcess:
    return ChildProcess([sys.executable, "-c", program], log, append=append)


def test_a_program_is_waited_for_and_ended(tmp_path: Path) -> None:
    """It runs once it has said what it is to say, and an end by a signal shows in its exit code."""
    with python(WAITS, tmp_path / "log") as running:
        assert running.wait_for(r"rea(\w+)")[1] == "dy"
        assert running.is_running
        assert running.rss_mib > 0
        running.kill()
        assert (running.is_running, running.exit_code) == (False, -9)
        assert running.rss_mib == 0


def test_a_program_that_ends_early_is_told_of_with_what_it_wrote(tmp_path: Path) -> None:
    """Nobody waits until the deadline for a program that has ended."""
    program = python("import sys; sys.exit('no such option')", tmp_path / "log").start()
    with pytest.raises(ProcessFailed, match=r"before its end \(1\):\nno such option"):
        program.wait_for("ready")


def test_a_program_that_does_not_say_it_in_time_is_ended(tmp_path: Path) -> None:
    """The words of what was waited for stand in the error."""
    program = python(WAITS, tmp_path / "log").start()
    with pytest.raises(ProcessFailed, match=r"no line like 'listening' within 0\.1 s"):
        program.wait_for("listening", 0.1)
    assert not program.is_running


@pytest.mark.parametrize(("append", "lines"), [(False, 1), (True, 2)])
def test_a_log_holds_one_run_or_all(tmp_path: Path, append: bool, lines: int) -> None:
    """The output is that of the last run in any case."""
    program = python(SAYS, tmp_path / "log", append=append)
    for _ in range(2):
        assert program.start().wait() == 0
    assert program.log.read_text() == "ready\n" * lines
    assert program.output == "ready\n"
