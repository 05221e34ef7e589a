"""The command line behind `make images` and `make pin-base`."""

from __future__ import annotations

from pathlib import Path

import click

from imagebuild import pinning, sbom
from imagebuild.builders import ON_PATH
from imagebuild.images import ROOT
from imagebuild.making import Options, make_images
from imagebuild.packing import build_wheel
from machine.cli import Group


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
    options = Options(registry.rstrip("/"), push, base, builder)
    for made in make_images(options.images(gpu=gpu), options, into, say):
        click.echo(f"{made.reference} {made.archive}")
        click.echo(made.bill)
    click.echo(sbom.of_wheel(build_wheel(into)))


@main.command("pin-base")
def pin_base() -> None:
    """Write the digest of the base's tag into images/Containerfile."""
    click.echo(pinning.pin(say))
