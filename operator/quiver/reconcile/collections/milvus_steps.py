"""The steps that only engines take that load collections: Milvus 2.x and later."""

from quiver.ports.engines import EngineClient, Loads
from quiver.reconcile.collections.decision import (
    AlterProperties,
    CreateDatabase,
    LoadCollection,
    MilvusStep,
    ReleaseCollection,
)
from quiver.reconcile.collections.growth import DYNAMIC_FIELDS


async def do_on_milvus(step: MilvusStep, name: str, loads: Loads) -> None:
    """Carry out one step for the collection `name`. Raises: EngineError."""
    match step:
        case CreateDatabase(database):
            await loads.create_database(database)
        case AlterProperties(changed, deleted):
            await loads.alter_properties(name, changed, deleted)
        case LoadCollection(replicas):
            await loads.load(name, replicas)
        case ReleaseCollection():
            await loads.release(name)


async def is_done(step: MilvusStep, name: str, client: EngineClient, loads: Loads) -> bool:
    """Tell whether the step, which the engine has refused, is done all the same. Raises:
    EngineError.
    """
    match step:
        case CreateDatabase(database):
            return database in await loads.list_databases()
        case AlterProperties(changed, deleted):
            found = await client.describe(name)
            if found is None:
                return False
            there = dict(found.properties)
            if found.schema.form is not None and found.schema.form.dynamic_fields:
                there[DYNAMIC_FIELDS] = "true"
            is_set = all(there.get(key) == value for key, value in changed.items())
            return is_set and not found.properties.keys() & set(deleted)
        case LoadCollection(replicas):
            load = await loads.describe_load(name)
            return load.state != "NotLoaded" and load.replicas in (None, replicas)
        case ReleaseCollection():
            return (await loads.describe_load(name)).state == "NotLoaded"
