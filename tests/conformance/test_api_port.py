"""What every implementation of the API port does: the client of a real API server, and the model
that simulations run against.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from localcluster import ControlPlane
from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.adapters.kubernetes.connection import Connection, load_configuration
from quiver.control.observe.metrics import Metrics
from quiver.domain.kubernetes_types import NAMESPACE, VECTOR_COLLECTION, Key, Kind, Manifest
from quiver.ports.api import Api
from quiver.ports.errors import ApiRefused, Conflict, NotFound
from simulation.api_server import ApiServer
from simulation.client import ModelClient
from simulation.trace import Trace
from simulation.weather import Weather

CRDS = Path(__file__).parents[2] / "crds"
CONFIG_MAP = Kind("", "v1", "configmaps", "ConfigMap")
OF_ANOTHER = {"uid": "another", "resourceVersion": "1"}
FINALIZER = "quiver.dev/collection"


@pytest.fixture(params=["model", "server"])
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    if request.param == "model":
        yield _model()
        return
    control_plane: ControlPlane = request.getfixturevalue("control_plane")
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={CRDS}")
    control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all")
    configuration = await load_configuration({"KUBECONFIG": str(control_plane.kubeconfig)})
    async with KubernetesClient(Connection(configuration, Metrics())) as client:
        yield client


def _model() -> ModelClient:
    rng, loop = Random(7), asyncio.get_running_loop()  # noqa: S311 - it is to be foretold
    weather = Weather(rng)
    weather.calm = True
    server = ApiServer(loop.time, lambda: f"{rng.getrandbits(32):08x}")
    server.create("test", NAMESPACE, {"metadata": {"name": "default"}})
    return ModelClient(server, weather, Trace(), "test")


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name that no other test uses: all are in the namespace `default`."""
    return request.node.originalname.replace("_", "-")[:60].strip("-")


def collection(name: str, **spec: Any) -> Manifest:
    return {
        "apiVersion": VECTOR_COLLECTION.api_version,
        "kind": VECTOR_COLLECTION.kind,
        "metadata": {"namespace": "default", "name": name},
        "spec": {"engineRef": {"name": "engine"}, "dimension": 8, **spec},
    }


def config_map(name: str, **data: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": "default", "name": name, "labels": {"test": name}},
        "data": data,
    }


def versions(manifest: Manifest) -> Manifest:
    return {key: manifest["metadata"][key] for key in ("uid", "resourceVersion")}


async def gone(api: Api, key: Key) -> bool:
    try:
        await api.get(VECTOR_COLLECTION, key)
    except NotFound:
        return True
    return False


async def test_what_is_created_is_there_with_its_defaults(api: Api, name: str) -> None:
    """The CRD fills in spec and status; a second one of the name is a conflict."""
    made = await api.create(VECTOR_COLLECTION, collection(name))
    assert made["spec"] == {
        "engineRef": {"name": "engine"},
        "dimension": 8,
        "adoptionPolicy": "Never",
        "suspend": False,
    }
    assert made["metadata"]["generation"] == 1
    assert made["status"]["conditions"][0]["reason"] == "Pending"
    found = await api.get(VECTOR_COLLECTION, Key.of(made))
    assert versions(found) == versions(made)
    with pytest.raises(Conflict):
        await api.create(VECTOR_COLLECTION, collection(name))


async def test_what_is_missing_is_not_found(api: Api) -> None:
    """That goes for reading, patching and deleting, and for a namespace."""
    key = Key("default", "missing")
    with pytest.raises(NotFound):
        await api.get(VECTOR_COLLECTION, key)
    with pytest.raises(NotFound):
        await api.patch(VECTOR_COLLECTION, key, {"spec": {"suspend": True}})
    with pytest.raises(NotFound):
        await api.delete(VECTOR_COLLECTION, key, "uid")
    elsewhere = {**config_map("lost"), "metadata": {"namespace": "nowhere", "name": "lost"}}
    with pytest.raises(NotFound):
        await api.create(CONFIG_MAP, elsewhere)


async def test_a_patch_holds_to_its_preconditions(api: Api, name: str) -> None:
    """Of two patches of one version the second is a conflict, and so is one of another uid."""
    made = await api.create(VECTOR_COLLECTION, collection(name))
    key = Key.of(made)
    patch = {"metadata": versions(made), "spec": {"partitions": ["a"]}}
    changed = await api.patch(VECTOR_COLLECTION, key, patch)
    assert changed["spec"]["partitions"] == ["a"]
    assert changed["metadata"]["generation"] == 2
    with pytest.raises(Conflict):
        await api.patch(VECTOR_COLLECTION, key, patch)
    with pytest.raises(Conflict):
        await api.patch(VECTOR_COLLECTION, key, {**patch, "metadata": OF_ANOTHER})


async def test_a_patch_that_changes_nothing_makes_no_version(api: Api, name: str) -> None:
    """The version stays, and with it what others hold."""
    made = await api.create(VECTOR_COLLECTION, collection(name))
    patch = {"spec": {"suspend": True}}
    changed = await api.patch(VECTOR_COLLECTION, Key.of(made), patch)
    same = await api.patch(VECTOR_COLLECTION, Key.of(made), patch)
    assert versions(same) == versions(changed)


async def test_null_takes_a_field_away(api: Api, name: str) -> None:
    """As JSON merge patch has it; empty annotations and finalizers are none."""
    made = await api.create(VECTOR_COLLECTION, collection(name, partitions=["a"]))
    annotated = {"metadata": {"annotations": {"a": "1"}, "finalizers": [FINALIZER]}}
    key = Key.of(made)
    await api.patch(VECTOR_COLLECTION, key, annotated)
    emptied = {"metadata": {"annotations": {"a": None}, "finalizers": None}}
    changed = await api.patch(VECTOR_COLLECTION, key, {**emptied, "spec": {"partitions": None}})
    assert "partitions" not in changed["spec"]
    assert not changed["metadata"].get("annotations")
    assert not changed["metadata"].get("finalizers")


async def test_the_status_is_a_resource_of_its_own(api: Api, name: str) -> None:
    """A patch of the one leaves the other alone, and a status does not count as a generation."""
    made = await api.create(VECTOR_COLLECTION, collection(name))
    key = Key.of(made)
    body = {"status": {"collectionName": "a"}, "spec": {"suspend": True}}
    changed = await api.patch(VECTOR_COLLECTION, key, body, subresource="status")
    assert changed["status"]["collectionName"] == "a"
    assert not changed["spec"]["suspend"]
    again = await api.patch(VECTOR_COLLECTION, key, {"status": {"collectionName": "b"}})
    assert again["status"]["collectionName"] == "a"
    assert again["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"dimension": 16},
        {"indexFileSize": 512},
        {"metricType": "IP"},
        {"collectionName": "other"},
        {"engineRef": {"name": "other"}},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_what_is_fixed_does_not_change(api: Api, name: str, change: Manifest) -> None:
    """The API server refuses it, and no waiting will help."""
    field = next(iter(change)).lower()
    made = await api.create(VECTOR_COLLECTION, collection(f"{name[:40]}-{field}"))
    with pytest.raises(ApiRefused, match="fixed"):
        await api.patch(VECTOR_COLLECTION, Key.of(made), {"spec": change})


async def test_a_fixed_field_may_be_named_as_it_is(api: Api, name: str) -> None:
    """What a field means that is absent may be written into the spec, and taken off again."""
    made = await api.create(VECTOR_COLLECTION, collection(name))
    named = {"indexFileSize": 1024, "metricType": "L2"}
    changed = await api.patch(VECTOR_COLLECTION, Key.of(made), {"spec": named})
    assert changed["spec"] == {**made["spec"], **named}
    off = await api.patch(VECTOR_COLLECTION, Key.of(made), {"spec": dict.fromkeys(named)})
    assert off["spec"] == made["spec"]


async def test_a_finalizer_holds_an_object_until_it_is_taken_off(api: Api, name: str) -> None:
    """Meanwhile it is being deleted, which is a new generation, and takes no new finalizer."""
    made = await api.create(VECTOR_COLLECTION, collection(name))
    key, uid = Key.of(made), made["metadata"]["uid"]
    await api.patch(VECTOR_COLLECTION, key, {"metadata": {"finalizers": [FINALIZER]}})
    await api.delete(VECTOR_COLLECTION, key, uid)
    going = await api.get(VECTOR_COLLECTION, key)
    assert "deletionTimestamp" in going["metadata"]
    assert going["metadata"]["generation"] == 2
    more = {"metadata": {"finalizers": [FINALIZER, "example.com/other"]}}
    with pytest.raises(ApiRefused):
        await api.patch(VECTOR_COLLECTION, key, more)
    last = await api.patch(VECTOR_COLLECTION, key, {"metadata": {"finalizers": None}})
    assert "deletionTimestamp" in last["metadata"]
    assert await gone(api, key)


async def test_only_the_object_of_the_uid_is_deleted(api: Api, name: str) -> None:
    """Another one of its name stays."""
    made = await api.create(VECTOR_COLLECTION, collection(name))
    with pytest.raises(Conflict):
        await api.delete(VECTOR_COLLECTION, Key.of(made), "another")
    await api.delete(VECTOR_COLLECTION, Key.of(made), made["metadata"]["uid"])
    assert await gone(api, Key.of(made))


async def test_apply_creates_changes_and_takes_away_what_is_its_own(api: Api, name: str) -> None:
    """What others added stays; applying the same again makes no version."""
    made = await api.apply(CONFIG_MAP, config_map(name, ours="1", more="1"))
    await api.patch(CONFIG_MAP, Key.of(made), {"data": {"theirs": "1"}})
    changed = await api.apply(CONFIG_MAP, config_map(name, ours="2"))
    assert changed["data"] == {"ours": "2", "theirs": "1"}
    same = await api.apply(CONFIG_MAP, config_map(name, ours="2"))
    assert versions(same) == versions(changed)


async def test_a_list_has_what_the_selector_selects(api: Api, name: str) -> None:
    """And names the version that it is of, which is no older than its items."""
    await api.create(CONFIG_MAP, config_map(name))
    await api.create(CONFIG_MAP, config_map(f"{name[:50]}-x"))
    listing = await api.list(CONFIG_MAP, f"test={name}")
    assert [item["metadata"]["name"] for item in listing.items] == [name]
    assert int(listing.version) >= int(listing.items[0]["metadata"]["resourceVersion"])
