"""Commands as a user would type them: shown, run, their answers shown, their outcome checked."""

import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from demo.screen import Screen

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND_TIMEOUT_S = 120
POLL_S = 0.25


class Unexpected(Exception):
    """A step did not end as it should have."""

    def __init__(self, expected: str, came: str) -> None:
        super().__init__(f"expected: {expected}\ncame:     {came.strip() or '(nothing)'}")


class Shell:
    """Runs commands in the repository's root, bound to one cluster.

    `programs` says which file stands behind a command's first word, once one is needed.
    """

    def __init__(
        self,
        screen: Screen,
        programs: Mapping[str, Callable[[], Path]],
        environment: Mapping[str, str],
    ) -> None:
        self._screen = screen
        self._programs = programs
        self._environment = dict(environment)

    def run(self, *words: str, stdin: str | None = None) -> str:
        """Show and run a command that has to succeed; return its standard output."""
        self._show(words, stdin)
        return self._finish(words, self._start(words, stdin is not None), stdin)

    def refused(self, *words: str) -> str:
        """Show and run a command that has to fail; return what it said."""
        self._show(words)
        done = self._capture(words)
        self._screen.answer(done.stdout + done.stderr)
        if done.returncode == 0:
            raise Unexpected(f"`{shlex.join(words)}` to be refused", done.stdout)
        return done.stdout + done.stderr

    def quiet(self, *words: str, stdin: str | None = None) -> str:
        """Run a command that has to succeed, showing nothing; return its standard output."""
        done = self._capture(words, stdin)
        if done.returncode != 0:
            raise Unexpected(f"`{shlex.join(words)}` to succeed", done.stderr or done.stdout)
        return done.stdout

    def until(
        self, *words: str, holds: Callable[[str], bool], expected: str, within_s: float
    ) -> str:
        """Repeat a command until its output is as expected; show the command and the last answer.

        A command that fails counts as not there yet.
        """
        self._show(words)
        deadline = time.monotonic() + within_s
        while True:
            done = self._capture(words)
            if done.returncode == 0 and holds(done.stdout):
                self._screen.answer(done.stdout)
                return done.stdout
            if time.monotonic() > deadline:
                raise Unexpected(f"{expected} within {within_s:g} s", done.stdout + done.stderr)
            time.sleep(POLL_S)

    @contextmanager
    def meanwhile(self, *commands: Sequence[str]) -> Iterator[None]:
        """Start commands, do what the block does while they run, and see each of them succeed."""
        started = []
        for words in commands:
            self._show(words, suffix=" &")
            started.append((words, self._start(words, with_input=False)))
        try:
            yield
        finally:
            for words, process in started:
                self._finish(words, process, None)

    def _show(self, words: Sequence[str], stdin: str | None = None, suffix: str = "") -> None:
        here_document = "" if stdin is None else f" <<'END'\n{stdin.strip()}\nEND"
        self._screen.command(f"{shlex.join(words)}{here_document}{suffix}")

    def _start(self, words: Sequence[str], with_input: bool) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._argv(words),
            cwd=REPOSITORY,
            env=self._environment,
            stdin=subprocess.PIPE if with_input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _finish(
        self, words: Sequence[str], process: subprocess.Popen[str], stdin: str | None
    ) -> str:
        try:
            stdout, stderr = process.communicate(stdin, COMMAND_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            stdout, stderr = process.communicate()
            raise Unexpected(
                f"`{shlex.join(words)}` to end within {COMMAND_TIMEOUT_S} s", stdout + stderr
            ) from None
        except BaseException:  # Ctrl-C: what follows must not meet it at work
            process.kill()
            process.wait()
            raise
        self._screen.answer(stdout + stderr)
        if process.returncode != 0:
            raise Unexpected(
                f"`{shlex.join(words)}` to succeed", f"exit status {process.returncode}: {stderr}"
            )
        return stdout

    def _capture(
        self, words: Sequence[str], stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._argv(words),
            cwd=REPOSITORY,
            env=self._environment,
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    def _argv(self, words: Sequence[str]) -> list[str]:
        program, *arguments = words
        found = self._programs.get(program)
        return [str(found()) if found else program, *arguments]
