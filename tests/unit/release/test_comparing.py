"""Sums of a release, and what is said of two builds that differ."""

import os
import subprocess
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from imagebuild.collect.layer import LayerWriter
from imagebuild.oci import ImageConfig, write_archive
from machine.errors import SetupError
from release import sums
from release.building import appearing_whole
from release.comparing import compare


@pytest.fixture
def builds(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders."""
    folders = tmp_path / "one", tmp_path / "other"
    for folder in folders:
        folder.mkdir()
    return folders


def differences(builds: tuple[Path, Path]) -> dict[str, str]:
    """What the comparison says of each file."""
    for folder in builds:
        sums.write(folder)
    return dict(compare(*builds))


def test_sha256sum_reads_the_sums(tmp_path: Path) -> None:
    """They are checked with a program that everybody has."""
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.tar").write_bytes(b"\0\1")
    sums.write(tmp_path)
    command = ["sha256sum", "--check", "--strict", sums.FILE]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["a.txt: OK", "b.tar: OK"]


def test_files_that_are_not_those_of_the_sums_are_named(tmp_path: Path) -> None:
    """A changed file, a missing one and one too many."""
    for name in ("changed", "kept", "missing"):
        (tmp_path / name).write_text(name)
    sums.write(tmp_path)
    (tmp_path / "changed").write_text("otherwise")
    (tmp_path / "missing").unlink()
    (tmp_path / "new").touch()
    assert list(sums.problems(tmp_path)) == [
        "changed is not the file that SHA256SUMS was written for",
        "missing is missing",
        "new has no line in SHA256SUMS",
    ]


@pytest.mark.parametrize("text", ["", "not sums\n"])
def test_a_folder_without_sums_is_no_release(tmp_path: Path, text: str) -> None:
    """The message says how to make one."""
    with pytest.raises(SetupError, match="make release"):
        sums.read(tmp_path)
    (tmp_path / sums.FILE).write_text(text)
    with pytest.raises(SetupError, match="make release"):
        sums.read(tmp_path)


def test_equal_files_are_said_to_be_equal(builds: tuple[Path, Path]) -> None:
    """And those of one build alone are named."""
    for folder in builds:
        (folder / "same").write_text("same")
    (builds[0] / "first").touch()
    (builds[1] / "second").touch()
    assert differences(builds) == {
        "first": "it is in the first build alone",
        "same": "",
        "second": "it is in the second build alone",
    }


def test_the_line_in_which_texts_differ_is_named(builds: tuple[Path, Path]) -> None:
    """The first one, also where one text is the beginning of the other."""
    for folder, text, more in zip(builds, ("a\nb\n", "a\nc\n"), ("a\n", "a\nb\n"), strict=True):
        (folder / "text").write_text(text)
        (folder / "longer").write_text(more)
    assert differences(builds) == {
        "longer": "line 2 is the first that differs",
        "text": "line 2 is the first that differs",
    }


def test_what_differs_in_archives_is_named(builds: tuple[Path, Path], tmp_path: Path) -> None:
    """Which members, and whether in their content, their times or their modes."""
    source = tmp_path / "source"
    for number, folder in enumerate(builds):
        source.write_text(f"{number}")
        source.chmod(0o644)
        os.utime(source, (10**9, 10**9))
        with zipfile.ZipFile(folder / "wheel.whl", "w") as wheel:
            wheel.write(source, "code.py")
        source.write_text("same")
        os.utime(source, (10**9, 10**9 + number))
        source.chmod(0o600 if number else 0o644)
        with tarfile.open(folder / "chart.tgz", "w:gz") as chart:
            chart.add(source, "Chart.yaml")
        with tarfile.open(folder / "image.tar", "w") as image:
            image.addfile(tarfile.TarInfo(f"{number}.layer"))
    assert differences(builds) == {
        "chart.tgz": "time of Chart.yaml; mode or owner of Chart.yaml",
        "image.tar": "members of one alone: 0.layer, 1.layer",
        "wheel.whl": "content of code.py",
    }


def test_what_differs_in_images_is_named(builds: tuple[Path, Path], tmp_path: Path) -> None:
    """By the files of their layers, although an archive names layers by their digests."""
    source, layer = tmp_path / "source", tmp_path / "layer"
    for number, folder in enumerate(builds):
        source.write_text(f"{number}")
        with LayerWriter(layer) as writer:
            writer.file(source, "opt/quiver/code.py")
            writer.text("etc/passwd", "root")
        write_archive(folder / "image.tar", ImageConfig("localhost/example:1", ["/bin/a"]), [layer])
    assert differences(builds) == {
        "image.tar": "content of configuration, layer 1: opt/quiver/code.py"
    }


def test_a_release_appears_when_it_is_whole(tmp_path: Path) -> None:
    """A build that fails leaves what was there before, and nothing else; one that succeeds takes
    its place.
    """
    dist = tmp_path / "dist"
    dist.mkdir()
    (dist / "before").touch()
    with suppress(RuntimeError), appearing_whole(dist) as folder:
        (folder / "half").touch()
        raise RuntimeError
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*")] == [
        Path("dist"),
        Path("dist/before"),
    ]
    with appearing_whole(dist) as folder:
        (folder / "whole").touch()
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*")] == [
        Path("dist"),
        Path("dist/whole"),
    ]
