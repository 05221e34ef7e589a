"""The client against a real API server."""

from typing import Any

import pytest

from localcluster import ControlPlane
from quiver.adapters.clock import SystemClock
from quiver.adapters.kubernetes.client import KubernetesClient
from quiver.adapters.kubernetes.connection import Connection, load_configuration
from quiver.adapters.kubernetes.events import ApiEventRecorder
from quiver.control.observe.metrics import Metrics
from quiver.domain.kubernetes_types import EVENT, SERVICE, VECTOR_COLLECTION, Key, Kind, Manifest
from quiver.ports.errors import ApiRefused, ApiUnavailable, Conflict, NotFound
from quiver.ports.kubernetes import Event

CONFIG_MAP = Kind("", "v1", "configmaps", "ConfigMap")


def config_map(namespace: str, name: str = "subject", **metadata: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": namespace, "name": name, **metadata},
        "data": {"field": "value"},
    }


def vector_collection(namespace: str) -> Manifest:
    return {
        "apiVersion": VECTOR_COLLECTION.api_version,
        "kind": VECTOR_COLLECTION.kind,
        "metadata": {"namespace": namespace, "name": "subject"},
        "spec": {"engineRef": {"name": "engine"}, "dimension": 8},
    }


def version_of(manifest: Manifest) -> Manifest:
    metadata = manifest["metadata"]
    return {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}


async def test_a_patch_of_an_old_version_is_a_conflict(
    api: KubernetesClient, namespace: str
) -> None:
    """Of two patches that were made of one version, the second has no effect."""
    created = await api.create(CONFIG_MAP, config_map(namespace))
    key = Key.of(created)
    patch = {"metadata": version_of(created), "data": {"field": "first"}}
    changed = await api.patch(CONFIG_MAP, key, patch)
    assert changed["data"] == {"field": "first"}
    with pytest.raises(Conflict):
        await api.patch(CONFIG_MAP, key, {**patch, "data": {"field": "second"}})
    assert (await api.get(CONFIG_MAP, key))["data"] == {"field": "first"}


async def test_a_patch_of_another_object_of_the_name_is_a_conflict(
    api: KubernetesClient, namespace: str, crds: ControlPlane
) -> None:
    """An object that was made anew under the same name is not taken for the one that was read."""
    read = await api.create(CONFIG_MAP, config_map(namespace))
    crds.kubectl("-n", namespace, "delete", "configmap", "subject")
    await api.create(CONFIG_MAP, config_map(namespace))
    with pytest.raises(Conflict):
        await api.patch(CONFIG_MAP, Key.of(read), {"metadata": version_of(read), "data": {}})


async def test_the_status_is_a_resource_of_its_own(api: KubernetesClient, namespace: str) -> None:
    """A patch of the status changes nothing else, and needs the version as well."""
    created = await api.create(VECTOR_COLLECTION, vector_collection(namespace))
    key = Key.of(created)
    patch = {"metadata": version_of(created), "status": {"collectionName": "subject"}}
    changed = await api.patch(VECTOR_COLLECTION, key, patch, subresource="status")
    assert changed["status"]["collectionName"] == "subject"
    assert changed["metadata"]["generation"] == created["metadata"]["generation"]
    with pytest.raises(Conflict):
        await api.patch(VECTOR_COLLECTION, key, patch, subresource="status")


async def test_apply_creates_changes_and_takes_fields_over(
    api: KubernetesClient, namespace: str, crds: ControlPlane
) -> None:
    """What is applied stands, whoever wrote the field before; what others added stays."""
    await api.apply(CONFIG_MAP, config_map(namespace))
    patch = '{"data": {"field": "theirs", "extra": "theirs"}}'
    crds.kubectl("-n", namespace, "patch", "cm", "subject", "--type=merge", "-p", patch)
    applied = await api.apply(CONFIG_MAP, config_map(namespace))
    assert applied["data"] == {"field": "value", "extra": "theirs"}
    again = await api.apply(CONFIG_MAP, config_map(namespace))
    assert again["metadata"]["resourceVersion"] == applied["metadata"]["resourceVersion"]


async def test_lists_are_read_page_by_page(crds: ControlPlane, namespace: str) -> None:
    """A list that is longer than a page is complete, narrowed by its selector, and says its
    version.
    """
    configuration = await load_configuration({"KUBECONFIG": str(crds.kubeconfig)})
    names = {f"subject-{number}" for number in range(5)}
    labels = {"test": namespace}
    async with KubernetesClient(Connection(configuration, Metrics()), page=2) as api:
        for name in names:
            await api.create(CONFIG_MAP, config_map(namespace, name, labels=labels))
        await api.create(CONFIG_MAP, config_map(namespace, "unlabelled"))
        listing = await api.list(CONFIG_MAP, f"test={namespace}")
    assert {item["metadata"]["name"] for item in listing.items} == names
    assert [item for item in listing.items if "managedFields" in item["metadata"]] == []
    newest = max(int(item["metadata"]["resourceVersion"]) for item in listing.items)
    assert int(listing.version) >= newest


async def test_what_is_missing_is_not_found(api: KubernetesClient, namespace: str) -> None:
    """An object and a kind that do not exist are the same to a caller."""
    with pytest.raises(NotFound, match="configmaps"):
        await api.get(CONFIG_MAP, Key(namespace, "missing"))
    with pytest.raises(NotFound):
        await api.list(Kind("nobody.dev", "v1", "things", "Thing"))


async def test_a_refusal_carries_the_servers_words(api: KubernetesClient, namespace: str) -> None:
    """An invalid object is refused with the field and the reason."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": "subject"},
        "spec": {"ports": [{"port": 99999}]},
    }
    with pytest.raises(ApiRefused, match="99999"):
        await api.create(SERVICE, service)


async def test_an_api_server_that_is_away_is_unavailable(crds: ControlPlane) -> None:
    """A refused connection can be waited for."""
    configuration = await load_configuration({"KUBECONFIG": str(crds.kubeconfig)})
    configuration.host = "https://127.0.0.1:1"
    async with KubernetesClient(Connection(configuration, Metrics())) as client:
        with pytest.raises(ApiUnavailable, match="cannot be reached"):
            await client.list(CONFIG_MAP)


async def test_an_api_server_that_is_silent_is_given_up(crds: ControlPlane, silent: str) -> None:
    """A connection that nobody answers ends at the deadline."""
    configuration = await load_configuration({"KUBECONFIG": str(crds.kubeconfig)})
    configuration.host = f"http://{silent}"
    async with KubernetesClient(Connection(configuration, Metrics()), deadline=0.1) as client:
        with pytest.raises(ApiUnavailable, match=r"within 0\.1 s"):
            await client.list(CONFIG_MAP)


async def test_requests_are_counted(
    api: KubernetesClient, metrics: Metrics, namespace: str
) -> None:
    """Every request counts under its code, host and method, as client-go's do."""
    with pytest.raises(NotFound):
        await api.get(CONFIG_MAP, Key(namespace, "missing"))
    host = api.server.removeprefix("https://")
    labels = {"code": "404", "host": host, "method": "GET"}
    assert metrics.registry.get_sample_value("rest_client_requests_total", labels) == 1


async def test_events_stand_beside_their_object(
    api: KubernetesClient, namespace: str, crds: ControlPlane
) -> None:
    """`kubectl events` shows what the operator has to tell about an object."""
    created = await api.create(VECTOR_COLLECTION, vector_collection(namespace))
    event = Event("Warning", "Recreated", "Create", "the collection was gone; its vectors are lost")
    await ApiEventRecorder(api, SystemClock()).record(created, event)
    shown = crds.kubectl("-n", namespace, "events", "--for=vectorcollection.quiver.dev/subject")
    assert "the collection was gone; its vectors are lost" in shown
    (stored,) = (e for e in (await api.list(EVENT)).items if e["reason"] == "Recreated")
    assert stored["reportingController"] == "quiver.dev/operator"
    assert stored["regarding"]["uid"] == created["metadata"]["uid"]


async def test_objects_are_picked_by_their_fields(api: KubernetesClient, namespace: str) -> None:
    """Events by what they are about, in one bounded answer."""
    about = [await api.create(CONFIG_MAP, config_map(namespace, name)) for name in ("a", "b")]
    recorder = ApiEventRecorder(api, SystemClock())
    for manifest in about:
        for reason in ("One", "Two", "Three"):
            await recorder.record(manifest, Event("Warning", reason, "Act", "words"))
    fields = {"regarding.kind": "ConfigMap", "regarding.name": "a"}
    found = await api.some(EVENT, namespace, fields, 64)
    assert {event["reason"] for event in found} == {"One", "Two", "Three"}
    assert {event["regarding"]["name"] for event in found} == {"a"}
    assert len(await api.some(EVENT, namespace, fields, 2)) == 2


async def test_an_event_that_comes_again_is_counted(
    api: KubernetesClient, namespace: str, crds: ControlPlane
) -> None:
    """`kubectl events` shows one line with a number for what happened three times."""
    created = await api.create(VECTOR_COLLECTION, vector_collection(namespace))
    event = Event("Warning", "Recreated", "Create", "the collection was gone")
    recorder = ApiEventRecorder(api, SystemClock())
    for _ in range(3):
        await recorder.record(created, event)
    shown = crds.kubectl("-n", namespace, "events", "--for=vectorcollection.quiver.dev/subject")
    assert shown.count("the collection was gone") == 1
    assert "(x3 over" in shown
