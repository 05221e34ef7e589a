"""The ResourceQuotas of docs/security.md, on an API server that enforces them."""

import re
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from quiver.domain.kubernetes_types import POD, VECTOR_ENGINE, Key, Kind, Manifest
from quiver.ports.errors import ApiRefused
from support.admin_api import AdminApi
from support.fake_engine import FakeEngines
from support.namespaces import Namespace
from support.tenants import Tenant
from support.waiting import eventually

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
QUOTA = Kind("", "v1", "resourcequotas", "ResourceQuota")
COUNTED_S = 3.0
CLAIM = Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")


def examples() -> dict[str, Manifest]:
    """Return the page's ResourceQuotas by their names."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    found = [m for block in blocks for m in yaml.safe_load_all(block) if m["kind"] == QUOTA.kind]
    return {manifest["metadata"]["name"]: manifest for manifest in found}


@pytest.fixture
async def limited(
    namespace: str, api: AdminApi, operator_api: AdminApi, fake_engines: FakeEngines
) -> Namespace:
    """A namespace in which the page's quotas are in force."""
    world = Namespace(namespace, api, operator_api, fake_engines, address="")
    for name in examples():
        await eventually(partial(put_in_force, world, name), f"quota {name} counts")
    return world


async def put_in_force(world: Namespace, name: str) -> bool:
    """Make the quota, and tell whether it counts everything soon. One that is made before the quota
    controller has discovered a kind, which it tries every 30 s, does not count it for minutes.
    """
    if await world.find(name, QUOTA) is not None:
        await world.delete(name, QUOTA)
    hard = examples()[name]["spec"]["hard"]
    await world.create(QUOTA, name, {"hard": hard})

    async def counts() -> bool:
        status = (await world.get(name, QUOTA)).get("status", {})
        return bool(status.get("used", {}).keys() == hard.keys())

    with suppress(AssertionError):
        return bool(await eventually(counts, f"quota {name} counts", COUNTED_S))
    return False


async def is_refused(attempt: Awaitable[Any], quota: str, resource: str) -> None:
    with pytest.raises(ApiRefused, match=rf"exceeded quota: {quota}, requested: {resource}"):
        await attempt


async def test_a_namespace_has_so_many_collections_and_no_more(limited: Namespace) -> None:
    """The API server refuses the one above the quota, and takes it once another is gone."""
    most = int(examples()["vectors"]["spec"]["hard"]["count/vectorcollections.quiver.dev"])
    for number in range(most):
        await limited.create_collection(f"docs{number}")
    resource = r"count/vectorcollections\.quiver\.dev=1"
    await is_refused(limited.create_collection("more"), "vectors", resource)
    await limited.delete("docs0")

    async def is_taken() -> bool:
        with suppress(ApiRefused):
            return bool(await limited.create_collection("more"))
        return False

    await eventually(is_taken, "there is room for another")


async def test_a_namespace_has_so_many_engines_and_no_more(limited: Namespace) -> None:
    """With none allowed, it can use engines of other namespaces alone."""
    most = int(examples()["vectors"]["spec"]["hard"]["count/vectorengines.quiver.dev"])
    for number in range(most):
        await limited.create(VECTOR_ENGINE, f"engine{number}", {"replicas": 0})
    resource = r"count/vectorengines\.quiver\.dev=1"
    await is_refused(limited.create(VECTOR_ENGINE, "more", {"replicas": 0}), "vectors", resource)


async def test_engines_have_so_many_gpus_and_so_much_storage(limited: Namespace) -> None:
    """Pods and volume claims above the quota are refused."""
    hard = examples()["engines"]["spec"]["hard"]
    gpus = int(hard["requests.nvidia.com/gpu"])
    pod = {"containers": [{"name": "engine", "image": "e", "resources": gpu_limits(gpus + 1)}]}
    resource = rf"requests\.nvidia\.com/gpu={gpus + 1}"
    await is_refused(limited.create(POD, "engine-0", pod), "engines", resource)
    size = int(hard["requests.storage"].removesuffix("Gi")) + 1
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{size}Gi"}},
    }
    resource = rf"requests\.storage={size}Gi"
    await is_refused(limited.create(CLAIM, "data-engine-0", claim), "engines", resource)


def gpu_limits(count: int) -> Manifest:
    return {"limits": {"nvidia.com/gpu": count}}


async def test_a_tenant_does_not_change_its_quota(api: AdminApi, tenant: Tenant) -> None:
    """With the role `edit` it neither raises nor deletes a quota of its namespace."""
    key = Key(tenant.namespace, "vectors")
    metadata = {"name": key.name, "namespace": key.namespace}
    await api.create(QUOTA, {**examples()["vectors"], "metadata": metadata})
    more = {"spec": {"hard": {"count/vectorcollections.quiver.dev": "1000"}}}
    with pytest.raises(ApiRefused, match="cannot patch"):
        await tenant.api.patch(QUOTA, key, more)
    with pytest.raises(ApiRefused, match="cannot delete"):
        await tenant.api.delete(QUOTA, key)
