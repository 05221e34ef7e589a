"""A second build, under other circumstances, held against the first."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from imagebuild.images import build_labels
from machine.errors import BuildError
from machine.paths import cache_dir
from release.checkout import Checkout

SOURCE_ROOTS = ("operator", "engine", "proto", "dev")
BUILT = re.compile(r"images|buildah-store.*")
"""What the cache has of images; all else there are tools."""
LONG_AGO = 978_307_200
"""What the second checkout says of all its files' times: the year 2001."""


@contextmanager
def built_again(checkout: Checkout, release: Path) -> Iterator[Path]:
    """Build the commit of a release once more; where it lies until the context ends.

    In a clone at another path, with other times, another umask, time zone, language and order of
    hashes, and without the images and layers in the cache. Raises BuildError.
    """
    with TemporaryDirectory(prefix="quiver-release-") as folder:
        clone = Path(folder) / "another" / "place"
        checkout.git("clone", "--quiet", str(checkout.root), str(clone))
        for path in clone.rglob("*"):
            os.utime(path, (LONG_AGO, LONG_AGO), follow_symlinks=False)
        into = Path(folder) / "release"
        command = [sys.executable, "-m", "release", "build"]
        command += ["--into", str(into), "--like", str(release)]
        done = subprocess.run(
            command,
            cwd=folder,
            env=_environment(clone, Path(folder)),
            umask=0o077,
            stdout=sys.stderr,
            check=False,
        )
        if done.returncode:
            raise BuildError("the second build failed; the reason stands above")
        yield into


def _environment(clone: Path, folder: Path) -> Mapping[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(clone / root) for root in SOURCE_ROOTS),
        "PYTHONHASHSEED": "1",
        "TZ": "UTC-13",
        "LC_ALL": "C",
        "XDG_CACHE_HOME": str(_cache_without_images(folder / "cache")),
        # The clone's origin is the first checkout, not where that is from.
        "SOURCE_URL": build_labels().get("org.opencontainers.image.source", ""),
    }


def _cache_without_images(cache: Path) -> Path:
    here = cache_dir()
    there = cache / here.relative_to(here.parents[1])
    there.mkdir(parents=True)
    for path in here.iterdir():
        if not BUILT.fullmatch(path.name):
            (there / path.name).symlink_to(path)
    return cache
