"""The programs, images and packages that the demo needs, and what each usually takes to make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from imagebuild.images import IMAGES
from imagebuild.packing import build_image
from localcluster import catalogue
from localcluster.binaries import Binaries
from localcluster.cluster import NODE_PROGRAMS
from localcluster.runc import ensure_runc, find_runc
from machine.milvus_servers import LITE, MILVUS
from machine.paths import cache_dir
from machine.progress import Say
from machine.pymilvus1 import is_made, pymilvus_python

RUNC = "runc"
CLIENT = "pymilvus 1.1.2"
MILVUS_SERVER = "milvus 2.3.5"
MILVUS_CLIENT = "pymilvus 3.0.2"
FIRST = catalogue.API
"""What a first look needs."""
IN_ANOTHERS_CLUSTER = ("kubectl", "helm", CLIENT)


@dataclass(frozen=True)
class Job:
    """`usual_s` is what it takes on two cores, in seconds."""

    usual_s: float
    is_done: Callable[[], bool]
    perform: Callable[[Say], object]


def _program(name: str) -> Job:
    return Job(
        catalogue.CATALOGUE[name].usual_build_s,
        lambda: not Binaries.missing([name]),
        lambda say: Binaries.ensure(say, [name]),
    )


def _image(name: str) -> Job:
    # Whether one is current is not known before it is looked at; that takes a second.
    archives = f"quiver-{name}-*.tar"
    return Job(
        12,
        lambda: any((cache_dir() / "images").glob(archives)),
        partial(build_image, name),
    )


JOBS = {
    **{name: _program(name) for name in catalogue.OF_CLUSTERS},
    RUNC: Job(10, lambda: find_runc() is not None, ensure_runc),
    **{f"image {name}": _image(name) for name in IMAGES},
    CLIENT: Job(15, is_made, lambda _: pymilvus_python()),
    MILVUS_SERVER: Job(10, lambda: MILVUS.is_made, lambda _: MILVUS.program("python")),
    MILVUS_CLIENT: Job(30, lambda: LITE.is_made, lambda _: LITE.program("python")),
}
WITH_MILVUS = (*FIRST, MILVUS_SERVER, MILVUS_CLIENT)
WITH_NODE = tuple(
    dict.fromkeys(
        [
            *FIRST,
            "helm",
            *catalogue.CONTROL_PLANE,
            *NODE_PROGRAMS,
            RUNC,
            *(job for job in JOBS if job.startswith("image ")),
            CLIENT,
        ]
    )
)
