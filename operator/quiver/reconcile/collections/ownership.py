"""Whose a collection is. Pure, but for questions to the cache.

Claims decide, never what specs wish: a spec may have been changed past the CRD. Where nobody has
claimed a name, the oldest object that wants it is first.
"""

from collections.abc import Iterable

from quiver.domain.claims import claim_of, has_status_claim
from quiver.domain.collections import Claim
from quiver.domain.objects import Key, Manifest
from quiver.ports.kubernetes import Objects
from quiver.reconcile.collections.gathered import Gathered


def claim_for(g: Gathered) -> Claim:
    """Return the claim that the object has, or would have, on its member as it is now."""
    assert g.engine is not None
    if g.claim is not None:
        origin = g.claim.origin
    else:
        origin = "Created" if g.observed is None else "Adopted"
    remembered = g.claim.server if g.claim is not None else None
    return Claim(
        object_uid=g.collection.metadata.uid,
        engine_uid=g.engine.metadata.uid,
        member=g.member_name,
        collection_name=g.collection_name,
        origin=origin,
        server=remembered if g.server is None else g.server.identity,
    )


def rival_claimant(g: Gathered, objects: Objects) -> str | None:
    """Return an object that claims the collection which this one claims too, and has it.

    The oldest has it, of those whose claim is proven. One that is not gives way to every other, and
    takes nothing from one that is: then nobody has it, and nobody may drop it.
    """
    others = _claimants(g, objects)
    if not _is_proven(g.manifest, g):
        return _eldest(others)
    seniority = g.collection.metadata.seniority
    return _eldest(m for m in others if _is_proven(m, g) and _seniority(m) < seniority)


def _is_proven(manifest: Manifest, g: Gathered) -> bool:
    """Tell whether the object's claim is of this very server, and placed.

    A signed annotation may have been put back after the claim was given up; an address may have
    been somebody else's; and the release before believed whatever stood in an annotation.
    """
    claim, server = claim_of(manifest), g.server
    if claim is None or server is None or not has_status_claim(manifest):
        return False
    return claim.server == server.identity


def holder(g: Gathered, objects: Objects, elders: Iterable[Manifest]) -> str | None:
    """Return the other object that has the name: who claims it or, where nobody does, the oldest of
    `elders`.
    """
    return _eldest(_claimants(g, objects)) or _eldest(elders)


def may_be_claimed(g: Gathered, objects: Objects) -> bool:
    """Tell whether an object of another engine may claim what is on this server, since its claim,
    of the release before, does not say on which one.
    """
    own, engine = g.collection.metadata.uid, g.engine_there.metadata.uid
    claims = (claim_of(m) for m in objects.unplaced(g.collection_name))
    others = (claim for claim in claims if claim is not None and claim.object_uid != own)
    return any(claim.engine_uid != engine for claim in others)


def elders_of(g: Gathered, objects: Objects) -> list[Manifest]:
    """Return the objects that want the same name, hold nothing yet, and are older."""
    collection = g.collection
    namesakes = objects.namesakes(collection.engine_key, collection.collection_name)
    seniority = collection.metadata.seniority
    return [m for m in namesakes if _seniority(m) < seniority and claim_of(m) is None]


def _claimants(g: Gathered, objects: Objects) -> list[Manifest]:
    found = objects.claimants(g.collection.engine_key, claim_for(g))
    return [m for m in found if m["metadata"]["uid"] != g.collection.metadata.uid]


def _eldest(manifests: Iterable[Manifest]) -> str | None:
    eldest = min(manifests, key=_seniority, default=None)
    return None if eldest is None else str(Key.of(eldest))


def _seniority(manifest: Manifest) -> tuple[str, str]:
    metadata = manifest["metadata"]
    return metadata["creationTimestamp"], metadata["uid"]
