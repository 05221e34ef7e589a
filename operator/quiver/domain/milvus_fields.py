"""The fields, functions and indexes of a collection on Milvus 2.x, as a spec declares them."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from quiver.domain.kubernetes_types import Struct

FieldType = Literal[
    "Bool",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "Float",
    "Double",
    "VarChar",
    "JSON",
    "Array",
    "Geometry",
    "Timestamptz",
    "FloatVector",
    "Float16Vector",
    "BFloat16Vector",
    "Int8Vector",
    "BinaryVector",
    "SparseFloatVector",
]
ElementType = Literal["Bool", "Int8", "Int16", "Int32", "Int64", "Float", "Double", "VarChar"]
FunctionType = Literal["BM25", "TextEmbedding", "MinHash"]
FieldName = Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$", max_length=255)]
FieldParams = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=256)],
        int | Annotated[str, Meta(max_length=4096)],
    ],
    Meta(max_length=16),
]
IndexParams = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=256)],
        int | Annotated[str, Meta(max_length=256)],
    ],
    Meta(max_length=32),
]
DENSE_VECTORS = frozenset({"FloatVector", "Float16Vector", "BFloat16Vector", "Int8Vector"})
VECTORS = DENSE_VECTORS | {"BinaryVector", "SparseFloatVector"}
ALTERABLE_PARAMS = frozenset({"mmap.enabled", "warmup"})
"""Parameters of a field that Milvus changes after its creation."""
ADDED_WITH_OUTPUT = frozenset({"BM25", "MinHash"})
"""Functions that Milvus adds only together with their output field, and the others only without."""
MOST_FIELDS = 64
MOST_FUNCTIONS = 16


class Field(Struct, frozen=True, kw_only=True):
    """A field of a collection. `params` has what else Milvus takes for it, by its own names.

    `default` is text or a whole number; `0.5` and `true` are written as text.
    """

    name: FieldName
    type: FieldType
    description: Annotated[str, Meta(max_length=1024)] = ""
    primary_key: bool = False
    auto_id: bool = msgspec.field(default=False, name="autoID")
    partition_key: bool = False
    clustering_key: bool = False
    nullable: bool = False
    default: int | Annotated[str, Meta(max_length=4096)] | None = None
    dimension: Annotated[int, Meta(ge=1, le=32768)] | None = None
    max_length: Annotated[int, Meta(ge=1, le=65535)] | None = None
    element_type: ElementType | None = None
    max_capacity: Annotated[int, Meta(ge=1, le=4096)] | None = None
    params: FieldParams = msgspec.field(default_factory=dict)

    @property
    def is_vector(self) -> bool:
        return self.type in VECTORS


class Function(Struct, frozen=True, kw_only=True):
    """Computes fields from others when rows are inserted, such as BM25's terms from a text."""

    name: FieldName
    type: FunctionType
    input_fields: Annotated[tuple[FieldName, ...], Meta(min_length=1, max_length=16)]
    output_fields: Annotated[tuple[FieldName, ...], Meta(min_length=1, max_length=16)]
    description: Annotated[str, Meta(max_length=1024)] = ""
    params: FieldParams = msgspec.field(default_factory=dict)


class FieldIndex(Struct, frozen=True, kw_only=True):
    """The index of one field. `type`, `metric_type` and `params` are Milvus' own words."""

    field: FieldName
    type: Annotated[str, Meta(pattern="^[A-Za-z0-9_]+$", max_length=64)]
    metric_type: Annotated[str, Meta(pattern="^[A-Za-z0-9_]+$", max_length=64)] | None = None
    params: IndexParams = msgspec.field(default_factory=dict)

    def is_met_by(self, found: "FieldIndex") -> bool:
        """Tell whether `found` has all that this index asks for, but for the metric. Milvus returns
        numbers as strings, and adds its defaults.
        """
        if found.type != self.type:
            return False
        return all(str(found.params.get(key)) == str(value) for key, value in self.params.items())


class Form(Struct, frozen=True, kw_only=True):
    """What the rows of a collection are made of.

    The short form of a spec, with its `dimension`, stands for two fields (`short_form`).
    """

    fields: Annotated[tuple[Field, ...], Meta(min_length=1, max_length=MOST_FIELDS)]
    dynamic_fields: bool = False
    functions: Annotated[tuple[Function, ...], Meta(max_length=MOST_FUNCTIONS)] = ()

    def find(self, name: str) -> Field | None:
        return next((field for field in self.fields if field.name == name), None)

    @property
    def vectors(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.is_vector)

    def is_output(self, name: str, type_: FunctionType) -> bool:
        """Tell whether a function of the type computes the field."""
        return any(f.type == type_ and name in f.output_fields for f in self.functions)
