"""The wheel and the source distribution, and the chart as a package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from imagebuild.images import ROOT
from machine.errors import BuildError
from release.changelog import Section
from release.names import Names
from tools.render import CHART, helm

REGISTRY = re.compile(r"^imageRegistry: .*$", re.MULTILINE)
ANNOTATION = "artifacthub.io"


def wheel_and_sdist(into: Path, epoch: int) -> Path:
    """Build both; the wheel, of what is in the source distribution. Raises BuildError."""
    sdist = _hatchling("sdist", ROOT, into, epoch)
    with TemporaryDirectory() as folder:
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
        [source] = Path(folder).iterdir()
        return _hatchling("wheel", source, into, epoch)


def _hatchling(target: str, source: Path, into: Path, epoch: int) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target]
    _run([*command, "--directory", str(into)], source, epoch)
    [built] = into.glob({"sdist": "*.tar.gz", "wheel": "*.whl"}[target])
    return built


def chart_package(into: Path, names: Names, section: Section, epoch: int) -> Path:
    """Package the chart, with the images' registry as its default. Raises BuildError.

    Artifact Hub is told what has changed and which images there are.
    """
    with TemporaryDirectory() as folder:
        chart = Path(folder) / CHART.name
        shutil.copytree(CHART, chart)
        _annotate(chart / "Chart.yaml", names.references, section)
        values = chart / "values.yaml"
        values.write_text(REGISTRY.sub(f"imageRegistry: {names.registry}", values.read_text()))
        # Helm takes SOURCE_DATE_EPOCH from 4.3 on, and the files' times before that.
        for path in chart.rglob("*"):
            os.utime(path, (epoch, epoch))
        command = [str(helm()), "package", str(chart), "--destination", str(into)]
        told = _run(command, Path(folder), epoch)
    return Path(told.strip().rpartition(": ")[2])


def _annotate(path: Path, references: Sequence[str], section: Section) -> None:
    chart = yaml.safe_load(path.read_text())
    images = [{"name": _image_name(reference), "image": reference} for reference in references]
    told = {"changes": list(section.changes()), "images": images}
    for name, value in told.items():
        text = yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=1000)
        chart["annotations"][f"{ANNOTATION}/{name}"] = text
    path.write_text(yaml.safe_dump(chart, allow_unicode=True, sort_keys=False))


def _image_name(reference: str) -> str:
    name, _, tag = reference.rpartition("/")[2].partition("@")[0].partition(":")
    return f"{name}-gpu" if tag.endswith("-gpu") else name


def _run(command: Sequence[str], folder: Path, epoch: int) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        named = " ".join(Path(word).name for word in command[:4])
        raise BuildError(f"{named} failed: {done.stderr.strip()[-500:]}")
    return done.stdout
