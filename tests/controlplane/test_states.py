"""Every field of a VectorCollection that may change goes from one value to another and back, also
by way of values that are refused. The end is that of a fresh object with the same spec.
"""

import asyncio
from typing import Any

import pytest

from quiver.domain.collection_names import default_collection_name
from quiver.domain.kubernetes_types import SECRET, Manifest
from quiver.ports.errors import ApiRefused
from support.fake_engine import FakeEngine
from support.namespaces import Namespace, ready_condition
from support.operators import running

HNSW: Manifest = {"type": "HNSW", "params": {"M": 16, "efConstruction": 64}}
FINER: Manifest = {"type": "HNSW", "params": {"M": 32, "efConstruction": 200}}
IVF: Manifest = {"type": "IVF_PQ", "params": {"nlist": 64, "m": 4}}
NO_GPU: Manifest = {"type": "IVF_SQ8H", "params": {"nlist": 64}}
BOUND: Manifest = {"secretName": "{name}-binding"}
REBOUND: Manifest = {"secretName": "{name}-other"}
TAKEN: Manifest = {"secretName": "theirs"}

STATES: dict[str, list[Any]] = {
    "partitions": [None, ["a"], ["a", "b"], ["c", "b"], []],
    "index": [None, HNSW, FINER, IVF],
    "deletionPolicy": [None, "Delete", "Retain", "DeleteIfEmpty"],
    "adoptionPolicy": [None, "Never", "IfIdentical"],
    "binding": [None, BOUND, REBOUND],
    "suspend": [None, False],
}
"""Values by field; every ordered pair of them is gone through, forth and back."""

REFUSED = [
    {"partitions": ["_default"]},
    {"partitions": [" a"]},
    {"index": {"type": "HNSW", "params": {"M": 3, "efConstruction": 64}}},
    {"index": {"type": "HNSW", "params": {"M": 16, "efConstruction": 64, "nlist": 1}}},
    {"index": {"type": "IVF_PQ", "params": {"nlist": 64, "m": 3}}},
    {"index": {"type": "FASTEST", "params": {}}},
    {"deletionPolicy": "Maybe"},
    {"adoptionPolicy": "Always"},
    {"binding": {"secretName": "No_Name"}},
    {"binding": {}},
    {"suspend": "yes"},
    {"dimension": 16},
    {"metricType": "IP"},
    {"indexFileSize": 64},
    {"collectionName": "other"},
    {"engineRef": {"name": "other"}},
    {"engineRef": {"name": "engine", "namespace": "other"}},
]
"""What the API server does not take."""

STALLING: list[tuple[Manifest, str]] = [
    ({"index": NO_GPU}, "EngineRefused"),
    ({"binding": TAKEN}, "BindingConflict"),
]
"""What the API server takes and the operator cannot bring about."""

VOLATILE = ("claim", "collectionName", "observedGeneration")


def for_name(value: Any, name: str) -> Any:
    """Put the object's name where a value is to be its own."""
    if isinstance(value, dict):
        return {key: for_name(each, name) for key, each in value.items()}
    return value.format(name=name) if isinstance(value, str) else value


def patch_to(wanted: Any, present: Any) -> Any:
    """Return the JSON merge patch after which `present` is `wanted`."""
    if not isinstance(wanted, dict) or not isinstance(present, dict):
        return wanted
    gone = {key: None for key in present if key not in wanted}
    return gone | {key: patch_to(value, present.get(key)) for key, value in wanted.items()}


async def change(world: Namespace, name: str, field: str, value: Any) -> None:
    present = (await world.get(name))["spec"].get(field)
    await world.patch(name, {"spec": {field: patch_to(for_name(value, name), present)}})


async def end_state(world: Namespace, name: str) -> Manifest:
    """Wait until the object is Ready, and return it and its collection, volatile fields masked."""
    (manifest,) = await world.ready(name)
    status = {k: v for k, v in manifest["status"].items() if k not in VOLATILE}
    status["conditions"] = [(c["type"], c["status"], c["reason"]) for c in status["conditions"]]
    status["partitions"] = sorted(status.get("partitions", []))
    collection = default_collection_name(name)
    found = await world.engine.describe(collection)
    assert found is not None
    secrets = {n: await world.find(f"{name}-{n}", SECRET) for n in ("binding", "other")}
    state = {
        "spec": {k: v for k, v in manifest["spec"].items() if v not in ([], False, "Never")},
        "status": status,
        "finalizers": manifest["metadata"]["finalizers"],
        "partitions": found.partitions,
        "index": await world.engine.describe_index(collection),
        "secrets": {n: sorted(s["data"]) for n, s in secrets.items() if s is not None},
    }
    return unnamed(state, name)


def unnamed(value: Any, name: str) -> Any:
    """Undo `for_name`, so that objects of several names compare."""
    if isinstance(value, dict):
        return {key: unnamed(each, name) for key, each in value.items()}
    return value.replace(name, "{name}") if isinstance(value, str) else value


async def fresh(world: Namespace, field: str) -> list[Manifest]:
    """Return the end states of objects that are created with each value of the field."""

    async def made(number: int, value: Any) -> Manifest:
        name = f"fresh-{field.lower()}-{number}"
        spec = {} if value is None else {field: for_name(value, name)}
        await world.create_collection(name, **spec)
        return await end_state(world, name)

    return await asyncio.gather(*(made(n, value) for n, value in enumerate(STATES[field])))


@pytest.mark.parametrize("field", STATES)
async def test_there_and_back_is_as_a_fresh_object(fake_world: Namespace, field: str) -> None:
    """From each value to each other one and back: objects, engine and Secrets end as fresh ones."""
    world, values = fake_world, STATES[field]

    async def walk(start: int, goal: int) -> None:
        name = f"walk-{field.lower()}-{start}-{goal}"
        spec = {} if values[start] is None else {field: for_name(values[start], name)}
        await world.create_collection(name, **spec)
        await world.ready(name)
        for number in (goal, start):
            await change(world, name, field, values[number])
            assert await end_state(world, name) == expected[number], (name, values[number])

    numbers = range(len(values))
    async with running(world.operator_api, world.engines):
        expected = await fresh(world, field)
        await asyncio.gather(*(walk(a, b) for a in numbers for b in numbers if a != b))


async def test_what_the_api_server_refuses_changes_nothing(fake_world: Namespace) -> None:
    """After a refused value the object is as before, and a good one ends as on a fresh object."""
    world = fake_world

    async def recover(number: int, refused: Manifest) -> None:
        name = f"refused-{number}"
        await world.create_collection(name)
        before = await end_state(world, name)
        with pytest.raises(ApiRefused):
            await world.patch(name, {"spec": refused})
        assert await end_state(world, name) == before, refused
        await world.patch(name, {"spec": {"partitions": ["a"]}})
        assert await end_state(world, name) == expected, refused

    async with running(world.operator_api, world.engines):
        await world.create_collection("fresh", partitions=["a"])
        expected = await end_state(world, "fresh")
        await asyncio.gather(*(recover(n, refused) for n, refused in enumerate(REFUSED)))


@pytest.mark.parametrize(("stalling", "reason"), STALLING)
async def test_what_cannot_be_brought_about_is_mended_by_going_back(
    fake_world: Namespace, stalling: Manifest, reason: str
) -> None:
    """A spec that stalls says why; taken back, the end is as if it had never been."""
    world = fake_world
    (field,) = stalling
    theirs = {"name": "theirs", "namespace": world.namespace}
    await world.api.create(SECRET, {"apiVersion": "v1", "kind": "Secret", "metadata": theirs})
    async with running(world.operator_api, world.engines):
        expected = await fresh(world, field)
        for number, value in enumerate(STATES[field]):
            name = f"stalled-{number}"
            await world.create_collection(name)
            await world.ready(name)
            await change(world, name, field, stalling[field])
            assert ready_condition(await world.settled(name, reason))["status"] == "False"
            await change(world, name, field, value)
            assert await end_state(world, name) == expected[number], value


@pytest.mark.parametrize(
    ("policies", "left"),
    [
        (("Retain", "Delete"), False),
        (("Delete", "Retain"), True),
        (("Retain", "Delete", "Retain"), True),
        (("Retain", "DeleteIfEmpty"), False),
        (("Retain", None), False),
    ],
)
async def test_the_last_policy_counts(
    fake_world: Namespace, fake: FakeEngine, policies: tuple[str | None, ...], *, left: bool
) -> None:
    """Whatever deletionPolicy was before, the object goes as the one it has then says."""
    world = fake_world
    async with running(world.operator_api, world.engines):
        await world.create_collection("docs")
        for policy in policies:
            await change(world, "docs", "deletionPolicy", policy)
            await world.ready("docs")
        await world.delete("docs")
        await world.gone("docs")
    assert ("docs" in fake.collections) == left
