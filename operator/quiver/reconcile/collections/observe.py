"""Observes the collection on its member, once its owner is assigned. Reads only."""

from dataclasses import replace

from quiver.domain.claims import FINALIZER, claim_of, is_released
from quiver.domain.fit import GPU_MEMORY_LABEL
from quiver.domain.kubernetes_types import (
    COLLECTIONS_CRD,
    CRD,
    NODE,
    SECRET,
    Key,
    Manifest,
)
from quiver.domain.manifests import uid_of
from quiver.ports.engines import EngineClient
from quiver.ports.errors import ApiRefused, DatabaseNotFound, EngineError
from quiver.ports.kubernetes import Objects
from quiver.reconcile.collections.gather import Sources
from quiver.reconcile.collections.gathered import Gathered, Observation
from quiver.reconcile.namespaces import is_namespace_going
from quiver.reconcile.refusals import words_of


async def observe(found: Gathered, sources: Sources) -> Gathered:
    """Read the collection from the member, and the node and Secrets from the API server.

    A failed call to the engine is part of the observation. Raises: ApiError.
    """
    if not found.may_be_placed and found.claim is None and found.lapsed is None:
        return found
    if found.claim is None and found.may_be_placed:
        found = replace(found, gpu_mib=await _gpu_mib(found, sources))
    is_retained = found.lapsed is not None and found.collection.metadata.deleting
    if found.server is not None and not found.is_borrowed and not is_retained:
        client = sources.engines.at(found.target)
        found = replace(found, observation=await _observation_or_failure(client, found))
    if found.collection.spec.deletion_protection:
        going = await is_namespace_going(found.collection.metadata, sources.objects)
        found = replace(found, is_namespace_going=going)
    if _may_be_dropped(found):
        found = replace(found, is_crd_deleted=await _is_crd_deleted(sources))
    found = await _with_secrets(found, sources)
    found = replace(found, marked_by=_marked_by(found, sources.objects))
    return replace(found, is_elders=await _is_elders(found, sources))


async def _observation_or_failure(client: EngineClient, found: Gathered) -> Observation:
    try:
        return await _observation(client, found)
    except DatabaseNotFound:
        return Observation(has_database=False)
    except EngineError as error:
        return Observation(failure=error)


async def _observation(client: EngineClient, found: Gathered) -> Observation:
    name, collection = found.collection_name, found.collection
    observed = await client.describe(name)
    if observed is None:
        return Observation()
    observation = Observation(collection=observed)
    if collection.metadata.deleting:
        if found.claim is not None and found.deletion_policy == "DeleteIfEmpty":
            return replace(observation, rows=await client.count_rows(name))
        return observation
    if client.loads is not None:
        observation = replace(observation, load=await client.loads.describe_load(name))
    observation = await _with_indexes(client, found, observation)
    if found.deletion_policy == "DeleteIfEmpty":
        unlisted = set(collection.status.partitions) - set(collection.spec.partitions)
        tags = sorted(unlisted & observed.partitions)
        counts = {tag: await client.count_rows(name, tag) for tag in tags}
        observation = replace(observation, partition_rows=counts)
    return observation


async def _with_indexes(
    client: EngineClient, found: Gathered, observation: Observation
) -> Observation:
    """Ask for the index of each field of a long form, or else for the one index, if it matters."""
    name, collection = found.collection_name, found.collection
    if client.fields is not None and found.form is not None:
        return replace(observation, indexes=await client.fields.describe_indexes(name))
    is_indexed = collection.spec.index is not None or collection.status.index is not None
    if is_indexed or client.loads is not None:
        return replace(observation, index=await client.describe_index(name))
    return observation


async def _gpu_mib(found: Gathered, sources: Sources) -> int | None:
    """Read the node's label of GPU Feature Discovery. It is read only until the collection is
    placed, and only with cluster-wide rights: nodes are in no namespace.
    """
    if not sources.rights.is_cluster_wide:
        return None
    member, engine = found.member, found.engine
    if member is None or member.node is None or engine is None or engine.spec.gpu is None:
        return None
    node = await sources.objects.fetch(NODE, Key("", member.node))
    label = node["metadata"].get("labels", {}).get(GPU_MEMORY_LABEL, "") if node else ""
    return int(label) if label.isascii() and label.isdigit() else None


def _may_be_dropped(found: Gathered) -> bool:
    """Tell whether the object goes and says that its collection goes too."""
    collection = found.collection
    is_released_now = collection.metadata.deleting and FINALIZER in collection.metadata.finalizers
    has_engine = found.claim is not None and found.engine is not None
    is_retained = collection.spec.suspend or found.deletion_policy == "Retain"
    keeps_off = is_retained and not collection.spec.deletion_protection
    return is_released_now and has_engine and not keeps_off


async def _is_crd_deleted(sources: Sources) -> bool:
    """Tell whether the CustomResourceDefinition of VectorCollections is being deleted.

    The API server marks it as deleted before it deletes the first object, and keeps it until the
    last one is gone. So an answer to a question that was asked after an object was seen deleted
    holds for that object, whatever happens next. An earlier answer would not.

    An operator of some namespaces may have no right to read it. It says at its start what follows.
    """
    try:
        crd = await sources.objects.fetch(CRD, COLLECTIONS_CRD)
    except ApiRefused:
        if sources.rights.is_cluster_wide:
            raise
        return False
    return crd is None or "deletionTimestamp" in crd["metadata"]


async def _with_secrets(found: Gathered, sources: Sources) -> Gathered:
    try:
        return replace(found, secrets=await _secrets(found, sources.objects))
    except ApiRefused as error:
        namespace = found.collection.metadata.namespace
        refusal = (
            f"The operator may not use the Secrets of namespace {namespace!r}, and so not that of "
            f"spec.binding: {words_of(error)}. {sources.rights.secrets_cure(namespace)}"
        )
        return replace(found, secrets_refusal=refusal)


async def _secrets(found: Gathered, objects: Objects) -> dict[str, Manifest]:
    collection = found.collection
    wanted, published = collection.spec.binding, collection.status.binding
    names = {b.secret_name for b in [wanted] if b} | {b.name for b in [published] if b}
    keys = [Key(collection.metadata.namespace, name) for name in sorted(names)]
    secrets = [await objects.fetch(SECRET, key) for key in keys]
    return {secret["metadata"]["name"]: secret for secret in secrets if secret is not None}


async def _is_elders(found: Gathered, sources: Sources) -> bool:
    """Tell whether the object wants to adopt a collection on an external server that may belong to
    an older VectorEngine of another namespace.
    """
    adopts = found.collection.spec.adoption_policy == "IfIdentical" and found.claim is None
    server, engine = found.server, found.engine
    if not adopts or engine is None or found.observed is None or server is None:
        return False
    if server.address is None:
        return False
    elders = sources.identities.elders_at(server, engine, managed=False)
    if any(e.namespace != engine.metadata.namespace for e in elders):
        return True
    if _may_be_claimed(found, sources.objects):
        return True
    return await sources.dialling.has_elder_at(engine, server.address)


def _marked_by(found: Gathered, objects: Objects) -> str | None:
    """Return the other object whose mark the collection carries, of all that this operator knows
    and has not let go.
    """
    mark = found.foreign_mark
    if mark is None:
        return None
    each = (m for e in objects.engines() for m in objects.collections_of(Key.of(e)))
    marking = (m for m in each if uid_of(m) == mark and not is_released(m))
    return next((str(Key.of(m)) for m in marking), None)


def _may_be_claimed(found: Gathered, objects: Objects) -> bool:
    """Tell whether an object of another engine may have claimed the collection on this server:
    claims of the previous release do not identify the server.
    """
    own, engine = found.collection.metadata.uid, found.engine_there.metadata.uid
    claims = (claim_of(m) for m in objects.unplaced(found.collection_name))
    others = (claim for claim in claims if claim is not None and claim.object_uid != own)
    return any(claim.engine_uid != engine for claim in others)
