"""Whoever applies the YAML, and however often: nobody fights about it."""

import asyncio
from pathlib import Path

import pytest
import yaml

from localcluster import ControlPlane
from quiver.domain.kubernetes_types import SECRET, VECTOR_COLLECTION, VECTOR_ENGINE, Manifest
from support.appliers import COLLECTIONS, Appliers, shape
from support.audit import wait_for_marker, writes
from support.fake_engine import FakeEngine
from support.health import argo_health
from support.manifests import engine
from support.namespaces import Namespace
from support.operators import running
from support.waiting import eventually

STAGING = Path(__file__).parents[2] / "manifests" / "gitops" / "teams" / "search" / "staging"
KINDS = {kind.kind: kind for kind in (VECTOR_ENGINE, VECTOR_COLLECTION)}
WAVE = "argocd.argoproj.io/sync-wave"
ROUNDS, BY_KUBECTL = 10, 9
"""A hundred applies in all. Helm's take the longest, so that it has one in ten."""


@pytest.mark.timeout(900)  # a hundred processes: half a minute where nothing else runs
async def test_a_hundred_applies_of_the_same_are_none(
    fake_world: Namespace, fake_address: str, quiver_api: ControlPlane, tmp_path: Path
) -> None:
    """By client-side apply, server-side apply and Helm in turn: the operator writes nothing, no
    object gets a new generation, no field changes hands, and nothing differs from the YAML.
    """
    world = fake_world
    await world.delete("engine", VECTOR_ENGINE)
    wanted = [engine(external={"endpoints": [fake_address]}), *COLLECTIONS]
    appliers = Appliers(quiver_api, world.namespace, tmp_path, wanted)

    async def live() -> list[Manifest]:
        return [await world.get(m["metadata"]["name"], KINDS[m["kind"]]) for m in wanted]

    async with running(world.operator_api, world.engines, resync_period=0.5):
        await asyncio.to_thread(appliers.client_side)
        await asyncio.to_thread(appliers.all, 2)
        await world.settled_engine()
        await world.ready("plain", "full")
        await wait_for_marker(world, quiver_api, "marker-one")
        before, written = await live(), writes(quiver_api, world.namespace)
        for _ in range(ROUNDS):
            await asyncio.to_thread(appliers.all, BY_KUBECTL)
        await world.look_now("plain")
        await wait_for_marker(world, quiver_api, "marker-two")
        after = await live()
        assert await asyncio.to_thread(appliers.diff) == ""
    assert writes(quiver_api, world.namespace) == written
    assert [shape(m) for m in after] == [shape(m) for m in before]
    for manifest, applied in zip(after, wanted, strict=True):
        assert {key: manifest["spec"][key] for key in applied["spec"]} == applied["spec"]


async def test_waves_go_up_and_are_pruned_down(
    fake_world: Namespace, fake: FakeEngine, fake_address: str, quiver_api: ControlPlane
) -> None:
    """As Argo CD syncs and prunes the sample of a team: a wave once the one before is Healthy, and
    backwards by foreground deletion. Vectors stay, as the engine's default is.
    """
    world = fake_world
    await world.delete("engine", VECTOR_ENGINE)
    waves: dict[int, list[Manifest]] = {}
    for manifest in yaml.safe_load_all(quiver_api.kubectl("kustomize", str(STAGING))):
        if manifest["kind"] in KINDS:
            manifest["metadata"]["namespace"] = world.namespace
            wave = int(manifest["metadata"]["annotations"][WAVE])
            waves.setdefault(wave, []).append(manifest)
    [engine] = waves[0]
    engine["spec"] = {**engine["spec"], "replicas": None, "storage": None}
    engine["spec"]["external"] = {"endpoints": [fake_address]}
    async with running(world.operator_api, world.engines):
        for wave in sorted(waves):
            for manifest in waves[wave]:
                await world.api.create(KINDS[manifest["kind"]], manifest)
            for manifest in waves[wave]:
                await healthy(world, manifest)
        vectors = set(fake.collections)
        for wave in sorted(waves, reverse=True):
            for manifest in waves[wave]:
                await prune(quiver_api, manifest)
            for manifest in waves[wave]:
                await world.gone(manifest["metadata"]["name"], KINDS[manifest["kind"]])
    assert vectors == set(fake.collections) == {"staging_articles", "staging_products"}


async def healthy(world: Namespace, manifest: Manifest) -> None:
    async def holds() -> bool:
        found = await world.get(manifest["metadata"]["name"], KINDS[manifest["kind"]])
        return argo_health(found).status == "Healthy"

    await eventually(holds, f"{manifest['metadata']['name']} is Healthy")


async def prune(plane: ControlPlane, manifest: Manifest) -> None:
    what = (manifest["kind"], manifest["metadata"]["name"])
    how = ("--cascade=foreground", "--wait=false")
    at = f"--namespace={manifest['metadata']['namespace']}"
    await asyncio.to_thread(plane.kubectl, "delete", *what, *how, at)


async def test_a_binding_goes_with_foreground_deletion(
    fake_world: Namespace, quiver_api: ControlPlane
) -> None:
    """Kubernetes removes the Secret first, and Quiver does not put it back meanwhile."""
    world = fake_world
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", binding={"secretName": "docs"})
        (docs,) = await world.ready("docs")
        await prune(quiver_api, docs)
        await world.gone("docs")
        await world.gone("docs", SECRET)
