"""Steps are carried out on the object, and on the engine, that were looked at."""

from typing import Any

import msgspec
import pytest

from quiver.domain.claims import FINALIZER, claim_of, retained_as
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.collections import Claim
from quiver.domain.indexes import Index
from quiver.domain.kubernetes_types import VECTOR_ENGINE, Key, Manifest
from quiver.domain.placement import NO_LOAD, Load
from quiver.domain.troubles import NO_REPORT, EngineReport
from quiver.ports.errors import ApiUnavailable, Conflict, EngineRefused
from quiver.reconcile.collections import act
from quiver.reconcile.collections.decision import (
    KeepFinalizer,
    NoteRetained,
    RecordClaim,
    ReplaceClaim,
    SetIndex,
)
from quiver.reconcile.result import Result
from support.builders import claim, claimed, collection, engine, intended, pod
from support.fake_cluster import Cluster
from support.pod_cluster import ENGINE, HELD, ID, OTHER_ID, PodCluster, identity


async def test_a_claim_is_recorded_signed_and_with_the_finalizer() -> None:
    """In one write, whose answer the operator believes."""
    cluster = PodCluster()
    actor = await cluster.actor()
    await actor.do(RecordClaim(HELD))
    assert cluster.api.calls[-1:] == ["patch VectorCollection test01"]
    assert cluster.get()["metadata"]["finalizers"] == [FINALIZER]
    assert "claim" not in cluster.get()["status"]
    assert actor.manifest is not None
    assert claim_of(actor.manifest) == HELD


async def test_a_claim_in_the_status_is_replaced_there() -> None:
    """Nothing of the one before is left, and the annotation says nothing beside it."""
    cluster = PodCluster(claimed(HELD))
    new = claim(member="engine-1")
    actor = await cluster.actor()
    await actor.do(ReplaceClaim(new))
    assert cluster.api.calls == ["patch VectorCollection test01 status"]
    assert cluster.get()["status"]["claim"] == msgspec.to_builtins(new)
    assert actor.manifest is not None
    assert claim_of(actor.manifest) == new


async def test_a_finalizer_that_was_taken_off_is_put_back() -> None:
    """Beside those of others, and with nothing else."""
    manifest = claimed(HELD)
    manifest["metadata"]["finalizers"] = ["example.com/other"]
    cluster = PodCluster(manifest)
    await (await cluster.actor()).do(KeepFinalizer())
    assert cluster.get()["metadata"]["finalizers"] == ["example.com/other", FINALIZER]
    assert "annotations" not in cluster.get()["metadata"]


def retained(cluster: Cluster) -> dict[str, str]:
    found: dict[str, str] = cluster.get("engine", VECTOR_ENGINE)["status"].get("retained", {})
    return found


async def test_what_is_left_is_noted_beside_what_others_note() -> None:
    """One entry is written, or taken out, in whatever version the engine is by then."""
    cluster = PodCluster(claimed(HELD))
    actor = await cluster.actor()
    cluster.api.store(VECTOR_ENGINE, engine(status={"retained": {"instance:x/other": "team-b"}}))
    await actor.do(NoteRetained(HELD, "team-a"))
    both = {"instance:x/other": "team-b", retained_as(HELD): "team-a"}
    assert retained(cluster) == both
    await actor.do(NoteRetained(HELD, None))
    assert retained(cluster) == {"instance:x/other": "team-b"}


async def test_an_engine_made_anew_is_told_nothing() -> None:
    """What was left, was left on the one before."""
    cluster = PodCluster(claimed(HELD))
    actor = await cluster.actor()
    cluster.api.store(VECTOR_ENGINE, engine(uid="uid-of-the-new-engine"))
    with pytest.raises(Conflict):
        await actor.do(NoteRetained(HELD, "team-a"))
    assert retained(cluster) == {}


async def test_an_engine_remembers_only_so_much() -> None:
    """Its status stays small; what is somebody's again is taken out of it all the same."""
    others = {f"instance:x/{number}": "team-b" for number in range(act.MOST_RETAINED - 1)}
    full = {retained_as(HELD): "team-b", **others}
    cluster = PodCluster(claimed(HELD))
    cluster.add(engine(status={"retained": full}))
    actor = await cluster.actor()
    await actor.do(NoteRetained(claim(collection_name="more"), "team-a"))
    assert retained(cluster) == full
    await actor.do(NoteRetained(HELD, None))
    assert retained(cluster) == others


def status_claim(cluster: Cluster) -> Claim | None:
    """Return the claim in the status, as the API server has it."""
    found = cluster.get()["status"].get("claim")
    return None if found is None else msgspec.convert(found, Claim)


def ready_reason(cluster: Cluster) -> Any:
    return cluster.get()["status"]["conditions"][0]["reason"]


async def test_a_new_collection_is_claimed_made_and_reported() -> None:
    """The claim stands in the annotation first, and in the status in the end."""
    cluster = PodCluster()
    assert await cluster.reconcile() is Result.DONE
    assert [call for call in cluster.api.calls if call.startswith("patch")] == [
        "patch VectorCollection test01",
        "patch VectorCollection test01 status",
    ]
    assert status_claim(cluster) == HELD
    assert cluster.server.collections.keys() == {"test01"}


async def test_a_claim_gets_its_server_with_the_next_status() -> None:
    """No write of its own is made for it, and none once it is there."""
    cluster = PodCluster(claimed(claim(), status={"origin": "Created"}))
    cluster.server.create((await cluster.gather()).schema)
    cluster.api.calls.clear()
    await cluster.reconcile()
    assert status_claim(cluster) == HELD
    assert cluster.api.calls == ["patch VectorCollection test01 status"]
    await cluster.reconcile()
    assert len(cluster.api.calls) == 1


async def test_the_status_shows_what_the_collection_is_on_the_engine() -> None:
    """Also what the spec does not name. It is part of the write that says Available."""
    cluster = PodCluster(collection(spec={"metricType": "IP"}))
    await cluster.reconcile()
    assert (ready_reason(cluster), schema_in_status(cluster)) == ("Available", (1024, "IP"))
    assert len([call for call in cluster.api.calls if call.startswith("patch")]) == 2


async def test_the_status_shows_a_collection_that_is_not_complete() -> None:
    """It is there, though the engine refuses its index. What was seen stays while it is away."""
    index = {"type": "IVF_SQ8H", "params": {"nlist": 16}}
    cluster = PodCluster(collection(spec={"index": index}))
    await cluster.reconcile()
    assert ready_reason(cluster) == "EngineRefused"
    assert schema_in_status(cluster) == (1024, "L2")
    cluster.add(cluster.get(), pod(ready=False))
    await cluster.reconcile()
    assert ready_reason(cluster) == "EngineNotReady"
    assert schema_in_status(cluster) == (1024, "L2")


async def test_the_status_shows_nothing_of_what_is_somebody_elses() -> None:
    """A collection that the object may not adopt is not its own."""
    cluster = PodCluster()
    cluster.server.create((await cluster.gather()).schema)
    await cluster.reconcile()
    assert ready_reason(cluster) == "AlreadyExists"
    assert schema_in_status(cluster) == (None, None)


def schema_in_status(cluster: PodCluster) -> tuple[int | None, str | None]:
    status = cluster.get()["status"]
    return status.get("indexFileSize"), status.get("metricType")


@pytest.mark.parametrize("manifest", [claimed(HELD), intended(HELD)], ids=["status", "annotation"])
async def test_a_collection_that_went_with_its_server_is_claimed_anew(manifest: Manifest) -> None:
    """Wherever the claim stood that has lapsed, the new one counts from then on."""
    cluster = PodCluster(manifest, instance=OTHER_ID)
    await cluster.reconcile()
    assert ready_reason(cluster) == "Available"
    assert cluster.server.collections.keys() == {"test01"}
    new = msgspec.structs.replace(HELD, server=identity(OTHER_ID))
    assert status_claim(cluster) == new
    assert (await cluster.gather()).claim == new


async def test_a_claim_that_replaced_another_stands_though_the_engine_refused() -> None:
    """Whether something was made is not known by then: the server that was asked is remembered."""
    spec = {"dimension": 12, "metricType": "HAMMING"}
    cluster = PodCluster(claimed(HELD, spec=spec), instance=OTHER_ID)
    await cluster.reconcile()
    assert ready_reason(cluster) == "EngineRefused"
    held = status_claim(cluster)
    assert held is not None
    assert held.server == identity(OTHER_ID)


async def test_a_collection_waits_while_the_disk_of_its_engine_is_full() -> None:
    """Its reason says so, and it is created once there is room."""
    cluster = PodCluster()
    cluster.server.report = EngineReport(full_disk=2**30)
    assert await cluster.reconcile() is Result.RETRY
    assert ready_reason(cluster) == "DiskFull"
    cluster.server.report = NO_REPORT
    await cluster.reconcile()
    assert ready_reason(cluster) == "Available"


async def test_a_server_that_comes_back_has_its_collection_still() -> None:
    """As long as nothing was made on the other, its claim is kept."""
    cluster = PodCluster(claimed(HELD), instance=OTHER_ID)
    schema = (await cluster.gather()).schema
    cluster.server.create(schema)
    await cluster.reconcile()
    assert ready_reason(cluster) == "AlreadyExists"
    assert status_claim(cluster) == HELD
    cluster.server.instance = ID
    await cluster.reconcile()
    assert ready_reason(cluster) == "Available"
    assert status_claim(cluster) == HELD


async def test_a_deleted_object_drops_nothing_from_another_server() -> None:
    """What is there under the name is not the collection that was claimed."""
    cluster = PodCluster(claimed(HELD, deletionTimestamp="2024-05-02T10:00:00Z"), instance=OTHER_ID)
    cluster.server.create((await cluster.gather()).schema)
    await cluster.reconcile()
    assert cluster.server.collections.keys() == {"test01"}
    (told,) = cluster.events
    assert (told.type, told.reason) == ("Warning", "Left")
    assert FINALIZER not in cluster.get()["metadata"].get("finalizers", ())


def set_aside(cluster: Cluster) -> Load:
    return cluster.reservations.added_to(NO_LOAD, ENGINE, Key("", ""))


async def test_what_was_set_aside_is_free_once_a_reconcile_is_over() -> None:
    """From then on the claim counts, and the partitions as the status has them."""
    cluster = PodCluster(collection(spec={"partitions": ["a", "b"]}))
    await cluster.reconcile()
    assert set_aside(cluster) == NO_LOAD
    assert cluster.objects.load_of(ENGINE).members == {"engine-0": 3}


async def test_no_room_is_counted_twice_on_the_way() -> None:
    """Whatever is claimed by then, others see all of it taken, and no more than that."""
    cluster = PodCluster(collection(spec={"partitions": ["a", "b"]}))
    seen: list[int] = []
    create = cluster.server.create

    def created(schema: CollectionSchema, *_: object) -> None:
        load = cluster.objects.load_of(ENGINE)
        taken = cluster.reservations.added_to(load, ENGINE, Key("", "")).members
        seen.append(taken["engine-0"])
        create(schema)

    cluster.server.create = created  # type: ignore[method-assign]
    await cluster.reconcile()
    assert seen == [3]


async def test_what_was_set_aside_stays_while_nobody_knows_of_the_claim() -> None:
    """It may stand, though its answer was lost: room and name are kept for it."""
    cluster = PodCluster()
    patch = cluster.api.patch

    async def lost(*arguments: Any, **options: Any) -> Manifest:
        await patch(*arguments, **options)
        raise ApiUnavailable("the answer was lost")

    cluster.api.patch = lost  # type: ignore[method-assign]
    with pytest.raises(ApiUnavailable):
        await cluster.reconcile()
    assert set_aside(cluster).members == {"engine-0": 1}


async def test_an_index_that_an_engine_notes_and_refuses_is_being_built() -> None:
    """As when its first build failed, or too many calls wait for theirs: the next look tells."""
    cluster = PodCluster(claimed(HELD))
    cluster.server.create((await cluster.gather()).schema)
    cluster.server.insert("test01", 10**9)
    cluster.server.fail_builds("no room")
    index = Index(type="IVF_FLAT", params={"nlist": 8})
    await (await cluster.actor()).do(SetIndex(index))
    assert cluster.server.describe_index("test01").index == index


async def test_an_index_that_an_engine_refuses_and_does_not_note_is_refused() -> None:
    """Its parameters are wrong: nothing is being built."""
    cluster = PodCluster(claimed(HELD))
    cluster.server.create((await cluster.gather()).schema)
    with pytest.raises(EngineRefused, match="nlist"):
        await (await cluster.actor()).do(SetIndex(Index(type="IVF_FLAT", params={})))
