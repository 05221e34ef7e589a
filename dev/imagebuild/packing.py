"""Images packed by hand, of this Python and what is installed in it: no builder, no download.

The files are those that images/Containerfile collects, by the same code; tests compare them.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import Distribution
from pathlib import Path
from tempfile import TemporaryDirectory

from imagebuild import distributions
from imagebuild.collect import interpreter
from imagebuild.collect.content import (
    names_in,
    python_content,
    unpacked_wheel,
    with_libraries,
    write_layer,
)
from imagebuild.collect.packages import package_files
from imagebuild.images import ENTRYPOINT, IMAGES, PROJECT, ROOT, USER, Image, ready_made
from imagebuild.oci import ImageConfig, write_archive
from machine.errors import BuildError
from machine.locks import file_lock
from machine.paths import cache_dir, platform_name
from machine.progress import Say

FORMAT = "3"  # part of every key: raise it when the same inputs shall give other images
SOURCES = ("operator", "engine", "proto")
SOURCE_FILES = ("pyproject.toml", "README.md", "LICENSE")


def build_image(name: str, say: Say) -> Path:
    """The archive of image `name`: the one in QUIVER_IMAGES, else packed if anything changed.

    Raises BuildError when the project or something that it needs is not installed.
    """
    return ready_made(IMAGES[name]) or pack_image(IMAGES[name], say)


def pack_image(image: Image, say: Say) -> Path:
    """Pack an image, unless nothing that is in it has changed. Raises BuildError."""
    folder = cache_dir() / "images"
    name = image.name
    with file_lock(folder / f"{name}.lock", waiting=lambda: say(f"{name}: being packed already")):
        layers = [*_dependency_layers(image, folder, say), _code_layer(folder, say)]
        labels = image.labels()
        key = _key(image.reference, *labels.values(), *(layer.name for layer in layers))
        archive = folder / f"quiver-{name}-{key}.tar"
        if not archive.exists():
            say(f"image {image.reference}: packing")
            config = ImageConfig(image.reference, ENTRYPOINT, USER, image.environment, labels)
            write_archive(archive, config, layers)
            _forget_older(folder, f"quiver-{name}-*.tar", archive)
    return archive


def _dependency_layers(image: Image, folder: Path, say: Say) -> Iterator[Path]:
    """Python with what every image needs; then, where there is an extra, what that adds."""
    common = distributions.dependencies(PROJECT, frozenset())
    program = interpreter.executable()
    key = _key(hashlib.sha256(program.read_bytes()).hexdigest(), *_fingerprints(common))
    layer = folder / f"python-{key}.layer"

    def write() -> None:
        say(f"images: Python and {len(common)} packages")
        content = with_libraries(python_content(package_files(common)))
        write_layer(layer, content, system=True)

    _once(layer, "python-*.layer", write)
    yield layer
    if image.extra:
        yield _extras_layer(image, layer, common, say)


def _extras_layer(image: Image, below: Path, common: Sequence[Distribution], say: Say) -> Path:
    names = {owner.name for owner in common}
    needed = distributions.dependencies(PROJECT, frozenset({image.extra}))
    added = [owner for owner in needed if owner.name not in names]
    layer = below.with_name(f"extras-{image.extra}-{_key(below.name, *_fingerprints(added))}.layer")

    def write() -> None:
        say(f"image {image.reference}: {len(added)} packages more")
        write_layer(layer, with_libraries(package_files(added), names_in(below)))

    _once(layer, f"extras-{image.extra}-*.layer", write)
    return layer


def _code_layer(folder: Path, say: Say) -> Path:
    """The project's own packages, as its wheel has them: small, and new with every change."""
    sources = [path for name in SOURCES for path in sorted((ROOT / name).rglob("*"))]
    parts = [
        f"{path.relative_to(ROOT)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in (*sources, *(ROOT / name for name in SOURCE_FILES))
        if path.is_file() and "__pycache__" not in path.parts
    ]
    layer = folder / f"code-{_key(*parts)}.layer"

    def write() -> None:
        say("images: the project's code")
        with TemporaryDirectory() as work:
            content = unpacked_wheel(build_wheel(Path(work)), Path(work) / "files")
            write_layer(layer, content)

    _once(layer, "code-*.layer", write)
    return layer


def build_wheel(folder: Path) -> Path:
    """Build the project's wheel into a folder. Raises BuildError."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    done = subprocess.run(
        [*command, "--directory", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildError(f"the wheel cannot be built: {done.stderr.strip()[-500:]}")
    return max(folder.glob("*.whl"), key=lambda path: path.stat().st_mtime)


def _once(layer: Path, pattern: str, write: Callable[[], None]) -> None:
    """Write a layer that is not there, unless somebody else does so at this moment."""
    with file_lock(layer.parent / f"{pattern.partition('-')[0]}.lock"):
        if not layer.exists():
            write()
            _forget_older(layer.parent, pattern, layer)


def _fingerprints(owners: Sequence[Distribution]) -> list[str]:
    return [distributions.fingerprint(owner) for owner in owners]


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join([FORMAT, platform_name(), *parts]).encode()).hexdigest()[:16]


def _forget_older(folder: Path, pattern: str, keep: Path) -> None:
    """Remove all but the newest two: the other may be somebody's who is importing it."""
    others = (path for path in folder.glob(pattern) if path != keep)
    for path in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)[1:]:
        path.unlink(missing_ok=True)
