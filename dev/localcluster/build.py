"""Building one Go program into the cache, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from localcluster.catalogue import Program
from localcluster.errors import log_tail
from localcluster.toolchain import Go
from machine.errors import BuildError
from machine.lifetime import die_with_parent
from machine.locks import file_lock
from machine.paths import cache_dir, platform_name

REPORT_EVERY_S = 15.0
UNFINISHED = ".unfinished-"


def cached_path(program: Program, go: Go) -> Path:
    """Where the program lies once built; the folder's name holds all that its bytes depend on."""
    digest = hashlib.sha256()
    for path in sorted(program.module.iterdir()):
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update("\0".join([go.version, *program.build_arguments()]).encode())
    folder = f"{program.module.name}-{digest.hexdigest()[:16]}-{platform_name()}"
    return cache_dir() / "bin" / folder / program.name


def build(program: Program, go: Go, say: Callable[[str], None]) -> Path:
    """Build the program into the cache and return its path.

    Builds of one module take turns; a build that was killed leaves only a file that the next
    one removes. Raises BuildError with the compiler's last lines.
    """
    target = cached_path(program, go)
    lock = target.parent.with_suffix(".lock")
    with file_lock(lock, waiting=lambda: say("waiting for a build that is under way")):
        if target.exists():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        for leftover in target.parent.glob(f"{UNFINISHED}*"):
            leftover.unlink()
        started = time.monotonic()
        say(f"building version {program.version}")
        unfinished = target.parent / f"{UNFINISHED}{program.name}-{os.getpid()}"
        _compile(program, go, unfinished, say)
        unfinished.rename(target)
        say(f"built in {time.monotonic() - started:.0f} s")
    return target


def _compile(program: Program, go: Go, output: Path, say: Callable[[str], None]) -> None:
    command = [str(go.command), *program.build_arguments(), "-o", str(output), program.package]
    started = time.monotonic()
    with tempfile.NamedTemporaryFile(prefix="localcluster-build-", suffix=".log") as log:
        process = subprocess.Popen(
            command,
            cwd=program.module,
            env=go.environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - nothing here runs threads
        )
        while True:
            try:
                status = process.wait(REPORT_EVERY_S)
                break
            except subprocess.TimeoutExpired:
                say(f"still building, {time.monotonic() - started:.0f} s so far")
            except BaseException:
                process.kill()
                process.wait()
                output.unlink(missing_ok=True)
                raise
        if status != 0:
            output.unlink(missing_ok=True)
            raise BuildError(
                f"{program.name} {program.version} could not be built with {go.version}. "
                "The Go modules must be reachable or in Go's module cache.\n"
                f"Command: {' '.join(command)} (in {program.module})\n{log_tail(Path(log.name))}"
            )
