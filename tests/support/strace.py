"""strace, where there is one that may trace: it makes system calls fail, late, or deadly."""

import functools
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@functools.cache
def why_not() -> str:
    """Return why strace cannot be used here; nothing where it can."""
    if shutil.which("strace") is None:
        return "there is no strace here"
    done = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return "" if done.returncode == 0 else f"strace may not trace: {done.stderr.decode()[:200]}"


needs_strace = pytest.mark.skipif(bool(why_not()), reason=why_not() or "strace works")


@contextmanager
def injected(pid: int, path: Path, call: str, fault: str) -> Iterator[None]:
    """Let each `call` of the process on that file or directory meet the fault, until the end.

    `fault` is as strace's inject= has it, for instance `error=EIO`. The file need not be there yet.
    """
    command = ["strace", "-f", "-p", str(pid), "-o", "/dev/null", *_what(path, call, fault)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        said = ""
        while "attached" not in said:
            said = strace.stderr.readline()
            if not said or "Operation not permitted" in said:
                strace.kill()
                pytest.skip(f"strace may not attach to a process: {said}")
        yield
        strace.terminate()


def start_with(path: Path, call: str, fault: str) -> list[str]:
    """Return what to put before a command for it to meet the fault from its start on."""
    # With -D the program keeps its process, and its signals.
    return ["strace", "-D", "-q", "-f", "-o", "/dev/null", *_what(path, call, fault)]


def _what(path: Path, call: str, fault: str) -> list[str]:
    return ["-P", str(path), "-e", f"trace={call}", "-e", f"inject={call}:{fault}"]
