"""What is decided about a collection on Milvus 2.x: load, properties, database and mark."""

from typing import Any

import msgspec
import pytest
from msgspec import structs

from quiver.domain.collection_schemas import (
    CollectionSchema,
    IndexProgress,
    ObservedCollection,
    ObservedIndex,
    ObservedLoad,
)
from quiver.domain.collections import OWNER_PROPERTY, SET_PROPERTIES
from quiver.domain.conditions import State
from quiver.domain.engines import VectorEngine
from quiver.domain.indexes import Index
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.milvus_fields import Field
from quiver.domain.milvus_forms import short_form
from quiver.domain.reasons import Reason
from quiver.domain.servers import Server
from quiver.ports.errors import DatabaseNotFound
from quiver.reconcile.collections.decide import decide, decide_after_failure
from quiver.reconcile.collections.decision import (
    AlterProperties,
    CreateCollection,
    CreateDatabase,
    CreatePartition,
    DropCollection,
    LoadCollection,
    PublishEvent,
    RecordClaim,
    RecordRelease,
    Release,
    ReleaseCollection,
    SetIndex,
)
from quiver.reconcile.collections.gathered import Gathered
from support.builders import claim, claimed, collection, external
from support.gathered import DELETED, ENDPOINT, endpoint, gathered

SERVER = Server("uid-of-engine", None, "10.0.0.9:19530")
OWN, OTHER = "uid-of-test01", "uid-of-another"
HELD = claim(member=ENDPOINT, server=SERVER.identity)
ADOPTED = claim(member=ENDPOINT, server=SERVER.identity, origin="Adopted")
HNSW = {"type": "HNSW", "params": {"M": 16, "efConstruction": 64}}
INDEX = msgspec.convert(HNSW, Index)
FLAT = ObservedIndex(index=None)
MISSING = ObservedIndex(index=None, missing=True)
BUILT = ObservedIndex(index=INDEX)
NOT_LOADED, LOADED = ObservedLoad(state="NotLoaded"), ObservedLoad(state="Loaded", replicas=1)
MINE = {OWNER_PROPERTY: OWN}
TTL, NONE = {SET_PROPERTIES: '["ttl"]'}, {SET_PROPERTIES: "[]"}
"""The list of what Quiver has set: one property, and none."""


def milvus_engine(version: str | None = None, **spec: Any) -> VectorEngine:
    status = {} if version is None else {"version": version}
    manifest = external(ENDPOINT, spec={"type": "Milvus", **spec}, status=status)
    return msgspec.convert(manifest, VectorEngine)


def found(metric: str | None = "L2", **rest: Any) -> ObservedCollection:
    form = rest.pop("form", short_form(256, metric))
    schema = CollectionSchema(name="test01", dimension=256, metric_type=metric, shards=1, form=form)
    return ObservedCollection(schema=schema, **{"properties": MINE, **rest})


def on_milvus(manifest: Manifest | None = None, **facts: Any) -> Gathered:
    """Return a claimed collection on Milvus as it is to be, but for what `facts` say."""
    usual: dict[str, Any] = {
        "engine": milvus_engine(),
        "member": endpoint(),
        "server": SERVER,
        "observed": found(),
        "index": FLAT,
        "memory": LOADED,
    }
    return gathered(manifest or claimed(HELD), **usual | facts)


def new(manifest: Manifest, **facts: Any) -> Gathered:
    """Return the same, which is not there yet."""
    return on_milvus(manifest, **{"observed": None, "index": None, "memory": None} | facts)


def milvus(spec: Any, **status: Any) -> Manifest:
    return claimed(HELD, spec={"milvus": spec}, status={"milvus": status} if status else {})


def kinds(g: Gathered) -> list[type]:
    return [type(step) for step in decide(g).steps]


def test_what_is_to_be_there_is_there() -> None:
    """Nothing is done, and the status says that the collection is loaded."""
    decision = decide(on_milvus())
    assert (decision.steps, decision.verdict.state, decision.load) == ((), State.READY, "Loaded")


def test_a_new_collection_is_made_indexed_and_loaded() -> None:
    """With the properties of the spec and the mark. Without an index it could not be loaded."""
    spec = {"partitions": ["a"], "milvus": {"shards": 2, "properties": {"ttl": "60"}}}
    decision = decide(new(collection(spec=spec)))
    assert [type(step) for step in decision.steps] == [
        *(RecordClaim, CreateCollection, PublishEvent, CreatePartition, SetIndex, LoadCollection)
    ]
    form = short_form(256, "L2")
    schema = CollectionSchema(name="test01", dimension=256, metric_type="L2", shards=2, form=form)
    assert decision.steps[1] == CreateCollection(schema, {"ttl": "60", **MINE, **TTL})
    assert decision.steps[4:] == (SetIndex(None, "L2"), LoadCollection(1))
    assert decision.verdict[:2] == (State.RECONCILING, Reason.LOADING)
    assert (decision.load, decision.properties) == ("Loading", ("ttl",))


INDEXES: dict[str, tuple[Any, dict[str, Any], list[Any]]] = {
    "brute force for want of any": (None, {"index": MISSING}, [SetIndex(None, "L2")]),
    "a client's": (None, {"index": BUILT}, []),
    "wanted": (HNSW, {"index": FLAT}, [SetIndex(INDEX, "L2")]),
    "there": (HNSW, {"index": BUILT}, []),
    "of another metric": (HNSW, {"index": BUILT, "observed": found("IP")}, [SetIndex(INDEX, "L2")]),
    "with numbers in words": (
        HNSW,
        {
            "index": ObservedIndex(
                index=Index(type="HNSW", params={"M": "16", "efConstruction": "64", "x": 1})
            )
        },
        [],
    ),
}


@pytest.mark.parametrize(("spec", "facts", "expected"), INDEXES.values(), ids=INDEXES)
def test_the_index_follows_the_spec(spec: Any, facts: Any, expected: list[Any]) -> None:
    """Where the spec names none, a client's is left alone, and one is made where there is none.
    While the index is replaced the collection is not loaded: the next reconcile does that.
    """
    decision = decide(on_milvus(claimed(HELD, spec={"index": spec}), **facts))
    assert list(decision.steps) == expected
    assert decision.load == ("NotLoaded" if expected else "Loaded")
    assert (decision.verdict.state is State.READY) is (not expected)


LOADS: dict[str, tuple[Any, ObservedLoad, list[Any]]] = {
    "not loaded": ({}, NOT_LOADED, [LoadCollection(1)]),
    "more copies": ({"load": {"replicas": 2}}, LOADED, [LoadCollection(2)]),
    "copies that are not told": (
        {"load": {"replicas": 2}},
        ObservedLoad(state="Loaded"),
        [],
    ),
    "to be released": ({"load": {"enabled": False}}, LOADED, [ReleaseCollection()]),
    "loading, and to be released": (
        {"load": {"enabled": False}},
        ObservedLoad(state="Loading", progress=7),
        [ReleaseCollection()],
    ),
    "released": ({"load": {"enabled": False}}, NOT_LOADED, []),
    "loading": ({}, ObservedLoad(state="Loading", progress=7), []),
}


@pytest.mark.parametrize(("spec", "load", "expected"), LOADS.values(), ids=LOADS)
def test_the_load_follows_the_spec(spec: Any, load: ObservedLoad, expected: list[Any]) -> None:
    """A collection is loaded and released, and given as many copies, as the spec says."""
    assert list(decide(on_milvus(milvus(spec), memory=load)).steps) == expected


def test_a_released_collection_is_ready_and_says_that_it_cannot_be_searched() -> None:
    """It is as the spec says."""
    decision = decide(on_milvus(milvus({"load": {"enabled": False}}), memory=NOT_LOADED))
    assert decision.verdict.state is State.READY
    assert "cannot be searched" in decision.verdict.message


@pytest.mark.parametrize(
    ("progress", "told"), [(None, "has begun"), (0, "0 %"), (49, "40 %"), (999, "100 %")]
)
def test_a_load_is_told_in_tenths(progress: int | None, told: str) -> None:
    """So that it costs no more than ten writes of the status, whatever the server says."""
    decision = decide(on_milvus(memory=ObservedLoad(state="Loading", progress=progress)))
    assert decision.verdict[:2] == (State.RECONCILING, Reason.LOADING)
    assert told in decision.verdict.message
    assert decision.retry


@pytest.mark.parametrize(("built", "is_loaded"), [(0, False), (89, False), (90, True)])
def test_a_collection_is_loaded_once_most_of_its_rows_are_indexed(
    built: int, is_loaded: bool
) -> None:
    """Before, all would be in memory as they are; some never have one, where clients insert."""
    building = ObservedIndex(index=INDEX, progress=IndexProgress(built=built, total=100))
    facts = {"index": building, "memory": NOT_LOADED}
    decision = decide(on_milvus(claimed(HELD, spec={"index": HNSW}), **facts))
    assert list(decision.steps) == ([LoadCollection(1)] if is_loaded else [])
    assert decision.verdict.reason is Reason.INDEX_BUILDING
    assert f"{built // 10 * 10} % of the rows" in decision.verdict.message


@pytest.mark.parametrize(("built", "reason"), [(89, Reason.INDEX_BUILDING), (90, Reason.AVAILABLE)])
def test_a_loaded_collection_is_ready_while_its_last_rows_are_indexed(
    built: int, reason: Reason
) -> None:
    """Where clients go on inserting, it would hardly ever be ready otherwise."""
    building = ObservedIndex(index=INDEX, progress=IndexProgress(built=built, total=100))
    decision = decide(on_milvus(claimed(HELD, spec={"index": HNSW}), index=building))
    assert (decision.steps, decision.verdict.reason) == ((), reason)


PROPERTIES: dict[str, tuple[Any, Any, dict[str, str], list[Any]]] = {
    "one that is new": ({"ttl": "60"}, None, MINE, [AlterProperties({"ttl": "60", **TTL})]),
    "one that has changed": (
        {"ttl": "60"},
        ["ttl"],
        {**MINE, **TTL, "ttl": "5"},
        [AlterProperties({"ttl": "60"})],
    ),
    "one that is there": ({"ttl": "60"}, ["ttl"], {**MINE, **TTL, "ttl": "60"}, []),
    "one taken off the list": (
        {},
        ["ttl"],
        {**MINE, **TTL, "ttl": "60"},
        [AlterProperties({}, ("ttl",)), AlterProperties(NONE)],
    ),
    "one taken off before the status knew it": (
        {},
        None,
        {**MINE, **TTL, "ttl": "60"},
        [AlterProperties({}, ("ttl",)), AlterProperties(NONE)],
    ),
    "one that only the status knows of": (
        {},
        ["ttl"],
        {**MINE, "ttl": "60"},
        [AlterProperties(TTL, ("ttl",)), AlterProperties(NONE)],
    ),
    "one that is gone already": ({}, ["ttl"], {**MINE, **NONE}, []),
    "a client's": ({}, None, {**MINE, "ttl": "60"}, []),
    "a list that nobody can read": (
        {},
        None,
        {**MINE, SET_PROPERTIES: "ttl", "ttl": "60"},
        [AlterProperties(NONE)],
    ),
    "no mark": ({}, None, {}, [AlterProperties(MINE)]),
    "an empty mark": ({}, None, {OWNER_PROPERTY: ""}, [AlterProperties(MINE)]),
}


@pytest.mark.parametrize(
    ("listed", "known", "there", "expected"), PROPERTIES.values(), ids=PROPERTIES
)
def test_properties_follow_the_spec(
    listed: Any, known: Any, there: dict[str, str], expected: list[Any]
) -> None:
    """Quiver owns what is listed, and what it listed once; it leaves all else alone."""
    status = {"load": "Loaded", "properties": known} if known else {}
    decision = decide(
        on_milvus(milvus({"properties": listed}, **status), observed=found(properties=there))
    )
    assert list(decision.steps) == expected
    assert decision.properties == tuple(listed)


def test_what_a_version_cannot_take_away_stays_and_is_told() -> None:
    """All else is as the spec says, and the status goes on to name what Quiver has set."""
    there = found(properties={**MINE, **TTL, "ttl": "60"})
    manifest = milvus({}, load="Loaded", properties=["ttl"])
    decision = decide(on_milvus(manifest, observed=there, engine=milvus_engine("v2.3.5")))
    assert (decision.steps, decision.properties, decision.converged) == ((), ("ttl",), True)
    assert decision.verdict[:2] == (State.STALLED, Reason.VERSION_TOO_OLD)
    assert "needs Milvus 2.5 or later" in decision.verdict.message


IN_DATABASE = {"milvus": {"database": "db"}}


def test_a_database_that_is_missing_is_waited_for() -> None:
    """Nothing is claimed until it is there."""
    decision = decide(new(collection(spec=IN_DATABASE), has_database=False))
    assert (decision.steps, decision.retry) == ((), True)
    assert decision.verdict[:2] == (State.RECONCILING, Reason.DATABASE_NOT_FOUND)
    assert "has no database 'db'" in decision.verdict.message
    assert "spec.milvus.createDatabases" in decision.verdict.message


def test_a_database_is_made_where_the_engine_allows_it() -> None:
    """After the claim, and before the collection, which has the name of both."""
    allowing = milvus_engine(milvus={"createDatabases": True})
    g = new(collection(spec=IN_DATABASE), has_database=False, engine=allowing)
    steps = decide(g).steps
    assert [type(step) for step in steps[:3]] == [RecordClaim, CreateDatabase, CreateCollection]
    assert steps[1] == CreateDatabase("db")
    assert steps[2].schema.name == "db/test01"  # type: ignore[union-attr]


def test_a_database_that_goes_meanwhile_is_waited_for_too() -> None:
    """It may come back."""
    error = DatabaseNotFound("800", "there is no database 'db'")
    decision = decide_after_failure(new(collection(spec=IN_DATABASE)), error)
    assert decision.retry
    assert decision.verdict[:2] == (State.RECONCILING, Reason.DATABASE_NOT_FOUND)


def other(**rest: Any) -> ObservedCollection:
    return found(properties={OWNER_PROPERTY: OTHER}, **rest)


ADOPTS = {"adoptionPolicy": "IfIdentical"}
MARKED: dict[str, tuple[Manifest, str | None, Reason]] = {
    "claimed, and made by Quiver": (claimed(HELD), None, Reason.NAME_TAKEN),
    "claimed, and marked by one who is there": (claimed(HELD), "team-b/x", Reason.NAME_TAKEN),
    "being adopted": (claimed(ADOPTED, spec=ADOPTS), None, Reason.AVAILABLE),
    "being adopted from one who is there": (
        claimed(ADOPTED, spec=ADOPTS),
        "team-b/x",
        Reason.NAME_TAKEN,
    ),
    "adopted, and had its mark": (
        claimed(ADOPTED, spec=ADOPTS, status={"milvus": {"load": "Loaded"}}),
        None,
        Reason.NAME_TAKEN,
    ),
    "to be adopted": (collection(spec=ADOPTS), None, Reason.AVAILABLE),
    "to be adopted from one who is there": (
        collection(spec=ADOPTS),
        "team-b/x",
        Reason.NAME_TAKEN,
    ),
    "not to be adopted": (collection(), "team-b/x", Reason.ALREADY_EXISTS),
}


@pytest.mark.parametrize(("manifest", "marked_by", "reason"), MARKED.values(), ids=MARKED)
def test_what_another_has_marked_is_left_alone(
    manifest: Manifest, marked_by: str | None, reason: Reason
) -> None:
    """Unless it is adopted, and nobody is known whose mark it is."""
    decision = decide(on_milvus(manifest, observed=other(), marked_by=marked_by))
    assert decision.verdict.reason is reason
    alters = [step for step in decision.steps if isinstance(step, AlterProperties)]
    assert alters == ([AlterProperties(MINE)] if reason is Reason.AVAILABLE else [])


def going(**rest: Any) -> Manifest:
    return claimed(HELD, deletionTimestamp=DELETED, **rest)


def test_what_another_has_marked_is_not_dropped() -> None:
    """Whoever that is: its owner may be of another cluster."""
    decision = decide(on_milvus(going(), observed=other()))
    assert DropCollection not in [type(step) for step in decision.steps]
    (event,) = [step.event for step in decision.steps if isinstance(step, PublishEvent)]
    assert (event.type, event.reason) == ("Warning", "Left")
    assert OWNER_PROPERTY in event.note


@pytest.mark.parametrize("policy", ["Delete", "DeleteIfEmpty"])
def test_a_collection_with_an_alias_is_not_dropped(policy: str) -> None:
    """It waits for the alias to go; with Retain it does not."""
    aliased = found(aliases=frozenset({"now", "next"}))
    decision = decide(on_milvus(going(spec={"deletionPolicy": policy}), observed=aliased))
    assert (decision.steps, decision.retry) == ((), True)
    assert decision.verdict[:2] == (State.RECONCILING, Reason.ALIASED)
    assert "2 aliases lead to it ('next', 'now')" in decision.verdict.message
    kept = on_milvus(going(spec={"deletionPolicy": "Retain"}), observed=aliased)
    assert kinds(kept)[-1] is Release
    assert DropCollection not in kinds(kept)


def test_a_collection_whose_database_is_gone_is_gone() -> None:
    """There is nothing to drop, and nothing to wait for."""
    assert kinds(new(going(spec=IN_DATABASE), has_database=False)) in (
        [Release],
        [RecordRelease, Release],
    )


def test_an_index_of_another_metric_does_not_keep_a_collection_from_being_dropped() -> None:
    """The metric is the index's, and a client may have replaced that."""
    assert DropCollection in kinds(on_milvus(going(), observed=found("IP")))


def test_fields_that_the_short_form_does_not_have_are_named() -> None:
    """A client has added one. The cure keeps the collection: a spec does not change its form."""
    short = short_form(256, "L2")
    text = Field(name="text", type="VarChar", max_length=64, nullable=True)
    form = structs.replace(short, fields=(*short.fields, text))
    decision = decide(on_milvus(observed=found(form=form)))
    assert (decision.steps, decision.verdict[:2]) == ((), (State.STALLED, Reason.SPEC_DIFFERS))
    assert "it has a field 'text' that spec does not say" in decision.verdict.message
    assert "make one with milvus.schema" in decision.verdict.message


def test_what_no_spec_can_say_is_named() -> None:
    """Quiver takes no collection for one of the spec that it cannot describe."""
    decision = decide(on_milvus(observed=found(other_fields=("text", "sparse"))))
    assert decision.verdict[:2] == (State.STALLED, Reason.SPEC_DIFFERS)
    assert "of kinds that no spec can say ('text', 'sparse')" in decision.verdict.message


def test_the_short_form_does_not_grow() -> None:
    """Its dynamic fields are on from the start: a collection without them is another one."""
    form = structs.replace(short_form(256, "L2"), dynamic_fields=False)
    decision = decide(on_milvus(observed=found(form=form)))
    assert (decision.steps, decision.verdict[:2]) == ((), (State.STALLED, Reason.SPEC_DIFFERS))
    assert "dynamicFields is false, not true" in decision.verdict.message


def test_a_metric_of_an_index_that_the_spec_does_not_name_is_told() -> None:
    """Quiver leaves a client's index alone, and says how to have it replaced."""
    decision = decide(on_milvus(observed=found("COSINE"), index=BUILT))
    assert decision.verdict[:2] == (State.STALLED, Reason.SPEC_DIFFERS)
    assert "metricType is COSINE, not L2" in decision.verdict.message
    assert "Name an index in spec.index" in decision.verdict.message


TAKEN: dict[str, tuple[Any, VectorEngine | None, str]] = {
    "cosine on an engine of 1.x": ({"metricType": "COSINE"}, None, "these take L2, IP, HAMMING"),
    "spec.milvus on an engine of 1.x": ({"milvus": {}}, None, "for engines of type Milvus alone"),
    "an index of Milvus on 1.x": (
        {"index": {"type": "DISKANN", "params": {}}},
        None,
        "for L2: these take IVF_FLAT",
    ),
    "a parameter of Milvus on 1.x": (
        {"index": {"type": "IVF_FLAT", "params": {"nlist": 1, "mmap.enabled": "true"}}},
        None,
        "has 'mmap.enabled', and engines of type Quiver take nlist for IVF_FLAT",
    ),
    "a metric of 1.x on Milvus": (
        {"metricType": "TANIMOTO"},
        milvus_engine(),
        "TANIMOTO is not taken by engines of type Milvus",
    ),
    "an index of 1.x on Milvus": (
        {"index": {"type": "RNSG", "params": {}}},
        milvus_engine(),
        "RNSG is not taken by engines of type Milvus for L2",
    ),
    "cosine on a GPU": (
        {"metricType": "COSINE", "index": {"type": "GPU_CAGRA", "params": {}}},
        milvus_engine(),
        "GPU_CAGRA is not taken by engines of type Milvus for COSINE",
    ),
    "a segment size": ({"indexFileSize": 512}, milvus_engine(), "spec.milvus.segmentMaxSize"),
    "another segment size": (
        {"indexFileSize": 512},
        milvus_engine(milvus={"segmentMaxSize": 1024}),
        "which is 1024 here",
    ),
}


@pytest.mark.parametrize(("spec", "engine", "told"), TAKEN.values(), ids=TAKEN)
def test_what_the_engines_type_does_not_take_is_refused(
    spec: Any, engine: VectorEngine | None, told: str
) -> None:
    """Before anything is claimed; the message names what is allowed there."""
    manifest = collection(spec=spec)
    g = gathered(manifest) if engine is None else new(manifest, engine=engine)
    decision = decide(g)
    assert (decision.steps, decision.verdict[:2]) == ((), (State.STALLED, Reason.INVALID_SPEC))
    assert told in decision.verdict.message


def test_the_segment_size_that_the_server_has_may_be_named() -> None:
    """It says nothing new, and costs nothing."""
    telling = milvus_engine(milvus={"segmentMaxSize": 512})
    decision = decide(new(collection(spec={"indexFileSize": 512}), engine=telling))
    assert decision.verdict.reason is Reason.LOADING


VERSIONS: dict[str, tuple[Any, str | None, str | None]] = {
    "an index": ({"index": {"type": "SCANN", "params": {}}}, "v2.2.16", "Milvus 2.3 or later"),
    "a metric": ({"metricType": "COSINE"}, "v2.2.16", "Milvus 2.3 or later"),
    "a database": (IN_DATABASE, "v2.2.3", "Milvus 2.2.9 or later"),
    "a partition": ({"partitions": ["a-b"]}, "v2.3.5", "Milvus 2.4.18 or later"),
    "mmap": ({"milvus": {"properties": {"mmap.enabled": "true"}}}, "v2.2.16", "2.3 or later"),
    "what it can": ({"metricType": "COSINE"}, "v2.3.5", None),
    "an unknown version": ({"metricType": "COSINE"}, None, None),
    "a version in words": ({"metricType": "COSINE"}, "nightly", None),
}


@pytest.mark.parametrize(("spec", "version", "told"), VERSIONS.values(), ids=VERSIONS)
def test_what_the_version_cannot_do_is_told_with_one_that_could(
    spec: Any, version: str | None, told: str | None
) -> None:
    """An unknown version is asked: its server will say."""
    decision = decide(new(collection(spec=spec), engine=milvus_engine(version)))
    if told is None:
        assert decision.verdict.reason is Reason.LOADING
        return
    assert (decision.steps, decision.verdict[:2]) == ((), (State.STALLED, Reason.VERSION_TOO_OLD))
    assert told in decision.verdict.message
