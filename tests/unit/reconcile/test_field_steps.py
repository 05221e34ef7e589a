"""A step that a Milvus has refused may be done all the same: an earlier call took effect."""

import msgspec
import pytest

from quiver.domain.access import Target
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.milvus_fields import Field, FieldIndex, Function
from quiver.domain.milvus_schemas import MilvusSchema
from quiver.ports.engines import EngineClient
from quiver.reconcile.collections.decision import (
    AddField,
    AddFunction,
    AlterField,
    AlterFunction,
    AlterProperties,
    DropFieldIndex,
    FieldStep,
    SetFieldIndex,
)
from quiver.reconcile.collections.field_steps import is_done_on_fields
from quiver.reconcile.collections.milvus_steps import is_done
from support.fake_engine import FakeEngines
from support.long_forms import BM25, EMBEDDING, FIELDS, HNSW, ID, TAGS, TERMS, TITLE, long_form

ADDRESS = "10.0.0.9:19530"
NAME = "test01"
TEXTS = (ID, TITLE, EMBEDDING, TERMS)
EMBEDS = {
    "name": "embeds",
    "type": "TextEmbedding",
    "inputFields": ["title"],
    "outputFields": ["embedding"],
    "params": {"provider": "x", "url": "http://a"},
}


def field(told: Manifest, **rest: object) -> Field:
    return msgspec.convert({**told, **rest}, Field)


def function(told: Manifest, **rest: object) -> Function:
    return msgspec.convert({**told, **rest}, Function)


def index(told: Manifest, **rest: object) -> FieldIndex:
    return msgspec.convert({**told, **rest}, FieldIndex)


def client_of(spec: Manifest) -> EngineClient:
    """Return a client of a server that has such a collection, with the indexes of the spec."""
    engines = FakeEngines()
    server = engines.start_milvus(ADDRESS)
    server.told_version = "v3.0.0"
    schema = msgspec.convert(spec["milvus"]["schema"], MilvusSchema)
    server.create(CollectionSchema(name=NAME, form=schema.form))
    for wanted in schema.indexes:
        server.set_field_index(NAME, wanted)
    return engines.at(Target(ADDRESS, "Milvus"))


OTHER = {**EMBEDS, "params": {"provider": "x", "url": "http://b"}}
STEPS: dict[str, tuple[Manifest, FieldStep, bool]] = {
    "an index that is there": (long_form(indexes=[HNSW]), SetFieldIndex(index(HNSW)), True),
    "an index that is not": (long_form(), SetFieldIndex(index(HNSW)), False),
    "an index of another metric": (
        long_form(indexes=[HNSW]),
        SetFieldIndex(index(HNSW, metricType="IP")),
        False,
    ),
    "an index that is to be built anew": (
        long_form(indexes=[HNSW]),
        SetFieldIndex(index(HNSW), anew=True),
        False,
    ),
    "an index to drop that is gone": (long_form(), DropFieldIndex("title"), True),
    "an index to drop that is there": (
        long_form(indexes=[{"field": "title", "type": "INVERTED"}]),
        DropFieldIndex("title"),
        False,
    ),
    "a field that is there": (long_form(*FIELDS, TAGS), AddField(field(TAGS)), True),
    "a field that is not": (long_form(), AddField(field(TAGS)), False),
    "a field of the name, and another type": (
        long_form(*FIELDS, {"name": "tags", "type": "JSON", "nullable": True}),
        AddField(field(TAGS)),
        False,
    ),
    "a length that is there": (long_form(), AlterField("title", {"max_length": "512"}), True),
    "a length that is not": (long_form(), AlterField("title", {"max_length": "513"}), False),
    "a field to change that is gone": (long_form(), AlterField("x", {"max_length": "5"}), False),
    "a function that is there": (
        long_form(*TEXTS, functions=[BM25]),
        AddFunction(function(BM25), field(TERMS)),
        True,
    ),
    "a function that is not": (
        long_form(*TEXTS),
        AddFunction(function(BM25), field(TERMS)),
        False,
    ),
    "a function that is changed": (
        long_form(functions=[EMBEDS]),
        AlterFunction(function(EMBEDS)),
        True,
    ),
    "a function that is not changed": (
        long_form(functions=[OTHER]),
        AlterFunction(function(EMBEDS)),
        False,
    ),
    "a function to change that is gone": (long_form(), AlterFunction(function(EMBEDS)), False),
}


@pytest.mark.parametrize(("spec", "step", "expected"), STEPS.values(), ids=STEPS)
async def test_whether_a_refused_step_is_done(
    spec: Manifest, step: FieldStep, expected: bool
) -> None:
    """It is looked on the server, and what another client has done counts as well."""
    client = client_of(spec)
    assert client.fields is not None
    assert await is_done_on_fields(step, NAME, client, client.fields) is expected


@pytest.mark.parametrize("are_on", [True, False])
async def test_whether_dynamic_fields_are_on(are_on: bool) -> None:
    """No server tells that among the properties."""
    client = client_of(long_form(dynamicFields=are_on))
    step = AlterProperties({"dynamicfield.enabled": "true"})
    assert client.loads is not None
    assert await is_done(step, NAME, client, client.loads) is are_on


async def test_of_a_collection_that_is_gone_nothing_is_done() -> None:
    client = client_of(long_form())
    await client.drop(NAME)
    assert client.fields is not None
    step = AddField(field(TAGS))
    assert await is_done_on_fields(step, NAME, client, client.fields) is False
