"""What a collection's policies decide over, with just what matters in a test named."""

from typing import Any

import msgspec

from quiver.domain.access import Access
from quiver.domain.claims import FINALIZER, claim_of, retained_as
from quiver.domain.collection_schemas import CollectionSchema, ObservedCollection
from quiver.domain.collections import VectorCollection
from quiver.domain.conditions import Verdict
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.members import Member
from quiver.domain.reasons import Reason
from quiver.domain.servers import Server
from quiver.reconcile.collections.decide import decide
from quiver.reconcile.collections.gathered import Gathered, Observation
from support.builders import NAMESPACE, claim, claimed, collection, engine, external

MEMBER = Member(
    "engine-0", "Quiver", "10.0.0.7:19530", "engine-0.engine.team-a.svc:19530", True, "engine-0"
)
SCHEMA = CollectionSchema(name="test01", dimension=256, index_file_size=1024, metric_type="L2")
FOUND = ObservedCollection(schema=SCHEMA)
OTHER = ObservedCollection(schema=msgspec.structs.replace(SCHEMA, dimension=8))
DELETED = "2024-05-02T10:00:00Z"
SERVER, NEW_SERVER = (Server("uid-of-engine", digit * 32, None) for digit in "01")
HELD = claim(server=SERVER.identity)
NEW_CLAIM = msgspec.structs.replace(HELD, server=NEW_SERVER.identity)
ENDPOINT = "milvus.example.org:19530"
EXTERNAL = msgspec.convert(external(ENDPOINT), VectorEngine)
REFUSED = Verdict.stalled(Reason.ENDPOINT_REFUSED, "127.0.0.1 is a loopback address.")
NO_SECRET = Access(trouble=Verdict.reconciling(Reason.SECRET_NOT_FOUND, "There is no Secret 't'."))
GUEST = {"engineRef": {"name": "engine", "namespace": "team-e"}}
ONE = f"{NAMESPACE}/1"
MINE, THEIRS = {retained_as(HELD): ONE}, {retained_as(HELD): "team-x/1"}
"""What an engine remembers of the collection: it was the namespace's own, or another's."""


def endpoint(*, ready: bool = True, refusal: Verdict | None = None) -> Member:
    return Member(ENDPOINT, "Quiver", "10.0.0.9:19530", ENDPOINT, ready, refusal=refusal)


def hosting(retained: dict[str, str] | None = None, **spec: Any) -> VectorEngine:
    """Return an engine of another namespace than the collections, which are its guests."""
    manifest = engine(namespace="team-e", spec=spec, status={"retained": retained or {}})
    return msgspec.convert(manifest, VectorEngine)


def retaining(namespace: str) -> VectorEngine:
    """Return an engine of their own namespace that remembers whose the collection was."""
    manifest = engine(status={"retained": {retained_as(HELD): namespace}})
    return msgspec.convert(manifest, VectorEngine)


def gathered(manifest: Manifest | None = None, **facts: Any) -> Gathered:
    """Return what there is: a ready member without such a collection, but for what `facts` say.
    `memory` is the load that the engine tells.
    """
    manifest = manifest or collection()
    asked = ("index", "indexes", "rows", "partition_rows", "has_database")
    told = {name: facts.pop(name) for name in asked if name in facts}
    told |= {"load": facts.pop("memory")} if "memory" in facts else {}
    observed, failure = facts.pop("observed", None), facts.pop("failure", None)
    usual: dict[str, Any] = {
        "observation": Observation(collection=observed, failure=failure, **told),
        "manifest": manifest,
        "collection": msgspec.convert(manifest, VectorCollection),
        "claim": claim_of(manifest),
        "engine": msgspec.convert(engine(), VectorEngine),
        "members": (MEMBER,),
        "member": MEMBER,
        "server": SERVER,
    }
    return Gathered(**usual | facts)


def lapsed(manifest: Manifest | None = None, **facts: Any) -> Gathered:
    """Return the same, where the member is another server than the one that is claimed."""
    manifest = manifest or claimed(HELD, status={"origin": "Created"})
    facts = {"claim": None, "lapsed": HELD, "server": NEW_SERVER} | facts
    return gathered(manifest, **facts)


def unstamped(**rest: Any) -> Manifest:
    """Return a collection that was claimed before servers were told apart."""
    return claimed(claim(), **rest)


def steps(found: Gathered) -> list[type]:
    """Return the types of the steps that are decided on, in their order."""
    return [type(step) for step in decide(found).steps]


def going(held: bool = True, **rest: Any) -> Manifest:
    """Return a collection that is being deleted, claimed where it is `held`."""
    if held:
        return claimed(HELD, deletionTimestamp=DELETED, **rest)
    return collection(deletionTimestamp=DELETED, finalizers=[FINALIZER], **rest)
