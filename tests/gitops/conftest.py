import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from localcluster import Cluster
from localcluster.binaries import Binaries
from localcluster.catalogue import FLUX
from localcluster.flux import NAMESPACE, Flux
from support.git_server import GitServer
from support.gitops import SHARED, Sync
from support.manifests import collection, engine

LAYOUT = Path(__file__).parents[2] / "manifests" / "gitops"
ROOT, INFRASTRUCTURE, TEAMS = "clusters/staging", "infrastructure", "teams"
CRDS = ("crd/vectorcollections.quiver.dev", "crd/vectorengines.quiver.dev")


@pytest.fixture(scope="session")
def controllers() -> None:
    """Skips what needs Flux' controllers where they would have to be built first."""
    if Binaries.missing(FLUX):
        pytest.skip("Flux' controllers are not built; `make gitops` builds them in 13 minutes")


@pytest.fixture(scope="package")
def flux(
    controllers: None, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A cluster with Flux in it, and the images of operator and engine."""
    cluster.load_images(["operator", "engine"])
    with Flux(cluster, tmp_path_factory.mktemp("flux"), print):
        yield cluster


@pytest.fixture(scope="package")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    with GitServer(tmp_path_factory.mktemp("forge")) as server:
        yield server


@pytest.fixture(scope="package")
def platform(flux: Cluster, forge: GitServer) -> Iterator[Sync]:
    """The cluster as Flux makes it of `manifests/gitops/`, with the images that are here. It goes
    as docs/gitops.md says, and leaves nothing that other tests' releases would stumble over.
    """
    sync = Sync(flux, forge.repository(NAMESPACE), NAMESPACE, NAMESPACE)
    files = {
        str(path.relative_to(LAYOUT)): path.read_text().replace("registry.example.org", "localhost")
        for path in LAYOUT.rglob("*.yaml")
    }
    sync.follow()
    revision = sync.push("Begin", files)
    sync.kustomize(NAMESPACE, f"./{ROOT}")
    for name in (NAMESPACE, INFRASTRUCTURE, TEAMS):
        sync.ready(name, revision)
    yield sync
    sync.push("Remove the teams", {f"{ROOT}/{TEAMS}.yaml": None})
    sync.gone("kustomization", TEAMS)
    objects = ("vectorcollections,vectorengines", "--all", "--all-namespaces")
    flux.kubectl("wait", "--for=delete", *objects, "--timeout=60s")
    sync.kubectl("delete", "kustomization", NAMESPACE)
    sync.gone("kustomization", INFRASTRUCTURE)
    # What the layout has Flux leave. The namespace of the operator may stay, empty.
    flux.kubectl("delete", *CRDS, "--wait=false")
    flux.kubectl("delete", "secret", "quiver-claim-keys", "--namespace=quiver-system")
    flux.kubectl("delete", "namespace", "search-staging", "--wait=false")


@pytest.fixture(scope="package")
def shared_engine(platform: Sync) -> Iterator[Sync]:
    """The namespace of the engine that takes collections of every team."""
    sync = replace(platform, namespace=SHARED["namespace"])
    manifest = engine(SHARED["name"], allowedNamespaces={"from": "All"})
    platform.plane.create_namespace(sync.namespace)
    sync.kubectl("apply", "--filename=-", input=json.dumps(manifest))
    target = f"vectorengine/{SHARED['name']}"
    sync.kubectl("wait", "--for=condition=Ready", target, "--timeout=90s")
    yield sync
    sync.kubectl("delete", target)
    platform.plane.kubectl("delete", "namespace", sync.namespace, "--wait=false")


@pytest.fixture(scope="package", autouse=True)
def short_of_gpus(platform: Sync, forge: GitServer) -> Iterator[Sync]:
    """A team whose engine asks for more GPUs than there are. It is there before the first test,
    since Flux waits for thirty seconds before it gives up: other tests need not wait with it.
    """
    with founded(platform, forge) as sync:
        files = {
            "engine/engine.yaml": engine(gpu={"count": 3}),
            "vectors/docs.yaml": collection("docs"),
        }
        sync.push("Ask for more GPUs than there are", files)
        sync.kustomize("engine", "./engine", timeout="30s")
        sync.kustomize("vectors", "./vectors", dependsOn=[{"name": "engine"}])
        yield sync


@pytest.fixture
def team(platform: Sync, forge: GitServer) -> Iterator[Sync]:
    with founded(platform, forge) as sync:
        yield sync


@pytest.fixture
def vectors(team: Sync, shared_engine: Sync) -> Sync:
    """The team, whose Kustomization `vectors` applies the folder `vectors` with its rights."""
    team.kustomize("vectors", "./vectors", serviceAccountName="flux")
    return team


@contextmanager
def founded(platform: Sync, forge: GitServer) -> Iterator[Sync]:
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
    sync.kubectl("delete", "kustomization", "--all", "--timeout=60s")
    sync.kubectl("wait", "--for=delete", "vectorcollections", "--all", "--timeout=60s")
    platform.plane.kubectl("delete", "namespace", name, "--wait=false")
