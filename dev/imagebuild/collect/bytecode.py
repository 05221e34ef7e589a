"""Compiling modules for an image: without it every start of a pod would compile them anew.

The work is done by processes of this module, not by forks of the caller, who may run threads and
holds pipes that others must not keep open.
"""

from __future__ import annotations

import importlib.util
import json
import os
import py_compile
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from machine.errors import BuildError
from machine.modules import module_command, module_environment

Job = tuple[str, str, str]  # source, path in the image, compiled file


def compile_all(sources: Iterable[tuple[Path, str]], folder: Path) -> Iterator[tuple[Path, str]]:
    """(compiled file below `folder`, its path in the image) for each (module, path in the image).

    Hash-based and unchecked, so that file times, which the image does not keep, do not matter.
    Modules that this Python cannot compile (templates, tests of syntax errors) are left out.
    """
    folder.mkdir()
    jobs = [
        (str(source), target, str(folder / f"{number}.pyc"))
        for number, (source, target) in enumerate(sources)
    ]
    _run(jobs, os.cpu_count() or 1)
    for _, target, compiled in jobs:
        if Path(compiled).exists():
            yield Path(compiled), importlib.util.cache_from_source(target)


def _run(jobs: list[Job], workers: int) -> None:
    processes = [
        subprocess.Popen(
            module_command("imagebuild.collect.bytecode"),
            stdin=subprocess.PIPE,
            text=True,
            env={**module_environment(), "PYTHONHASHSEED": "0"},
        )
        for _ in range(workers)
    ]
    for number, process in enumerate(processes):
        if process.stdin is not None:
            json.dump(jobs[number::workers], process.stdin)
            process.stdin.close()
    statuses = [process.wait() for process in processes]
    if any(statuses):
        raise BuildError("compiling the image's modules failed; the reason stands above")


def _compile(source: str, target: str, compiled: str) -> None:
    try:
        py_compile.compile(
            source,
            compiled,
            dfile=f"/{target.lstrip('/')}",
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    except (py_compile.PyCompileError, UnicodeDecodeError, ValueError):
        Path(compiled).unlink(missing_ok=True)


if __name__ == "__main__":
    for job in json.load(sys.stdin):
        _compile(*job)
