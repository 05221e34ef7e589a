"""The nodes: GPUs, volumes, networks and images. One cluster serves all of these tests."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import tarfile
import urllib.request
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from demo.binding import exports
from imagebuild.collect.interpreter import COMMAND
from imagebuild.images import IMAGES, ROOT
from localcluster import Cluster
from quiver.adapters.kubernetes.connection import Connection
from quiver.adapters.kubernetes.kubeconfig import load_context
from quiver.adapters.kubernetes.port_forward import PortForwards
from quiver.control.observe.metrics import Metrics
from quiver.domain.kubernetes_types import Key
from support.quiver_command import quiver
from support.waiting import eventually, wait_until

pytestmark = [pytest.mark.node, pytest.mark.xdist_group("node")]

CRDS = ("crd/vectorcollections.quiver.dev", "crd/vectorengines.quiver.dev")
DEADLINE_S = 40.0
GPU_TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
SERVE = "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=8000)"
PLANTED = "hunter2-of-team-a"
SAY_AND_SERVE = f"""\
import http.server as h
class Metrics(h.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"quiver_up 1\\n")
    def log_message(self, *_):
        pass
server = h.HTTPServer(("", 9091), Metrics)
print("logged in with {PLANTED}", flush=True)
server.serve_forever()
"""
ASK_API = """\
import os, ssl, urllib.request
folder = "/var/run/secrets/kubernetes.io/serviceaccount"
token = open(folder + "/token").read()
url = "https://%s:%s/apis/authentication.k8s.io/v1/selfsubjectreviews" % (
    os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"])
body = b'{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}'
request = urllib.request.Request(url, body, {
    "Authorization": "Bearer " + token, "Content-Type": "application/json"})
context = ssl.create_default_context(cafile=folder + "/ca.crt")
print(urllib.request.urlopen(request, context=context).read().decode())
"""


@pytest.fixture(scope="module")
def node(cluster: Cluster, built_images: Path) -> Cluster:
    """The cluster, with the images as images/Containerfile has them built; the GPU node has the
    operator's too, for its small Python.
    """
    cluster.load_images(["operator", "engine"])
    cluster.import_image(cluster.image_archive("operator"), ["gpu-node"])
    return cluster


def pod(name: str, code: str, gpus: int = 0) -> dict[str, Any]:
    """A pod that runs Python code as an unprivileged user and can write to /data."""
    limits = {"cpu": "200m", "memory": "128Mi"}
    if gpus:
        limits["nvidia.com/gpu"] = str(gpus)
    container = {
        "name": "main",
        "image": IMAGES["operator"].reference,
        "imagePullPolicy": "Never",
        "command": [COMMAND, "-c", code],
        "resources": {"limits": limits},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": True},
            "tolerations": [GPU_TOLERATION] if gpus else [],
            "containers": [container],
        },
    }


def create(cluster: Cluster, namespace: str, *objects: dict[str, Any]) -> None:
    """Create objects in a namespace."""
    for document in objects:
        cluster.kubectl("create", "-n", namespace, "-f", "-", input=json.dumps(document))


def logs_when_done(cluster: Cluster, namespace: str, name: str) -> str:
    """A pod's output, once it has succeeded."""
    cluster.kubectl(
        *("wait", "-n", namespace, f"pod/{name}", f"--timeout={DEADLINE_S:.0f}s"),
        "--for=jsonpath={.status.phase}=Succeeded",
    )
    return cluster.kubectl("logs", "-n", namespace, name)


def test_gpu_node_looks_like_one_with_gpu_feature_discovery(node: Cluster) -> None:
    """The GPU node has the usual labels and taint; the other node has neither."""
    found = json.loads(node.kubectl("get", "nodes", "-o", "json"))
    nodes = {item["metadata"]["name"]: item for item in found["items"]}
    labels = nodes["gpu-node"]["metadata"]["labels"]
    assert labels["nvidia.com/gpu.memory"] == "40960"
    assert labels["nvidia.com/gpu.count"] == "2"
    assert nodes["gpu-node"]["spec"]["taints"] == [
        {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
    ]
    assert "taints" not in nodes["cpu-node"]["spec"]


def test_gpus_are_given_out_once(node: Cluster, namespace: str) -> None:
    """A pod gets its GPUs in NVIDIA_VISIBLE_DEVICES; the next one waits until they are free."""
    show = "import os, time; print(os.environ['NVIDIA_VISIBLE_DEVICES'], flush=True); "
    create(node, namespace, pod("first", show + "time.sleep(3600)", gpus=2))
    node.kubectl("wait", "-n", namespace, "pod/first", "--for=condition=Ready", "--timeout=40s")
    wait_until(
        lambda: node.kubectl("logs", "-n", namespace, "first") != "",
        "the first pod says what it sees",
        every_s=0.2,
    )
    visible = node.kubectl("logs", "-n", namespace, "first").strip().split(",")
    assert sorted(visible) == ["GPU-0", "GPU-1"]

    create(node, namespace, pod("second", show, gpus=1))
    message = "jsonpath={.status.conditions[?(@.type=='PodScheduled')].message}"
    second = ("get", "pod", "second", "-n", namespace, "-o", message)
    wait_until(
        lambda: "Insufficient nvidia.com/gpu" in node.kubectl(*second),
        lambda: f"there is no GPU left for the second: {node.kubectl(*second)}",
        every_s=0.2,
    )
    node.kubectl("delete", "pod", "first", "-n", namespace, "--wait=false")
    assert logs_when_done(node, namespace, "second").strip() in {"GPU-0", "GPU-1"}


def test_a_pod_reaches_the_api_with_its_token(node: Cluster, namespace: str) -> None:
    """A pod's service account is known to the API server at the in-cluster address."""
    create(node, namespace, pod("asking", ASK_API))
    answer = logs_when_done(node, namespace, "asking")
    assert f"system:serviceaccount:{namespace}:default" in answer


async def test_a_pod_is_reached_through_the_api_server(node: Cluster, namespace: str) -> None:
    """As `kubectl port-forward` does it, several connections at a time; who connects to a pod that
    is not there is disconnected.
    """
    create(node, namespace, pod("listening", SERVE))
    wait = ("wait", "-n", namespace, "pod/listening", "--for=condition=Ready", "--timeout=40s")
    await asyncio.to_thread(node.kubectl, *wait)
    context = await load_context(str(node.kubeconfig))
    async with (
        PortForwards(Connection(context.configuration, Metrics())) as forwards,
        aiohttp.ClientSession() as session,
    ):
        here = await forwards.address(Key(namespace, "listening"), 8000)

        async def is_there() -> bool:
            try:
                async with session.get(f"http://{here}/etc/hosts") as answer:
                    return "listening" in await answer.text()
            except aiohttp.ClientError:
                return False  # Python has not begun to listen

        await eventually(is_there, "the pod answers", DEADLINE_S)
        assert all(await asyncio.gather(*(is_there() for _ in range(5))))
        gone = await forwards.address(Key(namespace, "gone"), 8000)
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"http://{gone}/")


async def test_a_report_has_logs_and_metrics_of_pods(
    node: Cluster, namespace: str, tmp_path: Path
) -> None:
    """`quiver report` has them through the API server, without what looks like a secret in them."""
    engine = pod("engine-0", SAY_AND_SERVE)
    engine["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "quiver"}
    engine["spec"]["containers"][0]["env"] = [{"name": "PASSWORD", "value": PLANTED}]
    create(node, namespace, engine)
    wait = ("wait", "-n", namespace, "pod/engine-0", "--for=condition=Ready", "--timeout=40s")
    await asyncio.to_thread(node.kubectl, *wait)

    async def says() -> bool:
        logs = await asyncio.to_thread(node.kubectl, "logs", "-n", namespace, "engine-0")
        return PLANTED in logs

    await eventually(says, "the pod says something", DEADLINE_S)
    file = tmp_path / "report.tar.gz"
    ran = await quiver(node.kubeconfig, "report", "-n", namespace, "-o", str(file))
    assert ran.errors == ""
    with tarfile.open(file) as archive:
        folder = f"report/namespaces/{namespace}"
        found = {
            name: opened.read().decode()
            for name in archive.getnames()
            if name.startswith(folder) and (opened := archive.extractfile(name)) is not None
        }
    assert found[f"{folder}/logs/engine-0/main.log"] == "logged in with REDACTED\n"
    assert found[f"{folder}/metrics/engine-0.txt"] == "quiver_up 1\n"
    assert PLANTED not in str(found)


def test_the_host_reaches_a_pod(node: Cluster, namespace: str) -> None:
    """Pod addresses are routed from the host."""
    assert node.pod_reachable_from_host
    create(node, namespace, pod("serving", SERVE))
    node.kubectl("wait", "-n", namespace, "pod/serving", "--for=condition=Ready", "--timeout=40s")
    address = node.kubectl(
        "get", "pod", "serving", "-n", namespace, "-o", "jsonpath={.status.podIP}"
    )

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://{address}:8000/", timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    wait_until(answers, f"http://{address}:8000/ answers", every_s=0.2)


@pytest.mark.parametrize("image", ["operator", "engine"])
def test_the_images_run_the_projects_command(node: Cluster, namespace: str, image: str) -> None:
    """Both images start `quiver`, as an unprivileged user, and know the project's version."""
    document = pod(image, "")
    container = document["spec"]["containers"][0]
    container["image"] = IMAGES[image].reference
    container["args"] = ["--version"]
    del container["command"]
    create(node, namespace, document)
    assert version("quiver-operator") in logs_when_done(node, namespace, image)


def test_the_commands_of_the_page_lead_to_a_collection(node: Cluster, namespace: str) -> None:
    """What docs/install.md tells to type, once nodes have the images, ends with a Ready collection,
    whose engine runs on a read-only root as a user who is not root.
    """
    page = (ROOT / "docs" / "install.md").read_text()
    [block] = re.findall(r"^```sh\nmake images\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    loading, *commands = block.splitlines()
    assert "kind load" in loading
    assert len(commands) == 3
    node.kubectl("wait", "--for=delete", *CRDS, "--timeout=60s")
    typed = "\n".join(commands).replace("kubectl ", f"kubectl --namespace {namespace} ")
    script = "\n".join([*exports(node), typed])
    try:
        done = subprocess.run(
            ["bash", "-euxc", script], cwd=ROOT, text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        [pod] = json.loads(node.kubectl("get", "pods", "-n", namespace, "-o", "json"))["items"]
        [container] = pod["spec"]["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["image"] == IMAGES["engine"].reference
        node.kubectl("delete", "-n", namespace, "-f", str(ROOT / "manifests/samples/first.yaml"))
    finally:
        node.helm("uninstall", "quiver", "--namespace", "quiver-system", "--wait", check=False)
        # The release leaves them, and another one could not take them over without being told.
        node.kubectl("delete", *CRDS, "--ignore-not-found", "--timeout=60s")


def test_a_volume_is_made_for_a_claim_and_outlives_the_pod(node: Cluster, namespace: str) -> None:
    """A claim of the default class gets a volume that an unprivileged pod can write to."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    writer = with_volume(pod("writer", "open('/data/kept', 'w').write('still here')"))
    create(node, namespace, claim, writer)
    logs_when_done(node, namespace, "writer")
    node.kubectl("delete", "pod", "writer", "-n", namespace)
    create(node, namespace, with_volume(pod("reader", "print(open('/data/kept').read())")))
    assert logs_when_done(node, namespace, "reader").strip() == "still here"


def with_volume(document: dict[str, Any]) -> dict[str, Any]:
    """The pod, with claim `data` mounted at /data."""
    spec = document["spec"]
    spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    spec["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    return document
