"""What is in each layer, and writing it.

Both images begin with the same layer: Python, what operator and engine both need, and the
machine's libraries below that. The engine's packages are the next. The project's own code, which
is small and changes most often, is the last one.
"""

from __future__ import annotations

import platform
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from imagebuild.collect import bytecode, debian, interpreter
from imagebuild.collect.layer import LayerWriter
from imagebuild.collect.packages import INSTALLERS, Content

CODE = "/opt/quiver/code"
PYTHON_VERSION = "/opt/quiver/python-version"
ACCOUNTS = """\
root:x:0:0:root:/root:/sbin/nologin
quiver:x:65532:65532:quiver:/:/sbin/nologin
"""
GROUP = "root:x:0:\nquiver:x:65532:\n"


def python_content(packages: Content) -> Content:
    """Python, and packages that run on it."""
    return [
        (interpreter.executable(), interpreter.COMMAND),
        *interpreter.standard_library(),
        *packages,
    ]


def unpacked_wheel(wheel: Path, folder: Path) -> Content:
    """The files of a wheel, unpacked below `folder`, with their paths in the image."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)  # noqa: S202 - our own wheel
    return [
        (path, f"{CODE}/{path.relative_to(folder)}")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in INSTALLERS
    ]


def with_libraries(content: Content, beside: frozenset[str] = frozenset()) -> Content:
    """Add the machine's shared libraries that programs and modules in `content` need.

    Those at paths in `beside` are in an earlier layer.
    """
    users = [path for path, target in content if ".so" in path.suffixes or "/bin/" in target]
    brought = {path.resolve() for path, _ in content}
    libraries = [
        (library, interpreter.place(library))
        for library in interpreter.shared_libraries(users)
        if library.resolve() not in brought
    ]
    return [*content, *(item for item in libraries if item[1].strip("/") not in beside)]


def names_in(layer: Path) -> frozenset[str]:
    """The paths of a layer's files."""
    with tarfile.open(layer) as tar:
        return frozenset(tar.getnames())


def write_layer(layer: Path, content: Content, *, system: bool = False) -> None:
    """Write a layer with these files, their modules compiled; `system`: and with accounts.

    It appears under its name only when it is complete.
    """
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
            _write_packages(writer, content)
    finally:
        shutil.rmtree(compiled, ignore_errors=True)
    unfinished.rename(layer)


def _write_system_files(writer: LayerWriter) -> None:
    writer.text("etc/passwd", ACCOUNTS)
    writer.text("etc/group", GROUP)
    writer.text("etc/nsswitch.conf", "hosts: files dns\n")
    writer.text(PYTHON_VERSION, f"{platform.python_version()}\n")
    writer.folder("tmp", mode=0o1777)
    writer.link("usr/local/bin/python3", interpreter.VERSION)
    for path in map(Path, debian.RELEASE):
        if path.exists():
            writer.file(path, str(path))


def _write_packages(writer: LayerWriter, content: Content) -> None:
    for package in debian.owners(_of_the_machine(content)):
        writer.text(f"{debian.STATUS_FOLDER}/{package.name}", package.status())
        if package.copyright.exists():
            writer.file(package.copyright, f"/usr/share/doc/{package.name}/copyright")


def _of_the_machine(content: Content) -> Iterator[Path]:
    """The shared libraries that no package of Python's brought."""
    return (path for path, target in content if target.startswith(("/lib", "/usr/lib")))
