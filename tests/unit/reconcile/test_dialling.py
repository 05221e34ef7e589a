"""At which addresses external endpoints are dialled, and which are not."""

import msgspec
import pytest

from quiver.domain.access import PLAIN, Dialled
from quiver.domain.conditions import State
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import POD, SECRET, Key, Manifest
from quiver.domain.reasons import Reason
from support.builders import NAMESPACE, engine, external, metadata, pod
from support.fake_cluster import Cluster

KEY = Key(NAMESPACE, "engine")
NAMED = "milvus.example.org:19530"
HOST = "milvus.example.org"
SERVICE_OF_ENGINE: Manifest = {"apiVersion": "v1", "kind": "Service", "metadata": metadata("e")}


def parsed(*endpoints: str, **rest: str) -> VectorEngine:
    return msgspec.convert(external(*endpoints, **rest), VectorEngine)


class ExternalCluster(Cluster):
    """A cluster and an external engine; the addresses of its host are given."""

    def __init__(self, *addresses: str, endpoint: str = NAMED) -> None:
        super().__init__()
        self.endpoint = endpoint
        self.engine = parsed(endpoint)
        self.resolve(*addresses)

    def resolve(self, *addresses: str) -> None:
        """Have the host lead to these addresses from now on; to none: its name is not found."""
        self.names.addresses = {HOST: addresses} if addresses else {}

    async def dialled(self) -> Dialled:
        return (await self.dialling.read(self.engine)).endpoints[self.endpoint]

    async def refusal(self, words: str) -> State:
        """Return how the endpoint stands, which is not dialled, and says so in these words."""
        address, refusal = await self.dialled()
        assert address == ""
        assert refusal is not None
        assert words in refusal.message
        return refusal.state


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("10.0.0.9:19530", "10.0.0.9:19530"),
        ("[fd00::1]:19530", "[fd00::1]:19530"),
        ("[FD00:0::0:1]:19530", "[fd00::1]:19530"),
    ],
)
async def test_an_address_is_dialled_as_it_is(endpoint: str, address: str) -> None:
    """In its canonical form; nothing is looked up."""
    cluster = ExternalCluster(endpoint=endpoint)
    assert await cluster.dialled() == Dialled(address)
    assert cluster.names.asked == []


async def test_of_several_addresses_the_first_is_dialled() -> None:
    """All of them are permissible; what is dialled is an address, with the endpoint's port."""
    assert await ExternalCluster("10.0.0.9", "10.0.0.10", "fd00::1").dialled() == Dialled(
        "10.0.0.9:19530"
    )
    assert await ExternalCluster("fd00::1").dialled() == Dialled("[fd00::1]:19530")


async def test_an_address_that_the_name_still_has_is_kept() -> None:
    """The others may be other servers, which have nothing of what was made on this one."""
    cluster = ExternalCluster("10.0.0.9")
    await cluster.dialled()
    cluster.resolve("10.0.0.1", "10.0.0.9")
    assert await cluster.dialled() == Dialled("10.0.0.9:19530")
    assert cluster.changed == []
    cluster.resolve("10.0.0.1", "10.0.0.2")
    assert await cluster.dialled() == Dialled("10.0.0.1:19530")
    assert cluster.changed == [KEY]


async def test_a_name_that_is_not_found_for_a_while_leaves_the_address_as_it_was() -> None:
    """A name server that is down cuts off no engine."""
    cluster = ExternalCluster("10.0.0.9")
    await cluster.dialled()
    cluster.resolve()
    assert await cluster.dialled() == Dialled("10.0.0.9:19530")
    assert cluster.changed == []


async def test_a_name_that_was_never_found_is_waited_for() -> None:
    """The endpoint says why, and is dialled as soon as the name is found."""
    cluster = ExternalCluster()
    assert await cluster.refusal("there is no such name") is State.RECONCILING
    assert await cluster.refusal("there is no such name") is State.RECONCILING
    assert cluster.changed == []
    cluster.resolve("10.0.0.9")
    assert await cluster.dialled() == Dialled("10.0.0.9:19530")
    assert cluster.changed == [KEY]


@pytest.mark.parametrize(
    "endpoint",
    ["127.0.0.1:19530", "[::1]:19530", "169.254.169.254:80", "[::ffff:127.0.0.1]:19530"],
)
async def test_an_address_that_is_not_permitted_is_refused(endpoint: str) -> None:
    """Somebody has to change something: the message says what."""
    assert (
        await ExternalCluster(endpoint=endpoint).refusal("which Quiver does not dial")
        is State.STALLED
    )


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("10.0.0.9", "127.0.0.1")])
async def test_a_name_with_an_address_that_is_not_permitted_is_refused(
    addresses: tuple[str, ...],
) -> None:
    """Even if another of its addresses would do: who answers for the name cannot choose."""
    assert await ExternalCluster(*addresses).refusal("127.0.0.1 is a loopback") is State.STALLED


async def test_a_name_that_turns_to_an_address_that_is_not_permitted_is_dialled_no_more() -> None:
    """What was found before is no excuse, nor does it come back when the name is not found."""
    cluster = ExternalCluster("10.0.0.9")
    await cluster.dialled()
    cluster.resolve("169.254.169.254")
    assert await cluster.refusal("link-local") is State.STALLED
    assert cluster.changed == [KEY]
    cluster.resolve()
    assert await cluster.refusal("there is no such name") is State.RECONCILING


@pytest.mark.parametrize("endpoint", ["milvus:19530", "localhost:19530", "milvus:0", "nonsense"])
async def test_what_is_no_full_endpoint_is_refused(endpoint: str) -> None:
    """A looser CRD may have let it in; nothing is looked up for it."""
    cluster = ExternalCluster(endpoint=endpoint)
    assert await cluster.refusal("such as milvus.example.org:19530") is State.STALLED
    assert cluster.names.asked == []


@pytest.mark.parametrize("address", ["10.0.0.7", "fd00::7"])
async def test_a_managed_pod_is_nobodys_endpoint(address: str) -> None:
    """Neither by its address nor by a name that leads to it, in whatever namespace it is."""
    elsewhere = pod(ip=address)
    elsewhere["metadata"]["namespace"] = "team-b"
    literal = f"[{address}]:19530" if ":" in address else f"{address}:19530"
    for cluster in (ExternalCluster(endpoint=literal), ExternalCluster("10.0.0.9", address)):
        cluster.add(elsewhere)
        words = "is an engine pod that Quiver manages. Refer to its VectorEngine"
        assert await cluster.refusal(words) is State.STALLED


async def test_a_pod_that_takes_an_address_later_is_found() -> None:
    """The next look finds out, and the engine's collections are told."""
    cluster = ExternalCluster("10.0.0.7")
    assert await cluster.dialled() == Dialled("10.0.0.7:19530")
    cluster.add(pod())
    await cluster.refusal("is an engine pod")
    assert cluster.changed == [KEY]
    cluster.remove(POD, "engine-0")
    assert await cluster.dialled() == Dialled("10.0.0.7:19530")


@pytest.mark.parametrize(
    "host",
    [
        "e.team-a.svc",
        "E.Team-A.SVC",
        "e.team-a.svc.cluster.local",
        "e.team-a.svc.cluster.local.",
        "e-0.e.team-a.svc",
        "e-0.e.team-a.svc.cluster.local",
        "e-0.e.team-a.svc.corp.example.org",
    ],
)
async def test_the_service_of_a_managed_engine_is_nobodys_endpoint(host: str) -> None:
    """Nor is the name of a pod in it; it is not even looked up."""
    cluster = ExternalCluster(endpoint=f"{host}:19530")
    cluster.add(SERVICE_OF_ENGINE)
    assert await cluster.refusal("is an engine pod that Quiver manages") is State.STALLED
    assert cluster.names.asked == []


@pytest.mark.parametrize(
    "host", ["e.team-b.svc", "milvus.team-a.svc", "e.team-a.example.org", "svc.e.team-a.org"]
)
async def test_other_services_are_looked_up(host: str) -> None:
    """What merely looks like a managed engine's Service is as good as any other name."""
    cluster = ExternalCluster(endpoint=f"{host}:19530")
    cluster.add(SERVICE_OF_ENGINE)
    cluster.names.addresses = {host: ("10.0.0.9",)}
    assert await cluster.dialled() == Dialled("10.0.0.9:19530")


async def test_one_endpoint_does_not_spoil_another() -> None:
    """Each stands for itself."""
    cluster = ExternalCluster("10.0.0.9")
    both = parsed(NAMED, "127.0.0.1:1")
    endpoints = (await cluster.dialling.read(both)).endpoints
    assert endpoints[NAMED] == Dialled("10.0.0.9:19530")
    assert endpoints["127.0.0.1:1"].refusal is not None


async def test_thousands_of_collections_look_up_a_name_once() -> None:
    """What was found is kept, until the engine's own reconcile looks again."""
    cluster = ExternalCluster("10.0.0.9")
    assert cluster.dialling.known(cluster.engine) is None
    found = [await cluster.dialling.of(cluster.engine) for _ in range(100)]
    assert cluster.names.asked == [HOST]
    assert cluster.dialling.known(cluster.engine) == found[-1]
    await cluster.dialling.read(cluster.engine)
    assert cluster.names.asked == [HOST, HOST]
    cluster.dialling.forget(KEY)
    assert cluster.dialling.known(cluster.engine) is None


@pytest.mark.parametrize(
    "other", [parsed(NAMED, "10.0.0.1:1"), parsed("10.0.0.1:1"), parsed(NAMED, uid="another")]
)
async def test_what_was_found_counts_for_the_engine_as_it_was(other: VectorEngine) -> None:
    """With other endpoints, or made anew, it is looked up again."""
    cluster = ExternalCluster("10.0.0.9")
    await cluster.dialled()
    assert cluster.dialling.known(other) is None
    cluster.resolve("10.0.0.1")
    found = (await cluster.dialling.of(other)).endpoints
    assert found.keys() == set(other.spec.external.endpoints if other.spec.external else ())
    assert found.get(NAMED, Dialled("10.0.0.1:19530")).address == "10.0.0.1:19530"


async def test_an_engine_with_pods_has_no_endpoints() -> None:
    """Its pods are dialled where they are."""
    managed = msgspec.convert(engine(), VectorEngine)
    cluster = ExternalCluster()
    assert await cluster.dialling.of(managed) == cluster.dialling.known(managed) == PLAIN


async def test_a_secret_that_is_missing_keeps_no_name_from_being_found() -> None:
    """Both are told: what is in the way, and where the endpoint is."""
    manifest = external(NAMED, spec={"tls": {"caSecretName": "gone"}})
    secured = msgspec.convert(manifest, VectorEngine)
    cluster = ExternalCluster("10.0.0.9")
    access = await cluster.dialling.read(secured)
    assert access.trouble is not None
    assert access.trouble.reason is Reason.SECRET_NOT_FOUND
    assert access.endpoints == {NAMED: Dialled("10.0.0.9:19530")}
    cluster.api.store(SECRET, {"metadata": {"name": "gone", "namespace": NAMESPACE}, "data": {}})
    again = await cluster.dialling.read(secured)
    assert again.trouble is not None
    assert again.trouble.reason is Reason.SECRET_INVALID
    assert cluster.changed == [KEY]
