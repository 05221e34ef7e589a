"""Lists are read in pages of few bytes, whatever objects have been stuffed with."""

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration

from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.adapters.kubernetes.connection import Connection
from quiver.adapters.kubernetes.pages import (
    FIRST,
    MIB,
    OBJECT_BYTES,
    PAGE_BYTES,
    PageLimits,
    TooLong,
)
from quiver.control.observe.metrics import Metrics
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, Manifest

PATH = "/apis/quiver.dev/v1alpha1/vectorcollections"
ORDINARY, STUFFED = 1500, 548 * 2**10


class Objects:
    """An API server with objects of these sizes. `asked` has the limit of each page."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.asked: list[int] = []
        self.largest = 0

    async def page(self, request: web.Request) -> web.Response:
        first, limit = int(request.query.get("continue", 0)), int(request.query["limit"])
        self.asked.append(limit)
        end = min(first + limit, len(self.sizes))
        items = [self._object(number) for number in range(first, end)]
        following = {"continue": str(end)} if end < len(self.sizes) else {}
        body = {"kind": "L", "metadata": {"resourceVersion": "77", **following}, "items": items}
        content = json.dumps(body).encode()
        self.largest = max(self.largest, len(content))
        return web.Response(body=content, content_type="application/json")

    def _object(self, number: int) -> Manifest:
        metadata = {
            "namespace": "team-a",
            "name": f"c{number}",
            "uid": str(number),
            "resourceVersion": "7",
            "managedFields": [{}],
        }
        return {"metadata": metadata, "spec": {"much": "x" * self.sizes[number]}}


@pytest.fixture
def objects() -> Objects:
    return Objects()


@pytest.fixture
async def connection(objects: Objects) -> AsyncIterator[Connection]:
    app = web.Application()
    app.router.add_get(PATH, objects.page)
    async with TestServer(app) as server:
        configuration = Configuration()
        configuration.host = str(server.make_url("")).rstrip("/")
        yield Connection(configuration, Metrics())


async def test_objects_of_any_size_are_listed(objects: Objects, connection: Connection) -> None:
    """Of large ones a page has few: what is too long is given up, and the next list knows."""
    objects.sizes = [STUFFED] * 20
    async with KubernetesClient(connection) as client:
        listing = await client.list(VECTOR_COLLECTION)
        assert [m["metadata"]["uid"] for m in listing.items] == [str(n) for n in range(20)]
        assert listing.version == "77"
        assert [m for m in listing.items if "managedFields" in m["metadata"]] == []
        objects.largest = 0
        await client.list(VECTOR_COLLECTION)
    assert objects.largest < 2 * MIB


async def test_ordinary_objects_cost_few_requests(objects: Objects, connection: Connection) -> None:
    """After the first pages they come by hundreds."""
    objects.sizes = [ORDINARY] * 3000
    async with KubernetesClient(connection) as client:
        await client.list(VECTOR_COLLECTION)
        assert objects.asked[:2] == [FIRST, 4 * FIRST]
        assert len(objects.asked) <= 8
        objects.asked.clear()
        await client.list(VECTOR_COLLECTION)
    assert len(objects.asked) <= 6


async def test_large_objects_among_small_ones_are_listed(
    objects: Objects, connection: Connection
) -> None:
    """The limit that suited those before is halved until a page is short enough."""
    objects.sizes = [ORDINARY] * 1000 + [STUFFED] * 30 + [ORDINARY] * 1000
    async with KubernetesClient(connection) as client:
        listing = await client.list(VECTOR_COLLECTION)
    assert len({m["metadata"]["uid"] for m in listing.items}) == len(objects.sizes)


async def test_of_each_object_is_kept_what_is_asked_for(
    objects: Objects, connection: Connection
) -> None:
    """Nothing has to hold all objects as they are."""
    objects.sizes = [ORDINARY] * 3
    async with KubernetesClient(connection) as client:
        listing = await client.list(
            VECTOR_COLLECTION, keep=lambda m: {"name": m["metadata"]["name"]}
        )
    assert listing.items == [{"name": "c0"}, {"name": "c1"}, {"name": "c2"}]


@pytest.mark.parametrize("takes", [True, False])
async def test_one_object_that_is_longer_than_a_page_is_listed(
    objects: Objects, connection: Connection, takes: bool
) -> None:
    """The API server writes `<` in six bytes: an object may have several times of what etcd takes.
    Anyone may have one listed, by a label.
    """
    objects.sizes = [ORDINARY, 2 * PAGE_BYTES, ORDINARY]
    async with KubernetesClient(connection) as client:
        listing = await client.list(VECTOR_COLLECTION)
    assert [m["metadata"]["uid"] for m in listing.items] == ["0", "1", "2"]
    async with connection.watch_session(lambda: None, take=lambda *_: takes) as session:
        url = f"{connection.server}{PATH}?limit=500&continue=1"
        async with session.get(url) as answer:
            assert len((await answer.json())["items"]) == (0 if takes else 1)


@pytest.mark.parametrize("takes", [True, False])
async def test_kopfs_lists_are_of_such_pages(
    objects: Objects, connection: Connection, takes: bool
) -> None:
    """Kopf asks for 500 and gets a page without the objects that were taken, or else with them."""
    objects.sizes = [STUFFED] * 12
    taken: list[str] = []

    def take(path: str, found: Iterable[Manifest]) -> bool:
        assert path == PATH
        taken.extend(manifest["metadata"]["uid"] for manifest in found)
        return takes

    session = connection.watch_session(lambda: None, take=take)
    items, query = list[Any](), {"limit": "500"}
    async with session:
        while True:
            async with session.get(f"{connection.server}{PATH}", params=query) as answer:
                page = await answer.json()
            items += page["items"]
            if not (following := page["metadata"].get("continue")):
                break
            query["continue"] = following
    assert taken == [str(number) for number in range(12)]
    assert len(items) == (0 if takes else 12)
    assert page["metadata"]["resourceVersion"] == "77"
    assert max(objects.asked) == FIRST


async def test_what_is_no_list_has_its_own_size(objects: Objects, connection: Connection) -> None:
    """A limit is set where there is one."""
    objects.sizes = [ORDINARY]
    url = f"{connection.server}{PATH}?limit=3&watch=true"
    async with connection.watch_session(lambda: None) as session, session.get(url) as answer:
        assert len(json.loads(await answer.content.read())["items"]) == 1
    assert objects.asked == [3]


def test_one_object_that_is_too_long_is_an_error() -> None:
    """Nothing is asked for again and again."""
    limits = PageLimits(most=2)
    limits.given_up(PATH)
    assert limits.of(PATH) == 1
    with pytest.raises(TooLong, match=str(OBJECT_BYTES)):
        limits.given_up(PATH)
