"""The parent's hold on a supervisor: while this process lives, so does that one."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from localcluster.errors import ProcessFailedError, log_tail
from machine.modules import module_environment

POLL_S = 0.1


class Session:
    """A running supervisor, its events and its lifeline."""

    def __init__(self, command: Sequence[str], log: Path, pass_fds: Sequence[int] = ()) -> None:
        """Start `command`, which ends in a supervisor; its stderr goes to `log`.

        Its reports go to a file beside the log: unlike a pipe, that may outlive this process.
        """
        self._log = log
        events = log.with_suffix(".events")
        with log.open("ab") as stderr, events.open("ab") as stdout:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
                env=module_environment(),
                # Ctrl-C reaches the foreground group: the cluster must outlive it until closed.
                start_new_session=True,
                pass_fds=pass_fds,
            )
        self._events = events.open()
        self._states: dict[str, dict[str, Any]] = {}

    @property
    def pid(self) -> int:
        """The process that was started."""
        return self._process.pid

    def state(self, name: str) -> str:
        """`started`, `stopped`, `exited`, or `` when nothing was heard of the process yet."""
        self._read_events()
        return str(self._states.get(name, {}).get("event", ""))

    def pid_of(self, name: str) -> int | None:
        """The process id of a process of the supervisor's; None while it does not run."""
        if self.state(name) != "started":
            return None
        return int(self._states[name]["pid"])

    def start(self, name: str) -> None:
        """Have a process started that has ended; returns at once."""
        self._send(f"start {name}")

    def command(self, verb: str, name: str, *, until: str, timeout: float) -> None:
        """Send a command and wait until the process's state is `until`."""
        self._send(f"{verb} {name}")
        self.wait(lambda: self.state(name) == until, f"{name} to be {until}", timeout)

    def wait(self, condition: Callable[[], bool], what: str, timeout: float) -> None:
        """Wait for a condition.

        Raises ProcessFailedError when a process ends first, or after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise ProcessFailedError(
                    f"waited {timeout:.0f} s in vain for {what}.\n{self._log_tails()}"
                )
            time.sleep(POLL_S)

    def check(self) -> None:
        """Raise ProcessFailedError, with the log, if a process has ended of itself."""
        self._read_events()
        for name, state in self._states.items():
            if state["event"] == "exited":
                tail = log_tail(Path(state["log"]))
                raise ProcessFailedError(f"{name} ended with status {state['code']}. {tail}")
        if self._process.poll() is not None:
            raise ProcessFailedError(
                f"the supervisor ended with status {self._process.returncode}. "
                f"{log_tail(self._log)}"
            )

    def detach(self) -> None:
        """Let the cluster outlive this process."""
        self._send("detach")
        self._release()
        # It runs on and is nobody's child any more: nothing is left to wait for.
        self._process.returncode = 0

    def close(self) -> None:
        """End the supervisor, and with it all that it runs."""
        self._process.terminate()
        self._release()
        self._process.wait()

    def _release(self) -> None:
        self._events.close()
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    def _send(self, line: str) -> None:
        if self._process.stdin is None:
            raise ProcessFailedError("the supervisor cannot be reached")
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()

    def _read_events(self) -> None:
        for line in self._events:
            event = json.loads(line)
            self._states[event["name"]] = event

    def _log_tails(self) -> str:
        logs = sorted(self._log.parent.glob("*.log"))
        return "\n".join(log_tail(log, 5) for log in logs if log.stat().st_size)
