"""What pages and messages tell to install is this project, from where it is."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from imagebuild.images import PROJECT
from quiver import __version__

ROOT = Path(__file__).resolve().parents[2]
READ = ("docs", "charts", "images", "manifests", "operator", "engine", "proto", "dev")
INSTALLED = re.compile(r"\b(?:pip|pipx|uv)\b[^\n`]*? install\b([^\n`]*)")
OURS = re.compile(r"quiver(?:[-_.]operator)?(?:[\[=<>~!@;].*)?", re.IGNORECASE)
WITH_EXTRAS = re.compile(r"(?<![/\w.-])quiver(?:[-_.]operator)?\[engine[a-z-]*\]", re.IGNORECASE)


def _texts() -> Iterator[Path]:
    yield from (*ROOT.glob("*.md"), ROOT / "Makefile", ROOT / "pyproject.toml")
    for folder in READ:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".md", ".py", ".txt", ".yaml", ".tpl", ".json"}:
                yield path


def _by_name(text: str) -> list[str]:
    """Return what a text tells to install by the project's name alone, which an index looks up."""
    words = [word for found in INSTALLED.findall(text) for word in re.findall(r"[^\s'\"]+", found)]
    return [*(word for word in words if OURS.fullmatch(word)), *WITH_EXTRAS.findall(text)]


def test_nothing_tells_to_install_quiver_from_an_index() -> None:
    """On a package index the name is somebody else's: each command installs a clone or a wheel."""
    found = {path.relative_to(ROOT): _by_name(path.read_text()) for path in _texts()}
    assert {path: words for path, words in found.items() if words} == {}


def test_the_distribution_has_a_name_of_its_own() -> None:
    """It is installed as quiver-operator, imported as quiver, and known to the image by the same
    name and version.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == PROJECT == "quiver-operator"
    assert version(PROJECT) == __version__
