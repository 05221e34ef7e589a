"""`python -m bench.plain_kopf ENDPOINT…`: the operator that one writes first, with kopf's handlers
of changes and kopf's defaults. It claims nothing, checks nothing and repairs nothing.
"""

import asyncio
import zlib
from typing import Any

import click
import grpc
import kopf

from quiver_proto import milvus_pb2 as pb
from quiver_proto.milvus_pb2_grpc import MilvusServiceStub

RESOURCE = ("quiver.dev", "v1alpha1", "vectorcollections")
L2 = 1
stubs: list[Any] = []


def stub_of(name: str) -> Any:
    return stubs[zlib.crc32(name.encode()) % len(stubs)]


def require(status: pb.Status) -> None:
    if status.error_code:
        raise kopf.TemporaryError(status.reason, delay=5)


@kopf.on.create(*RESOURCE)
async def created(spec: kopf.Spec, name: str, patch: kopf.Patch, **_: Any) -> None:
    collection = name.replace("-", "_")
    schema = pb.CollectionSchema(
        collection_name=collection,
        dimension=spec["dimension"],
        index_file_size=spec.get("indexFileSize", 1024),
        metric_type=L2,
    )
    require(await stub_of(name).CreateCollection(schema, timeout=30))
    patch.status["collectionName"] = collection
    patch.status["conditions"] = [{"type": "Ready", "status": "True", **TOLD}]


TOLD = {"reason": "Available", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}


@kopf.on.update(*RESOURCE, field="spec")
async def updated(name: str, **_: Any) -> None:
    raise kopf.PermanentError(f"{name}: a collection cannot be changed")


@kopf.on.delete(*RESOURCE)
async def deleted(name: str, **_: Any) -> None:
    request = pb.CollectionName(collection_name=name.replace("-", "_"))
    require(await stub_of(name).DropCollection(request, timeout=30))


@click.command(help=__doc__)
@click.argument("endpoints", nargs=-1, required=True)
def main(endpoints: tuple[str, ...]) -> None:
    async def run() -> None:
        stubs.extend(MilvusServiceStub(grpc.aio.insecure_channel(e)) for e in endpoints)
        await kopf.operator(clusterwide=True)

    asyncio.run(run())


if __name__ == "__main__":
    main()
