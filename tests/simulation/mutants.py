"""Bugs, planted into the operator one at a time, to see that the simulation finds them.

Each is a mistake that somebody could make. `python -m simulation --mutants` says how soon it is
found.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any, NamedTuple
from unittest.mock import patch

import msgspec

from quiver.control.cache.by_engine import CollectionsByEngine
from quiver.control.cache.cache import Cache
from quiver.control.cache.cached_objects import CachedObjects
from quiver.control.leader.leadership import Leadership
from quiver.control.work.queue import WorkQueue
from quiver.domain.access import Target
from quiver.domain.claims import (
    CLAIM_ANNOTATION,
    PARTITIONS,
    VERIFIED,
    ClaimKeys,
    claim_of,
    verified,
)
from quiver.domain.collections import Claim
from quiver.domain.engines import EngineSpec, VectorEngine
from quiver.domain.kubernetes_types import (
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Kind,
    Manifest,
)
from quiver.domain.manifests import owner_reference, uid_of
from quiver.domain.servers import Server
from quiver.ports.api import Api
from quiver.ports.errors import EngineUnreachable
from quiver.reconcile.collections import adoption, deletion, present
from quiver.reconcile.collections.act import Actor
from quiver.reconcile.collections.decide import decide
from quiver.reconcile.collections.decision import (
    CreateCollection,
    Decision,
    DropCollection,
    RecordClaim,
    Release,
    Step,
)
from quiver.reconcile.collections.gather import _Gathering
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.preconditions import Preconditions
from quiver.reconcile.collections.reconciler import CollectionReconciler
from quiver.reconcile.collections.reservations import Reservations
from quiver.reconcile.engines.possession import Possession
from quiver.reconcile.engines.revisions import Rollout, held_rollout
from quiver.reconcile.engines.workload import owned
from simulation.milvus_form_mutants import FORM_MUTANTS
from simulation.milvus_mutants import MILVUS_MUTANTS

RECONCILER = "quiver.reconcile.collections.reconciler"
CLAIM_READERS = (
    "control.cache.by_engine",
    "control.drift.presence",
    "control.cache.triggers",
    "reconcile.collections.gather",
    "reconcile.collections.assignment",
    "reconcile.collections.observe",
    "reconcile.collections.reconciler",
    "reconcile.engines.gather",
)


class Mutant(NamedTuple):
    """`plant` puts the bug in, and takes it out again on leaving."""

    name: str
    plant: Callable[[], Any]


def _moved(step: type, behind: type) -> Any:
    """Have steps of one type done after those of another."""

    def mutated(gathered: Gathered) -> Decision:
        decision = decide(gathered)
        if not any(isinstance(each, behind) for each in decision.steps):
            return decision
        late = [each for each in decision.steps if isinstance(each, step)]
        steps = list[Step]()
        for each in decision.steps:
            steps += [] if isinstance(each, step) else [each]
            steps += late if isinstance(each, behind) else []
        return replace(decision, steps=tuple(steps))

    return patch(f"{RECONCILER}.decide", mutated)


def _claim_after_create() -> Any:
    return _moved(RecordClaim, CreateCollection)


def _finalizer_before_drop() -> Any:
    return _moved(DropCollection, Release)


def _stale_cache_trusted() -> Any:
    async def trust(_preconditions: Preconditions, _manifest: Manifest) -> None:
        pass

    return patch.object(Preconditions, "object_is_unchanged", trust)


@contextmanager
def _suspension_unnoticed() -> Iterator[None]:
    def trust(_preconditions: Preconditions) -> None:
        pass

    distrust = patch.object(Preconditions, "begin_step", trust)
    with distrust, patch.object(Preconditions, "reads_are_recent", trust):
        yield


def _no_precondition() -> Any:
    async def update(
        objects: CachedObjects, kind: Kind, manifest: Manifest, body: Manifest, subresource: str
    ) -> Manifest:
        key = Key.of(manifest)
        call = objects._api.patch(kind, key, body, subresource=subresource)
        return await objects._write(kind, key, call)

    return patch.object(CachedObjects, "_update", update)


def _failed_key_kept() -> Any:
    done = WorkQueue.done

    def give_back(queue: WorkQueue, key: Key, *, held_up: bool = False) -> None:
        if key not in queue._failures:
            done(queue, key, held_up=held_up)

    return patch.object(WorkQueue, "done", give_back)


@contextmanager
def _two_workers_on_a_key() -> Iterator[None]:
    get, done = WorkQueue.get, WorkQueue.done

    async def give_out(queue: WorkQueue) -> Key:
        key = await get(queue)
        done(queue, key)
        return key

    def keep(_queue: WorkQueue, _key: Key, *, held_up: bool = False) -> None:
        pass

    with patch.object(WorkQueue, "get", give_out), patch.object(WorkQueue, "done", keep):
        yield


def _without(policies: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    return tuple(policy for policy in policies if policy.__name__ != name)


def _another_collection_dropped() -> Any:
    return patch.object(deletion, "POLICIES", _without(deletion.POLICIES, "collection_is_another"))


def _foreign_collection_taken() -> Any:
    kept = _without(present.POLICIES, "name_exists_and_is_not_to_be_adopted")
    return patch.object(present, "POLICIES", kept)


def _created_anew_because_of_an_edit() -> Any:
    def anew(g: Gathered) -> Decision | None:
        decision = present.collection_differs(g)
        if decision is None or g.claim is None:
            return decision
        steps = (DropCollection(g.collection_name), CreateCollection(g.schema))
        return replace(decision, steps=steps)

    policies = [anew if p is present.collection_differs else p for p in present.POLICIES]
    return patch.object(present, "POLICIES", tuple(policies))


def _status_written_every_time() -> Any:
    async def report(
        reconciler: CollectionReconciler, decision: Decision, manifest: Manifest, collection: Any
    ) -> None:
        found = reconciler._status(decision, collection, collection.status)
        status = msgspec.to_builtins(found)
        await reconciler._objects.patch_status(VECTOR_COLLECTION, manifest, status)

    return patch.object(CollectionReconciler, "_report", report)


@contextmanager
def _claim_of_another_uid_accepted() -> Iterator[None]:
    def claim_of(manifest: Manifest) -> Claim | None:
        found = manifest.get("status", {}).get("claim") or manifest.get(VERIFIED)
        return None if found is None else msgspec.convert(found, Claim)

    with ExitStack() as stack:
        for module in CLAIM_READERS:
            stack.enter_context(patch(f"quiver.{module}.claim_of", claim_of))
        yield


def _unsigned_claim_believed() -> Any:
    def believe(manifest: Manifest, keys: ClaimKeys) -> Manifest:
        text = manifest["metadata"].get("annotations", {}).get(CLAIM_ANNOTATION)
        if text is None or "claim" in manifest.get("status", {}):
            return verified(manifest, keys)
        try:
            claim = msgspec.json.decode(text, type=Claim)
        except msgspec.DecodeError:
            return verified(manifest, keys)
        return {**manifest, VERIFIED: {**msgspec.to_builtins(claim), PARTITIONS: 0}}

    # Not in ClaimKeys, by which the simulation itself judges.
    return patch("quiver.control.cache.cache.verified", believe)


def _annotation_believed_over_status() -> Any:
    def over(manifest: Manifest, keys: ClaimKeys) -> Manifest:
        text = manifest["metadata"].get("annotations", {}).get(CLAIM_ANNOTATION)
        claim = keys.believed(text) if text is not None else None
        if claim is None or "claim" not in manifest.get("status", {}):
            return verified(manifest, keys)
        return {**manifest, "status": {**manifest["status"], "claim": msgspec.to_builtins(claim)}}

    return patch("quiver.control.cache.cache.verified", over)


def _any_server_is_the_claims() -> Any:
    return patch.object(Server, "is_of", lambda *_: True)


def _calls_meant_for_whoever_is_there() -> Any:
    def target(g: Gathered) -> Target:
        assert g.member is not None
        return g.member.target()

    return patch.object(Gathered, "target", property(target))


def _pod_not_read_first() -> Any:
    async def trust(_preconditions: Preconditions) -> None:
        pass

    return patch.object(Preconditions, "member_is_the_same", trust)


def _names_judged_by_wishes() -> Any:
    def claimants(gathering: _Gathering, g: Gathered) -> tuple[Manifest, ...]:
        found = gathering._objects.namesakes(g.collection.engine_key, g.collection.collection_name)
        own = g.collection.metadata.uid
        return tuple(m for m in found if uid_of(m) != own and claim_of(m) is not None)

    return patch.object(_Gathering, "_claimants", claimants)


def _guest_adopts_anything() -> Any:
    return patch.object(adoption, "_adoption_is_not_allowed", lambda _g: None)


def _wishes_counted_as_load() -> Any:
    count = CollectionsByEngine._count

    def counted(index: CollectionsByEngine, engine: Key, manifest: Manifest, sign: int) -> None:
        wished = {"partitions": manifest["spec"].get("partitions", [])}
        status = {**manifest.get("status", {}), **wished}
        count(index, engine, {**manifest, "status": status}, sign)

    return patch.object(CollectionsByEngine, "_count", counted)


def _vanished_objects_stay() -> Any:
    def replace_(cache: Cache, kind: Kind, manifests: Any, *_: str) -> None:
        for manifest in manifests:
            cache.put(kind, manifest)

    return patch.object(Cache, "replace", replace_)


@contextmanager
def _limits_not_counted() -> Iterator[None]:
    kept = _without(present.POLICIES, "no_member_has_room")
    choose = "quiver.reconcile.collections.assignment.choose_member"

    def least_loaded(members: Any, load: Any, _size: int, _limit: int) -> Any:
        ready = [m for m in members if m.ready and not m.leaving]
        return min(ready, key=lambda m: (load.get(m.name, 0), m.name), default=None)

    with patch.object(present, "POLICIES", kept), patch(choose, least_loaded):
        yield


def _last_place_given_twice() -> Any:
    return patch.object(Reservations, "reserve", lambda *_: None)


def _lost_answer_taken_for_done() -> Any:
    do = Actor._do_on_engine

    async def hope(actor: Actor, step: Any) -> None:
        with suppress(EngineUnreachable):
            await do(actor, step)

    return patch.object(Actor, "_do_on_engine", hope)


def _lease_not_looked_at() -> Any:
    return patch.object(Leadership, "require", lambda _leadership: None)


def _lease_given_back_early() -> Any:
    return patch.object(Leadership, "quiet_in", lambda _leadership, _late: 0.0)


def _deleted_lease_taken_for_free() -> Any:
    async def has_none(_api: Api, _namespace: str) -> bool:
        return False

    return patch("quiver.control.leader.election.has_keys", has_none)


def _release_unsaid() -> Any:
    return patch.object(deletion, "other_finalizers", lambda _collection: [])


def _deletion_given_up() -> Any:
    def give_up(g: Gathered, error: Exception) -> Decision:
        return deletion._retain(g, "Warning", str(error))

    return patch.object(deletion, "failed", give_up)


def _pods_replaced_for_an_upgrade() -> Any:
    def open_rollout(spec: EngineSpec, template: Manifest) -> Rollout:
        return held_rollout(spec, template)._replace(partition=0)

    return patch("quiver.reconcile.engines.rollout.held_rollout", open_rollout)


def _owned(engine: VectorEngine, api_version: str, kind: str, spec: Manifest) -> Manifest:
    made = owned(engine, api_version, kind, spec)
    made["metadata"]["ownerReferences"] = [owner_reference(VECTOR_ENGINE, engine.metadata)]
    return made


@contextmanager
def _engine_owns_its_workload() -> Iterator[None]:
    async def leave(*_: object) -> dict[Kind, Manifest]:
        return {}

    with (
        patch("quiver.reconcile.engines.workload.owned", _owned),
        patch.object(Possession, "disown", leave),
    ):
        yield


def _engine_waits_for_nothing() -> Any:
    return patch("quiver.reconcile.engines.decide.deletion_blocked", lambda _g: None)


MUTANTS = (
    Mutant("the claim is written after the collection is created", _claim_after_create),
    Mutant("the finalizer goes before the drop", _finalizer_before_drop),
    Mutant("a stale cache is trusted when an engine is changed", _stale_cache_trusted),
    Mutant("a suspension goes unnoticed", _suspension_unnoticed),
    Mutant("a write has no precondition", _no_precondition),
    Mutant("what failed is never tried again", _failed_key_kept),
    Mutant("two workers have one key", _two_workers_on_a_key),
    Mutant("another collection under the name is dropped", _another_collection_dropped),
    Mutant("somebody else's collection is taken", _foreign_collection_taken),
    Mutant("an edit drops and creates anew", _created_anew_because_of_an_edit),
    Mutant("each reconcile writes the status", _status_written_every_time),
    Mutant("a claim of another uid is accepted", _claim_of_another_uid_accepted),
    Mutant("a claim that nobody signed is believed", _unsigned_claim_believed),
    Mutant("an old annotation is believed over the status", _annotation_believed_over_status),
    Mutant("it is not looked who the server is", _any_server_is_the_claims),
    # test_mutants.py has no seeds for these two, so they are planted by `--mutants` alone.
    Mutant("a call is for whoever is at the address", _calls_meant_for_whoever_is_there),
    Mutant("a pod that tells no instance is not read first", _pod_not_read_first),
    Mutant("who has a name is judged by wishes", _names_judged_by_wishes),
    Mutant("a guest adopts what it may not", _guest_adopts_anything),
    Mutant("wishes count as load", _wishes_counted_as_load),
    Mutant("what vanished while the watch was broken stays", _vanished_objects_stay),
    Mutant("limits are not counted", _limits_not_counted),
    Mutant("the last place is given to two at once", _last_place_given_twice),
    Mutant("a call without an answer is taken for done", _lost_answer_taken_for_done),
    Mutant("the lease is not looked at before a write", _lease_not_looked_at),
    Mutant("the lease is given back while a write is on its way", _lease_given_back_early),
    Mutant("a deleted lease is taken for a free one", _deleted_lease_taken_for_free),
    Mutant("a release is not said", _release_unsaid),
    Mutant("a deletion is given up", _deletion_given_up),
    Mutant("an upgrade replaces pods", _pods_replaced_for_an_upgrade),
    Mutant("an engine owns its workload", _engine_owns_its_workload),
    Mutant("an engine waits for no collections", _engine_waits_for_nothing),
    *(Mutant(name, plant) for name, plant in (*MILVUS_MUTANTS, *FORM_MUTANTS)),
)
