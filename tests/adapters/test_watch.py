"""kopf's watches keep the cache up to date and leave the cluster alone."""

import asyncio
import logging
import signal
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from localcluster import ApiServer, ControlPlane
from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.adapters.kubernetes.connection import Connection, load_configuration
from quiver.control.cache.cache import Cache
from quiver.control.cache.echoes import Echoes
from quiver.control.observe.metrics import Metrics
from quiver.domain.kubernetes_types import (
    SERVICE,
    VECTOR_COLLECTION,
    VECTOR_ENGINE,
    Key,
    Manifest,
)
from quiver.handlers import UNUSED_FINALIZER, watch
from support.waiting import eventually

CRDS = Path(__file__).parents[2] / "crds"
DEADLINE_S = 20.0


class Watched:
    """A cache that is being kept up to date, and whose changes can be waited for."""

    def __init__(self) -> None:
        self.cache = Cache()
        self.ended: asyncio.Future[None] = asyncio.Future()
        self.listed = 0
        self._changed = asyncio.Event()
        self.cache.subscribe(lambda _change: self._changed.set())

    def count_list(self) -> None:
        self.listed += 1
        self._changed.set()

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def watching(
    api: KubernetesClient, namespaces: Collection[str] = ()
) -> AsyncIterator[Watched]:
    watched = Watched()

    def session(on_list: Callable[[], None]) -> tuple[str, aiohttp.ClientSession]:
        echoes = Echoes(watched.cache)
        return api.server, api.watch_session(on_list, echoes, echoes.take)

    task = asyncio.create_task(watch(watched.cache, session, watched.count_list, namespaces))
    watched.ended = task
    try:
        await watched.until(lambda: watched.listed >= 5 * max(1, len(namespaces)))
        yield watched
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def vector_collection(namespace: str, **metadata: Any) -> Manifest:
    return {
        "apiVersion": VECTOR_COLLECTION.api_version,
        "kind": VECTOR_COLLECTION.kind,
        "metadata": {"namespace": namespace, "name": "subject", **metadata},
        "spec": {"engineRef": {"name": "engine"}, "dimension": 8},
    }


async def test_what_happens_gets_into_the_cache(
    api: KubernetesClient, namespace: str, metrics: Metrics
) -> None:
    """Creations, changes and deletions arrive; kopf itself writes nothing, whatever it finds."""
    key = Key(namespace, "subject")
    async with watching(api) as watched:
        await api.create(VECTOR_COLLECTION, vector_collection(namespace))
        await watched.until(lambda: watched.cache.get(VECTOR_COLLECTION, key))
        finalizers = ["kopf.zalando.org/KopfFinalizerMarker", "example.com/other"]
        await api.patch(VECTOR_COLLECTION, key, {"metadata": {"finalizers": finalizers}})
        await watched.until(lambda: _finalizers(watched.cache, key) == finalizers)
        await api.patch(VECTOR_COLLECTION, key, {"metadata": {"finalizers": None}})
        await watched.until(lambda: _finalizers(watched.cache, key) == [])
    writes = sum(
        sample.value
        for sample in metrics.api_requests.collect()[0].samples
        if sample.labels.get("method") != "GET" and sample.name.endswith("_total")
    )
    assert writes == 3, "one creation and two patches of the test's own"
    assert UNUSED_FINALIZER not in finalizers


async def test_only_what_quiver_manages_is_watched(api: KubernetesClient, namespace: str) -> None:
    """Of Services, StatefulSets and Pods only those with the operator's label arrive."""
    managed = {"app.kubernetes.io/managed-by": "quiver"}
    async with watching(api) as watched:
        for name, labels in (("foreign", {}), ("ours", managed)):
            service = {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"namespace": namespace, "name": name, "labels": labels},
                "spec": {"ports": [{"port": 80}]},
            }
            await api.create(SERVICE, service)
        await watched.until(lambda: watched.cache.get(SERVICE, Key(namespace, "ours")))
        assert watched.cache.get(SERVICE, Key(namespace, "foreign")) is None


@pytest.fixture
def watched_namespaces(crds: ControlPlane) -> Iterator[list[str]]:
    """More namespaces than connections would be needed for with one watch each."""
    names = [f"watched-{uuid.uuid4().hex[:8]}" for _ in range(6)]
    for name in names:
        crds.kubectl("create", "namespace", name)
    yield names
    crds.kubectl("delete", "namespace", "--wait=false", *names)


async def test_only_the_given_namespaces_are_watched(
    api: KubernetesClient, namespace: str, watched_namespaces: list[str]
) -> None:
    """Each kind in each of them, all at the same time; what is elsewhere does not arrive."""
    async with watching(api, watched_namespaces) as watched:
        await api.create(VECTOR_COLLECTION, vector_collection(namespace))
        for name in watched_namespaces:
            await api.create(VECTOR_COLLECTION, vector_collection(name))
            key = Key(name, "subject")
            await watched.until(partial(watched.cache.get, VECTOR_COLLECTION, key))
            await api.patch(VECTOR_COLLECTION, key, {"metadata": {"finalizers": ["a.b/c"]}})
            await watched.until(lambda key=key: _finalizers(watched.cache, key) == ["a.b/c"])
            await api.patch(VECTOR_COLLECTION, key, {"metadata": {"finalizers": None}})
        found = {m["metadata"]["namespace"] for m in watched.cache.all(VECTOR_COLLECTION)}
        assert found == set(watched_namespaces)


async def test_two_watch_side_by_side_and_end_alone(api: KubernetesClient, namespace: str) -> None:
    """The end of one watch ends no other task of the loop, leaves none behind, and no signal
    handler.
    """
    before = signal.getsignal(signal.SIGTERM)
    tasks = asyncio.all_tasks()
    async with watching(api) as first:
        async with watching(api):
            pass
        await api.create(VECTOR_COLLECTION, vector_collection(namespace))
        await first.until(lambda: first.cache.get(VECTOR_COLLECTION, Key(namespace, "subject")))

    async def none_is_left() -> bool:
        return asyncio.all_tasks() <= tasks

    # kopf cancels its waiters, and some need a turn of the loop more to end.
    await eventually(none_is_left, "kopf's tasks have ended", DEADLINE_S)
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.fixture
def own(tmp_path: Path) -> Iterator[ApiServer]:
    """An API server on which no other test has objects, whose finalizers would keep their kind."""
    with ApiServer(tmp_path / "api-server") as server:
        server.kubectl("apply", "--server-side", f"--filename={CRDS}")
        server.kubectl("wait", "--for=condition=Established", "crd", "--all")
        yield server


async def test_a_watch_ends_in_order_when_a_kind_is_gone(
    own: ApiServer, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    """The other kinds' watches end too, and kopf logs no traceback."""
    configuration = await load_configuration({"KUBECONFIG": str(own.kubeconfig)})
    tasks = asyncio.all_tasks()
    async with (
        KubernetesClient(Connection(configuration, metrics)) as api,
        watching(api) as watched,
    ):
        delete = partial(own.kubectl, "delete", f"crd/{VECTOR_ENGINE.full_name}", "--timeout=20s")
        await asyncio.to_thread(delete)
        async with asyncio.timeout(DEADLINE_S):
            await watched.ended

        async def none_is_left() -> bool:
            return asyncio.all_tasks() <= tasks

        await eventually(none_is_left, "kopf's tasks have ended", DEADLINE_S)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []


def _finalizers(cache: Cache, key: Key) -> list[str] | None:
    found = cache.get(VECTOR_COLLECTION, key)
    return None if found is None else found["metadata"].get("finalizers", [])
