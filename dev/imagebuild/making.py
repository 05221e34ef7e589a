"""Images with their archives and bills of materials: built by what works here, else packed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from imagebuild import sbom
from imagebuild.builders import Builder, find_builder
from imagebuild.building import build
from imagebuild.images import GPU_ENGINE, IMAGES, Image
from imagebuild.packing import pack_image
from machine.errors import BuildError
from machine.paths import cache_dir
from machine.progress import Say


@dataclass(frozen=True)
class Options:
    """How images are made, and where they go."""

    registry: str = ""
    push: bool = False
    base: str = ""
    builder: str = ""
    epoch: int | None = None
    """The time of the image and of its files; else that of the build."""

    def images(self, *, gpu: bool) -> Sequence[Image]:
        """Operator and engine, the latter for CPUs or for GPUs."""
        engine = GPU_ENGINE if gpu else IMAGES["engine"]
        return [replace(image, registry=self.registry) for image in (IMAGES["operator"], engine)]


@dataclass(frozen=True)
class Made:
    """An image that was made; its digest, if a registry has it now."""

    image: Image
    archive: Path
    bill: Path
    digest: str = ""

    @property
    def reference(self) -> str:
        """Its name, with its digest if there is one."""
        return f"{self.image.reference}@{self.digest}" if self.digest else self.image.reference


def make_images(images: Sequence[Image], options: Options, into: Path, say: Say) -> Iterator[Made]:
    """Make each image, and write its archive and its bill into a folder. Raises BuildError."""
    if options.push and not options.registry:
        raise BuildError("PUSH=1 needs to be told where: IMAGE_REGISTRY=registry.example.org")
    into.mkdir(parents=True, exist_ok=True)
    with _own_store(options) as store:
        builder = find_builder(options.builder, say, store)
        for image in images:
            archive, digest = into / image.archive_name, ""
            if builder:
                digest = _build(builder, image, archive, options, say)
            else:
                _pack(image, archive, options, say)
            yield Made(image, archive, sbom.of_image(image, archive), digest)


@contextmanager
def _own_store(options: Options) -> Iterator[Path | None]:
    """A place for images of a time of their own, which is gone afterwards."""
    if options.epoch is None:
        yield None
        return
    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="buildah-store-", dir=folder) as store:
        yield Path(store)


def _build(builder: Builder, image: Image, archive: Path, options: Options, say: Say) -> str:
    times = [] if options.epoch is None else builder.with_times(options.epoch)
    build(builder, image, options.base, say, times)
    builder.save(image.reference, archive)
    return builder.push(image.reference) if options.push else ""


def _pack(image: Image, archive: Path, options: Options, say: Say) -> None:
    if options.push or options.base:
        raise BuildError(
            "PUSH and BASE need a builder. Remedy: install docker, podman or buildah; on Debian, "
            "as root, BUILDER=buildah fetches one and leaves the machine as it is"
        )
    say(f"image {image.reference}: packed of this Python, since no builder works here")
    shutil.copyfile(pack_image(image, say), archive)
