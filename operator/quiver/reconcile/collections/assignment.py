"""Decides which object has a collection's name, which member the collection goes to, and what to
reserve for it until it is claimed. Pure.

Claims decide, not specs: a spec may have been changed despite the CRD. A name that no object has
claimed goes to the oldest object that asks for it. A claim that has lapsed keeps the name: the
others see it as a claim, and each would wait for the other if its object yielded to them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from quiver.domain.claims import claim_of, has_status_claim, places_of
from quiver.domain.collections import Claim
from quiver.domain.kubernetes_types import Key, Manifest
from quiver.domain.manifests import seniority_of
from quiver.domain.members import Member
from quiver.domain.placement import choose_member
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.reservations import Wish


@dataclass(frozen=True)
class Assignment:
    """The outcome of `assign`.

    `holder` is another object that has the collection's name, and `holder_is_going` whether that
    one is being deleted. `contested` is what the object wants
    if no object has the name: the reconcile goes on only if no other one has reserved it.
    `reserved` is what to reserve until this reconcile ends.
    """

    holder: str | None = None
    holder_is_going: bool = False
    contested: Wish | None = None
    reserved: Wish | None = None


def assign(g: Gathered) -> Assignment:
    if g.claim is not None:
        return _claimed(g)
    return _unclaimed(g) if g.may_be_placed else Assignment()


def chosen_member(g: Gathered) -> Member | None:
    """Return the member that an unclaimed collection goes to; None while no member has room.

    A collection whose claim has lapsed goes back to its member, where clients look for it.
    """
    if g.lapsed is not None:
        return next((m for m in g.members if m.name == g.lapsed.member), None)
    if not g.has_share:
        return None
    return choose_member(g.members, g.load.members, g.size, g.limit)


def claim_for(g: Gathered) -> Claim:
    """Return the claim that the object has, or would have, on its member's present server."""
    assert g.engine is not None
    if g.claim is not None:
        origin = g.claim.origin
    else:
        origin = "Created" if g.observed is None else "Adopted"
    recorded = g.claim.server if g.claim is not None else None
    return Claim(
        object_uid=g.collection.metadata.uid,
        engine_uid=g.engine.metadata.uid,
        member=g.member_name,
        collection_name=g.collection_name,
        origin=origin,
        server=recorded if g.server is None else g.server.identity,
    )


def _claimed(g: Gathered) -> Assignment:
    if g.server is None:
        return Assignment()
    grows = bool(g.growth) and g.grows_within_limits
    return replace(_held_by(_rival(g)), reserved=_wish(g) if grows else None)


def _unclaimed(g: Gathered) -> Assignment:
    holder = _eldest(g.claimants) or (_eldest(g.elders) if g.lapsed is None else None)
    if holder is not None:
        return _held_by(holder)
    wish = _wish(g)
    has_room = g.lapsed is None or g.grows_within_limits
    reserved = wish if g.server is not None and has_room else None
    return Assignment(contested=wish, reserved=reserved)


def _wish(g: Gathered) -> Wish:
    key = g.collection.engine_key
    return Wish(key, g.member_name, places_of(claim_for(g), key), g.asked_for)


def _held_by(holder: Manifest | None) -> Assignment:
    if holder is None:
        return Assignment()
    is_going = "deletionTimestamp" in holder["metadata"]
    return Assignment(str(Key.of(holder)), is_going)


def _rival(g: Gathered) -> Manifest | None:
    """Return the other object that has the collection, if several claim it.

    Of the objects whose claim is proven, the oldest has the collection. An unproven claim yields to
    every other claim, unproven ones included: if all are unproven, no object has the collection,
    and none may drop it.
    """
    if not _is_proven(g.manifest, g):
        return _eldest(g.claimants)
    seniority = g.collection.metadata.seniority
    return _eldest(m for m in g.claimants if _is_proven(m, g) and seniority_of(m) < seniority)


def _is_proven(manifest: Manifest, g: Gathered) -> bool:
    """Tell whether the object's claim is in the status and identifies this server.

    A tenant may restore a signed annotation after the claim was given up, an address may have
    belonged to another server, and the previous release trusted annotations without a signature.
    """
    claim, server = claim_of(manifest), g.server
    if claim is None or server is None or not has_status_claim(manifest):
        return False
    return claim.server == server.identity


def _eldest(manifests: Iterable[Manifest]) -> Manifest | None:
    return min(manifests, key=seniority_of, default=None)
