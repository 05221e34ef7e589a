"""Run by images/Containerfile: puts the files of one layer into a folder."""

from __future__ import annotations

import argparse
import sys
import tarfile
import tempfile
from pathlib import Path

from imagebuild.collect.content import (
    python_content,
    unpacked_wheel,
    with_libraries,
    write_layer,
)
from imagebuild.collect.packages import Content, installed_in, package_files
from machine.errors import SetupError


def main() -> None:
    """Collect a layer. Raises SetupError when something is missing."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        content = _content(options, work)
        layer = work / "layer"
        write_layer(layer, content, system=options.layer == "common")
        with tarfile.open(layer) as tar:
            tar.extractall(options.target, filter="fully_trusted")  # noqa: S202 - our own, with /tmp


def _content(options: argparse.Namespace, work: Path) -> Content:
    if options.layer == "code":
        [wheel] = options.source.glob("*.whl")
        return unpacked_wheel(wheel, work / "wheel")
    packages = package_files(installed_in(options.source))
    if options.layer == "common":
        return with_libraries(python_content(packages))
    return with_libraries(packages, _below(options.beside))


def _below(folder: Path) -> frozenset[str]:
    return frozenset(str(path.relative_to(folder)) for path in folder.rglob("*"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="imagebuild.collect", description=__doc__)
    parser.add_argument("layer", choices=["common", "extras", "code"])
    parser.add_argument("source", type=Path, help="packages, or for code the wheel's folder")
    parser.add_argument("target", type=Path, help="folder that becomes the layer")
    parser.add_argument("--beside", type=Path, help="folder of the layer below")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except SetupError as error:
        sys.exit(str(error))
