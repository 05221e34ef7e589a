"""A base for images/Containerfile, made of this machine, where no registry can be reached.

It has what the build's first stage asks of `python:3.11-slim-bookworm`: Python, pip, a shell and
ldd. Nothing of it but Python and shared libraries gets into the images.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import distribution
from pathlib import Path

from imagebuild.collect import debian, interpreter
from imagebuild.collect.content import python_content, with_libraries, write_layer
from imagebuild.collect.packages import DEPENDENCIES, Content, package_files
from imagebuild.oci import ImageConfig, write_archive
from machine.locks import file_lock
from machine.paths import cache_dir
from machine.progress import Say

SHELL = ((Path("/bin/bash"), "/bin/sh"), (Path("/bin/bash"), "/bin/bash"))
LDD = (Path("/usr/bin/ldd"), "/usr/bin/ldd")
SITE_PACKAGES = f"/{interpreter.LIBRARY}/site-packages"
ENVIRONMENT = ("PATH=/usr/local/bin:/usr/bin:/bin", "LD_LIBRARY_PATH=/usr/local/lib")
STATUS = Path("/var/lib/dpkg/status")
# What wheels for Linux may expect of the machine, besides libc: PEP 513.
EXPECTED = ("libdl.so.2", "libpthread.so.0", "libresolv.so.2", "librt.so.1", "libstdc++.so.6")


def base_archive(say: Say) -> tuple[str, Path]:
    """The base's name and its OCI archive; made once for each Python and pip."""
    pip = distribution("pip")
    program = interpreter.executable()
    parts = f"2\0{pip.version}\0{hashlib.sha256(program.read_bytes()).hexdigest()}"
    key = hashlib.sha256(parts.encode()).hexdigest()[:16]
    name = f"localhost/quiver-base:{key}"
    folder = cache_dir() / "images"
    archive = folder / f"base-{key}.tar"
    with file_lock(folder / "base.lock"):
        if not archive.exists():
            say("images: a base of this machine's Python, since no registry is asked")
            layer = archive.with_suffix(".layer")
            write_layer(layer, _content(), system=True)
            config = ImageConfig(name, ["/bin/sh"], environment=ENVIRONMENT)
            write_archive(archive, config, [layer])
            layer.unlink()
    return name, archive


def _content() -> Content:
    pip = [
        (path, target.replace(DEPENDENCIES, SITE_PACKAGES))
        for path, target in package_files([distribution("pip")])
    ]
    content = with_libraries([*python_content(pip), *SHELL, LDD])
    folder = next(path.parent for path, _ in content if path.name == "libc.so.6")
    content += [(path, str(path)) for path in map(folder.joinpath, EXPECTED) if path.exists()]
    return [*content, *_package_lists(content)]


def _package_lists(content: Content) -> Content:
    """What dpkg knows of the libraries, so that the build finds the packages that they are of."""
    packages = debian.owners(path for path, _ in content)
    files = [file for package in packages for file in (package.listing, package.copyright)]
    return [(path, str(path)) for path in (STATUS, *files) if path.exists()]
