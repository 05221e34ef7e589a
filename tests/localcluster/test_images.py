"""The images of operator and engine."""

from __future__ import annotations

import json
import platform
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from imagebuild import oci, sbom
from imagebuild.collect.layer import LayerWriter
from imagebuild.images import IMAGES, ROOT, build_labels
from imagebuild.oci import ImageConfig
from imagebuild.packing import build_image, pack_image
from machine.errors import BuildError
from support.image_archives import ImageArchive

CONTAINERFILE = (ROOT / "images" / "Containerfile").read_text()
NOT_IN_AN_IMAGE = re.compile(
    r"(^|/)(bin/(sh|bash|ld|as|ar|cc|gcc\S*|make|apt\S*|dpkg\S*|pip\S*)"
    r"|site-packages/pip|pip|ensurepip|hatchling|\.cache|ca\.pem|pip\.conf)(/|$)"
)


@pytest.fixture(scope="module")
def archive() -> Path:
    """The operator's image, packed by hand."""
    return pack_image(IMAGES["operator"], print)


def test_an_image_is_not_packed_again_when_nothing_changed(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second time takes the archive that is there, and packs nothing."""
    monkeypatch.delenv("QUIVER_IMAGES", raising=False)  # other tests' nodes take images from there
    packed = archive.stat().st_mtime_ns
    said: list[str] = []
    assert build_image("operator", said.append) == archive
    assert archive.stat().st_mtime_ns == packed
    assert [line for line in said if "packing" in line] == []


def test_an_image_is_named_after_the_projects_version(archive: Path) -> None:
    """The tag is the version of the installed project."""
    names = ImageArchive.read(archive).names
    assert names == [f"localhost/quiver-operator:{version('quiver-operator')}"]


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


def test_images_that_were_built_before_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QUIVER_IMAGES names the folder of `make images`; without the archive there, that is said."""
    monkeypatch.setenv("QUIVER_IMAGES", str(tmp_path))
    with pytest.raises(BuildError, match="make images"):
        build_image("engine", print)
    built = tmp_path / IMAGES["engine"].archive_name
    built.touch()
    assert build_image("engine", print) == built


@pytest.mark.node
@pytest.mark.xdist_group("node")
@pytest.mark.parametrize("name", sorted(IMAGES))
def test_built_and_packed_images_are_the_same(built_images: Path, name: str) -> None:
    """What a builder makes of images/Containerfile has the files of the image that is packed
    without one, byte by byte, and starts as that does, as a user who is a number and not root.
    """
    built = ImageArchive.read(built_images / IMAGES[name].archive_name)
    packed = ImageArchive.read(pack_image(IMAGES[name], print))
    assert built.files.keys() ^ packed.files.keys() == set()
    assert {path for path, told in built.files.items() if told != packed.files[path]} == set()
    assert built.names == packed.names
    for setting in ("Env", "Entrypoint", "User", "WorkingDir"):
        assert built.config[setting] == packed.config[setting]
    assert (
        built.config["Labels"].items() >= packed.config["Labels"].items() >= build_labels().items()
    )
    assert built.config["User"] == "65532:65532"
    assert built.owners == packed.owners == {(0, 0)}


@pytest.mark.node
@pytest.mark.xdist_group("node")
def test_images_have_no_tools(built_images: Path) -> None:
    """No layer of an image has a shell, a compiler, a package manager, a cache or a secret."""
    for image in IMAGES.values():
        found = ImageArchive.read(built_images / image.archive_name)
        assert [path for path in found.files if NOT_IN_AN_IMAGE.search(path)] == []


@pytest.mark.node
@pytest.mark.xdist_group("node")
def test_images_tell_scanners_what_they_have(built_images: Path) -> None:
    """Debian's packages and Python's are where scanners look, with their licences beside."""
    files = ImageArchive.read(built_images / IMAGES["engine"].archive_name).files
    for package in ("libc6", "libssl3", "zlib1g"):
        assert f"var/lib/dpkg/status.d/{package}" in files
        assert f"usr/share/doc/{package}/copyright" in files
    assert any(re.search(r"/numpy-[\d.]+\.dist-info/METADATA$", path) for path in files)


def test_only_locked_wheels_are_installed() -> None:
    """Each package comes from a lock file with hashes, as a wheel, and pip adds no other."""
    for setting in ("PIP_REQUIRE_HASHES=1", "PIP_ONLY_BINARY=:all:", "PIP_NO_DEPS=1"):
        assert setting in CONTAINERFILE
    for lock in re.findall(r"COPY (requirements/\S+)", CONTAINERFILE):
        for extra in ("engine", "engine-gpu"):
            text = (ROOT / lock.replace("${EXTRA}", extra)).read_text()
            pinned = re.findall(r"^\S+==.*\n\s+--hash=", text, re.MULTILINE)
            assert len(pinned) == len(re.findall(r"^[^\s#]", text, re.MULTILINE))


@pytest.mark.node
@pytest.mark.xdist_group("node")
def test_bills_of_materials_list_what_is_in_an_image(built_images: Path, tmp_path: Path) -> None:
    """Python, its packages with their licences and Debian's packages, at the image's versions."""
    engine = IMAGES["engine"]
    archive = tmp_path / engine.archive_name
    archive.symlink_to(built_images / engine.archive_name)
    bill = json.loads(sbom.of_image(engine, archive).read_text())
    found = {component["name"]: component for component in bill["components"]}
    files = ImageArchive.read(archive).files
    numpy = found["numpy"]["version"]
    assert f"opt/quiver/dependencies/numpy-{numpy}.dist-info/METADATA" in files
    assert found["numpy"]["licenses"]
    assert found["python"]["version"] == platform.python_version()
    assert found["libc6"]["purl"].startswith("pkg:deb/debian/libc6@")
    told = bill["metadata"]["component"]
    assert (told["name"], told["version"]) == ("quiver-engine", version("quiver-operator"))
    assert "pytest" not in found
