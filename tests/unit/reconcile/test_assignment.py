"""Who has a name, where a collection goes, and what is reserved, as a table of decisions."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from quiver.domain.claims import claim_of
from quiver.domain.collections import VectorCollection
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.members import Member
from quiver.domain.placement import Load
from quiver.domain.servers import Server
from quiver.reconcile.collections.assignment import Assignment, assign, chosen_member
from quiver.reconcile.collections.gathered import Gathered
from support.builders import NAMESPACE, claim, claimed, collection, engine, intended

SERVER = Server("uid-of-engine", "0" * 32, None)
HELD = claim(server=SERVER.identity)
OLD = {"creationTimestamp": "2024-01-01T00:00:00Z"}
NEW = {"creationTimestamp": "2024-12-01T00:00:00Z"}
DELETED = {"deletionTimestamp": "2024-05-02T10:00:00Z"}
THREE = {"partitions": ["a", "b", "c"]}
FULL = Load({"engine-0": 4096}, {})
SUSPENDED = collection(spec={"suspend": True})


def member(name: str = "engine-0", *, ready: bool = True) -> Member:
    return Member(name, f"{name}:19530", f"{name}.engine.team-a.svc:19530", ready, name)


def gathered(manifest: Manifest, **facts: Any) -> Gathered:
    """Return a ready member that is known, with nobody else about, but for what `facts` say."""
    known: dict[str, Any] = {
        "manifest": manifest,
        "collection": msgspec.convert(manifest, VectorCollection),
        "claim": claim_of(manifest),
        "engine": msgspec.convert(engine(), VectorEngine),
        "members": (member(),),
        "member": member(),
        "server": SERVER,
    }
    return Gathered(**known | facts)


def lapsed(manifest: Manifest, **facts: Any) -> Gathered:
    """Return what is known where the claim is of another server than the one that is there."""
    return gathered(manifest, **{"claim": None, "lapsed": HELD} | facts)


def rival(name: str = "rival", server: str | None = SERVER.identity, **age: Any) -> Manifest:
    """Return another object that claims the same collection."""
    held = claim(name, collection_name="test01", server=server)
    return claimed(held, name, spec={"collectionName": "test01"}, **age)


def elder(name: str = "elder", **age: Any) -> Manifest:
    return collection(name, spec={"collectionName": "test01"}, **age or OLD)


def reserved_of(assignment: Assignment) -> int | None:
    """Return for how many collections and partitions room is reserved; None for none at all."""
    return None if assignment.reserved is None else assignment.reserved.size


@pytest.mark.parametrize(
    ("found", "holder", "reserved"),
    [
        (gathered(collection(spec=THREE)), None, 4),
        (gathered(collection(), server=None), None, None),
        (gathered(collection(), elders=(elder(),)), "elder", None),
        (gathered(collection(), elders=(elder("later", **NEW), elder())), "elder", None),
        (gathered(collection(**OLD), claimants=(rival(**NEW),)), "rival", None),
        (gathered(collection(), claimants=(rival(),), elders=(elder(),)), "rival", None),
        (gathered(collection(), allowed=False), None, None),
        (gathered(collection(**DELETED)), None, None),
        (gathered(SUSPENDED), None, None),
        (gathered(claimed(HELD)), None, None),
        (gathered(claimed(HELD, spec=THREE, status={"partitions": ["a"]})), None, 2),
        (gathered(claimed(HELD, spec=THREE), load=FULL), None, None),
        (gathered(claimed(HELD, spec=THREE), server=None), None, None),
        (gathered(claimed(HELD, **OLD), claimants=(rival(**NEW),)), None, None),
        (gathered(claimed(HELD, **NEW), claimants=(rival(**OLD),)), "rival", None),
        (gathered(claimed(HELD, **NEW), claimants=(rival(server=None, **OLD),)), None, None),
        (gathered(intended(HELD, **OLD), claimants=(rival(**NEW),)), "rival", None),
        (lapsed(claimed(HELD, spec=THREE, status={"partitions": ["a"]})), None, 2),
        (lapsed(claimed(HELD, spec=THREE), load=FULL), None, None),
        (lapsed(claimed(HELD), elders=(elder(),)), None, 0),
        (lapsed(claimed(HELD), claimants=(rival(),), elders=(elder(),)), "rival", None),
        (lapsed(claimed(HELD, **DELETED)), None, None),
    ],
    ids=[
        "a free name on a member with room",
        "a member that has not said who it is",
        "an older object asks for the name",
        "the oldest of those that ask has it",
        "a claim is stronger than age",
        "a claim is stronger than an older request",
        "the engine does not allow the namespace",
        "a deleted object without a claim",
        "a suspended object",
        "a claim with all its partitions",
        "a claim that grows",
        "a claim that grows beyond its member",
        "a claim whose member is silent",
        "the older of two proven claims",
        "the younger of two proven claims",
        "a proven claim beside an unproven one",
        "an unproven claim beside a proven one",
        "a lapsed claim counts still",
        "a lapsed claim that grows beyond its member",
        "a lapsed claim is stronger than an older request",
        "a lapsed claim yields to another claim",
        "a lapsed claim of a deleted object",
    ],
)
def test_a_name_has_one_holder_and_room_is_reserved_for_it_alone(
    found: Gathered, holder: str | None, reserved: int | None
) -> None:
    """Nothing is reserved for an object that another is in the way of."""
    assignment = assign(found)
    assert assignment.holder == (None if holder is None else f"{NAMESPACE}/{holder}")
    assert reserved_of(assignment) == reserved


def test_a_holder_that_is_being_deleted_is_told_from_one_that_stays() -> None:
    """Its name is free once it is gone."""
    for goes, manifest in ((True, rival(**DELETED, **NEW)), (False, rival(**NEW))):
        assert assign(gathered(collection(), claimants=(manifest,))).holder_is_going is goes


def test_two_unproven_claims_leave_the_collection_to_neither() -> None:
    """Whoever dropped it might drop what is the other's."""
    unproven = rival("b", server=None, **NEW)
    mine = claimed(claim(collection_name="test01"), **OLD)
    assert assign(gathered(mine, claimants=(unproven,))).holder == f"{NAMESPACE}/b"


def test_a_name_that_no_object_has_is_contested() -> None:
    """Also while the member is silent: two reconciles must not wait for one name side by side."""
    contested = assign(gathered(collection(), server=None)).contested
    assert contested is not None
    assert contested.member == "engine-0"
    assert assign(gathered(collection(), elders=(elder(),))).contested is None


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (gathered(collection(), load=Load({"engine-0": 2}, {})), "engine-1"),
        (gathered(collection(), load=Load({"engine-0": 1, "engine-1": 1}, {})), "engine-0"),
        (gathered(collection(), load=Load({"engine-0": 1, "engine-1": 4096}, {})), "engine-0"),
        (gathered(collection(), load=Load({"engine-0": 4096, "engine-1": 4096}, {})), None),
        (lapsed(claimed(HELD), load=Load({"engine-0": 4096}, {})), "engine-0"),
    ],
    ids=[
        "the least loaded",
        "of equals the first by name",
        "one that has room",
        "none has room",
        "a collection that was lost returns to its member",
    ],
)
def test_a_collection_goes_to_the_least_loaded_member_with_room(
    found: Gathered, name: str | None
) -> None:
    """A collection that was lost with its server's data returns to where clients look for it."""
    members = (member(), member("engine-1"))
    chosen = chosen_member(replace(found, members=members))
    assert (chosen.name if chosen else None) == name
