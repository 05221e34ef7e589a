"""An admission policy changes the workload that Quiver applies."""

import uuid
from typing import Any

from localcluster import ControlPlane
from quiver.app import Operator
from quiver.domain.kubernetes_types import POD, STATEFUL_SET, VECTOR_ENGINE, Kind, Manifest
from support.admin_api import AdminApi
from support.namespaces import Namespace, ready_condition
from support.operators import running
from support.policies import mutating
from support.standin_node import StandinNode
from support.waiting import eventually

SLOW_S, USUAL_S = 60, 30
SLOWER = (
    "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{"
    f"terminationGracePeriodSeconds: {SLOW_S}}}}}}}}}"
)
CHANGED = (
    "An admission policy or webhook changes what Quiver applies: StatefulSet 'engine': "
    "spec.template.spec.terminationGracePeriodSeconds is 60, not 30."
)
LOOKS = 20
MORE = {"requests": {"memory": "64Mi"}}


class CountedApplies:
    """The operator's client, and how often it applied what."""

    def __init__(self, api: AdminApi) -> None:
        self.applied: list[Kind] = []
        self._api = api

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    async def apply(self, kind: Kind, manifest: Manifest) -> Manifest:
        self.applied.append(kind)
        return await self._api.apply(kind, manifest)


async def created_with(world: Namespace, grace_s: int) -> None:
    """Wait until a new StatefulSet gets this time to end: policies come and go after a moment."""
    labels = {"probe": "1"}
    pod = {"containers": [{"name": "probe", "image": "probe"}]}
    template = {"metadata": {"labels": labels}, "spec": pod}

    async def holds() -> bool:
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        made = await world.create(STATEFUL_SET, f"probe-{uuid.uuid4().hex}", spec)
        found: Manifest = made["spec"]["template"]["spec"]
        return bool(found["terminationGracePeriodSeconds"] == grace_s)

    await eventually(holds, f"StatefulSets are created with {grace_s} s")


async def look_at_the_engine(world: Namespace, operator: Operator, times: int) -> None:
    """Have the operator reconcile the engine so often."""
    metric = "controller_runtime_reconcile_time_seconds_count"
    value = operator.metrics.registry.get_sample_value

    def ended() -> float:
        return value(metric, {"controller": "vectorengine"}) or 0

    for number in range(times):
        before = ended()
        annotations = {"annotations": {"quiver.dev/reconcile": str(number)}}
        await world.patch("engine", {"metadata": annotations}, VECTOR_ENGINE)
        await eventually(lambda before=before: ended() > before, "the engine is looked at")


async def test_an_engine_whose_workload_a_policy_changes_becomes_ready(
    managed: Namespace, node: StandinNode, quiver_api: ControlPlane
) -> None:
    """It costs no write at each look, and Ready names what was changed. What changes in the spec is
    applied as ever, and once the policy is gone the next operator puts all right.
    """
    world, api = managed, CountedApplies(managed.operator_api)
    with mutating(quiver_api, world.namespace, STATEFUL_SET, SLOWER):
        await created_with(world, SLOW_S)
        async with running(api, world.engines) as operator:
            await world.create(VECTOR_ENGINE, "engine", {"nodeSelector": node.selector})

            async def has_pod() -> bool:
                pod = await world.find("engine-0", POD)
                return pod is not None and ready_condition(pod).get("status") == "True"

            await eventually(has_pod, "the pod is ready")
            stateful_set = await world.get("engine", STATEFUL_SET)
            template = stateful_set["spec"]["template"]["spec"]
            assert template["terminationGracePeriodSeconds"] == SLOW_S
            before = len(api.applied)
            await look_at_the_engine(world, operator, LOOKS)
            assert len(api.applied) == before
            engine = await world.settled_engine()
            assert CHANGED in ready_condition(engine)["message"]
            await world.patch("engine", {"spec": {"resources": MORE}}, VECTOR_ENGINE)
            await eventually(lambda: grace_of(world, MORE), "the new resources are applied")
    await created_with(world, USUAL_S)
    async with running(api, world.engines):
        await eventually(lambda: grace_of(world, MORE, USUAL_S), "all is as Quiver wants it")
        engine = await world.settled_engine()
        assert CHANGED not in ready_condition(engine)["message"]


async def grace_of(world: Namespace, resources: Manifest, grace_s: int = SLOW_S) -> bool:
    """Tell whether the pods are to have these resources and this time to end."""
    template = (await world.get("engine", STATEFUL_SET))["spec"]["template"]["spec"]
    found = template["containers"][0]["resources"], template["terminationGracePeriodSeconds"]
    return found == (resources, grace_s)
