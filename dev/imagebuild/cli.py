"""The command line behind `make images` and `make pin-base`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from imagebuild import pinning, sbom
from imagebuild.builders import ON_PATH, Builder, find_builder
from imagebuild.building import build
from imagebuild.images import GPU_ENGINE, IMAGES, ROOT, Image
from imagebuild.packing import build_wheel, pack_image
from machine.cli import Group
from machine.errors import BuildError


@dataclass(frozen=True)
class Options:
    """What `make images` is told."""

    registry: str
    push: bool
    base: str
    builder: str
    gpu: bool
    into: Path

    @property
    def images(self) -> Sequence[Image]:
        """What is to be built."""
        engine = GPU_ENGINE if self.gpu else IMAGES["engine"]
        return [replace(image, registry=self.registry) for image in (IMAGES["operator"], engine)]


def say(line: str) -> None:
    """Say what happens, beside the output of builders."""
    click.echo(line, err=True)


@click.group(cls=Group, context_settings={"max_content_width": 100})
def main() -> None:
    """Build the images of operator and engine."""


@main.command()
@click.option(
    "--registry", envvar="IMAGE_REGISTRY", default="", help="What their names begin with."
)
@click.option("--push", envvar="PUSH", is_flag=True, help="Push them to that registry.")
@click.option("--base", envvar="BASE", default="", help="Base image; `local`: of this Python.")
@click.option(
    "--builder",
    envvar="BUILDER",
    default="",
    type=click.Choice(["", *ON_PATH]),
    help="Take this one, and no other. `buildah` is fetched where it is missing (Debian, root).",
)
@click.option("--gpu", envvar="GPU", is_flag=True, help="The engine with FAISS for GPUs.")
@click.option("--into", default=ROOT / "dist", type=click.Path(path_type=Path, file_okay=False))
def images(registry: str, push: bool, base: str, builder: str, gpu: bool, into: Path) -> None:
    """Build both images with docker, podman or buildah, whichever works here first.

    The archives that `docker load`, kind, k3d and minikube read, and a bill of materials for each
    image and for the wheel, are written to dist/. Without a builder they are packed of this
    Python.
    """
    options = Options(registry.rstrip("/"), push, base, builder, gpu, into)
    if push and not registry:
        raise BuildError("PUSH=1 needs to be told where: IMAGE_REGISTRY=registry.example.org")
    into.mkdir(parents=True, exist_ok=True)
    found = find_builder(builder, say)
    for image in options.images:
        archive = into / image.archive_name
        if found:
            _build(found, image, archive, options)
        else:
            _pack(image, archive, options)
        click.echo(f"{image.reference} {archive}")
        click.echo(sbom.of_image(image, archive))
    click.echo(sbom.of_wheel(build_wheel(into)))


def _build(builder: Builder, image: Image, archive: Path, options: Options) -> None:
    build(builder, image, options.base, say)
    builder.save(image.reference, archive)
    if options.push:
        builder.push(image.reference)


def _pack(image: Image, archive: Path, options: Options) -> None:
    if options.push or options.base:
        raise BuildError(
            "PUSH and BASE need a builder. Remedy: install docker, podman or buildah; on Debian, "
            "as root, BUILDER=buildah fetches one and leaves the machine as it is"
        )
    say(f"image {image.reference}: packed of this Python, since no builder works here")
    shutil.copyfile(pack_image(image, say), archive)


@main.command("pin-base")
def pin_base() -> None:
    """Write the digest of the base's tag into images/Containerfile."""
    click.echo(pinning.pin(say))
