import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster import Cluster
from localcluster.binaries import Binaries
from localcluster.catalogue import FLUX
from localcluster.flux import NAMESPACE, Flux
from support.git_server import GitServer
from support.gitops import Sync

LAYOUT = Path(__file__).parents[2] / "manifests" / "gitops"
SHARED = {
    "apiVersion": "quiver.dev/v1alpha1",
    "kind": "VectorEngine",
    "metadata": {"name": "shared", "namespace": "vectors"},
    "spec": {"allowedNamespaces": {"from": "All"}},
}


@pytest.fixture(scope="session")
def flux(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A cluster with Flux' controllers; skipped where they would have to be built first."""
    if Binaries.missing(FLUX):
        pytest.skip("Flux' controllers are not built; `make gitops` builds them in ten minutes")
    cluster: Cluster = request.getfixturevalue("cluster")
    cluster.load_images(["operator", "engine"])
    with Flux(cluster, tmp_path_factory.mktemp("flux"), print):
        yield cluster


@pytest.fixture(scope="session")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    with GitServer(tmp_path_factory.mktemp("forge")) as server:
        yield server


@pytest.fixture(scope="session")
def platform(flux: Cluster, forge: GitServer) -> Sync:
    """The cluster as Flux makes it of `manifests/gitops/`, with the images that are here."""
    sync = Sync(flux, forge.repository(NAMESPACE), NAMESPACE, NAMESPACE)
    files = {
        str(path.relative_to(LAYOUT)): path.read_text().replace("registry.example.org", "localhost")
        for path in LAYOUT.rglob("*.yaml")
    }
    sync.follow()
    revision = sync.push("Begin", files)
    sync.kustomize(NAMESPACE, "./clusters/staging")
    for name in (NAMESPACE, "infrastructure", "teams"):
        sync.ready(name, revision)
    return sync


@pytest.fixture(scope="session")
def shared_engine(platform: Sync) -> Sync:
    """The namespace of the engine `shared`, which takes collections of every team."""
    platform.plane.create_namespace("vectors")
    platform.plane.kubectl("apply", "--filename=-", input=json.dumps(SHARED))
    where = ("--namespace=vectors", "vectorengine/shared", "--timeout=90s")
    platform.plane.kubectl("wait", "--for=condition=Ready", *where)
    return Sync(platform.plane, platform.repository, "vectors", "")


@pytest.fixture
def team(platform: Sync, forge: GitServer) -> Iterator[Sync]:
    """A team with a namespace and a repository of its own, and the rights of the role `edit`."""
    name = f"team-{secrets.token_hex(4)}"
    sync = Sync(platform.plane, forge.repository(name), name, "team")
    platform.plane.create_namespace(name)
    sync.kubectl("create", "serviceaccount", "flux")
    account = f"--serviceaccount={name}:flux"
    sync.kubectl("create", "rolebinding", "flux", "--clusterrole=edit", account)
    sync.follow()
    yield sync
    # Kustomizations first: they take what they have made with them while they have the rights to.
    sync.kubectl("delete", "kustomization", "--all")
    platform.plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def vectors(team: Sync, shared_engine: Sync) -> Sync:
    """The team, whose Kustomization `vectors` applies the folder `vectors` with its rights."""
    team.kustomize(
        "vectors", "./vectors", serviceAccountName="flux", targetNamespace=team.namespace
    )
    return team
