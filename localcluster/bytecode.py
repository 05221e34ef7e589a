"""Compiling modules for an image: without it every start of a pod would compile them anew."""

from __future__ import annotations

import importlib.util
import py_compile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

CHUNK = 50


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
    with ProcessPoolExecutor() as pool:
        done = list(pool.map(_compile, jobs, chunksize=CHUNK))
    for (_, target, compiled), succeeded in zip(jobs, done, strict=True):
        if succeeded:
            yield Path(compiled), importlib.util.cache_from_source(target)


def _compile(job: tuple[str, str, str]) -> bool:
    source, target, compiled = job
    try:
        py_compile.compile(
            source,
            compiled,
            dfile=f"/{target.lstrip('/')}",
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    except (py_compile.PyCompileError, UnicodeDecodeError, ValueError):
        return False
    return True
