"""Each kind of reconcile with the steps it takes, and what must be alike once it has ended."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.kubernetes_types import (
    SECRET,
    Manifest,
)
from support.interruptions import essence
from support.namespaces import Namespace
from support.operators import running
from support.waiting import eventually

HNSW: Manifest = {"type": "HNSW", "params": {"M": 16, "efConstruction": 64}}
IVF: Manifest = {"type": "IVF_FLAT", "params": {"nlist": 64}}
NO_HNSW = dict.fromkeys(HNSW["params"])
FULL: Manifest = {"partitions": ["a", "b"], "index": HNSW, "binding": {"secretName": "{name}-one"}}


@dataclass(frozen=True)
class Case:
    """A kind of reconcile: the steps that lead from one spec to another.

    `before` is None where the object is new, `patch` where it is deleted. `found` is there on the
    engine already.
    """

    steps: list[str]
    before: Manifest | None
    patch: Manifest | None = None
    found: bool = False
    spec: Manifest = field(default_factory=dict)


CASES = {
    "create": Case(
        [
            "patch object",
            "create",
            "create_partition",
            "create_partition",
            "set_index",
            "apply Secret",
            "patch status",
        ],
        None,
        spec=FULL,
    ),
    "adopt": Case(
        ["patch object", "create_partition", "set_index", "patch status", "patch status"],
        None,
        spec={"adoptionPolicy": "IfIdentical", "partitions": ["a"], "index": HNSW},
        found=True,
    ),
    "update": Case(
        [
            "create_partition",
            "drop_partition",
            "set_index",
            "apply Secret",
            "delete Secret",
            "patch status",
            "patch status",
        ],
        FULL,
        {
            "partitions": ["b", "c"],
            "index": {"type": "IVF_FLAT", "params": NO_HNSW | IVF["params"]},
            "binding": {"secretName": "{name}-two"},
        },
    ),
    "take away": Case(
        ["drop_partition", "drop_partition", "set_index", "delete Secret", "patch status"],
        FULL,
        {"partitions": None, "index": None, "binding": None},
    ),
    "rename the binding": Case(
        ["apply Secret", "delete Secret", "patch status"],
        FULL,
        {"binding": {"secretName": "{name}-two"}},
    ),
    "suspend": Case(["patch status"], FULL, {"suspend": True}),
    "delete": Case(["drop", "patch object"], FULL),
    "delete, retained": Case(["patch object"], FULL | {"deletionPolicy": "Retain"}),
    "delete, if empty": Case(["drop", "patch object"], FULL | {"deletionPolicy": "DeleteIfEmpty"}),
}


def named(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: named(each, name) for key, each in value.items()}
    return value.replace("{name}", name) if isinstance(value, str) else value


async def prepare(world: Namespace, case: Case, names: list[str]) -> None:
    """Bring about what is there before the change."""
    async with running(world.operator_api, world.engines):
        await world.settled_engine()
        for name in names:
            if case.found:
                await world.engine.create(
                    CollectionSchema(name=name, dimension=8, index_file_size=1024, metric_type="L2")
                )
            if case.before is not None:
                await world.create_collection(name, **named(case.before, name))
        if case.before is not None:
            await world.ready(*names)


async def apply_change(world: Namespace, case: Case, name: str) -> None:
    if case.before is None:
        await world.create_collection(name, **named(case.spec, name))
    elif case.patch is None:
        await world.delete(name)
    else:
        await world.patch(name, {"spec": named(case.patch, name)})


async def finished(world: Namespace, case: Case, name: str) -> None:
    """Wait until the operator has nothing left to do for the object."""
    if case.patch is None and case.before is not None:
        await world.gone(name)
    elif case.patch == {"suspend": True}:
        await suspended(world, name)
    else:
        await world.ready(name)


async def suspended(world: Namespace, name: str) -> None:
    async def holds() -> bool:
        conditions = (await world.get(name))["status"]["conditions"]
        return any(c["type"] == "Suspended" for c in conditions)

    await eventually(holds, f"{name} is suspended")


async def outcome(world: Namespace, name: str) -> Any:
    """Return the object, its collection and its Secrets, as far as they must be alike."""
    manifest, found = await world.find(name), await world.engine.describe(name)
    secrets = {n: await world.find(f"{name}-{n}", SECRET) for n in ("one", "two")}
    state = (
        None if manifest is None else essence(manifest),
        found and (found.schema.dimension, sorted(found.partitions)),
        found and msgspec.to_builtins(await world.engine.describe_index(name)),
        # The garbage collector takes them in its own time.
        None if manifest is None else {n: s and sorted(s["data"]) for n, s in secrets.items()},
    )
    return named_back(state, name)


def named_back(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: named_back(each, name) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(named_back(each, name) for each in value)
    return value.replace(name, "{name}") if isinstance(value, str) else value
