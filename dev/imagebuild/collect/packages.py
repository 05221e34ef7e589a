"""The files of installed distributions, as an image has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

DEPENDENCIES = "/opt/quiver/dependencies"
# How and by what it was installed: of no use in an image, and not the same everywhere.
INSTALLERS = {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json"}

Content = list[tuple[Path, str]]


def package_files(owners: Iterable[Distribution]) -> Content:
    """(file, its path in the image) for all that the distributions' RECORDs name.

    Bytecode is left out, for it holds times; so are scripts, which lie outside of the folder.
    """
    return sorted((item for owner in owners for item in _files(owner)), key=lambda item: item[1])


def _files(owner: Distribution) -> Iterator[tuple[Path, str]]:
    for entry in owner.files or []:
        if ".." in entry.parts or "__pycache__" in entry.parts:
            continue
        if entry.parent.suffix == ".dist-info" and entry.name in INSTALLERS:
            continue
        path = Path(str(owner.locate_file(entry)))
        if path.is_file():
            yield path, f"{DEPENDENCIES}/{entry}"


def installed_in(folder: Path) -> list[Distribution]:
    """The distributions that `pip install --target` has put into a folder."""
    return list(distributions(path=[str(folder)]))
