"""What the lists of an operator bring that watches some namespaces alone."""

import asyncio
import logging
from typing import Any

import pytest

from quiver.control.cache.cache import Cache
from quiver.control.cache.relisting import Relister
from quiver.control.observe.readiness import Readiness
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Kind, Manifest
from quiver.domain.rights import Rights
from quiver.ports.api import Keep, Listing
from quiver.ports.errors import ApiRefused, NotFound
from support.builders import collection
from support.waiting import eventually

NAMESPACES = ("team-a", "team-b")


class Cluster:
    """An API server with a collection in each namespace, and `others` by namespace; those in
    `forbidden` cannot be listed.
    """

    def __init__(self) -> None:
        self.forbidden: set[str] = set()
        self.missing: set[Kind] = set()
        self.version = "20"
        self.others: dict[str, list[str]] = {}

    async def list(self, kind: Kind, _selector: str, namespace: str, keep: Keep) -> Listing:
        if namespace in self.forbidden:
            raise ApiRefused(f"cannot list {kind.plural} in {namespace}")
        if kind in self.missing:
            raise NotFound("the server could not find the requested resource")
        if kind != VECTOR_COLLECTION:
            return Listing([], self.version)
        names = ("test01", *self.others.get(namespace, ()))
        return Listing([keep(self._object(n, namespace)) for n in names], self.version)

    def _object(self, name: str, namespace: str) -> Manifest:
        uid = f"{namespace}-{name}"
        return collection(name, namespace=namespace, uid=uid, resourceVersion=self.version)


class Setup:
    def __init__(self, rights: Rights) -> None:
        self.cluster, self.cache, self.readiness = Cluster(), Cache(), Readiness()
        api: Any = self.cluster
        self.rights = rights
        self.relister = Relister(api, self.cache, self.readiness, rights)

    @property
    def known(self) -> set[str]:
        return {m["metadata"]["namespace"] for m in self.cache.all(VECTOR_COLLECTION)}

    @property
    def everything(self) -> list[Manifest]:
        return list(self.cache.all(VECTOR_COLLECTION))

    async def fill(self) -> None:
        async with asyncio.timeout(10):
            await self.relister.fill(retry=0)


@pytest.fixture
def setup() -> Setup:
    return Setup(Rights(namespaces=NAMESPACES))


async def test_a_namespace_that_is_gone_is_in_nobodys_way(
    setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    """With it its Role is gone. The operator says so once, works on in the others, and does not
    say of an engine there that it does not exist.
    """
    setup.cluster.forbidden.add("team-b")
    await setup.fill()
    await setup.relister.refresh()
    assert setup.readiness.problem is None
    assert setup.known == {"team-a"}
    assert [setup.rights.covers(name) for name in NAMESPACES] == [True, False]
    assert setup.rights.reachable == ("team-a",)
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert len(told) == 1
    assert "namespace team-b cannot be watched: cannot list" in told[0]


async def test_a_right_that_is_withdrawn_and_given_again_is_followed(setup: Setup) -> None:
    """What is known of the namespace stays known, and is brought up to date by the next list."""
    await setup.fill()
    setup.cluster.forbidden.add("team-b")
    await setup.relister.refresh()
    assert (setup.known, setup.rights.covers("team-b")) == (set(NAMESPACES), False)
    setup.cluster.forbidden.clear()
    setup.cluster.version = "21"
    await setup.relister.refresh()
    assert setup.rights.covers("team-b")
    assert {m["metadata"]["resourceVersion"] for m in setup.cache.all(VECTOR_COLLECTION)} == {"21"}


@pytest.mark.parametrize(
    ("rights", "forbidden"),
    [(Rights(), {""}), (Rights(namespaces=NAMESPACES), {*NAMESPACES})],
    ids=["cluster-wide", "all namespaces"],
)
async def test_an_operator_that_may_list_nothing_is_not_ready(
    rights: Rights, forbidden: set[str]
) -> None:
    """It waits for its rights, and says which it lacks."""
    setup = Setup(rights)
    setup.cluster.forbidden = forbidden
    filling = asyncio.create_task(setup.relister.fill(retry=0.01))
    readiness = setup.readiness
    await eventually(lambda: "cannot list" in (readiness.problem or ""), "it says what it lacks")
    setup.cluster.forbidden = set()
    async with asyncio.timeout(10):
        await filling
    assert setup.readiness.problem is None


async def test_missing_kinds_are_waited_for(setup: Setup) -> None:
    """They are missing in every namespace."""
    setup.cluster.missing = {VECTOR_COLLECTION}
    await setup.relister.refresh()
    assert setup.known == set()
    assert setup.rights.reachable == NAMESPACES
    setup.cluster.missing = set()
    await setup.fill()
    assert setup.known == set(NAMESPACES)


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ([VECTOR_COLLECTION], "vectorcollections.quiver.dev"),
        (
            [VECTOR_ENGINE, VECTOR_COLLECTION],
            "vectorengines.quiver.dev and vectorcollections.quiver.dev",
        ),
    ],
)
async def test_an_operator_whose_kinds_are_gone_is_not_ready(
    setup: Setup, missing: list[Kind], named: str
) -> None:
    """It says which CustomResourceDefinition is missing and how to bring it back. With that it is
    ready again.
    """
    await setup.fill()
    setup.cluster.missing = set(missing)
    await setup.relister.refresh()
    problem = setup.readiness.problem or ""
    assert f"no CustomResourceDefinition {named}: bring it back with `kubectl apply" in problem
    setup.cluster.missing = set()
    await setup.relister.refresh()
    assert setup.readiness.problem is None


async def test_a_restore_is_followed_in_every_namespace(setup: Setup) -> None:
    """The lists of one after the other show that the store went back."""
    setup.cluster.version = "500"
    setup.cluster.others = {name: ["ghost"] for name in NAMESPACES}
    await setup.fill()
    setup.cluster.version, setup.cluster.others = "300", {}
    await setup.relister.refresh()
    known = {(m["metadata"]["namespace"], m["metadata"]["name"]) for m in setup.everything}
    assert known == {(name, "test01") for name in NAMESPACES}
    assert {m["metadata"]["resourceVersion"] for m in setup.everything} == {"300"}
