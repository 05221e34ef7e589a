"""What collections on Milvus are made of, on every server that there is to try, and on fakes of
those that cannot be had.
"""

import uuid

import pytest

from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.milvus_features import features_of_schema, features_unread
from quiver.domain.milvus_fields import Form
from quiver.domain.milvus_forms import differences
from quiver.domain.milvus_indexes import plain_index
from quiver.domain.milvus_versions import can, parse_version
from quiver.ports.engines import EngineClient
from quiver.ports.errors import EngineRefused
from support.conformance import Subject
from support.field_kinds import FORMS, KEY, TERMS, TYPES, VECTOR, form, schema_of
from support.field_users import USERS

ALL_TOO_NEW = "milvus_lite"
"""How the version of a server begins that is not what its version says."""


@pytest.fixture
def client(whole: Subject) -> EngineClient:
    return whole.client


@pytest.fixture
def name() -> str:
    """The name of a collection that no other test has."""
    return f"c_{uuid.uuid4().hex[:8]}"


async def form_of(client: EngineClient, name: str) -> Form:
    found = await client.describe(name)
    assert found is not None
    assert found.schema.form is not None
    return found.schema.form


def are_equal(wanted: Form, found: Form) -> bool:
    return not [*differences(wanted, found)]


async def is_too_new(client: EngineClient, wanted: Form) -> bool:
    """Tell whether the operator refuses the form before it asks the server."""
    version = parse_version(await client.version())
    return not all(can(version, feature) for feature in features_of_schema(schema_of(wanted)))


async def is_not_read(client: EngineClient, wanted: Form) -> bool:
    """Tell whether the server would leave a part of the form out, as old ones do in silence."""
    version = parse_version(await client.version())
    return not all(can(version, feature) for feature in features_unread(wanted))


@pytest.mark.parametrize("kind", FORMS)
async def test_a_form_comes_back_as_it_was_created(
    whole: Subject, client: EngineClient, name: str, kind: str
) -> None:
    """Unless the server refuses it, as the operator knows before by its version; or forgets what
    its version should know.
    """
    wanted, refusal = FORMS[kind], whole.traits.lacks.get(kind)
    schema = CollectionSchema(name=name, form=wanted)
    knows = not (await client.version()).startswith(ALL_TOO_NEW)
    if await is_not_read(client, wanted):
        refusal = "UNIMPLEMENTED"
    if refusal is not None:
        with pytest.raises(EngineRefused) as refused:
            await client.create(schema)
        assert refused.value.code == refusal
        assert name not in await client.list_collections()
        assert await is_too_new(client, wanted) or not knows
        return
    await client.create(schema)
    found = await client.describe(name)
    assert found is not None
    assert found.schema.form is not None
    assert are_equal(wanted, found.schema.form) != (kind in whole.traits.forgets)
    assert (found.other_fields, found.partitions) == ((), frozenset())
    assert found.schema.dimension == 0
    await client.drop(name)


@pytest.mark.parametrize("kind", FORMS)
async def test_no_version_is_too_old_for_what_its_server_has(
    whole: Subject, client: EngineClient, kind: str
) -> None:
    """The operator's table of versions and the servers agree, but for what 2.3 takes without being
    able to do anything with it, and defaults, which few clients of 2.4 know.
    """
    version = parse_version(await client.version())
    if kind in whole.traits.lacks or kind in whole.traits.forgets:
        return
    if version is not None and version < (2, 5) and (version < (2, 4) or kind.startswith("defa")):
        return
    assert not await is_too_new(client, FORMS[kind])


@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind.endswith("Vector")])
async def test_vectors_of_every_type_are_searched(
    whole: Subject, client: EngineClient, name: str, kind: str
) -> None:
    """With the plain index, which is by brute force where Milvus has that."""
    wanted = TYPES[kind]
    if kind in whole.traits.lacks or await is_too_new(client, wanted):
        return
    schema = CollectionSchema(name=name, form=wanted)
    await client.create(schema)
    for field in wanted.vectors:
        await whole.fields.set_field_index(name, plain_index(wanted, field))
    await whole.load(name)
    await client.search_once(schema)
    await client.drop(name)


async def test_a_collection_is_loaded_once_all_vectors_have_an_index(
    whole: Subject, client: EngineClient, name: str
) -> None:
    """The refusal names a field that has none."""
    wanted = form(TERMS)
    if not whole.traits.begins_unloaded or await is_too_new(client, wanted):
        return
    await client.create(CollectionSchema(name=name, form=wanted))
    assert whole.client.loads is not None
    for field in (VECTOR, TERMS):
        with pytest.raises(EngineRefused, match=field.name) as refused:
            await whole.loads.load(name, 1)
        assert (refused.value.code, refused.value.retriable) == ("INDEX_NOT_FOUND", False)
        if field is VECTOR:
            await whole.fields.set_field_index(name, plain_index(wanted, VECTOR))
    await whole.fields.set_field_index(name, plain_index(wanted, TERMS))
    await whole.load(name)
    await client.search_once(CollectionSchema(name=name, form=wanted))
    await client.drop(name)


async def test_the_partitions_of_a_key_are_the_servers(client: EngineClient, name: str) -> None:
    """None is described, and none can be created."""
    await client.create(CollectionSchema(name=name, form=FORMS["partition key"]))
    found = await client.describe(name)
    assert found is not None
    assert found.partitions == frozenset()
    with pytest.raises(EngineRefused):
        await client.create_partition(name, "a")
    assert await client.count_rows(name) == 0
    await client.drop(name)


@pytest.mark.parametrize("user", USERS)
async def test_what_users_bring_is_searched(
    whole: Subject, client: EngineClient, name: str, user: str
) -> None:
    """Every field and index of a whole schema comes back, and every vector field is searched."""
    wanted = USERS[user]
    if await is_too_new(client, wanted.form) or not whole.traits.grows:
        return
    schema = CollectionSchema(name=name, form=wanted.form)
    await client.create(schema)
    for field in wanted.vectors:
        if wanted.index_of(field.name) is None:
            await whole.fields.set_field_index(name, plain_index(wanted, field))
    for index in wanted.indexes:
        await whole.fields.set_field_index(name, index)
    assert are_equal(wanted.form, await form_of(client, name))
    found = await whole.fields.describe_indexes(name)
    assert all(index.is_met_by(found[index.field].index) for index in wanted.indexes)
    await whole.load(name)
    await client.search_once(schema)
    await client.drop(name)


async def test_a_form_without_the_field_vector_has_no_index_of_the_short_form(
    client: EngineClient, name: str
) -> None:
    """And no dimension of its own."""
    wanted = Form(fields=(KEY, VECTOR))
    await client.create(CollectionSchema(name=name, form=wanted))
    assert (await client.describe_index(name)).missing
    found = await client.describe(name)
    assert found is not None
    assert (found.schema.dimension, found.schema.metric_type) == (0, None)
    await client.drop(name)
