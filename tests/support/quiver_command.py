"""`quiver` as people run it: in a pipe, and on a terminal."""

import asyncio
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

QUIVER = (sys.executable, "-m", "quiver")
DEADLINE_S = 60.0


class Ran(NamedTuple):
    """How a command ended. `output` is stdout, on a terminal everything."""

    code: int
    output: str
    errors: str = ""


async def quiver(kubeconfig: Path, *arguments: str, **environment: str) -> Ran:
    """Run it in a pipe."""

    def ran() -> Ran:
        found = subprocess.run(
            [*QUIVER, *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            env={**os.environ, "KUBECONFIG": str(kubeconfig), **environment},
        )
        return Ran(found.returncode, found.stdout, found.stderr)

    return await asyncio.to_thread(ran)


async def on_terminal(kubeconfig: Path, *arguments: str, until: str = "", keys: str = "") -> Ran:
    """Run it on a terminal; once it has said `until`, type `keys`."""
    return await asyncio.to_thread(_on_terminal, kubeconfig, arguments, until, keys)


def _on_terminal(kubeconfig: Path, arguments: tuple[str, ...], until: str, keys: str) -> Ran:
    ours, theirs = pty.openpty()
    environment = {"TERM": "xterm-256color", "COLUMNS": "200", "LINES": "50"}
    process = subprocess.Popen(
        [*QUIVER, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "KUBECONFIG": str(kubeconfig), **environment},
        start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509 - no thread of this process holds a lock for it
    )
    os.close(theirs)
    output, end = b"", time.monotonic() + DEADLINE_S
    typed = not keys
    try:
        while time.monotonic() < end:
            if not select.select([ours], [], [], 0.1)[0]:
                continue
            try:
                output += os.read(ours, 65536)
            except OSError:  # nobody has the terminal open any more
                break
            if not typed and until.encode() in output:
                os.write(ours, keys.encode())
                typed = True
        return Ran(process.wait(5), output.decode())
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)


def _take_terminal() -> None:
    import fcntl  # noqa: PLC0415 - in the child
    import termios  # noqa: PLC0415

    # Tests that run in the background of a shell ignore it, and their children would.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
