"""The end of a release waits until its operators have ended."""

import pytest

from quiver.control import departure
from quiver.control.departure import DEPLOYMENT, Departure
from quiver.control.leader.election import LEASE, LEASE_NAME
from quiver.domain.kubernetes_types import Key, Manifest
from support.fake_cluster import FakeApi

SYSTEM = "quiver-system"
HELD: Manifest = {"holderIdentity": "quiver-0_1", "leaseDurationSeconds": 60}


class Cluster(FakeApi):
    """A cluster in which things change while somebody waits: `then` are done one a look."""

    def __init__(self, *then: Manifest) -> None:
        super().__init__()
        self.then = list(then)

    def lease(self, spec: Manifest) -> None:
        self.store(LEASE, {"metadata": {"name": LEASE_NAME, "namespace": SYSTEM}, "spec": spec})

    async def get(self, kind: object, key: Key) -> Manifest:
        found = await super().get(kind, key)  # type: ignore[arg-type]
        if self.then:
            self.lease(self.then.pop(0))
        return found


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(departure, "POLL_S", 0)


def leaving(api: FakeApi, told: list[str]) -> Departure:
    return Departure(api, SYSTEM, (), told.append)  # type: ignore[arg-type]


async def test_it_waits_until_the_leader_has_given_the_lease_up() -> None:
    """And says once whom it waits for, however often that one renews it."""
    api, told = Cluster({**HELD, "renewTime": "1"}, {**HELD, "renewTime": "2"}, {}), list[str]()
    api.lease(HELD)
    await leaving(api, told).wait_for_the_lease()
    assert api.then == []
    assert told == ["quiver-0_1 leads; waiting until it has ended."]


async def test_a_lease_that_nobody_renews_is_free() -> None:
    """Its operator has died without a word."""
    api = Cluster()
    api.lease({**HELD, "leaseDurationSeconds": 0})
    await leaving(api, []).wait_for_the_lease()


async def test_without_a_lease_nobody_leads() -> None:
    """The operator's namespace is gone."""
    await leaving(FakeApi(), []).wait_for_the_lease()


async def test_the_deployment_is_scaled_to_0() -> None:
    """It has no pods left when this ends; one that is gone has none."""
    api, told = Cluster(), list[str]()
    api.store(
        DEPLOYMENT,
        {"metadata": {"name": "quiver", "namespace": SYSTEM, "uid": "u"}, "spec": {"replicas": 2}},
    )
    await leaving(api, told).stop("quiver")
    assert api.calls == ["patch Deployment quiver scale"]
    assert api.objects[DEPLOYMENT, Key(SYSTEM, "quiver")]["spec"]["replicas"] == 0
    await leaving(api, told).stop("gone")
