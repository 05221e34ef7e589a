"""What pods a VectorEngine of type Milvus gets."""

import msgspec
import pytest
import yaml

from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Manifest
from quiver.reconcile.engines.disruption_budget import disruption_budget_for
from quiver.reconcile.engines.workload import service_for, stateful_set_for
from support.builders import engine

IMAGE = "milvusdb/milvus:v2.6.4"
STORED: Manifest = {"storage": {"size": "1Gi"}}


def parsed(spec: Manifest) -> VectorEngine:
    of_type = {"type": "Milvus", "image": IMAGE, **spec}
    return msgspec.convert(engine(spec=of_type), VectorEngine)


def template(spec: Manifest) -> Manifest:
    made: Manifest = stateful_set_for(parsed(spec), image=IMAGE, replicas=1)["spec"]["template"]
    return made


def container(spec: Manifest) -> Manifest:
    (found,) = template(spec)["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def test_milvus_is_started_as_one_server_with_etcd_and_files_of_its_own() -> None:
    """By the command and the variables of its vendor's own script; no other server is needed."""
    found = container(STORED)
    assert (found["image"], found["args"]) == (IMAGE, ["milvus", "run", "standalone"])
    assert "command" not in found
    assert {each["name"]: each["value"] for each in found["env"]} == {
        "DEPLOY_MODE": "STANDALONE",
        "COMMON_STORAGETYPE": "local",
        "ETCD_USE_EMBED": "true",
        "ETCD_DATA_DIR": "/var/lib/milvus/etcd",
        "ETCD_CONFIG_PATH": "/etc/quiver/etcd.yaml",
    }
    ports = {each["name"]: each["containerPort"] for each in found["ports"]}
    assert ports == {"grpc": 19530, "http": 9091}
    assert [each["port"] for each in service_for(parsed({}))["spec"]["ports"]] == [19530, 9091]


def test_milvus_is_started_with_the_size_of_segments_that_the_spec_names() -> None:
    """Else it has its own: what is said of databases reaches no pod, and replaces none."""
    named = container({"milvus": {"segmentMaxSize": 256}})["env"]
    added = {"name": "DATACOORD_SEGMENT_MAXSIZE", "value": "256"}
    assert named == [*container({})["env"], added]
    assert template({"milvus": {"createDatabases": True}}) == template({})


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_milvus_is_asked_for_its_health(probe: str) -> None:
    """At the port of its metrics, which answers 200 while all of its parts are healthy."""
    assert container({})[probe]["httpGet"] == {"path": "/healthz", "port": "http"}


def test_the_file_of_etcd_is_an_annotation_of_the_pod() -> None:
    """So that no ConfigMap is needed, nor rights on any. It has etcd forget what is outdated, and
    names no address: etcd stays on the loopback interface. Nobody's annotation takes its place.
    """
    name = "quiver.dev/file-etcd.yaml"
    made = template({"podAnnotations": {"mesh": "off", name: "listen-client-urls: http://0.0.0.0"}})
    annotations = made["metadata"]["annotations"]
    assert annotations["mesh"] == "off"
    settings = yaml.safe_load(annotations[name])
    assert settings.keys() == {
        "quota-backend-bytes",
        "auto-compaction-mode",
        "auto-compaction-retention",
    }
    (volume,) = [each for each in made["spec"]["volumes"] if each["name"] == "settings"]
    (item,) = volume["downwardAPI"]["items"]
    field = {"fieldPath": f"metadata.annotations['{name}']"}
    assert item == {"path": "etcd.yaml", "fieldRef": field}
    mount = {"name": "settings", "mountPath": "/etc/quiver", "readOnly": True}
    assert mount in made["spec"]["containers"][0]["volumeMounts"]


@pytest.mark.parametrize("spec", [{}, STORED], ids=["bare", "stored"])
def test_a_pod_of_milvus_writes_to_its_volume_alone(spec: Manifest) -> None:
    """The root is read-only; a folder of the data volume is /tmp, so that no emptyDir fills up and
    none keeps a drain from evicting the pod.
    """
    found, pod = container(spec), template(spec)["spec"]
    assert found["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writable = [each for each in found["volumeMounts"] if not each.get("readOnly")]
    assert writable == [
        {"name": "data", "mountPath": "/var/lib/milvus"},
        {"name": "data", "mountPath": "/tmp", "subPath": "tmp"},  # noqa: S108
    ]
    empty = [each["name"] for each in pod["volumes"] if "emptyDir" in each]
    assert empty == ([] if spec else ["data"])


def test_milvus_runs_as_the_user_that_its_images_are_made_for() -> None:
    """Its images let user 999 or group 0 run the program, depending on their age, and no others."""
    pod = template(STORED)["spec"]
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 999,
        "runAsGroup": 0,
        "fsGroup": 999,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert pod["automountServiceAccountToken"] is False


def test_a_milvus_with_gpus_asks_for_them_as_every_engine_does() -> None:
    """Whether its image can use them is up to whoever names the image."""
    spec = template({"gpu": {"count": 2}})["spec"]
    assert spec["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "2"}
    assert [each["key"] for each in spec["tolerations"]] == ["nvidia.com/gpu"]


def test_limits_are_not_passed_on_to_milvus() -> None:
    """It reads the memory that it has from its cgroup, and Quiver alone counts collections."""
    spec = {
        "resources": {"limits": {"memory": "8Gi"}},
        "limits": {"maxCollectionsAndPartitions": 60000},
    }
    assert container(spec)["args"] == container({})["args"]
    assert container(spec)["env"] == container({})["env"]


def test_a_milvus_without_storage_is_not_evicted() -> None:
    """Its vectors would be lost, as those of any engine without storage."""
    assert parsed({}).spec.is_ephemeral
    budget = disruption_budget_for(parsed({}))
    assert budget["spec"]["maxUnavailable"] == 0
