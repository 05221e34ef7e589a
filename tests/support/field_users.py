"""Schemas as users bring them, with their indexes."""

from collections.abc import Mapping

from quiver.domain.milvus_fields import Field
from quiver.domain.milvus_schemas import MilvusSchema
from support.field_kinds import BM25, index

_TENANT = Field(name="tenant", type="VarChar", max_length=64, partition_key=True)
_TITLE = Field(
    name="title",
    type="VarChar",
    max_length=512,
    nullable=True,
    params={"enable_analyzer": "true"},
)


def _key(name: str = "id") -> Field:
    return Field(name=name, type="VarChar", max_length=64, primary_key=True)


def _vector(dimension: int = 768) -> Field:
    return Field(name="embedding", type="FloatVector", dimension=dimension)


_HNSW = index("embedding", "HNSW", "COSINE", M=16, efConstruction=200)
USERS: Mapping[str, MilvusSchema] = {
    "answers from documents, with filters": MilvusSchema(
        fields=(
            _key(),
            Field(name="text", type="VarChar", max_length=8192),
            Field(name="source", type="VarChar", max_length=256, description="where it is from"),
            Field(name="page", type="Int32"),
            Field(name="about", type="JSON"),
            Field(
                name="tags", type="Array", element_type="VarChar", max_length=64, max_capacity=32
            ),
            _vector(),
        ),
        dynamic_fields=True,
        indexes=(_HNSW, index("page", "STL_SORT"), index("source", "Trie")),
    ),
    "words and meaning": MilvusSchema(
        fields=(_key(), _TITLE, _vector(), Field(name="terms", type="SparseFloatVector")),
        functions=(BM25,),
        indexes=(_HNSW, index("terms", "SPARSE_INVERTED_INDEX", "BM25")),
    ),
    "many tenants": MilvusSchema(
        fields=(_key(), _TENANT, _vector()),
        indexes=(index("embedding", "IVF_FLAT", "IP", nlist=128),),
    ),
    "images and their hashes": MilvusSchema(
        fields=(
            Field(name="id", type="Int64", primary_key=True),
            Field(name="url", type="VarChar", max_length=2048),
            Field(name="hash", type="BinaryVector", dimension=256),
        ),
        indexes=(index("hash", "BIN_IVF_FLAT", "HAMMING", nlist=128),),
    ),
    "images by look and hash": MilvusSchema(
        fields=(
            Field(name="id", type="Int64", primary_key=True),
            Field(name="look", type="Float16Vector", dimension=512),
            Field(name="hash", type="BinaryVector", dimension=256),
        ),
        indexes=(index("look", "HNSW", "IP", M=32, efConstruction=100),),
    ),
    "logs that pass": MilvusSchema(
        fields=(
            Field(name="id", type="Int64", primary_key=True, auto_id=True),
            Field(name="line", type="VarChar", max_length=4096),
            Field(name="level", type="Int8", default=0, nullable=True),
            _vector(384),
        ),
        indexes=(index("level", "INVERTED"),),
    ),
}
