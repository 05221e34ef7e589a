"""What a collection that exists would be as a spec: one that adopts it, and changes nothing.

What is absent from a spec is left alone, so that what no spec can say may be left out. A remark
says so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

import msgspec

from quiver.domain.capabilities import MILVUS_1
from quiver.domain.collection_names import DEFAULT_DATABASE, split_name
from quiver.domain.collection_schemas import (
    CollectionSchema,
    ObservedCollection,
    ObservedFieldIndex,
    ObservedLoad,
)
from quiver.domain.collections import (
    OWN_PROPERTIES,
    SAID_ELSEWHERE,
    CollectionSpec,
    ConsistencyLevel,
    EngineRef,
)
from quiver.domain.exported_forms import index_spec, long_spec, short_spec, why_unsaid
from quiver.domain.indexes import Index
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.milvus_fields import Field, Form
from quiver.domain.milvus_indexes import plain_index
from quiver.domain.text import one_line

SERVER_PROPERTIES = frozenset(
    {
        "cipher.ezID",
        "max_field_id",
        "namespace.sharding.enabled",
        "timezone",
    }
)
"""Properties that a server sets by itself."""
_DEFAULT_LEVEL = "Bounded"
_MOST_SHARDS = 16


class NotExportable(Exception):
    """No spec can say what the collection is: one sentence why."""


@dataclass(frozen=True, kw_only=True)
class OnMilvus:
    """A collection on Milvus, as far as calls describe it."""

    collection: ObservedCollection
    indexes: Mapping[str, ObservedFieldIndex]
    load: ObservedLoad


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The spec of a VectorCollection, and sentences about what it leaves out or would change."""

    spec: Manifest
    remarks: tuple[str, ...] = ()


def export_from_milvus(engine: EngineRef, found: OnMilvus) -> Exported:
    """Return the spec of a collection on an engine of type Milvus: in the short form, if that says
    all of it. Raises: NotExportable.
    """
    form = found.collection.schema.form
    if form is None or found.collection.other_fields:
        names = ", ".join(map(repr, found.collection.other_fields[:3])) or "of its own"
        raise NotExportable(
            f"The collection has fields or functions of kinds that no spec can say: {names}. "
            "Leave it to those who made it."
        )
    milvus = {
        "load": _load(found.load),
        **_fixed(found.collection.schema),
        "properties": _properties(found.collection),
    }
    short, schema = _forms(form, found.indexes)
    milvus |= {"database": _database(found.collection.schema), "schema": schema}
    keyed = any(field.partition_key for field in form.fields)
    spec = {
        **(short or {}),
        "partitions": [] if keyed else sorted(found.collection.partitions),
        "milvus": _filled(milvus),
    }
    remarks = tuple(_remarks(form, found))
    return Exported(spec=_checked(engine, found.collection.schema, spec), remarks=remarks)


def export_from_milvus_1(
    engine: EngineRef, collection: ObservedCollection, index: Index | None
) -> Exported:
    """Return the spec of a collection on an engine that speaks Milvus 1.x.

    Raises: NotExportable.
    """
    schema = collection.schema
    is_usual = schema.index_file_size == MILVUS_1.index_file_size
    spec = {
        "dimension": schema.dimension,
        "indexFileSize": None if is_usual else schema.index_file_size,
        "metricType": schema.metric_type,
        "index": None if index is None else index_spec(index.type, index.params),
        "partitions": sorted(collection.partitions),
    }
    return Exported(spec=_checked(engine, schema, spec))


def _checked(engine: EngineRef, schema: CollectionSchema, said: Manifest) -> Manifest:
    """Return the whole spec without what is empty, if Quiver takes it."""
    spec = {
        "engineRef": msgspec.to_builtins(engine),
        "collectionName": split_name(schema.name)[1],
        **_filled(said),
        "adoptionPolicy": "IfIdentical",
        "deletionPolicy": "Retain",
    }
    try:
        msgspec.convert(spec, CollectionSpec)
    except msgspec.ValidationError as error:
        raise NotExportable(
            f"The collection has what no spec can say: {one_line(str(error))}."
        ) from error
    return spec


def _filled(manifest: Manifest) -> Manifest:
    return {name: value for name, value in manifest.items() if value not in (None, [], {})}


def _forms(
    form: Form, indexes: Mapping[str, ObservedFieldIndex]
) -> tuple[Manifest | None, Manifest | None]:
    """Return the short form, or the long one where that does not say all."""
    said = {f: i.index for f, i in indexes.items() if why_unsaid(form, i.index) is None}
    short = short_spec(form, said) if len(said) == len(indexes) else None
    return short, long_spec(form, said) if short is None else None


def _database(schema: CollectionSchema) -> str | None:
    database, _ = split_name(schema.name)
    return None if database == DEFAULT_DATABASE else database


def _load(load: ObservedLoad) -> Manifest | None:
    if load.state == "NotLoaded":
        return {"enabled": False}
    return None if load.replicas in (None, 1) else {"replicas": load.replicas}


def _fixed(schema: CollectionSchema) -> Manifest:
    """Return what is fixed at creation, unless it is what a server chooses by itself."""
    shards, level = schema.shards or 1, schema.consistency_level
    return {
        "shards": shards if 1 < shards <= _MOST_SHARDS else None,
        "consistencyLevel": None if level == _DEFAULT_LEVEL or not _has_level(schema) else level,
    }


def _has_level(schema: CollectionSchema) -> bool:
    return schema.consistency_level in get_args(ConsistencyLevel)


def _properties(collection: ObservedCollection) -> dict[str, str]:
    return {
        name: value
        for name, value in sorted(collection.properties.items())
        if name not in SERVER_PROPERTIES | SAID_ELSEWHERE.keys()
        and not name.startswith(OWN_PROPERTIES)
    }


def _remarks(form: Form, found: OnMilvus) -> Iterator[str]:
    for name, index in sorted(found.indexes.items()):
        why = why_unsaid(form, index.index)
        if why is not None:
            yield (
                f"The index of field {one_line(name, 64)!r} is {why}, which no spec can say: it is "
                "left out, and Quiver leaves it alone."
            )
        elif index.failure is not None:
            yield f"The index of field {one_line(name, 64)!r} is not built: {index.failure}."
    for field in form.vectors:
        if field.name not in found.indexes:
            yield _without_index(form, field)
    yield from _of_collection(found.collection)


def _without_index(form: Form, field: Field) -> str:
    plain = plain_index(form, field)
    return (
        f"Field {field.name!r} has no index, without which Milvus searches nothing: Quiver gives "
        f"it {plain.type} with {plain.metric_type}, unless the spec names another."
    )


def _of_collection(collection: ObservedCollection) -> Iterator[str]:
    schema = collection.schema
    if (schema.shards or 1) > _MOST_SHARDS:
        yield f"It has {schema.shards} shards, and a spec says at most {_MOST_SHARDS}: left out."
    if schema.consistency_level is not None and not _has_level(schema):
        level = one_line(schema.consistency_level, 64)
        yield f"Its consistency level is {level}, which no spec can say: left out."
    if collection.aliases:
        names = ", ".join(sorted(collection.aliases)[:3])
        yield f"It has aliases ({names}), which Quiver leaves alone."
