"""The work of `quiver import`: a document for each collection that is on an engine."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from quiver.commands.check_access import CallersAccess
from quiver.commands.cluster import ALL, Cluster, Where, connected
from quiver.commands.members import CallersMembers, NotAsked
from quiver.commands.progress import Progress, progress
from quiver.commands.reading import Reading
from quiver.commands.status_reading import PODS_OF_QUIVER
from quiver.domain.addresses import place_of
from quiver.domain.collections import EngineRef
from quiver.domain.engines import VectorEngine
from quiver.domain.exported import (
    Exported,
    NotExportable,
    OnMilvus,
    export_from_milvus,
    export_from_milvus_1,
)
from quiver.domain.imports import Document, Holders, document, object_names
from quiver.domain.kubernetes_types import POD, VECTOR_COLLECTION, VECTOR_ENGINE, Key, Manifest
from quiver.domain.members import Member, names_of_members
from quiver.domain.servers import Server
from quiver.domain.text import few, one_line
from quiver.ports.engines import EngineClient
from quiver.ports.errors import ApiRefused, EngineError, EngineRefused, NotFound

AT_ONCE = 8
NAME = 255
NAMES = 500
"""Characters of a line that are names."""


class NotPossible(Exception):
    """Nothing can be imported: one line why."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What there is. `held` and `asked` are the names of those that are left out: objects hold
    them, or ask for them. `failures` has a sentence for each that no spec can say. `note` says
    what could not be seen.
    """

    documents: Sequence[Document] = ()
    held: Sequence[str] = ()
    asked: Sequence[str] = ()
    failures: dict[str, str] = field(default_factory=dict)
    note: str = ""


async def imported(where: Where, engine: Key, names: Sequence[str]) -> Imported:
    """Return documents for all collections of the engine, or those that are named. An engine
    without a namespace is in that of the documents.

    Raises: NoCluster, ApiError, NotPossible.
    """
    async with connected(where) as cluster:
        if cluster.namespace == ALL:
            raise NotPossible("name the one namespace that the objects are to be in: -n")
        found = await _objects(cluster, Key(engine.namespace or cluster.namespace, engine.name))
        access = CallersAccess(cluster.api, secrets=True)
        try:
            return await _from_engine(cluster, found, access, names)
        finally:
            await access.close()


@dataclass(frozen=True)
class _Objects:
    engine: Manifest
    pods: Sequence[Manifest] | None
    holders: Holders
    note: str


async def _objects(cluster: Cluster, key: Key) -> _Objects:
    try:
        engine = await cluster.api.get(VECTOR_ENGINE, key)
    except NotFound as error:
        raise NotPossible(f"there is no VectorEngine {key}: {one_line(str(error))}") from error
    except ApiRefused as error:
        raise NotPossible(f"VectorEngine {key} may not be read: {one_line(str(error))}") from error
    reading = Reading(cluster.api)
    is_external = (engine.get("spec") or {}).get("external") is not None
    pods = None if is_external else await reading.listed(POD, key.namespace, PODS_OF_QUIVER)
    collections, note = await reading.listed(VECTOR_COLLECTION, ALL, "", _kept), ""
    if collections is None:
        collections = await reading.listed(VECTOR_COLLECTION, cluster.namespace, "", _kept)
        note = (
            "You may not list VectorCollections of all namespaces: collections that those of other "
            "namespaces hold are not left out."
        )
    if collections is None:
        raise NotPossible(f"VectorCollections in {cluster.namespace} may not be listed")
    return _Objects(engine, pods, Holders(collections), note)


async def _from_engine(
    cluster: Cluster, found: _Objects, access: CallersAccess, names: Sequence[str]
) -> Imported:
    key = Key.of(found.engine)
    try:
        engine, members = await CallersMembers(cluster, found.pods, access).of(found.engine)
    except NotAsked as error:
        raise NotPossible(f"VectorEngine {key}: {error}") from error
    if key.namespace != cluster.namespace and not engine.spec.allowed_namespaces.may_adopt:
        raise NotPossible(
            f"VectorEngine {key} is of another namespace than {cluster.namespace}, which may not "
            "adopt its collections. Import into its own namespace, or ask its owner for "
            "allowedNamespaces.mayAdopt"
        )
    member = _only(engine, members)
    with progress() as begin:
        work = _Work(cluster, engine, member, found.holders)
        try:
            return await work.done(names, found.note, begin)
        except EngineError as error:
            raise NotPossible(f"{member.name} does not answer as it should: {error}") from error


def _only(engine: VectorEngine, members: Sequence[Member]) -> Member:
    """Return the engine's one member.

    Of several, no spec can choose one: a collection goes to the emptiest, and would be made there
    anew where that is not the one that has it.
    """
    key, names = engine.metadata.key, names_of_members(engine)
    if len(names) != 1:
        told = few(names, NAMES)
        cure = "Make a VectorEngine for each endpoint, and import from that"
        if engine.spec.external is None:
            cure = "Write the objects by hand, and see in `quiver plan` that it says adopt"
        raise NotPossible(
            f"VectorEngine {key} has {len(names)} members ({told}), and no spec can say on which "
            f"of them a collection is: it could be made anew, empty, on another. {cure}"
        )
    member = next((member for member in members if member.name == names[0]), None)
    if member is None:
        raise NotPossible(f"pod {names[0]} of VectorEngine {key} has no address yet")
    if member.refusal is not None:
        raise NotPossible(f"{member.name}: {member.refusal.message}")
    return member


class _Work:
    def __init__(
        self, cluster: Cluster, engine: VectorEngine, member: Member, holders: Holders
    ) -> None:
        self._namespace = cluster.namespace
        self._engine = engine
        self._member = member
        self._client: EngineClient = cluster.engines.at(member.target())
        self._holders = holders
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._held = set[str]()
        self._failures: dict[str, str] = {}

    async def done(self, names: Sequence[str], note: str, begin: Progress) -> Imported:
        """Raises: EngineError, NotPossible."""
        there = sorted(await self._client.list_collections())
        unknown = sorted(set(names) - set(there))
        if unknown:
            told = few(map(repr, unknown), NAMES)
            raise NotPossible(f"{self._member.name} has no collection {told}")
        chosen = [name for name in there if not names or name in names]
        self._held |= self._holders.held(await self._server()) & set(chosen)
        asked = (self._holders.asked(self._engine.metadata.key) & set(chosen)) - self._held
        free = [name for name in chosen if name not in self._held | asked]
        documents = await self._documents(free, begin)
        return Imported(
            documents=documents,
            held=sorted(self._held),
            asked=sorted(asked),
            failures=dict(sorted(self._failures.items())),
            note=note,
        )

    async def _server(self) -> Server:
        address = None if self._member.pod is not None else place_of(self._member.address)
        return Server(self._engine.metadata.uid, await self._client.instance(), address)

    async def _documents(self, names: Sequence[str], begin: Progress) -> list[Document]:
        done = begin("asking the engine", len(names))

        async def one(collection: str, name: str) -> Document | None:
            async with self._turns:
                found = await self._document(collection, name)
            done()
            return found

        named = object_names(names, self._holders.names_in(self._namespace))
        tasks = [asyncio.create_task(one(*each)) for each in named]
        try:
            documents = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        return [each for each in documents if each is not None]

    async def _document(self, collection: str, name: str) -> Document | None:
        """Return the document; None for one that is gone since, held, or in no spec's words."""
        try:
            found = await self._exported(collection)
            return None if found is None else document(self._namespace, name, *found)
        except NotExportable as error:
            self._failures[collection] = str(error)
        except EngineRefused as error:
            self._failures[collection] = f"The engine refuses to describe it: {error}."
        return None

    async def _exported(self, name: str) -> tuple[Exported, str | None] | None:
        client, reference = self._client, self._reference()
        collection = await client.describe(name)
        if collection is None:
            return None
        if self._holders.has_marked(collection):
            self._held.add(name)
            return None
        if client.fields is None or client.loads is None:
            index = await client.describe_index(name)
            return export_from_milvus_1(reference, collection, index.index), None
        found = OnMilvus(
            collection=collection,
            indexes=await client.fields.describe_indexes(name),
            load=await client.loads.describe_load(name),
        )
        return export_from_milvus(reference, found), self._holders.mark(collection)

    def _reference(self) -> EngineRef:
        key = self._engine.metadata.key
        is_own = key.namespace == self._namespace
        return EngineRef(name=key.name, namespace=None if is_own else key.namespace)


def _kept(manifest: Manifest) -> Manifest:
    """Return what of a VectorCollection says what it holds: there may be many."""
    metadata, spec = manifest["metadata"], manifest.get("spec") or {}
    return {
        "metadata": {name: metadata[name] for name in ("namespace", "name", "uid")},
        "spec": {
            "engineRef": spec.get("engineRef") or {"name": ""},
            "collectionName": spec.get("collectionName"),
            "milvus": {"database": (spec.get("milvus") or {}).get("database")},
        },
        "status": {"claim": (manifest.get("status") or {}).get("claim")},
    }
