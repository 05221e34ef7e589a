"""Bills of materials, as CycloneDX: what is in an image, and what the wheel was locked with.

cyclonedx-py reads the Python packages from the metadata in the image itself; Python and Debian's
packages, which it does not look for, are added from there as well.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from email.parser import HeaderParser
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from imagebuild.collect.content import CODE, PYTHON_VERSION
from imagebuild.collect.debian import STATUS_FOLDER
from imagebuild.collect.packages import DEPENDENCIES
from imagebuild.images import PROJECT, ROOT, Image
from machine.errors import BuildError

Bill = dict[str, Any]

TELLING = re.compile(rf".*\.dist-info/.*|{STATUS_FOLDER}/.*|{PYTHON_VERSION}")


def of_image(image: Image, archive: Path) -> Path:
    """Write the bill of an image beside its archive. Raises BuildError."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        _unpack(archive, root)
        bill = _python_packages([_below(root, CODE), _below(root, DEPENDENCIES)], root / "python")
        bill["components"] += [_python(root), *_debian_packages(root)]
    bill["metadata"]["component"] |= {"type": "container", "name": f"quiver-{image.name}"}
    return _write(bill, archive)


def of_wheel(wheel: Path) -> Path:
    """Write the bill of the wheel beside it: what operator and engine were locked with, and its
    hashes.
    """
    return _write(_cyclonedx("requirements", str(ROOT / "requirements" / "engine.txt")), wheel)


def _write(bill: Bill, beside: Path) -> Path:
    target = beside.with_suffix(".cdx.json")
    target.write_text(json.dumps(bill, indent=2, sort_keys=True) + "\n")
    return target


def _python_packages(folders: list[Path], python: Path) -> Bill:
    """The packages in these folders, as an interpreter lists them that sees no others."""
    search = shlex.quote(os.pathsep.join(map(str, folders)))
    # -S: without what is installed beside that interpreter.
    words = f"PYTHONPATH={search} exec {shlex.quote(sys.executable)} -S"
    python.write_text(f'#!/bin/sh\n{words} "$@"\n')
    python.chmod(0o755)
    return _cyclonedx("environment", "-S", str(python))


def _cyclonedx(command: str, *arguments: str) -> Bill:
    words = [sys.executable, "-m", "cyclonedx_py", command, "--output-reproducible"]
    project = ["--pyproject", str(ROOT / "pyproject.toml")]
    done = subprocess.run(
        [*words, *project, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BuildError(f"cyclonedx-py failed: {done.stderr.strip()[-500:]}")
    bill: Bill = json.loads(done.stdout)
    # pyproject.toml leaves it to the code to say it.
    bill["metadata"]["component"]["version"] = version(PROJECT)
    return bill


def _unpack(archive: Path, root: Path) -> None:
    """Unpack of an image what tells what is in it."""
    with tarfile.open(archive) as image:
        index = image.extractfile("manifest.json")
        assert index is not None, "an archive of an image has an index"
        [entry] = json.load(index)
        for name in entry["Layers"]:
            with tarfile.open(fileobj=image.extractfile(name)) as layer:
                for member in layer:
                    if member.isfile() and TELLING.fullmatch(f"/{member.name.strip('/')}"):
                        layer.extract(member, root, filter="data")


def _below(root: Path, path: str) -> Path:
    return root / path.strip("/")


def _python(root: Path) -> Bill:
    found = _below(root, PYTHON_VERSION).read_text().strip()
    return _component("application", "python", found, f"pkg:generic/python@{found}")


def _debian_packages(root: Path) -> Iterator[Bill]:
    for path in sorted(_below(root, STATUS_FOLDER).glob("*")):
        told = HeaderParser().parsestr(path.read_text())
        name, of = str(told["Package"]), str(told["Version"])
        where = f"pkg:deb/debian/{name}@{quote(of, safe='')}?arch={told['Architecture']}"
        yield _component("library", name, of, where)


def _component(kind: str, name: str, of: str, purl: str) -> Bill:
    return {"type": kind, "bom-ref": purl, "name": name, "version": of, "purl": purl}
