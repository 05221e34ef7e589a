"""The images of operator and engine."""

from __future__ import annotations

import json
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

from imagebuild import oci
from imagebuild.images import build_image
from imagebuild.oci import ImageConfig, LayerWriter


@pytest.fixture(scope="module")
def archive() -> Path:
    """The operator's image."""
    return build_image("operator", print)


def read_json(archive: Path, name: str) -> dict[str, object]:
    """A JSON document from an archive."""
    with tarfile.open(archive) as tar:
        member = tar.extractfile(name)
        assert member is not None
        content: dict[str, object] = json.load(member)
        return content


def test_an_image_is_not_built_again_when_nothing_changed(archive: Path) -> None:
    """A second build takes the archive that is there, and has nothing to say."""
    built = archive.stat().st_mtime_ns
    said: list[str] = []
    assert build_image("operator", said.append) == archive
    assert archive.stat().st_mtime_ns == built
    assert said == []


def test_an_image_is_named_after_the_projects_version(archive: Path) -> None:
    """The tag is the version of the installed project."""
    (manifest,) = read_json(archive, "index.json")["manifests"]  # type: ignore[misc,has-type]
    name = manifest["annotations"]["io.containerd.image.name"]
    assert name == f"localhost/quiver-operator:{version('quiver-operator')}"


def test_an_archive_has_the_same_bytes_every_time(tmp_path: Path) -> None:
    """Neither the time nor who owns the files shows in an image."""
    source = tmp_path / "module.py"
    archives = []
    for round_number in range(2):
        source.unlink(missing_ok=True)
        source.write_text("print('hello')\n")
        source.chmod(0o600 if round_number else 0o644)
        layer = tmp_path / "layer"
        with LayerWriter(layer) as writer:
            writer.file(source, "opt/module.py")
        config = ImageConfig("localhost/example:1", ["/opt/module.py"])
        archives.append(oci.write_archive(tmp_path / f"{round_number}.tar", config, [layer]))
    assert archives[0].read_bytes() == archives[1].read_bytes()
