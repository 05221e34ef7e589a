"""In which clusters of others the demo plays, on a real API server without controllers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

from demo.borrowed import Borrowed
from demo.borrowed_checks import Images, Unsuitable, require_suitable
from demo.screen import Screen
from demo.shell import Shell
from demo.stage import Refused
from localcluster import ApiServer

CRDS = Path(__file__).parents[2] / "crds"
IMAGES = ["localhost/quiver-operator:0.1.0", "localhost/quiver-engine:0.1.0"]
HOW = "kind load image-archive"
NEEDED = Images(IMAGES, HOW, patience_s=0)
STORAGE_CLASS = """\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: standard
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: example.org/none
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: their-quiver
  namespace: kube-system
  labels: {app.kubernetes.io/name: quiver}
spec:
  selector: {matchLabels: {app: x}}
  template:
    metadata: {labels: {app: x}}
    spec: {containers: [{name: x, image: x}]}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A cluster with one node, which has the images, and a default class of storage."""
    with ApiServer(tmp_path_factory.mktemp("server"), progress=print) as running:
        running.kubectl("apply", "-f", "-", input=STORAGE_CLASS)
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "their-node"}}
        running.kubectl("create", "-f", "-", input=json.dumps(node))
        _give_images(running, IMAGES)
        yield running


def _give_images(server: ApiServer, images: list[str]) -> None:
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "images": [{"names": [image]} for image in images],
    }
    patch = json.dumps({"status": status})
    server.kubectl("patch", "node/their-node", "--subresource=status", "--type=merge", "-p", patch)
    server.kubectl("taint", "nodes", "their-node", "node.kubernetes.io/not-ready-", check=False)


def _shell(server: ApiServer, kubeconfig: Path | None = None) -> Shell:
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig or server.kubeconfig)}
    return Shell(Screen(), {"kubectl": partial(server.binaries.path, "kubectl")}, environment)


def _check(server: ApiServer) -> bool:
    return require_suitable(_shell(server), NEEDED)


def test_a_cluster_without_quiver_is_taken(server: ApiServer) -> None:
    """With the images on its node and a default StorageClass, nothing keeps the demo away."""
    assert _check(server) is False


def test_missing_images_are_named_with_the_nodes_and_the_cure(server: ApiServer) -> None:
    """Images of localhost/ can be pulled from nowhere: the demo says how to load them."""
    _give_images(server, IMAGES[:1])
    try:
        with pytest.raises(Unsuitable, match=rf"(?s)nothing.*{IMAGES[1]}.*their-node.*{HOW}"):
            _check(server)
        pulled = ["registry.example.org/quiver-engine:0.1.0"]
        assert require_suitable(_shell(server), Images(pulled, HOW, 0)) is False
    finally:
        _give_images(server, IMAGES)


def test_an_operator_that_is_there_is_left_alone(server: ApiServer) -> None:
    """The demo does not play beside an installed Quiver, and says where that is."""
    server.kubectl("apply", "-f", "-", input=DEPLOYMENT)
    try:
        with pytest.raises(Unsuitable, match="installed already, in namespace kube-system"):
            _check(server)
    finally:
        server.kubectl("delete", "-f", "-", input=DEPLOYMENT)


def test_crds_are_used_if_they_are_of_this_version(server: ApiServer) -> None:
    """CRDs that are there serve the demo as they are; other versions' are refused by name."""
    server.kubectl("apply", "--server-side", "-f", str(CRDS))
    try:
        assert _check(server) is True
        file = CRDS / "quiver.dev_vectorcollections.yaml"
        other = yaml.safe_load(file.read_text())
        schema = other["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        del schema["properties"]["spec"]["properties"]["suspend"]
        server.kubectl("replace", "-f", "-", input=json.dumps(other))
        with pytest.raises(
            Unsuitable, match=r"vectorcollections\.quiver\.dev is another version's"
        ):
            _check(server)
    finally:
        server.kubectl("delete", "-f", str(CRDS))


def test_a_kubeconfig_that_is_not_there_is_said(tmp_path: Path) -> None:
    """A file that does not exist, or names no context, is refused by its name."""
    stage = Borrowed(tmp_path, Screen(), "/nowhere", "localhost")
    with pytest.raises(Refused, match="KUBECONFIG=/nowhere"):
        stage.start()
    stage.stop()


def test_a_user_without_rights_and_a_server_that_is_not_there_are_said(
    server: ApiServer, tmp_path: Path
) -> None:
    """Who may not make roles, or reaches no server, is told so before anything is made."""
    nobody = server.kubeconfig_for("nobody")
    with pytest.raises(Unsuitable, match="no administrator"):
        require_suitable(_shell(server, nobody), NEEDED)
    nowhere = tmp_path / "kubeconfig"
    nowhere.write_text(server.kubeconfig.read_text().replace(server.server, "https://127.0.0.1:1"))
    with pytest.raises(Unsuitable, match="does not answer"):
        require_suitable(_shell(server, nowhere), NEEDED)
