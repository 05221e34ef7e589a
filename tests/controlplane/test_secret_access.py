"""An operator that may use Secrets only where it was allowed to."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from localcluster import ControlPlane
from quiver.domain.kubernetes_types import SECRET, VECTOR_ENGINE, Manifest
from support.namespaces import Namespace, ready_condition, types
from support.release import Install, leads

ADMIN = "jane"
BINDING = {"binding": {"secretName": "docs-binding"}}
TLS = {"external": {"endpoints": ["192.0.2.1:19530"]}, "tls": {"caSecretName": "none"}}


@pytest.fixture
def admin(world: Namespace, quiver_api: ControlPlane) -> str:
    """Somebody who has the cluster role `admin` in the world's namespace, and nothing else."""
    arguments = ("--clusterrole=admin", f"--user={ADMIN}", f"--namespace={world.namespace}")
    quiver_api.kubectl("create", "rolebinding", "admin", *arguments)
    return ADMIN


def cure_in(manifest: Manifest) -> list[str]:
    """Return the arguments of the command that the object's condition says to run."""
    [command] = re.findall(r"`kubectl (.+?)`", ready_condition(manifest)["message"])
    return shlex.split(command)


def namespaced(world: Namespace) -> dict[str, Any]:
    return {"watchNamespaces": [world.namespace]}


@pytest.mark.parametrize("is_cluster_wide", [True, False], ids=["cluster-wide", "namespaces"])
async def test_the_condition_says_how_to_allow_it_and_all_goes_on(
    is_cluster_wide: bool,
    releases: Install,
    world: Namespace,
    admin: str,
    quiver_api: ControlPlane,
    tmp_path: Path,
) -> None:
    """The namespace's admin runs the command; then the objects go on though nobody touches them."""
    where = {} if is_cluster_wide else namespaced(world)
    release = releases(**where, resyncPeriod=1)
    with release.operator(tmp_path / "operator.log") as operator:
        await leads(operator)
        await world.create(VECTOR_ENGINE, "secured", TLS)
        await world.create_collection("docs", **BINDING)
        stalled = await world.settled("docs", "SecretForbidden")
        secured = await world.settled("secured", "SecretForbidden", VECTOR_ENGINE)
        assert types(stalled) == types(secured) == {"Ready", "Stalled"}
        assert cure_in(stalled) == cure_in(secured)
        assert await world.engine.describe("docs") is not None
        assert await world.find("docs-binding", SECRET) is None
        before = (await world.get("docs"))["metadata"]
        quiver_api.kubectl(*cure_in(stalled), f"--as={admin}")
        (ready,) = await world.ready("docs")
        assert await world.find("docs-binding", SECRET) is not None
        await world.settled("secured", "SecretNotFound", VECTOR_ENGINE)
        after = ready["metadata"]
        assert (after["generation"], after["annotations"]) == (
            before["generation"],
            before["annotations"],
        )


async def test_a_right_that_is_taken_away_leaves_the_binding(
    releases: Install, world: Namespace, quiver_api: ControlPlane, tmp_path: Path
) -> None:
    """The Secret stays, the object says what is missing, and goes without it when it is deleted."""
    secrets = {"secrets": {"namespaces": [world.namespace]}}
    release = releases(rbac=secrets, resyncPeriod=1)
    with release.operator(tmp_path / "operator.log") as operator:
        await leads(operator)
        await world.create_collection("docs", **BINDING)
        await world.ready("docs")
        role = f"rolebinding/{release.namespace}:quiver-secrets"
        quiver_api.kubectl("delete", role, f"--namespace={world.namespace}")
        await world.look_now("docs")
        stalled = await world.settled("docs", "SecretForbidden")
        assert stalled["status"]["binding"] == {"name": "docs-binding"}
        assert await world.find("docs-binding", SECRET) is not None
        await world.delete("docs")
        await world.gone("docs")
        await world.gone("docs-binding", SECRET)
    assert await world.engine.describe("docs") is None


async def test_a_value_lets_the_operator_use_all_secrets(
    releases: Install, world: Namespace, tmp_path: Path
) -> None:
    """With `rbac.secrets.clusterWide` a binding needs nobody's consent."""
    release = releases(rbac={"secrets": {"clusterWide": True}})
    with release.operator(tmp_path / "operator.log") as operator:
        await leads(operator)
        await world.create_collection("docs", **BINDING)
        await world.ready("docs")
        assert await world.find("docs-binding", SECRET) is not None
