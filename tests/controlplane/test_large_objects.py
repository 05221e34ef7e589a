"""What the CRDs allow a collection to be, its object can hold: etcd takes 1.5 MiB and no more."""

from quiver.domain.collections import PARTITION_BYTES
from quiver.domain.kubernetes_types import MANAGED_BY, MANAGED_BY_LABEL, STATEFUL_SET
from support.fake_engine import FakeEngines
from support.namespaces import Namespace
from support.operators import running

LONGEST = 255
TAGS = PARTITION_BYTES // LONGEST
NOTE = "x" * 250_000
"""About as much as all annotations of an object may have."""


def tags(first: int) -> list[str]:
    """Return as many tags of the greatest length as a spec may list."""
    return [f"{number:0{LONGEST}}" for number in range(first, first + TAGS)]


async def test_the_longest_tags_fit_the_object(
    fake_world: Namespace, fake_engines: FakeEngines
) -> None:
    """They fit spec and status, beside the largest annotations and once more as retained ones. What
    would not fit any more is refused in a condition.
    """
    world = fake_world
    spec = {"partitions": tags(0), "deletionPolicy": "Retain"}
    async with running(world.operator_api, fake_engines):
        await world.create_collection("docs", **spec)
        await world.patch("docs", {"metadata": {"annotations": {"note": NOTE}}})
        await world.ready("docs")
        await world.patch("docs", {"spec": {"partitions": tags(TAGS)}})
        (found,) = await world.ready("docs")
        assert found["status"]["partitions"] == tags(TAGS)
        assert sorted(found["status"]["retainedPartitions"]) == tags(0)
        await world.patch("docs", {"spec": {"partitions": tags(2 * TAGS)}})
        await world.says("docs", "QuotaExceeded", "bytes together")
        await world.patch("docs", {"spec": {"partitions": tags(0)}})
        await world.ready("docs")


async def test_a_workload_that_is_long_in_json_is_in_nobodys_way(
    fake_world: Namespace, fake_engines: FakeEngines
) -> None:
    """Built-in objects are stored in fewer bytes than they are listed in: the API server escapes
    `<`. Anyone may label such a one as Quiver's.
    """
    world, labels = fake_world, {"app": "large"}
    container = {"name": "c", "image": "image", "args": ["<" * 900_000]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": labels}, "serviceName": "large", "template": template}
    managed = {MANAGED_BY_LABEL: MANAGED_BY}
    await world.create(STATEFUL_SET, "large", spec, labels=managed)
    try:
        async with running(world.operator_api, fake_engines):
            await world.create_collection("docs")
            await world.ready("docs")
    finally:
        await world.delete("large", STATEFUL_SET)
