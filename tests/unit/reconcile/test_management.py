"""Of several operators one manages an engine and its collections; the others say so and stand
aside.
"""

import logging
from typing import Any

import pytest

from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key, Kind, Manifest
from quiver.domain.managers import Manager
from quiver.domain.rights import Rights
from quiver.ports.errors import Conflict
from quiver.reconcile.management import ManagedCollections, ManagedEngines
from quiver.reconcile.result import Result
from support.builders import NAMESPACE, claim, claimed, collection, engine
from support.fake_cluster import Cluster

ENGINE, COLLECTION = Key(NAMESPACE, "engine"), Key(NAMESPACE, "test01")
EVERYWHERE, ELSEWHERE = Rights(), Rights(namespaces=("team-z",))


class Worker:
    """Stands for a reconciler; has the keys that it was given."""

    def __init__(self) -> None:
        self.keys: list[Key] = []

    async def reconcile(self, key: Key) -> Result:
        self.keys.append(key)
        return Result.DONE


class EngineWorker(Worker):
    """Writes the manager with the status, once."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        super().__init__()
        self._objects = cluster.objects
        self._name = name

    async def reconcile(self, key: Key) -> Result:
        found = self._objects.get(VECTOR_ENGINE, key)
        assert found is not None
        if not Manager(self._name).manages(found):
            await self._objects.patch_status(VECTOR_ENGINE, found, {"managedBy": self._name})
        return await super().reconcile(key)


class Release:
    """One operator of a cluster that several share."""

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        rights: Rights = EVERYWHERE,
        takes_over_from: str | None = None,
    ) -> None:
        self.engines, self.collections = EngineWorker(cluster, name), Worker()
        manager = Manager(name, takes_over_from)
        self._engines = ManagedEngines(self.engines, cluster.objects, manager)
        self._collections = ManagedCollections(self.collections, cluster.objects, manager, rights)

    async def look(self, *keys: Key) -> int:
        """Reconcile the objects; return how many it did not stand aside from."""
        before = len(self.engines.keys) + len(self.collections.keys)
        for key in keys:
            if key == ENGINE:
                await self._engines.reconcile(key)
            else:
                await self._collections.reconcile(key)
        return len(self.engines.keys) + len(self.collections.keys) - before


def status_of(cluster: Cluster, name: str, kind: Kind) -> Any:
    return cluster.get(name, kind).get("status", {})


def engine_status(cluster: Cluster) -> Any:
    return status_of(cluster, "engine", VECTOR_ENGINE)


async def test_the_first_manages_the_engine_and_its_collections() -> None:
    """The other reconciles neither, though it looks at both again and again."""
    cluster = Cluster(engine(), collection())
    first, second = Release(cluster, "first"), Release(cluster, "second")
    for _ in range(3):
        assert await first.look(ENGINE, COLLECTION) == 2
        assert await second.look(ENGINE, COLLECTION) == 0
    assert engine_status(cluster)["managedBy"] == "first"
    assert "managedBy" not in status_of(cluster, "test01", VECTOR_COLLECTION)


async def test_both_say_so_and_cost_few_writes(caplog: pytest.LogCaptureFixture) -> None:
    """Each names the other, once in a while: they do not write against each other."""
    cluster = Cluster(engine())
    first, second = Release(cluster, "first"), Release(cluster, "second")
    for _ in range(50):
        await first.look(ENGINE)
        await second.look(ENGINE)
    assert engine_status(cluster)["contendedBy"] == "second"
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len([line for line in told if "the operator of namespace first manages" in line]) == 2
    assert len([line for line in told if "by the operator of namespace second" in line]) == 1
    assert "--take-over=first" in told[0]
    writes = [call for call in cluster.api.calls if call.startswith("patch")]
    assert len(writes) == 4, "the manager, a mark, its removal, the mark again"


async def test_a_mark_goes_when_the_other_operator_has_gone() -> None:
    """The manager takes it off, and nobody puts it there again."""
    cluster = Cluster(engine(status={"managedBy": "first", "contendedBy": "gone"}))
    await Release(cluster, "first").look(ENGINE)
    assert engine_status(cluster) == {"managedBy": "first"}


async def test_three_operators_do_not_write_against_each_other() -> None:
    """One mark is enough; the third one leaves it."""
    cluster = Cluster(engine(status={"managedBy": "first"}))
    others = [Release(cluster, "second"), Release(cluster, "third")]
    for _ in range(5):
        for other in others:
            assert await other.look(ENGINE) == 0
    assert cluster.api.calls == ["patch VectorEngine engine status"]


async def test_of_two_at_once_the_faster_manages_it() -> None:
    """The other one's status rests on what it has read, and is refused; then it stands aside."""
    cluster, behind = Cluster(engine()), Cluster(engine())
    behind.api.objects = cluster.api.objects
    await Release(cluster, "first").look(ENGINE)
    second = Release(behind, "second")
    with pytest.raises(Conflict):
        await second.look(ENGINE)
    behind.add(cluster.get("engine", VECTOR_ENGINE))
    assert await second.look(ENGINE) == 0


async def test_what_a_release_that_has_gone_managed_is_taken_over_when_told_so() -> None:
    """Not by itself: the other one may only be down for a moment."""
    cluster = Cluster(engine(status={"managedBy": "old"}), collection())
    assert await Release(cluster, "new").look(ENGINE, COLLECTION) == 0
    heir = Release(cluster, "new", takes_over_from="old")
    assert await heir.look(ENGINE, COLLECTION) == 2
    assert engine_status(cluster)["managedBy"] == "new"
    assert await Release(cluster, "old").look(ENGINE, COLLECTION) == 0


async def test_who_knows_the_engine_manages_the_collection() -> None:
    """An operator that does not watch the engine's namespace says so only as long as nobody else
    does better, and then leaves the collection alone.
    """
    cluster = Cluster(collection())
    narrow = Release(cluster, "narrow", ELSEWHERE)
    assert await narrow.look(COLLECTION) == 1
    assert status_of(cluster, "test01", VECTOR_COLLECTION)["managedBy"] == "narrow"
    cluster.add(engine())
    wide = Release(cluster, "wide")
    assert await wide.look(ENGINE, COLLECTION) == 2
    assert status_of(cluster, "test01", VECTOR_COLLECTION)["managedBy"] == "wide"
    cluster.remove(VECTOR_ENGINE, "engine")
    for _ in range(3):
        assert await narrow.look(COLLECTION) == 0
        assert await wide.look(COLLECTION) == 1


async def test_what_an_object_leaves_is_recorded_by_who_manages_the_engine() -> None:
    """The other operator does not ask the engine for it, and counts it no longer."""
    for name, number in (("first", 1), ("second", 0)):
        cluster = Cluster(engine(status={"managedBy": "first"}), claimed(claim()))
        cluster.remove(VECTOR_COLLECTION, "test01")
        assert cluster.cache.load_of(ENGINE).members == {"engine-0": 1}
        await Release(cluster, name).look(COLLECTION)
        assert len(tuple(cluster.cache.abandoned(COLLECTION))) == number
        assert len(cluster.cache.load_of(ENGINE).members) == number


async def test_an_operator_alone_writes_no_manager_into_collections() -> None:
    """Ten thousand of them cost no further write, with an engine or without."""
    for manifests in ((collection(),), (engine(), collection())):
        cluster = Cluster(*manifests)
        assert await Release(cluster, "only").look(COLLECTION) == 1
        assert cluster.api.calls == []


def test_objects_name_nobody_by_default() -> None:
    """An engine of the release before is everybody's to manage."""
    unnamed: Manifest = engine()
    assert Manager("first").other_manager_of(unnamed) is None
    assert not Manager("first").manages(unnamed)
