"""The API server refuses what Quiver writes: the object says so in the API server's words, and all
ends well once it is allowed.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from localcluster import ControlPlane
from quiver.domain.kubernetes_types import SECRET, VECTOR_COLLECTION, Kind, Manifest
from support.namespaces import Namespace, ready_condition, types
from support.operators import running
from support.policies import refusing, wait_refused
from support.waiting import eventually

QUOTA = Kind("", "v1", "resourcequotas", "ResourceQuota")
NO_SECRETS = {"count/secrets": "0"}
WORDS = "the freeze ends on Monday"
NO_CLAIM = "!('quiver.dev/claim' in object.metadata.?annotations.orValue({}))"
NO_PROBE = "!('probe' in object.metadata.?labels.orValue({}))"


@pytest.fixture
def policies() -> Iterator[ExitStack]:
    """Policies that a test enters, and takes away with `close`."""
    with ExitStack() as stack:
        yield stack


def refuse(plane: ControlPlane, policies: ExitStack, world: Namespace, without: str) -> None:
    """Refuse each write of a collection for which the expression is false, from now on."""
    expression = f"{NO_PROBE} && ({without})"
    policies.enter_context(refusing(plane, world.namespace, VECTOR_COLLECTION, expression, WORDS))
    probe = ("label", "vcol", "docs", "probe=1", f"--namespace={world.namespace}")
    wait_refused(plane, WORDS, *probe)


async def test_a_claim_that_a_policy_refuses_is_reported(
    fake_world: Namespace, quiver_api: ControlPlane, policies: ExitStack
) -> None:
    """Nothing is created on the engine, the condition has the policy's words, and once the policy
    is gone the collection is made, though nobody touches the object.
    """
    world = fake_world
    await world.create_collection("docs")
    no_claim = (
        "!(has(object.metadata.annotations) && 'quiver.dev/claim' in object.metadata.annotations)"
    )
    refuse(quiver_api, policies, world, no_claim)
    async with running(world.operator_api, world.engines):
        refused = await world.settled("docs", "ApplyRefused")
        assert types(refused) == {"Ready", "Stalled"}
        message = ready_condition(refused)["message"]
        assert message.startswith("The API server refused the claim: ")
        assert WORDS in message
        assert "Trying again." in message
        assert await world.engine.list_collections() == frozenset()
        policies.close()
        await world.ready("docs")


async def test_a_finalizer_that_cannot_be_removed_is_reported(
    fake_world: Namespace, quiver_api: ControlPlane, policies: ExitStack
) -> None:
    """The collection is dropped, the object waits and says why, and goes once it may."""
    world = fake_world
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        await world.ready("docs")
        refuse(quiver_api, policies, world, "has(object.metadata.finalizers)")
        await world.delete("docs")
        refused = await world.settled("docs", "ApplyRefused")
        message = ready_condition(refused)["message"]
        assert message.startswith("The API server refused the removal of the finalizer: ")
        assert WORDS in message
        policies.close()
        await world.gone("docs")


async def test_a_secret_that_a_quota_refuses_is_reported(fake_world: Namespace) -> None:
    """The collection is as the spec says all the same, partitions and index included, and the
    Secret is published once there is room.
    """
    world = fake_world
    await world.create(QUOTA, "none", {"hard": NO_SECRETS})
    await eventually(lambda: in_force(world), "the quota is in force")
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs", partitions=["a"], binding={"secretName": "docs"})
        refused = await world.settled("docs", "ApplyRefused")
        message = ready_condition(refused)["message"]
        assert message.startswith("The API server refused Secret 'docs': ")
        assert "exceeded quota: none" in message
        assert "The collection itself is as the spec says." in message
        assert refused["status"]["partitions"] == ["a"]
        assert "binding" not in refused["status"]
        assert await world.find("docs", SECRET) is None
        await world.delete("none", QUOTA)
        (docs,) = await world.ready("docs")
        assert docs["status"]["binding"] == {"name": "docs"}
        assert await world.find("docs", SECRET) is not None


async def in_force(world: Namespace) -> bool:
    quota: Manifest = await world.get("none", QUOTA)
    return bool(quota.get("status", {}).get("hard") == NO_SECRETS)


async def test_a_status_that_is_refused_is_an_event(
    fake_world: Namespace, quiver_api: ControlPlane, policies: ExitStack
) -> None:
    """The event and the metric of events say what the status cannot, with what it would say."""
    world = fake_world
    await world.create_collection("docs")
    refusal = refusing(
        quiver_api, world.namespace, VECTOR_COLLECTION, "false", WORDS, subresource="status"
    )
    policies.enter_context(refusal)
    probe = ["patch", "vcol", "docs", "--subresource=status", "--type=merge"]
    patch = '--patch={"status":{"collectionName":"probe"}}'
    wait_refused(quiver_api, WORDS, *probe, patch, f"--namespace={world.namespace}")
    async with running(world.operator_api, world.engines) as operator:
        event = await world.told("docs", "StatusRefused")
        assert event["type"] == "Warning"
        assert WORDS in event["note"]
        assert "It would say: Available: Collection 'docs' is on " in event["note"]
        labels = {"type": "Warning", "reason": "StatusRefused"}
        assert operator.metrics.registry.get_sample_value("quiver_events_total", labels)
        assert ready_condition(await world.get("docs"))["reason"] == "Pending"
        policies.close()
        await world.ready("docs")
