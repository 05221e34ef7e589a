"""What is decided about a collection of the long form on Milvus: its fields, functions, indexes."""

from typing import Any

import msgspec
import pytest
from msgspec import structs

from quiver.domain.collection_schemas import (
    CollectionSchema,
    IndexProgress,
    ObservedCollection,
    ObservedFieldIndex,
    ObservedLoad,
)
from quiver.domain.collections import OWNER_PROPERTY
from quiver.domain.conditions import State
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.milvus_fields import Field, FieldIndex, Function
from quiver.domain.milvus_schemas import MilvusSchema
from quiver.domain.reasons import Reason
from quiver.domain.servers import Server
from quiver.reconcile.collections.decide import decide
from quiver.reconcile.collections.decision import (
    AddField,
    AddFunction,
    AlterField,
    AlterFunction,
    AlterProperties,
    CreateCollection,
    DropCollection,
    DropFieldIndex,
    LoadCollection,
    PublishEvent,
    RecordClaim,
    ReleaseCollection,
    ReplaceClaim,
    SetFieldIndex,
    Step,
)
from quiver.reconcile.collections.gathered import FIELDS as CHARACTERS
from quiver.reconcile.collections.gathered import Gathered
from quiver.reconcile.collections.growth import held_after
from support.builders import claim, claimed, collection, external
from support.gathered import DELETED, ENDPOINT, endpoint, gathered
from support.long_forms import (
    BM25,
    EMBEDDING,
    FIELDS,
    HNSW,
    ID,
    IMAGE,
    INVERTED,
    TAGS,
    TERMS,
    TITLE,
    long_form,
)

SERVER = Server("uid-of-engine", None, "10.0.0.9:19530")
HELD = claim(member=ENDPOINT, server=SERVER.identity)
LOADED, NOT_LOADED = ObservedLoad(state="Loaded", replicas=1), ObservedLoad(state="NotLoaded")
MINE = {OWNER_PROPERTY: "uid-of-test01"}


def index(told: Manifest, **rest: Any) -> FieldIndex:
    return msgspec.convert({**told, **rest}, FieldIndex)


def field(told: Manifest, **rest: Any) -> Field:
    return msgspec.convert({**told, **rest}, Field)


def function(told: Manifest) -> Function:
    return msgspec.convert(told, Function)


def there(told: Manifest, **rest: Any) -> dict[str, ObservedFieldIndex]:
    """Return an index as a server of the version 2.5 or later tells it."""
    found = index(told)
    params = {"with_raw_data": "true", **{key: str(value) for key, value in found.params.items()}}
    return {found.field: ObservedFieldIndex(index=structs.replace(found, params=params), **rest)}


FLAT = {"field": "embedding", "type": "FLAT", "metricType": "L2"}
FLAT_IMAGE = {"field": "image", "type": "FLAT", "metricType": "L2"}
BUILT, PLAIN = there(HNSW), there(FLAT)


def found(spec: Manifest, **rest: Any) -> ObservedCollection:
    """Return a collection of the form that the spec says, with the mark."""
    form = msgspec.convert(spec["milvus"]["schema"], MilvusSchema).form
    return ObservedCollection(
        schema=CollectionSchema(name="test01", shards=1, form=form), properties=MINE, **rest
    )


def with_form(observed: ObservedCollection, **changes: Any) -> ObservedCollection:
    form = observed.schema.form
    assert form is not None
    schema = structs.replace(observed.schema, form=structs.replace(form, **changes))
    return structs.replace(observed, schema=schema)


def milvus_engine(version: str | None) -> VectorEngine:
    status = {} if version is None else {"version": version}
    return msgspec.convert(external(ENDPOINT, spec={"type": "Milvus"}, status=status), VectorEngine)


def on_milvus(
    spec: Manifest, *, version: str | None = "v3.0.0", noted: Any = (), **facts: Any
) -> Gathered:
    """Return a claimed collection that is as the spec says but for what `facts` say. `noted` are
    the indexes that its status names.
    """
    status = {"milvus": {"load": "Loaded", "indexes": list(noted)}}
    usual: dict[str, Any] = {
        "engine": milvus_engine(version),
        "member": endpoint(),
        "server": SERVER,
        "observed": found(spec),
        "indexes": PLAIN,
        "memory": LOADED,
    }
    manifest = facts.pop("manifest", None) or claimed(HELD, spec=spec, status=status)
    return gathered(manifest, **usual | facts)


def done(g: Gathered) -> list[Step]:
    """Return the steps that ask something of the engine."""
    return [step for step in decide(g).steps if not isinstance(step, PublishEvent)]


def events(g: Gathered) -> list[tuple[str, str]]:
    steps = decide(g).steps
    return [(s.event.reason, s.event.note) for s in steps if isinstance(s, PublishEvent)]


def test_what_is_to_be_there_is_there() -> None:
    """Nothing is done, and the status names what Quiver has had the engine take."""
    spec = long_form(indexes=[HNSW])
    decision = decide(on_milvus(spec, indexes=BUILT))
    assert (decision.steps, decision.verdict.state, decision.load) == ((), State.READY, "Loaded")
    assert decision.indexes == (index(HNSW),)


def test_a_new_collection_is_made_with_its_form_and_all_its_indexes() -> None:
    """Those of vectors that the spec does not name, too: without, it could not be loaded."""
    spec = long_form(*FIELDS, IMAGE, indexes=[HNSW, INVERTED])
    facts = {"observed": None, "indexes": {}, "memory": None}
    g = on_milvus(spec, manifest=collection(spec=spec), **facts)
    steps = done(g)
    assert [type(step) for step in steps[:2]] == [RecordClaim, CreateCollection]
    created = steps[1]
    assert isinstance(created, CreateCollection)
    assert created.schema.form == found(spec).schema.form
    assert created.schema.metric_type is None
    assert steps[2:] == [
        SetFieldIndex(index(INVERTED)),
        SetFieldIndex(index(HNSW)),
        SetFieldIndex(index(FLAT_IMAGE)),
        LoadCollection(1),
    ]
    assert decide(g).verdict[:2] == (State.RECONCILING, Reason.LOADING)


REPLACED = SetFieldIndex(index(HNSW), releases=True)
ANEW = SetFieldIndex(index(HNSW), releases=True, anew=True)
FAILED = {"failure": "no space", "progress": None}
OTHER = index({**HNSW, "params": {"M": 32, "efConstruction": 64}})
INDEXES: dict[str, tuple[list[Manifest], dict[str, Any], list[Manifest], list[Step]]] = {
    "none for vectors": ([], {}, [], [SetFieldIndex(index(FLAT))]),
    "a client's for vectors": ([], BUILT, [], []),
    "plain for vectors": ([], PLAIN, [], []),
    "one for vectors that the spec named": (
        [],
        BUILT,
        [HNSW],
        [SetFieldIndex(index(FLAT), releases=True)],
    ),
    "missing": ([HNSW], {}, [], [SetFieldIndex(index(HNSW))]),
    "there": ([HNSW], BUILT, [HNSW], []),
    "of another type": ([HNSW], PLAIN, [], [REPLACED]),
    "of another metric": ([HNSW], there({**HNSW, "metricType": "IP"}), [HNSW], [REPLACED]),
    "without a metric of its own": (
        [{**HNSW, "metricType": None}],
        there({**HNSW, "metricType": "L2"}),
        [],
        [],
    ),
    "with another parameter": (
        [HNSW],
        there({**HNSW, "params": {"M": 32, "efConstruction": 64}}),
        [HNSW],
        [REPLACED],
    ),
    "with a parameter that was taken off": (
        [HNSW],
        there({**HNSW, "params": {**HNSW["params"], "x": 1}}),
        [{**HNSW, "params": {**HNSW["params"], "x": 1}}],
        [ANEW],
    ),
    "that has given up": ([HNSW], there(HNSW, **FAILED), [HNSW], [ANEW]),
    "a client's for text": ([], PLAIN | there(INVERTED), [], []),
    "for text, new": ([INVERTED], PLAIN, [], [SetFieldIndex(index(INVERTED))]),
    "for text, of another type": (
        [INVERTED],
        PLAIN | there({**INVERTED, "type": "Trie"}),
        [INVERTED],
        [SetFieldIndex(index(INVERTED))],
    ),
    "for text, taken off": (
        [],
        PLAIN | there(INVERTED),
        [INVERTED],
        [DropFieldIndex("title")],
    ),
    "for text, taken off and gone": ([], PLAIN, [INVERTED], []),
}


@pytest.mark.parametrize(("listed", "known", "noted", "expected"), INDEXES.values(), ids=INDEXES)
def test_the_index_of_each_field_follows_the_spec(
    listed: list[Manifest], known: Any, noted: list[Manifest], expected: list[Step]
) -> None:
    """Quiver owns those that the spec names or has named, and has each vector field have one."""
    g = on_milvus(long_form(indexes=listed), indexes=known, noted=noted)
    assert done(g) == expected
    kept = {entry["field"]: entry["type"] for entry in listed}
    assert {entry.field: entry.type for entry in decide(g).indexes} == kept


@pytest.mark.parametrize(
    ("version", "releases"), [("v2.6.1", True), ("v2.6.2", False), (None, True)]
)
def test_an_index_of_text_goes_from_memory_where_the_version_cannot_drop_it_there(
    version: str | None, releases: bool
) -> None:
    """The next reconcile loads the collection again. Of an unknown version nobody knows."""
    facts: Any = {"indexes": PLAIN | there(INVERTED), "noted": [INVERTED], "version": version}
    decision = decide(on_milvus(long_form(), **facts))
    assert decision.steps == (DropFieldIndex("title", releases=releases),)
    assert decision.load == ("NotLoaded" if releases else "Loaded")
    assert decision.retry is releases


def test_the_status_of_another_server_says_nothing_of_the_indexes_on_this_one() -> None:
    """Its claim has lapsed: a client's index is not taken for one of Quiver's."""
    spec = {**long_form(), "adoptionPolicy": "IfIdentical"}
    status = {"milvus": {"load": "Loaded", "indexes": [HNSW]}, "origin": "Adopted"}
    facts = {"claim": None, "lapsed": HELD, "indexes": BUILT}
    g = on_milvus(spec, manifest=claimed(HELD, spec=spec, status=status), **facts)
    assert not [step for step in done(g) if isinstance(step, SetFieldIndex | DropFieldIndex)]


def test_a_collection_that_is_loaded_stays_so_while_a_field_gets_its_first_index() -> None:
    """Nothing is dropped, and so nothing is released."""
    decision = decide(on_milvus(long_form(indexes=[INVERTED])))
    assert decision.load == "Loaded"
    assert decision.verdict[:2] == (State.RECONCILING, Reason.INDEX_BUILDING)
    assert decision.verdict.message == (
        "Building index INVERTED of field 'title': the engine has begun."
    )


@pytest.mark.parametrize("built", [0, 89, 90])
def test_a_collection_is_loaded_once_most_vectors_of_each_field_are_indexed(built: int) -> None:
    """Before, they would be in memory as they are."""
    image = {**HNSW, "field": "image"}
    spec = long_form(*FIELDS, IMAGE, indexes=[HNSW, image])
    progress = IndexProgress(built=built, total=100)
    indexes = BUILT | there(image, progress=progress)
    decision = decide(on_milvus(spec, indexes=indexes, memory=NOT_LOADED))
    assert list(decision.steps) == ([LoadCollection(1)] if built == 90 else [])
    assert decision.verdict[:2] == (State.RECONCILING, Reason.INDEX_BUILDING)
    assert f"HNSW of field 'image': {built // 10 * 10} % of the rows" in decision.verdict.message


def test_vectors_get_an_index_before_they_are_loaded() -> None:
    """In one reconcile it would be begun, and all rows be in memory as they are."""
    decision = decide(on_milvus(long_form(), indexes={}, memory=NOT_LOADED))
    assert decision.steps == (SetFieldIndex(index(FLAT)),)
    assert (decision.load, decision.retry) == ("NotLoaded", True)
    assert decision.verdict[:2] == (State.RECONCILING, Reason.LOADING)


def test_a_build_that_has_failed_names_its_field() -> None:
    """A full disk has a reason of its own."""
    full = there(HNSW, disk_full=True, **FAILED)
    verdict = decide(on_milvus(long_form(indexes=[HNSW]), indexes=full)).verdict
    assert verdict[:2] == (State.RECONCILING, Reason.DISK_FULL)
    assert "could not build index HNSW of field 'embedding': no space" in verdict.message


def test_a_loaded_collection_is_ready_while_its_last_rows_are_indexed() -> None:
    progress = IndexProgress(built=90, total=100)
    decision = decide(on_milvus(long_form(indexes=[HNSW]), indexes=there(HNSW, progress=progress)))
    assert (decision.steps, decision.verdict.state) == ((), State.READY)


EMBEDS = {
    "name": "embeds",
    "type": "TextEmbedding",
    "inputFields": ["title"],
    "outputFields": ["embedding"],
    "params": {"provider": "x", "url": "http://a"},
}
SPARSE = index({"field": "terms", "type": "SPARSE_INVERTED_INDEX", "metricType": "BM25"})
WAND = {"field": "terms", "type": "SPARSE_WAND"}
LONGER = {**TITLE, "maxLength": 1024}
MAPPED = {**TITLE, "params": {**TITLE["params"], "mmap.enabled": "true"}}
TOLD = {**TITLE, "description": "what it is about"}
IMAGE_HNSW = {**HNSW, "field": "image"}
GROWTH: dict[str, tuple[Manifest, list[Step]]] = {
    "a field": (long_form(*FIELDS, TAGS), [AddField(field(TAGS))]),
    "a field with an index": (
        long_form(*FIELDS, TAGS, indexes=[{"field": "tags", "type": "Trie"}]),
        [AddField(field(TAGS)), SetFieldIndex(FieldIndex(field="tags", type="Trie"))],
    ),
    "vectors": (
        long_form(*FIELDS, IMAGE, TAGS),
        [AddField(field(IMAGE)), SetFieldIndex(index(FLAT_IMAGE)), AddField(field(TAGS))],
    ),
    "vectors with an index": (
        long_form(*FIELDS, IMAGE, indexes=[IMAGE_HNSW]),
        [AddField(field(IMAGE)), SetFieldIndex(index(IMAGE_HNSW))],
    ),
    "a function with its field": (
        long_form(*FIELDS, TERMS, functions=[BM25]),
        [AddFunction(function(BM25), field(TERMS)), SetFieldIndex(SPARSE)],
    ),
    "a function with its field and another index than that comes with": (
        long_form(*FIELDS, TERMS, functions=[BM25], indexes=[WAND]),
        [
            AddFunction(function(BM25), field(TERMS)),
            SetFieldIndex(index({**WAND, "metricType": "BM25"}), releases=True),
        ],
    ),
    "a longer text": (
        long_form(ID, LONGER, EMBEDDING),
        [AlterField("title", {"max_length": "1024"})],
    ),
    "dynamic fields": (
        long_form(dynamicFields=True),
        [AlterProperties({"dynamicfield.enabled": "true"})],
    ),
    "how it is kept": (
        long_form(ID, MAPPED, EMBEDDING),
        [AlterField("title", {"mmap.enabled": "true"})],
    ),
    "a description": (
        long_form(ID, TOLD, EMBEDDING),
        [AlterField("title", {"field.description": "what it is about"})],
    ),
}


@pytest.mark.parametrize(("spec", "expected"), GROWTH.values(), ids=GROWTH)
def test_a_collection_grows_as_its_spec_does(spec: Manifest, expected: list[Step]) -> None:
    """A new field comes with its index: without one, its vectors would keep the collection from
    being loaded.
    """
    g = on_milvus(spec, observed=found(long_form()))
    assert done(g) == expected
    is_indexed = {step.index.field for step in expected if isinstance(step, SetFieldIndex)}
    listed = {entry["field"] for entry in spec["milvus"]["schema"]["indexes"]}
    building = (State.RECONCILING, Reason.INDEX_BUILDING)
    is_building = bool(is_indexed & listed)
    expected_verdict = building if is_building else (State.READY, Reason.AVAILABLE)
    assert decide(g).verdict[:2] == expected_verdict
    released = any(isinstance(step, SetFieldIndex) and step.releases for step in expected)
    assert decide(g).load == ("NotLoaded" if released else "Loaded")


def test_what_is_new_in_the_schema_is_told_in_an_event() -> None:
    """Functions in one of their own, since these may be refused. What only changes of a field is
    not told.
    """
    spec = long_form(ID, LONGER, EMBEDDING, TAGS, IMAGE, TERMS, functions=[BM25])
    g = on_milvus(spec, observed=found(long_form()))
    fields = "Added to collection 'test01': field 'tags', field 'image'."
    functions = "Added to collection 'test01': function 'bm25'."
    assert events(g) == [("Grown", fields), ("Grown", functions)]
    assert events(on_milvus(long_form(ID, LONGER, EMBEDDING), observed=found(long_form()))) == []


def test_functions_are_added_when_all_else_is_done() -> None:
    """A server may lack what one needs: the collection is searched meanwhile."""
    spec = long_form(functions=[EMBEDS])
    g = on_milvus(spec, observed=found(long_form()), memory=NOT_LOADED)
    assert done(g) == [LoadCollection(1), AddFunction(function(EMBEDS))]


def test_a_function_over_fields_that_are_there_is_added_and_changed() -> None:
    """Without a field; of its parameters, some change."""
    spec = long_form(functions=[EMBEDS])
    assert done(on_milvus(spec, observed=found(long_form()))) == [AddFunction(function(EMBEDS))]
    other = {**EMBEDS, "params": {"provider": "x", "url": "http://b"}}
    g = on_milvus(spec, observed=found(long_form(functions=[other])))
    assert done(g) == [AlterFunction(function(EMBEDS))]


def test_an_adopted_collection_gets_the_descriptions_of_its_spec_and_how_it_is_kept() -> None:
    """These are no differences. The refused ones among them come when all else is done."""
    title = {**TITLE, "description": "theirs"}
    spec = {**long_form(ID, {**TOLD, **MAPPED}, EMBEDDING), "adoptionPolicy": "IfIdentical"}
    spec["milvus"]["schema"]["fields"][1]["description"] = "what it is about"
    g = on_milvus(
        spec,
        manifest=collection(spec=spec),
        observed=found(long_form(ID, title, EMBEDDING)),
        memory=NOT_LOADED,
    )
    assert done(g)[1:] == [
        AlterField("title", {"mmap.enabled": "true"}),
        LoadCollection(1),
        AlterField("title", {"field.description": "what it is about"}),
    ]


def test_how_a_field_is_kept_changes_after_the_release() -> None:
    """Milvus refuses it for a collection that is loaded: one edit may ask for both."""
    spec = long_form(ID, MAPPED, EMBEDDING)
    spec["milvus"]["load"] = {"enabled": False}
    assert done(on_milvus(spec, observed=found(long_form()))) == [
        ReleaseCollection(),
        AlterField("title", {"mmap.enabled": "true"}),
    ]


TOO_OLD: dict[str, tuple[Manifest, str, str]] = {
    "a field": (
        long_form(*FIELDS, TAGS),
        "v2.5.4",
        "adding a field needs Milvus 2.6 or later ('tags')",
    ),
    "a function": (
        long_form(*FIELDS, TERMS, functions=[BM25]),
        "v2.6.20",
        "adding a function with its output field needs Milvus 3.0 or later ('bm25')",
    ),
    "dynamic fields": (
        long_form(dynamicFields=True),
        "v2.6.5",
        "turning dynamicFields on needs Milvus 2.6.6 or later",
    ),
    "a function that changes": (
        long_form(functions=[EMBEDS]),
        "v2.6.4",
        "adding a function needs Milvus 2.6.20 or later ('embeds')",
    ),
}


@pytest.mark.parametrize(("spec", "version", "told"), TOO_OLD.values(), ids=TOO_OLD)
def test_what_a_version_cannot_add_is_told_and_all_else_is_as_the_spec_says(
    spec: Manifest, version: str, told: str
) -> None:
    """Even an index of a field that is not there is left for later."""
    schema = spec["milvus"]["schema"]
    new = [{"field": entry["name"], "type": "AUTOINDEX"} for entry in schema["fields"][3:]]
    spec = long_form(*schema["fields"], **{**_rest(schema), "indexes": [INVERTED, *new]})
    facts: Any = {"observed": found(long_form()), "version": version}
    begun = decide(on_milvus(spec, **facts))
    assert begun.steps == (SetFieldIndex(index(INVERTED)),)
    assert begun.verdict[:2] == (State.RECONCILING, Reason.INDEX_BUILDING)
    decision = decide(on_milvus(spec, indexes=PLAIN | there(INVERTED), **facts))
    assert (decision.steps, decision.converged) == ((), True)
    assert decision.verdict[:2] == (State.STALLED, Reason.VERSION_TOO_OLD)
    assert told in decision.verdict.message
    assert decision.indexes == (index(INVERTED),)


def _rest(schema: Manifest) -> Manifest:
    return {key: schema[key] for key in schema.keys() - {"fields", "indexes"}}


def test_dynamic_fields_that_a_server_took_for_a_property_are_told() -> None:
    """A version that nobody knows has not turned them on: it is not asked for ever."""
    observed = found(long_form())
    observed = structs.replace(observed, properties={**MINE, "dynamicfield.enabled": "true"})
    g = on_milvus(long_form(dynamicFields=True), observed=observed, version=None)
    assert done(g) == []
    assert decide(g).verdict[:2] == (State.STALLED, Reason.VERSION_TOO_OLD)


DIFFERENCES: dict[str, tuple[Manifest, ObservedCollection, str, str]] = {
    "a field that cannot be null": (
        long_form(*FIELDS, {**TAGS, "nullable": False}),
        found(long_form()),
        "it has no field 'tags'",
        "take field 'tags' out, which may come back as a nullable one",
    ),
    "a longer text": (
        long_form(),
        found(long_form(ID, LONGER, EMBEDDING)),
        "maxLength of field 'title' is 1024, not 512",
        "raise maxLength of field 'title' to 1024",
    ),
    "a client's field": (
        long_form(),
        found(long_form(*FIELDS, TAGS)),
        "it has a field 'tags' that spec does not say",
        "list field 'tags' as it is on the engine",
    ),
    "dynamic fields": (
        long_form(),
        found(long_form(dynamicFields=True)),
        "dynamicFields is true, not false",
        "set dynamicFields to true",
    ),
    "another type": (
        long_form(),
        found(long_form(ID, {"name": "title", "type": "JSON", "nullable": True}, EMBEDDING)),
        "type of field 'title' is JSON, not VarChar",
        "put the spec back",
    ),
    "a function whose output is there": (
        long_form(*FIELDS, TERMS, functions=[BM25]),
        found(long_form(*FIELDS, TERMS)),
        "it has no function 'bm25'",
        "put the spec back",
    ),
    "what no spec can say": (
        long_form(),
        found(long_form(), other_fields=("place",)),
        "of kinds that no spec can say ('place')",
        "VectorCollection of another name",
    ),
}


@pytest.mark.parametrize(
    ("spec", "observed", "told", "cure"), DIFFERENCES.values(), ids=DIFFERENCES
)
def test_what_cannot_become_as_the_spec_says_is_told_with_a_cure(
    spec: Manifest, observed: ObservedCollection, told: str, cure: str
) -> None:
    """Nothing is done. A collection that is to be adopted does not even grow."""
    decision = decide(on_milvus(spec, observed=observed))
    assert (decision.steps, decision.verdict[:2]) == ((), (State.STALLED, Reason.SPEC_DIFFERS))
    assert told in decision.verdict.message
    assert cure in decision.verdict.message
    assert "spec.index" not in decision.verdict.message


def test_a_collection_that_would_have_to_grow_is_not_adopted() -> None:
    """It is not what the spec says: Quiver has no claim to it yet."""
    spec = {**long_form(*FIELDS, TAGS), "adoptionPolicy": "IfIdentical"}
    g = on_milvus(spec, manifest=collection(spec=spec), observed=found(long_form()))
    decision = decide(g)
    assert (decision.steps, decision.verdict[:2]) == ((), (State.STALLED, Reason.ALREADY_EXISTS))
    assert "it has no field 'tags'" in decision.verdict.message


def test_many_differences_do_not_make_a_long_status() -> None:
    """The first are told, and the number of the others."""
    names = [f"field_{number:02}_{'x' * 40}" for number in range(50)]
    others = [{"name": name, "type": "JSON", "nullable": True} for name in names]
    decision = decide(on_milvus(long_form(), observed=found(long_form(*FIELDS, *others))))
    message = decision.verdict.message
    assert "more." in message
    assert names[0] in message
    assert names[-1] not in message
    assert len(message) < 2 * CHARACTERS + 500


def test_a_collection_that_has_not_grown_yet_is_dropped_with_its_object() -> None:
    """It is the one that the object holds."""
    spec = {**long_form(*FIELDS, TAGS), "deletionPolicy": "Delete"}
    manifest = claimed(HELD, deletionTimestamp=DELETED, spec=spec)
    g = on_milvus(spec, manifest=manifest, observed=found(long_form()))
    assert DropCollection in [type(step) for step in decide(g).steps]


def test_a_long_form_needs_an_engine_of_type_milvus() -> None:
    """Nothing is asked of another one, which has no fields."""
    spec = long_form()
    decision = decide(gathered(collection(spec=spec)))
    assert (decision.steps, decision.verdict[:2]) == ((), (State.STALLED, Reason.INVALID_SPEC))
    assert "for engines of type Milvus alone" in decision.verdict.message


def test_a_schema_that_is_too_new_is_told_before_anything_is_claimed() -> None:
    spec = long_form(ID, EMBEDDING, {"name": "terms", "type": "SparseFloatVector"})
    facts = {"observed": None, "indexes": {}, "memory": None, "version": "v2.3.5"}
    decision = decide(on_milvus(spec, manifest=collection(spec=spec), **facts))
    assert (decision.steps, decision.verdict[:2]) == ((), (State.STALLED, Reason.VERSION_TOO_OLD))
    assert "SparseFloatVector needs Milvus 2.4 or later" in decision.verdict.message
    assert "a second vector field needs Milvus 2.4 or later" in decision.verdict.message


def test_what_another_owner_has_is_not_told_as_what_the_server_has() -> None:
    """The status would keep it in the spec, and it is not the object's."""
    theirs = structs.replace(found(long_form()), properties={OWNER_PROPERTY: "somebody"})
    assert held_after(on_milvus(long_form(), observed=theirs), []) is None
    assert held_after(on_milvus(long_form(), observed=found(long_form())), []) is not None


def test_what_a_server_before_had_is_not_what_another_has() -> None:
    """Until the collection is made there, too, nothing is known of it."""
    manifest = claimed(claim(member=ENDPOINT, server="address:10.0.0.7:19530"), spec=long_form())
    g = on_milvus(long_form(), manifest=manifest, observed=None, claim=None, lapsed=HELD)
    steps = decide(g).steps
    (at,) = [n for n, step in enumerate(steps) if isinstance(step, CreateCollection)]
    assert any(isinstance(step, ReplaceClaim) for step in steps[:at])
    assert held_after(g, steps[:at]) is None
    told = held_after(g, steps[: at + 1])
    assert told is not None
    assert [field.name for field in told.fields] == ["embedding", "id", "title"]
