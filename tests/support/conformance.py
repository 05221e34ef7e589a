"""What the conformance suite is given to try, and where implementations differ."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from quiver.domain.access import Target
from quiver.domain.collection_schemas import CollectionSchema, ObservedCollection, ObservedIndex
from quiver.domain.indexes import Index
from quiver.domain.milvus_forms import short_form
from quiver.domain.milvus_versions import Feature, can, parse_version
from quiver.ports.engines import EngineClient, Engines, Fields, Loads
from support.waiting import eventually

Change = Mapping[str, Any]
"""Fields of a schema, with other values."""
LOAD_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Traits:
    """Where servers differ that implement the same port. Codes are names, labels of metrics.

    `version` is how the version begins. `schema` has what a collection is created with, `told` what
    `describe` tells otherwise than it was asked for. `impossible` are changes of a schema, and the
    code of the refusal. `binary_metrics` are those of bits that an index can have, `matching` those
    that take only brute force. `bits_refuse_hnsw` is the code for another index of bits.
    `bad_tags` are tags that are refused, and the code. `bad_indexes` are indexes that are refused:
    the first one for its parameters. `no_index` is what is told of a collection without one.
    `begins_unloaded`: a new collection cannot be searched, and is not loaded without an index.
    `refuses_more_replicas` is the code where there is room for one copy. `tells_strings`: numbers
    among the parameters of an index come back as strings. `lacks` has the `field_kinds` that the
    server refuses, and the code; `forgets` those that it takes without what they show. `grows`:
    its collections do, as far as its version says. `scalar_index` is one that numbers take.
    """

    version: str
    schema: Change
    told: Change
    missing: str
    exists: str
    impossible: tuple[tuple[Change, str], ...]
    bad_tags: Mapping[str, str]
    bad_indexes: tuple[tuple[Index, str], ...]
    no_index: ObservedIndex
    binary_metrics: tuple[str, ...] = ()
    matching: tuple[str, ...] = ()
    index_of_matching: str | None = None
    bits_refuse_hnsw: str | None = None
    has_instance: bool = False
    says_why_no_gpu: bool = False
    begins_unloaded: bool = False
    tells_aliases: bool = True
    tells_replicas: bool = True
    deletes_properties: bool = True
    refuses_more_replicas: str | None = None
    tells_strings: bool = False
    lacks: Mapping[str, str] = field(default_factory=dict)
    forgets: frozenset[str] = frozenset()
    grows: bool = True
    scalar_index: str = "STL_SORT"

    def told_index(self, index: Index | None) -> ObservedIndex:
        """Return what is told of an index that is there."""
        if index is not None and self.tells_strings:
            params: dict[str, int | str] = {}
            params |= {key: str(value) for key, value in index.params.items()}
            index = Index(type=index.type, params=params)
        return ObservedIndex(index=index)


@dataclass
class Subject:
    """An implementation of the port, a server that runs, and somebody who inserts vectors of
    dimension 8 there and waits until they are visible.

    `alias` gives a collection an alias, where there are any.
    """

    engines: Engines
    target: Target
    insert: Callable[[str, int, str], Awaitable[None]]
    traits: Traits
    alias: Callable[[str, str], Awaitable[None]] | None = field(default=None)

    @property
    def client(self) -> EngineClient:
        return self.engines.at(self.target)

    @property
    def loads(self) -> Loads:
        loads = self.client.loads
        assert loads is not None
        return loads

    def schema(self, name: str, **changed: Any) -> CollectionSchema:
        return CollectionSchema(name=name, **{**self.traits.schema, **changed})

    def described(self, schema: CollectionSchema) -> ObservedCollection:
        """Return what is told of a new collection of the short form."""
        told = dict(self.traits.told)
        if self.client.fields is not None:
            told["form"] = short_form(schema.dimension, schema.metric_type)
        return ObservedCollection(schema=msgspec.structs.replace(schema, **told))

    @property
    def fields(self) -> Fields:
        fields = self.client.fields
        assert fields is not None
        return fields

    async def has(self, feature: Feature) -> bool:
        """Tell whether the server's version is to have what a collection grows by."""
        version = parse_version(await self.client.version())
        return self.traits.grows and can(version, feature)

    async def make_searchable(self, schema: CollectionSchema, index: Index | None) -> None:
        """Set the index of an existing collection, and load it where that is needed."""
        client = self.client
        if index is not None or self.traits.no_index.missing:
            await client.set_index(schema.name, index, schema.metric_type)
        if client.loads is not None:
            await self.load(schema.name)

    async def load(self, name: str, replicas: int = 1) -> None:
        """Load a collection, and wait until it is there."""
        await self.loads.load(name, replicas)

        async def is_loaded() -> bool:
            return (await self.loads.describe_load(name)).state == "Loaded"

        await eventually(is_loaded, f"{name} is loaded", LOAD_S)
