"""What the pages on collections on Milvus say of versions and indexes is so."""

import re
from pathlib import Path

import pytest

from quiver.domain.milvus_versions import VERSIONS, Feature
from quiver.domain.takes import TAKES

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE, SCHEMAS = ((DOCS / name).read_text() for name in ("milvus.md", "milvus-schemas.md"))
TABLES = ((PAGE, "Versions"), *((SCHEMAS, t) for t in ("Versions", "Types", "How a schema grows")))
WORDS = {
    Feature.DATABASES: "`milvus.database`",
    Feature.DELETE_PROPERTIES: "taking properties off",
    Feature.MMAP: "`mmap.enabled`",
    Feature.CHANGE_REPLICAS: "another number of replicas",
    Feature.HYPHENS_IN_PARTITIONS: "a hyphen",
    Feature.DYNAMIC_FIELDS: "`dynamicFields`,",
    Feature.PARTITION_KEY: "`partitionKey`",
    Feature.CLUSTERING_KEY: "`clusteringKey`",
    Feature.NULLABLE: "`nullable`,",
    Feature.NULLABLE_VECTOR: "`nullable` for vectors",
    Feature.DEFAULT: "`default`",
    Feature.SEVERAL_VECTORS: "a second field of vectors",
    Feature.ARRAY: "Array",
    Feature.GEOMETRY: "Geometry",
    Feature.TIMESTAMPTZ: "Timestamptz",
    Feature.FLOAT16VECTOR: "Float16Vector",
    Feature.BFLOAT16VECTOR: "BFloat16Vector",
    Feature.SPARSEFLOATVECTOR: "SparseFloatVector",
    Feature.INT8VECTOR: "Int8Vector",
    Feature.NULLABLE_INPUT: "BM25 over a `nullable` field",
    Feature.TEXTEMBEDDING: "TextEmbedding",
    Feature.MINHASH: "the function MinHash",
    Feature.ADD_FIELD: "a nullable field that holds no vectors",
    Feature.ADD_VECTOR_FIELD: "a nullable field of vectors",
    Feature.ALTER_FIELD: "`maxLength`, `maxCapacity`",
    Feature.DESCRIBE_FIELD: "`description`, `warmup`",
    Feature.WARM_FIELD: "`description`, `warmup`",
    Feature.ADD_FUNCTION: "a TextEmbedding over fields",
    Feature.ADD_FUNCTION_WITH_FIELD: "together with its output field",
    Feature.DROP_LOADED_INDEX: "while the collection is loaded",
    Feature.ENABLE_DYNAMIC_FIELDS: "`dynamicFields` turned on",
}
"""How the pages call what has no name of its own."""
MISSING = (Feature.ANNOY, Feature.TANIMOTO)
"""What only versions had that Quiver knows, and does not offer."""


def rows(page: str, title: str) -> list[str]:
    """Return the rows of the tables in a section of the page."""
    section = page.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    return [line for line in section.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize("feature", [f for f in VERSIONS if f not in MISSING], ids=lambda f: f.name)
def test_each_version_is_that_of_the_table(feature: Feature) -> None:
    """A row of one of the pages names the feature, and the version that has it first."""
    word = WORDS.get(feature, feature.name)
    found = [row for table in TABLES for row in rows(*table) if word in row]
    assert any(f"| {VERSIONS[feature].since} or later" in row for row in found), found


def test_the_indexes_over_each_metric_are_those_of_the_table() -> None:
    """Each metric, with the types that engines of type Milvus take for it."""
    rows = re.findall(
        r"^\| ([A-Z0-9, ]+) \| ([A-Z_0-9, ]+|none)(?: \(.*\))? \|$", PAGE, re.MULTILINE
    )
    told = {
        metric: () if types.strip() == "none" else tuple(types.strip().split(", "))
        for metrics, types in rows
        for metric in metrics.split(", ")
    }
    assert told == TAKES["Milvus"].indexes
