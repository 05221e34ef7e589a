"""A collection that exists, told as a spec that adopts it and changes nothing."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from msgspec.structs import replace

from quiver.domain.collection_schemas import (
    CollectionSchema,
    ObservedCollection,
    ObservedFieldIndex,
    ObservedLoad,
)
from quiver.domain.collections import CollectionSpec, EngineRef, VectorCollection
from quiver.domain.exported import (
    Exported,
    NotExportable,
    OnMilvus,
    export_from_milvus,
    export_from_milvus_1,
)
from quiver.domain.exported_forms import SHORT_RANGES
from quiver.domain.indexes import Index
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.milvus_fields import Field, FieldIndex, Form, Function
from quiver.domain.milvus_forms import short_form
from quiver.domain.milvus_indexes import metric_of, plain_index
from quiver.domain.milvus_schemas import MilvusSchema
from support.builders import metadata
from support.generated_forms import schemas

CRD = Path(__file__).resolve().parents[3] / "crds" / "quiver.dev_vectorcollections.yaml"
ENGINE = EngineRef(name="milvus")
KEY = Field(name="id", type="Int64", primary_key=True)
VECTOR = Field(name="vector", type="FloatVector", dimension=8)
FORM = Form(fields=(KEY, VECTOR))
LOADED = ObservedLoad(state="Loaded", replicas=1)
HNSW = {"M": "16", "efConstruction": "200"}


def found(form: Form = FORM, *indexes: FieldIndex, **rest: Any) -> OnMilvus:
    """Return a loaded collection `docs` with these indexes."""
    load = rest.pop("load", LOADED)
    outer = {
        name: rest.pop(name) for name in ("partitions", "aliases", "properties") if name in rest
    }
    others = rest.pop("other_fields", ())
    schema = CollectionSchema(
        **{"name": "docs", "form": form, "consistency_level": "Bounded"} | rest
    )
    return OnMilvus(
        collection=ObservedCollection(schema=schema, other_fields=others, **outer),
        indexes={index.field: ObservedFieldIndex(index=index) for index in indexes},
        load=load,
    )


def exported(form: Form = FORM, *indexes: FieldIndex, **rest: Any) -> Exported:
    return export_from_milvus(ENGINE, found(form, *indexes, **rest))


def milvus_part(form: Form = FORM, *indexes: FieldIndex, **rest: Any) -> Manifest:
    spec: Manifest = exported(form, *indexes, **rest).spec["milvus"]
    return spec


def index(type_: str, metric: str = "L2", field: str = "vector", **params: int | str) -> FieldIndex:
    return FieldIndex(field=field, type=type_, metric_type=metric, params=params)


def parsed(spec: Manifest) -> VectorCollection:
    """Return the object of the spec once it has been YAML."""
    text = yaml.safe_dump({"metadata": metadata("docs"), "spec": spec})
    return msgspec.convert(yaml.safe_load(text), VectorCollection)


def as_described(schema: MilvusSchema) -> OnMilvus:
    """Return a collection of this schema as a server describes it: all in text, and each vector
    field with an index.
    """
    listed = [
        replace(
            i, metric_type=metric_of(schema, i), params={k: str(v) for k, v in i.params.items()}
        )
        for i in schema.indexes
    ]
    plain = [plain_index(schema, f) for f in schema.vectors if schema.index_of(f.name) is None]
    return found(schema.form, *listed, *plain)


@settings(deadline=None)
@given(schemas())
def test_what_is_exported_is_the_schema_again(schema: MilvusSchema) -> None:
    """Created, described, exported, written as YAML and read: no field differs, nor an index."""
    described = as_described(schema)
    wanted = parsed(export_from_milvus(ENGINE, described).spec)
    asked = wanted.schema("Milvus")
    assert not list(asked.differences(described.collection.schema))
    assert not list(described.collection.schema.differences(asked))
    assert asked.form is not None
    assert {f.name: f for f in asked.form.fields} == {f.name: f for f in schema.fields}
    assert asked.form.functions == schema.functions
    if wanted.spec.form is not None:
        named = {i.field: i for i in wanted.spec.form.indexes}
        assert named.keys() == described.indexes.keys()
        for name, told in described.indexes.items():
            assert named[name].is_met_by(told.index)
            assert told.index.is_met_by(named[name])


@settings(deadline=None)
@given(schemas())
def test_what_is_exported_twice_is_the_same(schema: MilvusSchema) -> None:
    """The spec that adopts a collection is exported as that spec again."""
    first = export_from_milvus(ENGINE, as_described(schema)).spec
    form = parsed(first).spec.form
    if form is not None:
        assert export_from_milvus(ENGINE, as_described(form)).spec == first


def test_a_collection_of_the_short_form_is_told_in_it() -> None:
    """With the index in spec.index, and no spec.milvus."""
    told = exported(short_form(8, "COSINE"), index("HNSW", "COSINE", **HNSW))
    assert told == Exported(
        spec={
            "engineRef": {"name": "milvus"},
            "collectionName": "docs",
            "dimension": 8,
            "metricType": "COSINE",
            "index": {"type": "HNSW", "params": {"M": 16, "efConstruction": 200}},
            "adoptionPolicy": "IfIdentical",
            "deletionPolicy": "Retain",
        }
    )


def test_brute_force_is_no_index_in_the_short_form() -> None:
    """FLAT is what an absent index means, with whatever the server has added to it."""
    spec = exported(short_form(8, "IP"), index("FLAT", "IP", with_raw_data="true")).spec
    assert spec["metricType"] == "IP"
    assert "index" not in spec


def test_an_index_of_bits_has_its_plain_name_in_the_short_form() -> None:
    """BIN_IVF_FLAT is IVF_FLAT there."""
    spec = exported(short_form(16, "JACCARD"), index("BIN_IVF_FLAT", "JACCARD", nlist="64")).spec
    assert spec["index"] == {"type": "IVF_FLAT", "params": {"nlist": 64}}


@pytest.mark.parametrize(
    "told",
    [
        index("HNSW", M="128", efConstruction="200"),
        index("HNSW", M="16"),
        index("HNSW", **HNSW, nlist="4"),
        index("IVF_FLAT", nlist="0"),
        index("IVF_PQ", nlist="4", m="3"),
        index("HNSW_SQ", **HNSW),
    ],
    ids=str,
)
def test_an_index_that_the_short_form_cannot_name_is_told_in_the_long_one(told: FieldIndex) -> None:
    """Its type, or parameters that spec.index does not take."""
    spec = exported(short_form(8, "L2"), told).spec
    assert "dimension" not in spec
    assert [i["type"] for i in spec["milvus"]["schema"]["indexes"]] == [told.type]


@pytest.mark.parametrize(
    "form",
    [
        FORM,
        replace(short_form(8, "L2"), dynamic_fields=False),
        replace(
            short_form(8, "L2"),
            fields=tuple(replace(f, description="x") for f in short_form(8, "L2").fields),
        ),
    ],
)
def test_any_other_form_is_told_in_the_long_one(form: Form) -> None:
    """With an index for each field that has one."""
    part = milvus_part(form, index("FLAT"))
    assert part["schema"]["indexes"] == [{"field": "vector", "type": "FLAT", "metricType": "L2"}]


def test_only_what_users_set_is_among_the_properties() -> None:
    """Quiver's own and the server's are left out."""
    set_ = {"collection.ttl.seconds": "60", "quiver.dev/owner": "uid", "max_field_id": "103"}
    told = milvus_part(FORM, index("FLAT"), properties={**set_, "timezone": "UTC"})
    assert told["properties"] == {"collection.ttl.seconds": "60"}


def test_partitions_of_a_partition_key_are_the_server_s() -> None:
    """They are left out, and those that a user made are told."""
    tenant = Field(name="tenant", type="Int64", partition_key=True)
    keyed = replace(FORM, fields=(*FORM.fields, tenant))
    parts = frozenset({"_default_0", "_default_1"})
    assert "partitions" not in exported(keyed, index("FLAT"), partitions=parts).spec
    told = exported(FORM, index("FLAT"), partitions=frozenset({"de", "at"})).spec
    assert told["partitions"] == ["at", "de"]


def test_only_what_is_not_usual_is_told() -> None:
    """Shards, level, load and database, each where it is another than an absent one means."""
    usual = milvus_part(FORM, index("FLAT"), shards=1)
    assert usual.keys() == {"schema"}
    part = milvus_part(
        FORM,
        index("FLAT"),
        name="shop/docs",
        shards=2,
        consistency_level="Strong",
        load=ObservedLoad(state="Loaded", replicas=2),
    )
    del part["schema"]
    assert part == {
        "database": "shop",
        "shards": 2,
        "consistencyLevel": "Strong",
        "load": {"replicas": 2},
    }


def test_what_is_released_stays_released() -> None:
    """A collection that is not in memory is not loaded by its adoption."""
    part = milvus_part(FORM, index("FLAT"), load=ObservedLoad(state="NotLoaded"))
    assert part["load"] == {"enabled": False}


@pytest.mark.parametrize("told", [index("AISAQ", "COSINE"), index("HNSW", "MAX_SIM", **HNSW)])
def test_an_index_that_no_spec_can_name_is_left_out_with_a_remark(told: FieldIndex) -> None:
    """Quiver leaves alone what the spec does not name, so that nothing changes. The short form
    would say another metric.
    """
    answer = exported(short_form(8, "L2"), told)
    assert "indexes" not in answer.spec["milvus"]["schema"]
    (remark,) = answer.remarks
    assert "'vector'" in remark
    assert "left out" in remark


def test_a_vector_field_without_an_index_is_remarked() -> None:
    """Its adoption is to give it one."""
    (remark,) = exported(FORM).remarks
    assert "Quiver gives it FLAT with L2" in remark


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ({"shards": 32}, "32 shards"),
        ({"consistency_level": "Customized"}, "Customized"),
        ({"aliases": frozenset({"today"})}, "today"),
    ],
)
def test_what_a_spec_cannot_say_and_need_not_is_remarked(rest: Any, words: str) -> None:
    """It is left out, and a sentence says so."""
    answer = exported(FORM, index("FLAT"), **rest)
    assert answer.spec["milvus"].keys() == {"schema"}
    (remark,) = answer.remarks
    assert words in remark


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ({"other_fields": ("chunks",)}, "'chunks'"),
        ({"name": "it's"}, "collectionName"),
        ({"name": "a-b/docs"}, "database"),
        ({"properties": {"description": "x" * 1025}}, "properties"),
        ({"form": None}, "of its own"),
        ({"form": replace(FORM, fields=(KEY,))}, "at least one field holds vectors"),
    ],
)
def test_what_no_spec_can_say_is_refused_with_its_name(rest: Any, words: str) -> None:
    """Nothing is left out that would be another collection."""
    others = {"form": FORM} | rest
    form = others.pop("form")
    with pytest.raises(NotExportable, match=words):
        export_from_milvus(ENGINE, found(form, index("FLAT"), **others))


def test_a_metric_where_there_are_no_vectors_is_not_told() -> None:
    """milvus-lite tells NONE there."""
    form = replace(FORM, fields=(*FORM.fields, Field(name="n", type="Int64")))
    part = milvus_part(form, index("FLAT"), index("INVERTED", "NONE", "n"))
    assert part["schema"]["indexes"][1] == {"field": "n", "type": "INVERTED"}


def test_functions_are_told_with_their_fields() -> None:
    """And the metric of the index on what they compute."""
    text = Field(name="text", type="VarChar", max_length=9, params={"enable_analyzer": "true"})
    terms = Field(name="terms", type="SparseFloatVector")
    bm25 = Function(name="f", type="BM25", input_fields=("text",), output_fields=("terms",))
    form = Form(fields=(*FORM.fields, text, terms), functions=(bm25,))
    sparse = index("SPARSE_INVERTED_INDEX", "BM25", "terms")
    part = milvus_part(form, index("FLAT"), sparse)["schema"]
    assert part["functions"] == [
        {"name": "f", "type": "BM25", "inputFields": ["text"], "outputFields": ["terms"]}
    ]
    assert part["indexes"][1]["metricType"] == "BM25"


def test_a_collection_on_milvus_1_is_told_with_its_segments() -> None:
    """indexFileSize, if it is not 1024, metricType, partitions and index."""
    schema = CollectionSchema(name="docs", dimension=8, index_file_size=64, metric_type="L2")
    observed = ObservedCollection(schema=schema, partitions=frozenset({"de"}))
    spec = export_from_milvus_1(ENGINE, observed, Index(type="HNSW", params={"M": 8})).spec
    assert spec == {
        "engineRef": {"name": "milvus"},
        "collectionName": "docs",
        "dimension": 8,
        "indexFileSize": 64,
        "metricType": "L2",
        "index": {"type": "HNSW", "params": {"M": 8}},
        "partitions": ["de"],
        "adoptionPolicy": "IfIdentical",
        "deletionPolicy": "Retain",
    }
    asked = msgspec.convert(spec, CollectionSpec)
    assert asked.index_file_size == 64


def test_the_ranges_of_the_short_form_are_those_of_the_crd() -> None:
    """What the CRD would refuse in spec.index is told in the long form."""
    crd = yaml.safe_load(CRD.read_text())
    (version,) = crd["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    rules = spec["properties"]["index"]["x-kubernetes-validations"]
    for name, (least, most) in SHORT_RANGES.items():
        assert any(
            f"params.{name} must be a number from {least} to {most};" in rule["message"]
            for rule in rules
        ), name
