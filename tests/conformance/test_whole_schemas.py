"""What engines do with collections of several fields, as far as real servers have them.

What only servers have that cannot be had here, `FakeMilvusServer` answers for.
"""

import uuid
from collections.abc import Iterator

import msgspec
import pytest
from msgspec.structs import replace

from quiver.adapters.milvus.errors import UNIMPLEMENTED
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.milvus_features import features_of_schema, features_unread
from quiver.domain.milvus_fields import Field, FieldIndex, Form
from quiver.domain.milvus_forms import differences
from quiver.domain.milvus_indexes import metric_of, plain_index
from quiver.domain.milvus_schemas import MilvusSchema
from quiver.domain.milvus_versions import can, parse_version
from quiver.ports.engines import EngineClient, Fields
from quiver.ports.errors import EngineRefused
from support.conformance import Subject
from support.field_kinds import FORMS, KEY, VECTOR, schema_of
from support.milvus_schemas import GOOD_SCHEMAS

HNSW = FieldIndex(
    field="embedding", type="HNSW", metric_type="COSINE", params={"M": 16, "efConstruction": 64}
)
IVF_FLAT = FieldIndex(field="embedding", type="IVF_FLAT", metric_type="IP", params={"nlist": 16})
COUNT = Field(name="count", type="Int64")
LITE_LACKS = {
    *("Float16Vector", "BFloat16Vector", "Int8Vector", "BinaryVector"),
    *("Array of VarChar", "clustering key", "BM25", "TextEmbedding", "MinHash"),
}
"""milvus-lite refuses them, or forgets them: an array's maxLength, a clusteringKey."""
LITE_TAKES = ("many tenants", "logs that expire", "hybrid search over vectors of the client's")
"""Of what users bring: the others have fields or analyzers that it lacks."""
ON_NUMBERS = {"milvus_lite-3.2.2": "INVERTED"}
"""Else, the index of numbers that all versions have."""


@pytest.fixture
def client(loading: Subject) -> EngineClient:
    return loading.client


@pytest.fixture
def fields(client: EngineClient) -> Fields:
    assert client.fields is not None
    return client.fields


def a_schema(*fields: Field, **more: bool) -> CollectionSchema:
    form = Form(fields=(KEY, VECTOR, *fields), **more)
    return CollectionSchema(name=f"c_{uuid.uuid4().hex[:8]}", form=form)


@pytest.fixture
async def schema(client: EngineClient) -> CollectionSchema:
    """A collection that exists, without an index."""
    schema = a_schema(COUNT)
    await client.create(schema)
    return schema


async def forms_of(loading: Subject) -> list[tuple[str, Form]]:
    """Return what the server has, by its version."""
    version = parse_version(await loading.client.version())
    lacking = LITE_LACKS if loading.traits.version.startswith("milvus_lite") else frozenset()
    return [
        (kind, form)
        for kind, form in FORMS.items()
        if kind not in lacking and all(can(version, f) for f in features_of_schema(schema_of(form)))
    ]


async def found_form(client: EngineClient, name: str) -> Form:
    found = await client.describe(name)
    assert found is not None
    assert (found.partitions, found.other_fields) == (frozenset(), ())
    assert found.schema.form is not None
    return found.schema.form


async def test_each_kind_of_field_comes_back_as_it_was_asked_for(
    loading: Subject, client: EngineClient
) -> None:
    """And nothing besides: no partitions of a partition key's, no field for all others."""
    forms = await forms_of(loading)
    assert {"VarChar", "JSON", "Array", "partition key", "VarChar key"} <= dict(forms).keys()
    for kind, form in forms:
        name = f"c_{uuid.uuid4().hex[:8]}"
        await client.create(CollectionSchema(name=name, form=form))
        told = await found_form(client, name)
        assert (kind, list(differences(form, told))) == (kind, [])
        assert told.dynamic_fields is (kind == "dynamic fields")
        await client.drop(name)


async def test_an_old_server_is_not_asked_for_what_it_would_leave_out(
    loading: Subject, client: EngineClient
) -> None:
    """It would make another collection, and say nothing."""
    version = parse_version(loading.traits.version)
    for kind, form in FORMS.items():
        if all(can(version, feature) for feature in features_unread(form)):
            continue
        name = f"c_{uuid.uuid4().hex[:8]}"
        with pytest.raises(EngineRefused) as refused:
            await client.create(CollectionSchema(name=name, form=form))
        assert (kind, refused.value.code) == (kind, UNIMPLEMENTED)
        assert await client.describe(name) is None


async def test_all_kinds_of_fields_make_one_collection(
    loading: Subject, client: EngineClient
) -> None:
    """That has no vectors but one, as old servers want it."""
    scalars = [
        replace(form.fields[-1], name=f"f{number}")
        for number, (_, form) in enumerate(await forms_of(loading))
        if len(form.vectors) == 1 and len(form.fields) == len(FORMS["Bool"].fields)
    ]
    schema = a_schema(*scalars, dynamic_fields=True)
    assert schema.form is not None
    await client.create(schema)
    assert list(differences(schema.form, await found_form(client, schema.name))) == []
    with pytest.raises(EngineRefused) as refused:
        await client.create(schema)
    assert refused.value.code == loading.traits.exists


async def test_a_field_has_the_index_that_it_was_last_given(
    client: EngineClient, fields: Fields, schema: CollectionSchema
) -> None:
    """Whatever its name. The same once more changes nothing."""
    assert "embedding" not in await fields.describe_indexes(schema.name)
    for index in (HNSW, HNSW, IVF_FLAT, IVF_FLAT, HNSW):
        await fields.set_field_index(schema.name, index)
        found = (await fields.describe_indexes(schema.name))["embedding"]
        assert index.is_met_by(found.index)
        assert (found.index.metric_type, found.failure) == (index.metric_type, None)


async def test_a_field_without_vectors_has_an_index_until_it_is_dropped(
    loading: Subject, client: EngineClient, fields: Fields, schema: CollectionSchema
) -> None:
    """In memory or not; that of the vectors stays."""
    index = FieldIndex(
        field="count", type=ON_NUMBERS.get(loading.traits.version, "STL_SORT"), params={}
    )
    await fields.set_field_index(schema.name, HNSW)
    for _ in range(2):
        await loading.load(schema.name)
        for _ in range(2):
            await fields.set_field_index(schema.name, index)
            assert (await fields.describe_indexes(schema.name))["count"].index == index
        for _ in range(2):
            await fields.drop_field_index(schema.name, "count")
            assert (await fields.describe_indexes(schema.name)).keys() == {"embedding"}


async def test_a_field_of_any_name_is_searched(
    loading: Subject, client: EngineClient, fields: Fields, schema: CollectionSchema
) -> None:
    """With the metric of its index, once it is in memory."""
    await fields.set_field_index(schema.name, HNSW)
    await loading.load(schema.name)
    await client.search_once(schema)


@pytest.mark.parametrize("kind", GOOD_SCHEMAS)
async def test_what_users_bring_becomes_searched(
    loading: Subject, client: EngineClient, fields: Fields, kind: str
) -> None:
    """Fields, functions and indexes, each as asked for, where the version has them all."""
    schema = msgspec.convert(GOOD_SCHEMAS[kind]["schema"], MilvusSchema)
    version = parse_version(await client.version())
    is_lite = loading.traits.version.startswith("milvus_lite")
    if not all(can(version, feature) for feature in features_of_schema(schema)):
        return
    if is_lite and kind not in LITE_TAKES:
        return
    collection = CollectionSchema(name=f"c_{uuid.uuid4().hex[:8]}", form=schema.form)
    await client.create(collection)
    assert list(differences(schema.form, await found_form(client, collection.name))) == []
    plain = [plain_index(schema.form, field) for field in schema.vectors]
    indexes = {index.field: index for index in (*plain, *schema.indexes)}
    for index in indexes.values():
        wanted = replace(index, metric_type=metric_of(schema.form, index))
        await fields.set_field_index(collection.name, wanted)
    told = await fields.describe_indexes(collection.name)
    assert told.keys() == indexes.keys()
    assert all(indexes[field].is_met_by(found.index) for field, found in told.items())
    await loading.load(collection.name)
    await client.search_once(collection)


async def test_an_index_that_is_refused_leaves_the_field_searched(
    loading: Subject, client: EngineClient, fields: Fields, schema: CollectionSchema
) -> None:
    """However often it is tried."""
    await fields.set_field_index(schema.name, HNSW)
    await loading.load(schema.name)
    for index in _bad_indexes(loading):
        for _ in range(2):
            with pytest.raises(EngineRefused):
                await fields.set_field_index(schema.name, index)
    await loading.load(schema.name)
    assert HNSW.is_met_by((await fields.describe_indexes(schema.name))["embedding"].index)
    await client.search_once(schema)


def _bad_indexes(loading: Subject) -> Iterator[FieldIndex]:
    for index, _ in loading.traits.bad_indexes:
        yield FieldIndex(
            field="embedding", type=index.type, metric_type="IP", params=dict(index.params)
        )


async def test_a_missing_collection_has_no_indexes_of_fields(
    loading: Subject, fields: Fields
) -> None:
    """It is worth another look: somebody has dropped it."""
    for call in (fields.describe_indexes("missing"), fields.set_field_index("missing", HNSW)):
        with pytest.raises(EngineRefused) as refused:
            await call
        assert (refused.value.code, refused.value.retriable) == (loading.traits.missing, True)


async def test_what_an_old_server_cannot_add_it_says(
    loading: Subject, client: EngineClient, fields: Fields, schema: CollectionSchema
) -> None:
    """With the version that could."""
    if not loading.traits.version.startswith("v2.3"):
        return
    new = Field(name="more", type="Int64", nullable=True)
    with pytest.raises(EngineRefused, match=r"adding a field needs Milvus 2\.6 or later") as error:
        await fields.add_field(schema.name, new)
    assert (error.value.code, error.value.retriable) == ("UNIMPLEMENTED", False)
    assert (await found_form(client, schema.name)).find("more") is None
