"""The images of operator and engine, made of this Python and what is installed in it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path

from imagebuild import bytecode, distributions, interpreter
from imagebuild.oci import ImageConfig, LayerWriter, write_archive
from machine.errors import BuildError
from machine.locks import file_lock
from machine.paths import cache_dir, platform_name
from machine.progress import Say

Content = list[tuple[Path, str]]

FORMAT = "1"  # part of every key: raise it when the same inputs shall give other images
PROJECT = "quiver-operator"
MODULE = "quiver"
PACKAGES = ("quiver", "quiver_engine", "quiver_proto")
USER = "65532:65532"
DEPENDENCIES = "/opt/quiver/dependencies"
CODE = "/opt/quiver/code"
ACCOUNTS = """\
root:x:0:0:root:/root:/sbin/nologin
quiver:x:65532:65532:quiver:/:/sbin/nologin
"""
GROUP = "root:x:0:\nquiver:x:65532:\n"
ENVIRONMENT = (
    f"PYTHONPATH={CODE}:{DEPENDENCIES}",
    "PYTHONDONTWRITEBYTECODE=1",
    "PYTHONUNBUFFERED=1",
    "LD_LIBRARY_PATH=/usr/local/lib",
)


@dataclass(frozen=True)
class Image:
    """An image of the project, with the dependencies of these extras."""

    name: str
    extras: frozenset[str] = frozenset()

    @property
    def reference(self) -> str:
        """The image's name with the project's version as tag."""
        return f"localhost/quiver-{self.name}:{importlib.metadata.version(PROJECT)}"


IMAGES = {
    "operator": Image("operator"),
    "engine": Image("engine", frozenset({"engine"})),
}


def build_image(name: str, say: Say) -> Path:
    """The OCI archive of image `name`; built only when something that is in it has changed.

    Raises BuildError when the project or something that it needs is not installed.
    """
    image = IMAGES[name]
    folder = cache_dir() / "images"
    with file_lock(folder / f"{name}.lock", waiting=lambda: say(f"{name}: being built already")):
        layers = [*_dependency_layers(image, folder, say), _code_layer(folder, say)]
        key = _key(image.reference, *(layer.name for layer in layers))
        archive = folder / f"quiver-{name}-{key}.tar"
        if not archive.exists():
            say(f"image {image.reference}: packing")
            config = ImageConfig(
                image.reference, [interpreter.COMMAND, "-m", MODULE], USER, ENVIRONMENT
            )
            write_archive(archive, config, layers)
            _forget_older(folder, f"quiver-{name}-*.tar", archive)
    return archive


def _dependency_layers(image: Image, folder: Path, say: Say) -> Iterator[Path]:
    """Python with what every image needs; then, where there are extras, what these add.

    Images share the first layer, so a node stores and unpacks it once.
    """
    common = distributions.dependencies(PROJECT, frozenset())
    program = interpreter.executable()
    key = _key(hashlib.sha256(program.read_bytes()).hexdigest(), *_fingerprints(common))
    layer = folder / f"python-{key}.layer"
    with file_lock(folder / "python.lock"):
        if not layer.exists():
            say(f"images: Python and {len(common)} packages")
            content = [(program, interpreter.COMMAND), *interpreter.standard_library()]
            content += _package_files(common)
            _write_layer(layer, _with_libraries(content), system=True)
            _forget_older(folder, "python-*.layer", layer)
    yield layer
    if image.extras:
        yield _extras_layer(image, folder, common, say)


def _extras_layer(image: Image, folder: Path, common: Sequence[Distribution], say: Say) -> Path:
    names = {owner.name for owner in common}
    needed = distributions.dependencies(PROJECT, image.extras)
    added = [owner for owner in needed if owner.name not in names]
    layer = folder / f"extras-{image.name}-{_key(*_fingerprints(added))}.layer"
    if not layer.exists():
        say(f"image {image.reference}: {len(added)} packages more")
        _write_layer(layer, _with_libraries(_package_files(added)), system=False)
        _forget_older(folder, f"extras-{image.name}-*.layer", layer)
    return layer


def _fingerprints(owners: Sequence[Distribution]) -> list[str]:
    return [distributions.fingerprint(owner) for owner in owners]


def _package_files(owners: Sequence[Distribution]) -> Content:
    return [
        (path, f"{DEPENDENCIES}/{at}")
        for owner in owners
        for path, at in distributions.files(owner)
    ]


def _with_libraries(content: Content) -> Content:
    """Add the machine's shared libraries that the programs and modules in `content` need."""
    users = [path for path, target in content if ".so" in path.suffixes or "/bin/" in target]
    brought = {path.resolve() for path, _ in content}
    libraries = [
        (library, interpreter.place(library))
        for library in interpreter.shared_libraries(users)
        if library.resolve() not in brought
    ]
    return [*content, *libraries]


def _code_layer(folder: Path, say: Say) -> Path:
    """The project's own packages: small, and new with every change."""
    content = list(_code_files())
    parts = [
        f"{target}\0{hashlib.sha256(path.read_bytes()).hexdigest()}" for path, target in content
    ]
    layer = folder / f"code-{_key(*parts)}.layer"
    with file_lock(folder / "code.lock"):
        if not layer.exists():
            say("images: the project's code")
            _write_layer(layer, content, system=False)
            _forget_older(folder, "code-*.layer", layer)
    return layer


def _code_files() -> Iterator[tuple[Path, str]]:
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise BuildError(f"package {package} is not installed. Remedy: `make setup`")
        root = Path(spec.submodule_search_locations[0])
        for path in sorted(root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path, f"{CODE}/{package}/{path.relative_to(root)}"
    project = importlib.metadata.distribution(PROJECT)
    for path, at in distributions.files(project):
        if at.name in {"METADATA", "entry_points.txt"}:
            yield path, f"{CODE}/{at}"


def _write_layer(layer: Path, content: Content, *, system: bool) -> None:
    unfinished = layer.with_suffix(".unfinished")
    compiled = layer.with_suffix(".compiled")
    shutil.rmtree(compiled, ignore_errors=True)
    modules = [(path, target) for path, target in content if path.suffix == ".py"]
    try:
        everything = [*content, *bytecode.compile_all(modules, compiled)]
        with LayerWriter(unfinished) as writer:
            if system:
                _write_system_files(writer)
            for path, target in sorted(everything, key=lambda item: item[1]):
                writer.file(path, target)
    finally:
        shutil.rmtree(compiled, ignore_errors=True)
    unfinished.rename(layer)


def _write_system_files(writer: LayerWriter) -> None:
    writer.text("etc/passwd", ACCOUNTS)
    writer.text("etc/group", GROUP)
    writer.text("etc/nsswitch.conf", "hosts: files dns\n")
    writer.folder("tmp", mode=0o1777)
    writer.link("usr/local/bin/python3", interpreter.VERSION)


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join([FORMAT, platform_name(), *parts]).encode()).hexdigest()[:16]


def _forget_older(folder: Path, pattern: str, keep: Path) -> None:
    """Remove all but the newest two: the other may be somebody's who is importing it."""
    others = (path for path in folder.glob(pattern) if path != keep)
    for path in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)[1:]:
        path.unlink(missing_ok=True)
