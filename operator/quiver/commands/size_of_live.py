"""What is known of a collection that exists, for `quiver size`."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from quiver.commands.check_access import CallersAccess
from quiver.commands.cluster import Cluster, Where, connected
from quiver.commands.members import CallersMembers, NotAsked
from quiver.commands.reading import Reading
from quiver.commands.status_reading import PODS_OF_QUIVER
from quiver.domain.collections import VectorCollection
from quiver.domain.engines import EngineType, VectorEngine
from quiver.domain.kubernetes_types import POD, VECTOR_COLLECTION, VECTOR_ENGINE, Key
from quiver.domain.members import Member
from quiver.domain.quantities import mebibytes
from quiver.ports.errors import EngineError, NotFound


class NotMeasured(Exception):
    """Why the collection cannot be looked at."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A collection as it is. `dimension` is None for one of the long form, whose fields differ.
    `now` has what its spec and engine say at present, by what `quiver size` tells of it.
    """

    rows: int
    dimension: int | None
    metric: str | None
    index: str | None
    engine_type: EngineType
    gpu_mib: int | None
    now: Mapping[str, str]


async def measured(where: Where, name: str) -> Measured:
    """Read the object, and count its rows. Raises: NotMeasured, NoCluster, ApiError."""
    async with connected(where) as cluster:
        key = Key(cluster.namespace, name)
        try:
            manifest = await cluster.api.get(VECTOR_COLLECTION, key)
        except NotFound as error:
            raise NotMeasured(f"there is no VectorCollection {key}") from error
        collection = msgspec.convert(manifest, VectorCollection)
        return await _measured(cluster, collection)


async def _measured(cluster: Cluster, collection: VectorCollection) -> Measured:
    key, claim = collection.metadata.key, collection.status.claim
    if claim is None:
        raise NotMeasured(
            f"VectorCollection {key} has no collection yet: `quiver status vcol/{key.name}` says"
            " why"
        )
    engine, members = await _members(cluster, collection)
    member = next((m for m in members if m.name == claim.member), None)
    if member is None:
        raise NotMeasured(f"{claim.member}, which has the collection, is not there")
    if member.refusal is not None:
        raise NotMeasured(f"{member.name}: {member.refusal.message}")
    try:
        client = cluster.engines.at(member.target())
        rows = await client.count_rows(claim.collection_name)
    except EngineError as error:
        raise NotMeasured(f"{member.name} does not say how many rows there are: {error}") from error
    return _told(collection, engine, rows)


async def _members(
    cluster: Cluster, collection: VectorCollection
) -> tuple[VectorEngine, tuple[Member, ...]]:
    key = collection.engine_key
    reading, access = Reading(cluster.api), CallersAccess(cluster.api, secrets=True)
    try:
        manifest = await cluster.api.get(VECTOR_ENGINE, key)
        pods = await reading.listed(POD, key.namespace, PODS_OF_QUIVER)
        return await CallersMembers(cluster, pods, access).of(manifest)
    except NotFound as error:
        raise NotMeasured(f"there is no VectorEngine {key}") from error
    except NotAsked as error:
        raise NotMeasured(f"VectorEngine {key}: {error}") from error
    finally:
        await access.close()


def _told(collection: VectorCollection, engine: VectorEngine, rows: int) -> Measured:
    spec, status = collection.spec, collection.status
    index, gpu = spec.index, engine.spec.gpu
    now = {"rows": f"{rows:,}"}
    if status.index_file_size is not None:
        now["indexFileSize"] = f"{status.index_file_size}"
    if spec.form is None:
        params = {} if index is None else index.params
        told = " ".join([*(f"{name} {value}" for name, value in params.items())])
        now["index"] = "none" if index is None else f"{index.type} {told}".strip()
    memory = gpu.min_memory if gpu is not None else None
    return Measured(
        rows=rows,
        dimension=spec.dimension,
        metric=None if spec.form is not None else collection.schema(engine.spec.type).metric_type,
        index=None if index is None else index.type,
        engine_type=engine.spec.type,
        gpu_mib=None if memory is None else mebibytes(memory),
        now=now,
    )
