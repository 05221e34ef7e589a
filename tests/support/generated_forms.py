"""Schemas of collections on Milvus, generated: all that a spec takes."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from quiver.domain.milvus_fields import DENSE_VECTORS, Field, FieldIndex, Function
from quiver.domain.milvus_indexes import INDEXES, METRICS
from quiver.domain.milvus_schemas import MilvusSchema

_ELEMENTS = ("Bool", "Int8", "Int16", "Int32", "Int64", "Float", "Double", "VarChar")
_DEFAULTS: dict[str, st.SearchStrategy[int | str]] = {
    "Bool": st.sampled_from(["true", "false"]),
    "Float": st.sampled_from(["0.5", "-2"]),
    "Double": st.sampled_from(["0.1", "1e300"]),
    "VarChar": st.sampled_from(["", "none", "7", "it's: {odd}"]),
    **dict.fromkeys(("Int8", "Int16", "Int32", "Int64"), st.integers(-128, 127)),
    "Timestamptz": st.just("2024-05-01T10:00:00Z"),
}
_ROLES = ("primary_key", "partition_key")
_PARAMS = st.dictionaries(
    st.sampled_from(["M", "nlist", "inverted_index_algo", "mmap.enabled", "json_path"]),
    st.one_of(st.integers(-(10**9), 10**9), st.sampled_from(["true", "DAAT_WAND", "/a/b", "1.50"])),
    max_size=3,
)
_DESCRIPTIONS = st.sampled_from(["", "What it is about.", "yes", "a: b # c"])


@st.composite
def schemas(draw: Callable[[st.SearchStrategy[Any]], Any]) -> MilvusSchema:
    """A primary key, vectors, and other fields, each with an index or none."""
    key = _field("id", draw(st.sampled_from(["Int64", "VarChar"])), primary_key=True)
    vectors = [
        draw(fields(f"vector_{n}" if n else "vector", type_))
        for n, type_ in enumerate(
            draw(st.lists(st.sampled_from(sorted(METRICS)), min_size=1, max_size=3))
        )
    ]
    types = draw(st.lists(st.sampled_from(sorted(INDEXES.keys() - METRICS.keys())), max_size=5))
    others = [draw(fields(f"field_{n}", type_)) for n, type_ in enumerate(types)]
    form = draw(st.permutations([key, *vectors, *_with_one_partition_key(others)]))
    functions, made = draw(_functions())
    listed = [draw(_index(field)) for field in form if draw(st.booleans())]
    return MilvusSchema(
        fields=(*form, *made),
        dynamic_fields=draw(st.booleans()),
        functions=functions,
        indexes=tuple(listed),
    )


@st.composite
def fields(draw: Callable[[st.SearchStrategy[Any]], Any], name: str, type_: str) -> Field:
    """A field of the type that is no primary key."""
    may_be_key = type_ in ("Int64", "VarChar") and draw(st.booleans())
    has_default = type_ in _DEFAULTS and draw(st.booleans())
    return _field(
        name,
        type_,
        description=draw(_DESCRIPTIONS),
        partition_key=may_be_key,
        nullable=not may_be_key and draw(st.booleans()),
        default=draw(_DEFAULTS[type_]) if has_default else None,
        params=draw(st.sampled_from([{}, {"mmap.enabled": "true"}, {"enable_analyzer": "true"}])),
        element_type=draw(st.sampled_from(_ELEMENTS)) if type_ == "Array" else None,
    )


def _field(name: str, type_: str, **rest: Any) -> Field:
    """Return a field with what its type requires."""
    asked: dict[str, Any] = {}
    if type_ in DENSE_VECTORS | {"BinaryVector"}:
        asked["dimension"] = 16
    if "VarChar" in (type_, rest.get("element_type")):
        asked["max_length"] = 64
    if type_ == "Array":
        asked["max_capacity"] = 8
    return Field(name=name, type=type_, **asked, **rest)  # type: ignore[arg-type]


def _with_one_partition_key(others: list[Field]) -> list[Field]:
    keys = [field for field in others if field.partition_key]
    return [field for field in others if field not in keys[1:]]


@st.composite
def _functions(
    draw: Callable[[st.SearchStrategy[Any]], Any],
) -> tuple[tuple[Function, ...], tuple[Field, ...]]:
    if not draw(st.booleans()):
        return (), ()
    text = _field("text", "VarChar", params={"enable_analyzer": "true"})
    terms = Field(name="terms", type="SparseFloatVector")
    function = Function(name="bm25", type="BM25", input_fields=("text",), output_fields=("terms",))
    return (function,), (text, terms)


@st.composite
def _index(draw: Callable[[st.SearchStrategy[Any]], Any], field: Field) -> FieldIndex:
    metrics = METRICS.get(field.type)
    return FieldIndex(
        field=field.name,
        type=draw(st.sampled_from(INDEXES[field.type])),
        metric_type=draw(st.sampled_from(metrics)) if metrics else None,
        params=draw(_PARAMS),
    )
