"""Which builder is taken, and what it is told; the programs are stand-ins that note their words."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from imagebuild import pinning, sbom
from imagebuild.builders import Builder, find_builder
from imagebuild.building import CONTAINERFILE
from imagebuild.cli import main
from imagebuild.images import GPU_ENGINE, IMAGES, build_labels
from imagebuild.making import Options, make_images
from imagebuild.pinning import pin
from machine.errors import BuildError

DIGEST = f"sha256:{'ab' * 32}"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH but the system's, which has no builder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def program(folder: Path, name: str, script: str) -> None:
    """A program that is a shell script."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_the_first_builder_that_works_is_taken(programs: Path) -> None:
    """A docker without its daemon is passed over, and why is said."""
    program(programs, "docker", "echo Is the docker daemon running? >&2; exit 1")
    program(programs, "podman", "exit 0")
    said: list[str] = []
    found = find_builder("", said.append)
    assert found is not None
    assert found.name == "podman"
    assert said == ["builder: not docker: Is the docker daemon running?", "builder: podman"]


def test_the_builder_that_is_wanted_is_taken_or_nothing(programs: Path) -> None:
    """With BUILDER no other is taken, and why it does not work is said."""
    program(programs, "podman", "exit 0")
    with pytest.raises(BuildError, match="docker does not work here: it is not installed"):
        find_builder("docker", print)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("docker", ["save", "--output", "{file}", "{image}"]),
        ("podman", ["save", "--output", "{file}", "{image}"]),
        ("buildah", ["push", "--quiet", "{image}", "docker-archive:{file}:{image}"]),
    ],
)
def test_archives_are_those_of_docker(
    programs: Path, tmp_path: Path, name: str, words: list[str]
) -> None:
    """Each builder writes the format that kind reads; a file is there when it is complete."""
    archive, image = tmp_path / "image.tar", IMAGES["operator"].reference
    unfinished = archive.with_suffix(".unfinished")
    program(programs, name, f'touch {unfinished}; echo "$@" >{tmp_path}/words')
    builder = find_builder(name, print)
    assert builder is not None
    builder.save(image, archive)
    assert archive.exists()
    expected = " ".join(words).format(file=unfinished, image=image)
    assert (tmp_path / "words").read_text().strip() == expected


def test_images_are_pushed_to_the_registry_that_is_told(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PUSH=1 builds, keeps and pushes each image under the name that IMAGE_REGISTRY gives it, and
    says which digest it has there.
    """
    monkeypatch.setattr(sbom, "of_image", lambda _, archive: archive)
    monkeypatch.setattr(sbom, "of_wheel", lambda wheel: wheel)
    note = 'case "$1" in save) touch "$3";; build) tail=$(tail -2 "$3" | head -1);; esac; '
    note += f'echo "$@" "$tail" >>{tmp_path}/words; '
    note += f'case "$2" in inspect) echo "[\\"${{5%:*}}@{DIGEST}\\"]"; esac'
    program(programs, "docker", note)
    variables = {"PUSH": "1", "IMAGE_REGISTRY": "registry.example.org/team/", "GPU": "1"}
    done = CliRunner().invoke(main, ["images", "--into", str(tmp_path / "dist")], env=variables)
    assert done.exit_code == 0, done.output
    words = (tmp_path / "words").read_text().splitlines()
    names = [image.named("registry.example.org/team") for image in (IMAGES["operator"], GPU_ENGINE)]
    assert [line.strip() for line in words if line.startswith("push ")] == [
        f"push {name}" for name in names
    ]
    assert [line.split()[0] for line in done.stdout.splitlines() if "@" in line] == [
        f"{name}@{DIGEST}" for name in names
    ]
    builds = [line for line in words if line.startswith("build ")]
    for name, target, build in zip(names, ("operator", "engine"), builds, strict=True):
        assert f"--target labelled --tag {name} " in build
        assert f"FROM {target} AS labelled" in build
    assert "--build-arg EXTRA=engine-gpu" in builds[1]


@pytest.mark.parametrize("name", ["podman", "buildah"])
def test_the_digest_of_what_was_pushed_is_told(programs: Path, name: str) -> None:
    """The builder writes it into a file, since the registry has the image compressed."""
    words = 'while test "$1" != --digestfile; do shift; done; '
    program(programs, name, f'test "$1" = info && exit; {words}echo {DIGEST} >"$2"')
    builder = find_builder(name, print)
    assert builder is not None
    assert builder.push("registry.example.org/quiver-operator:1.0.0") == DIGEST


def test_a_digest_that_docker_does_not_tell_is_not_made_up(programs: Path) -> None:
    """That of another repository is none of this image."""
    told = f'["registry.example.org/other@{DIGEST}"]'
    program(programs, "docker", f"test $1 = push || echo '{told}'")
    builder = find_builder("docker", print)
    assert builder is not None
    with pytest.raises(BuildError, match="docker does not say which digest"):
        builder.push("registry.example.org/quiver-operator:1.0.0")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("docker", "--no-cache --build-arg SOURCE_DATE_EPOCH=1000"),
        ("podman", "--no-cache --timestamp 1000"),
        ("buildah", "--no-cache --timestamp 1000"),
    ],
)
def test_an_image_of_a_release_has_the_time_of_its_commit(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    """Each builder is told so in its own words, and takes nothing from its cache, where layers have
    the times of earlier builds.
    """
    monkeypatch.setattr(sbom, "of_image", lambda _, archive: archive)
    program(programs, name, f'echo "$@" >>{tmp_path}/words')
    options = Options(epoch=1000)
    [image, _] = options.images(gpu=False)
    monkeypatch.setattr(Builder, "save", lambda *_: None)
    [made] = make_images([image], options, tmp_path, print)
    assert made.reference == image.reference
    assert f" {words} " in (tmp_path / "words").read_text()


def test_a_builder_that_is_new_uses_its_cache() -> None:
    """It can have nothing of another time, and both images begin with the same layers."""
    assert Builder("buildah", ["buildah"], is_new=True).with_times(1000) == ["--timestamp", "1000"]


def test_pushing_needs_to_be_told_where(programs: Path, tmp_path: Path) -> None:
    """Without IMAGE_REGISTRY nothing is built, and the message has an example."""
    told = CliRunner().invoke(main, ["images", "--into", str(tmp_path)], env={"PUSH": "1"})
    assert told.exit_code == 1
    assert "IMAGE_REGISTRY=registry.example.org" in told.output


@pytest.mark.parametrize(
    ("remote", "source"),
    [
        (
            "https://user:secret@git.example.org/team/quiver.git",
            "https://git.example.org/team/quiver",
        ),
        ("git@git.example.org:team/quiver.git", "https://git.example.org/team/quiver"),
        ("/home/me/quiver", ""),
    ],
)
def test_labels_name_the_repository_and_no_secret(programs: Path, remote: str, source: str) -> None:
    """The label has an address that others can read, or nothing."""
    program(programs, "git", f'case "$*" in *remote*) echo {remote};; *HEAD) echo 0123abc;; esac')
    labels = build_labels()
    assert labels["org.opencontainers.image.revision"] == "0123abc"
    assert labels.get("org.opencontainers.image.source", "") == source


def test_the_base_is_pinned_and_pinned_anew(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest that the registry tells stands behind the tag, in place of an older one; whoever
    could not ask is named.
    """
    containerfile = tmp_path / "Containerfile"
    containerfile.write_text(f"ARG BASE=python:3.11@sha256:{'cd' * 32}\nFROM ${{BASE}} AS common\n")
    monkeypatch.setattr(pinning, "CONTAINERFILE", containerfile)
    program(programs, "docker", "echo no buildx >&2; exit 1")
    program(programs, "skopeo", f'test "$5" = docker://python:3.11 && echo {DIGEST}')
    said: list[str] = []
    assert pin(said.append) == f"python:3.11@{DIGEST}"
    assert containerfile.read_text() == f"ARG BASE=python:3.11@{DIGEST}\nFROM ${{BASE}} AS common\n"
    assert said == ["not docker: no buildx"]


def test_a_digest_is_never_made_up(programs: Path) -> None:
    """Where nobody can ask the registry, that is said, and nothing is written."""
    before = CONTAINERFILE.read_text()
    with pytest.raises(BuildError, match="cannot be resolved"):
        pin(print)
    assert CONTAINERFILE.read_text() == before
