"""What a VectorEngine says of its pods reaches the StatefulSet, and leaves it again."""

import pytest

from quiver.domain.kubernetes_types import STATEFUL_SET, VECTOR_ENGINE, Manifest
from support.admin_api import AdminApi
from support.fake_engine import FakeEngines
from support.namespaces import Namespace, ready_condition
from support.operators import running
from support.waiting import eventually

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
SELECTOR = {"matchLabels": {"app.kubernetes.io/instance": "engine"}}
IN_ZONE_A = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
SETTINGS: Manifest = {
    "affinity": {
        "nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [IN_ZONE_A]}},
        "podAntiAffinity": {REQUIRED: [{"topologyKey": "zone", "labelSelector": SELECTOR}]},
    },
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "zone",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": SELECTOR,
        }
    ],
    "imagePullSecrets": [{"name": "registry"}],
    "priorityClassName": "high",
    "runtimeClassName": "nvidia",
    "serviceAccountName": "vectors",
    "terminationGracePeriodSeconds": 60,
}
METADATA: Manifest = {"podLabels": {"team": "a"}, "podAnnotations": {"mesh": "off"}}


@pytest.fixture
def world(
    namespace: str, api: AdminApi, operator_api: AdminApi, fake_engines: FakeEngines
) -> Namespace:
    """A namespace in which engines have no pods."""
    return Namespace(namespace, api, operator_api, fake_engines, address="")


async def template(world: Namespace) -> Manifest:
    """Return the template of the engine's pods as the API server has it."""
    found: Manifest = (await world.get("engine", STATEFUL_SET))["spec"]["template"]
    return found


async def test_pod_settings_come_and_go(world: Namespace) -> None:
    """The API server keeps them as they are given, so that they are applied once. Taken out of the
    spec, nothing of them is left: not even the name of the ServiceAccount, which it copies.
    """
    async with running(world.operator_api, world.engines):
        await world.create(VECTOR_ENGINE, "engine", {"replicas": 0})
        await world.settled("engine", "ScaledToZero", VECTOR_ENGINE)
        plain = await template(world)
        await world.patch("engine", {"spec": {**SETTINGS, **METADATA}}, VECTOR_ENGINE)

        async def has_them() -> bool:
            spec = (await template(world))["spec"]
            return {field: spec.get(field) for field in SETTINGS} == SETTINGS

        await eventually(has_them, "the StatefulSet has the settings")
        metadata = (await template(world))["metadata"]
        assert metadata["labels"] == {**plain["metadata"]["labels"], "team": "a"}
        assert metadata["annotations"] == {"mesh": "off"}
        engine = await world.settled("engine", "ScaledToZero", VECTOR_ENGINE)
        assert "changes what Quiver applies" not in ready_condition(engine)["message"]
        gone = dict.fromkeys([*SETTINGS, *METADATA])
        await world.patch("engine", {"spec": gone}, VECTOR_ENGINE)

        async def are_gone() -> bool:
            return await template(world) == plain

        await eventually(are_gone, "the StatefulSet is as it was")


@pytest.mark.parametrize("field", ["priorityClassName", "runtimeClassName", "serviceAccountName"])
async def test_what_does_not_exist_is_named(world: Namespace, field: str) -> None:
    """The API server refuses the pod, and the engine says in which words."""
    async with running(world.operator_api, world.engines):
        await world.create(VECTOR_ENGINE, "engine", {field: "none-such"})
        await world.says("engine", "PodRefused", "none-such", kind=VECTOR_ENGINE)
