"""A tenant that takes claim or finalizer off its objects has no more on an engine than its share.

The admission policy lets it: anyone may take them off.
"""

from quiver.domain.claims import CLAIM_ANNOTATION, claim_of
from quiver.domain.kubernetes_types import VECTOR_ENGINE, Manifest
from support.answers import told
from support.fake_engine import FakeEngine
from support.meddling import MeddledEngines
from support.namespaces import Namespace
from support.operators import running
from support.tenants import Tenant
from support.waiting import eventually

SHARE = 4
NAMES = [f"docs{number}" for number in range(6)]
NO_CLAIM: Manifest = {"metadata": {"annotations": {CLAIM_ANNOTATION: None}}}
NO_FINALIZER: Manifest = {"metadata": {"finalizers": None}}


async def open_to_all(world: Namespace) -> None:
    limits = {"maxPerNamespace": SHARE}
    spec = {"allowedNamespaces": {"from": "All"}, "limits": limits}
    await world.patch("engine", {"spec": spec}, VECTOR_ENGINE)


def placed(fake: FakeEngine) -> int:
    """Count the collections and partitions of the engine."""
    return sum(len(collection.rows) for collection in fake.collections.values())


async def take_away_past_finalizer(guest: Namespace, name: str) -> None:
    """Delete the object without leave of the operator."""
    await guest.patch(name, NO_FINALIZER)
    await guest.delete(name)


async def counts(world: Namespace, fake: FakeEngine) -> None:
    """Wait until the engine's status counts what is there and nobody's."""

    async def holds() -> bool:
        engine = await world.get("engine", VECTOR_ENGINE)
        retained = engine.get("status", {}).get("retained", {})
        return sum(int(v.partition("/")[2]) for v in retained.values()) == placed(fake)

    await eventually(holds, "all that is there counts")


async def uses_up_its_share(world: Namespace, fake: FakeEngine, guest: Namespace) -> None:
    """Have the guest create collections whose objects go at once, until it may have no more."""
    for name in NAMES[: SHARE // 2]:
        await guest.create_collection(name, partitions=["a"])
        await guest.gone(name)
        await counts(world, fake)
    await guest.create_collection("more")
    await guest.says("more", "QuotaExceeded", "limits.maxPerNamespace")
    assert placed(fake) <= SHARE


async def test_a_claim_that_is_wiped_before_the_first_status_counts_all_the_same(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant
) -> None:
    """Right after each creation the tenant takes the annotation off: the objects that fit become
    Ready, and all others wait for room.
    """
    await open_to_all(fake_world)
    guest = tenant.at(fake_world)
    engines = MeddledEngines(fake_world.engines, lambda name: guest.patch(name, NO_CLAIM))
    said = []
    async with running(fake_world.operator_api, engines):
        for name in NAMES:
            await guest.create_collection(name, partitions=["a"])
            said.append(await told(guest, name, "Available", "QuotaExceeded", "AlreadyExists"))
    assert (placed(fake), said) == (SHARE, 2 * ["Available"] + 4 * ["QuotaExceeded"])


async def test_a_claim_that_is_wiped_outlives_the_operator(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant
) -> None:
    """The operator that created the collection is cut off after it has answered the wiping: the
    status has the claim.
    """
    await open_to_all(fake_world)
    guest = tenant.at(fake_world)
    engines = MeddledEngines(fake_world.engines, lambda name: guest.patch(name, NO_CLAIM))

    async def has_claim() -> bool:
        manifest = await guest.get("docs")
        return "claim" in manifest["status"] and claim_of(manifest) is not None

    async with running(fake_world.operator_api, engines):
        await guest.create_collection("docs", partitions=["a"])
        await eventually(has_claim, "the status has the claim")
    async with running(fake_world.operator_api, fake_world.engines):
        await guest.ready("docs")


async def test_what_is_taken_away_during_its_creation_counts(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant
) -> None:
    """Right after each creation the tenant takes the finalizer off and deletes the object: what it
    leaves on the engine counts towards its share.
    """
    await open_to_all(fake_world)
    guest = tenant.at(fake_world)
    engines = MeddledEngines(fake_world.engines, lambda name: take_away_past_finalizer(guest, name))
    async with running(fake_world.operator_api, engines):
        await uses_up_its_share(fake_world, fake, guest)


async def test_what_is_taken_away_after_its_claim_was_wiped_counts(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant
) -> None:
    """Right after each creation the tenant takes off annotation and finalizer at once."""
    await open_to_all(fake_world)
    guest = tenant.at(fake_world)

    async def wipe_and_delete(name: str) -> None:
        nothing = {**NO_CLAIM["metadata"], **NO_FINALIZER["metadata"]}
        await guest.patch(name, {"metadata": nothing})
        await guest.delete(name)

    engines = MeddledEngines(fake_world.engines, wipe_and_delete)
    async with running(fake_world.operator_api, engines):
        await uses_up_its_share(fake_world, fake, guest)


async def test_what_is_taken_away_later_counts(
    fake_world: Namespace, fake: FakeEngine, tenant: Tenant
) -> None:
    """Ready collections, whose objects the tenant deletes past the finalizer."""
    await open_to_all(fake_world)
    guest = tenant.at(fake_world)
    async with running(fake_world.operator_api, fake_world.engines):
        for name in NAMES[: SHARE // 2]:
            await guest.create_collection(name, partitions=["a"])
            await guest.ready(name)
            await take_away_past_finalizer(guest, name)
            await counts(fake_world, fake)
        await guest.create_collection("more")
        await guest.says("more", "QuotaExceeded", "limits.maxPerNamespace")
    assert placed(fake) == SHARE
