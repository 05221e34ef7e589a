"""Forms of collections that each show one thing that a version of Milvus has or lacks."""

from collections.abc import Mapping
from typing import Any

from quiver.domain.milvus_fields import Field, FieldIndex, Form, Function
from quiver.domain.milvus_indexes import INDEXES, METRICS
from quiver.domain.milvus_schemas import MilvusSchema

KEY = Field(name="id", type="Int64", primary_key=True, auto_id=True)
VECTOR = Field(name="embedding", type="FloatVector", dimension=8)
TEXT = Field(name="title", type="VarChar", max_length=512, params={"enable_analyzer": "true"})
TERMS = Field(name="terms", type="SparseFloatVector")
BITS = Field(name="bits", type="BinaryVector", dimension=128)
BM25 = Function(name="bm25", type="BM25", input_fields=("title",), output_fields=("terms",))
MINHASH = Function(name="hash", type="MinHash", input_fields=("title",), output_fields=("bits",))
EMBEDDING = Function(
    name="embed",
    type="TextEmbedding",
    input_fields=("title",),
    output_fields=("embedding",),
    params={"provider": "openai", "model_name": "text-embedding-3-small"},
)


def form(*fields: Field, **more: Any) -> Form:
    """Return a form with a key and a vector besides the fields."""
    return Form(fields=(KEY, VECTOR, *fields), **more)


def schema_of(form: Form, *indexes: FieldIndex) -> MilvusSchema:
    return MilvusSchema(
        fields=form.fields,
        dynamic_fields=form.dynamic_fields,
        functions=form.functions,
        indexes=indexes,
    )


def index(field: str, type_: str, metric: str | None = None, **params: int | str) -> FieldIndex:
    return FieldIndex(field=field, type=type_, metric_type=metric, params=params)


def _field(type_: Any, **more: Any) -> Field:
    return Field(name="f", type=type_, **more)


_TEXT = {"max_length": 64}
_ARRAY = {"element_type": "Int64", "max_capacity": 8}
TYPES: Mapping[str, Form] = {
    **{
        type_: form(_field(type_))
        for type_ in ("Bool", "Int8", "Int16", "Int32", "Int64", "Float", "Double", "JSON")
    },
    "VarChar": form(_field("VarChar", **_TEXT)),
    "Array": form(_field("Array", **_ARRAY)),
    "Array of VarChar": form(_field("Array", **_TEXT, **{**_ARRAY, "element_type": "VarChar"})),
    "Geometry": form(_field("Geometry")),
    "Timestamptz": form(_field("Timestamptz")),
    **{
        type_: Form(fields=(KEY, _field(type_, dimension=16)))
        for type_ in (
            "FloatVector",
            "Float16Vector",
            "BFloat16Vector",
            "Int8Vector",
            "BinaryVector",
        )
    },
    "SparseFloatVector": Form(fields=(KEY, _field("SparseFloatVector"))),
}
"""By the field's type."""
ROLES: Mapping[str, Form] = {
    "VarChar key": Form(
        fields=(Field(name="key", type="VarChar", max_length=64, primary_key=True), VECTOR)
    ),
    "description": form(_field("Int64", description="how often")),
    "dynamic fields": form(dynamic_fields=True),
    "partition key": form(_field("VarChar", partition_key=True, **_TEXT)),
    "clustering key": form(_field("Int64", clustering_key=True)),
    "nullable": form(_field("Int64", nullable=True)),
    "nullable vector": form(_field("FloatVector", dimension=8, nullable=True)),
    "default": form(_field("Int64", default=7)),
    "defaults": form(
        Field(name="b", type="Bool", default="true"),
        Field(name="i8", type="Int8", default=-128),
        Field(name="f", type="Float", default="0.1"),
        Field(name="d", type="Double", default="0.1"),
        Field(name="s", type="VarChar", max_length=16, default="none yet"),
    ),
    "default instant": form(_field("Timestamptz", default="2026-01-01T02:00:00+02:00")),
    "second vector": form(_field("FloatVector", dimension=16)),
    "BM25": form(TEXT, TERMS, functions=(BM25,)),
    "TextEmbedding": form(TEXT, functions=(EMBEDDING,)),
    "MinHash": form(TEXT, BITS, functions=(MINHASH,)),
}
"""What a field may be besides, and functions."""
FORMS: Mapping[str, Form] = {**TYPES, **ROLES}

_GRAPH = {"M": 16, "efConstruction": 64}
_LISTS = {"nlist": 16}
_CUT_LISTS = {**_LISTS, "m": 4}
_PARAMS: Mapping[str, Mapping[str, int | str]] = {
    **dict.fromkeys(("HNSW", "HNSW_SQ", "HNSW_PQ", "HNSW_PRQ"), _GRAPH),
    **dict.fromkeys(("IVF_FLAT", "IVF_SQ8", "BIN_IVF_FLAT", "IVF_RABITQ", "SCANN"), _LISTS),
    **dict.fromkeys(("IVF_PQ", "GPU_IVF_PQ"), _CUT_LISTS),
    "GPU_IVF_FLAT": _LISTS,
    "NGRAM": {"min_gram": 2, "max_gram": 3},
}
_PATH: Mapping[str, int | str] = {"json_path": "f['a']", "json_cast_type": "VARCHAR"}
_MINHASH = "MHJACCARD"


def indexes_of(type_: str) -> list[FieldIndex]:
    """Return each kind of index that a field `f` of the type takes, with parameters."""
    found = []
    for kind in INDEXES[type_]:
        params = {**_PARAMS.get(kind, {}), **(_PATH if type_ == "JSON" else {})}
        metrics = METRICS.get(type_, (None,))
        metric = _MINHASH if kind == "MINHASH_LSH" else metrics[0]
        found.append(FieldIndex(field="f", type=kind, metric_type=metric, params=params))
    return found
