"""A resync finds what no event told."""

import asyncio
from typing import Any

import msgspec
import pytest

from quiver.control.cache.cache import Cache
from quiver.control.cache.cached_objects import CachedObjects
from quiver.control.cache.relisting import Relister
from quiver.control.drift.presence import PresenceChecks, PresenceRounds
from quiver.control.drift.resync import Queues, Resync
from quiver.control.observe.readiness import Readiness
from quiver.domain.access import Target
from quiver.domain.addresses import AddressPolicy
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import (
    POD,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Kind,
    Manifest,
)
from quiver.domain.servers import Server
from quiver.ports.api import Keep, Listing, as_it_is
from quiver.ports.errors import ApiError, ApiUnavailable, EngineRefused, EngineUnreachable, NotFound
from quiver.reconcile.credentials import Credentials
from quiver.reconcile.dialling import Dialling
from quiver.reconcile.identities import Identities
from quiver.reconcile.result import Result
from support.builders import NAMESPACE, claim, claimed, collection, engine, external, pod

ENGINE = Key(NAMESPACE, "engine")
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


class FakeCluster:
    """Answers lists; fails as often as it was told to."""

    def __init__(self) -> None:
        self.objects: dict[Kind, list[Manifest]] = {
            VECTOR_ENGINE: [engine()],
            POD: [pod()],
            VECTOR_COLLECTION: [],
        }
        self.version = "100"
        self.failures: list[ApiError] = []
        self.merged: list[Manifest] = []

    async def patch(
        self, kind: Kind, key: Key, patch: Manifest, *, subresource: str = ""
    ) -> Manifest:
        assert (kind, key, subresource) == (VECTOR_ENGINE, Key(NAMESPACE, "engine"), "status")
        self.merged.append(patch["status"])
        return engine(resourceVersion="101")

    async def list(
        self,
        kind: Kind,
        selector: str = "",  # noqa: ARG002
        namespace: str = "",  # noqa: ARG002
        keep: Keep = as_it_is,
    ) -> Listing:
        if self.failures:
            raise self.failures.pop(0)
        return Listing(list(map(keep, self.objects.get(kind, []))), self.version)


class FakeEngines:
    """Members by address, each with the names of its collections, or None for one that does not
    answer.
    """

    def __init__(self) -> None:
        self.members: dict[str, set[str] | None] = {"10.0.0.7:19530": set()}
        self.refusal: EngineRefused | None = None

    def at(self, target: Target) -> "FakeMember":
        return FakeMember(target.address, self.members.get(target.address), self.refusal)


class FakeMember:
    def __init__(self, address: str, names: set[str] | None, refusal: EngineRefused | None) -> None:
        self._address = address
        self._names = names
        self._refusal = refusal

    async def instance(self) -> str:
        return f"id of {self._address}"

    async def list_collections(self) -> frozenset[str]:
        if self._refusal is not None:
            raise self._refusal
        if self._names is None:
            raise EngineUnreachable(f"{self._address} did not answer within 5 s")
        return frozenset(self._names)


class ResyncSetup:
    def __init__(self) -> None:
        self.cluster, self.engines, self.cache = FakeCluster(), FakeEngines(), Cache()
        self.collections: set[str] = set()
        self.engine_keys: set[str] = set()
        api: Any = self.cluster
        self.readiness = Readiness()
        self.relister = Relister(api, self.cache, self.readiness)
        queues = Queues(
            lambda key: self.collections.add(key.name), lambda key: self.engine_keys.add(key.name)
        )
        unused: Any = None
        engines: Any = self.engines
        self.identities = Identities(engines)
        objects = CachedObjects(self.cache, api)
        credentials = Credentials(objects, unused, unused)
        dialling = Dialling(objects, credentials, unused, AddressPolicy(), unused)
        self.checks = PresenceChecks(
            self.cache, engines, dialling, self.identities, queues.add_collection, objects
        )
        self.resync = Resync(self.relister, self.cache, queues, 60)

    def add(self, *collections: Manifest) -> None:
        self.cluster.objects[VECTOR_COLLECTION] += collections

    async def check(self) -> None:
        """List the cluster, and check the engine's members."""
        await self.relister.refresh()
        assert await self.checks.reconcile(ENGINE) is Result.DONE


@pytest.fixture
def setup() -> ResyncSetup:
    return ResyncSetup()


async def test_every_engine_and_what_is_not_ready_is_queued(setup: ResyncSetup) -> None:
    """Engines always, collections only while they are not Ready."""
    setup.add(collection("well", status=READY), collection("new"))
    await setup.resync.once()
    assert setup.engine_keys == {"engine"}
    assert setup.collections == {"new"}


async def test_a_collection_that_vanished_from_its_member_is_queued(setup: ResyncSetup) -> None:
    """What is claimed on a member and not there is looked into; what is there is left in peace."""
    setup.add(
        claimed(claim("there"), "there", status=READY),
        claimed(claim("dropped"), "dropped", status=READY),
        claimed(claim("elsewhere", member="engine-1"), "elsewhere", status=READY),
    )
    setup.engines.members["10.0.0.7:19530"] = {"there", "foreign"}
    await setup.check()
    assert setup.collections == {"dropped"}


async def test_a_dead_member_delays_no_other(setup: ResyncSetup) -> None:
    """A member that does not answer costs its own collections a look, nobody else's."""
    silent = pod("engine-1", ip="10.0.0.8")
    setup.cluster.objects[POD].append(silent)
    setup.engines.members["10.0.0.8:19530"] = None
    setup.add(claimed(claim("dropped"), "dropped", status=READY))
    await setup.check()
    assert setup.collections == {"dropped"}


async def test_a_member_that_lists_nothing_is_its_engines_news(setup: ResyncSetup) -> None:
    """The engine's next reconcile finds the refusal, and none once the member lists again."""
    wanted, refusal = msgspec.convert(engine(), VectorEngine), EngineRefused("TOO_MANY", "too many")
    for failure, found in ((refusal, {"engine-0": refusal}), (None, {})):
        setup.engines.refusal = failure
        await setup.check()
        assert setup.identities.refusals_of(wanted) == found


async def test_a_member_that_is_not_ready_is_not_asked(setup: ResyncSetup) -> None:
    """A pod that is starting has not lost its collections; it has not loaded them yet."""
    setup.cluster.objects[POD] = [pod(ready=False)]
    setup.add(claimed(claim("loading"), "loading", status=READY))
    await setup.check()
    assert setup.collections == set()


async def test_pods_that_are_asked_are_known_from_then_on(setup: ResyncSetup) -> None:
    """A pod that holds nothing yet is known too: an endpoint that leads to it is refused."""
    newcomer = msgspec.convert(engine("z", creationTimestamp="2025-01-01T00:00:00Z"), VectorEngine)
    server = Server("uid-of-engine", "id of 10.0.0.7:19530", None)
    assert not list(setup.identities.elders_at(server, newcomer, managed=True))
    await setup.check()
    assert list(setup.identities.elders_at(server, newcomer, managed=True))


async def test_what_was_left_and_is_gone_is_no_longer_remembered(setup: ResyncSetup) -> None:
    """As far as the server that was asked is concerned: of others nothing is known."""
    server = Server("uid-of-engine", "id of 10.0.0.7:19530", None).identity
    left = {f"{server}/there": "b", f"{server}/gone": "b", "instance:other/gone": "b"}
    setup.cluster.objects[VECTOR_ENGINE] = [engine(status={"retained": left})]
    setup.engines.members["10.0.0.7:19530"] = {"there"}
    await setup.check()
    assert setup.cluster.merged == [{"retained": {f"{server}/gone": None}}]
    setup.engines.members["10.0.0.7:19530"] = {"there", "gone"}
    await setup.check()
    assert len(setup.cluster.merged) == 1


async def test_an_operator_that_shares_an_engine_writes_nothing_of_what_was_left(
    setup: ResyncSetup,
) -> None:
    """The status is for one of the two to write, and this may be the one that stands aside."""
    left = {f"{Server('uid-of-engine', 'id of 10.0.0.7:19530', None).identity}/gone": "b"}
    status = {"retained": left, "contendedBy": "other-system"}
    setup.cluster.objects[VECTOR_ENGINE] = [engine(status=status)]
    setup.engines.members["10.0.0.7:19530"] = set()
    await setup.check()
    assert setup.cluster.merged == []


async def test_an_endpoint_that_was_not_looked_up_is_not_asked(setup: ResyncSetup) -> None:
    """Its engine's own reconcile says where it is, and whether it may be dialled at all."""
    setup.cluster.objects[VECTOR_ENGINE] = [external("10.0.0.7:19530")]
    held = claim("dropped", member="10.0.0.7:19530")
    setup.add(claimed(held, "dropped", status=READY))
    await setup.check()
    assert setup.collections == set()


async def test_an_engine_that_is_gone_is_not_checked(setup: ResyncSetup) -> None:
    """It may go while it waits for its check."""
    assert await setup.checks.reconcile(Key(NAMESPACE, "gone")) is Result.DONE
    assert setup.collections == set()


async def test_rounds_check_each_engine_at_once_and_once_a_period() -> None:
    """They begin when the operator does, and wait for nothing but the period."""
    cache, added = Cache(), asyncio.Queue[Key]()
    cache.put(VECTOR_ENGINE, engine())
    rounds = PresenceRounds(cache, added.put_nowait, 0.01)
    running = asyncio.create_task(rounds.run())
    await asyncio.sleep(0)
    assert added.get_nowait() == ENGINE
    async with asyncio.timeout(10):
        assert [await added.get() for _ in range(3)] == [ENGINE] * 3
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_ghosts_are_evicted(setup: ResyncSetup) -> None:
    """An object whose deletion no event told is found to be gone."""
    setup.cache.put(VECTOR_COLLECTION, collection("ghost"))
    await setup.resync.once()
    assert setup.cache.get(VECTOR_COLLECTION, Key(NAMESPACE, "ghost")) is None


async def test_a_failed_list_leaves_what_is_known(setup: ResyncSetup) -> None:
    """An API server that is away is no reason to forget its objects."""
    setup.cache.put(VECTOR_COLLECTION, collection("known"))
    setup.cluster.failures = [ApiUnavailable("no answer")]
    await setup.resync.once()
    assert setup.cache.get(VECTOR_COLLECTION, Key(NAMESPACE, "known")) is not None


async def test_a_nudge_lists_soon(setup: ResyncSetup, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a watch begins anew, deletions that it missed are found at once."""
    monkeypatch.setattr("quiver.control.drift.resync.NUDGE_DELAY_S", 0)
    setup.cache.put(VECTOR_COLLECTION, collection("ghost"))
    gone = asyncio.Event()
    setup.cache.subscribe(lambda _change: gone.set())
    running = asyncio.create_task(setup.resync.run())
    setup.resync.nudge()
    async with asyncio.timeout(10):
        await gone.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_missing_crds_are_waited_for(
    setup: ResyncSetup, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the CRDs the operator says how to install them, waits, and goes on when they are
    there.
    """
    setup.cluster.failures = [NotFound("no such resource")] * 3
    assert setup.readiness.problem is not None
    await setup.relister.fill(retry=0)
    assert setup.readiness.problem is None
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert "kubectl apply -f crds/" in warnings[0]
