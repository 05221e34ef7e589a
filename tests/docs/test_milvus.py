"""What the page on collections on Milvus says of versions and indexes is so."""

import re
from pathlib import Path

import pytest

from quiver.domain.milvus_versions import VERSIONS, Feature
from quiver.domain.takes import TAKES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "milvus.md").read_text()
WORDS = {
    Feature.DATABASES: "`milvus.database`",
    Feature.DELETE_PROPERTIES: "taking properties off",
    Feature.MMAP: "`mmap.enabled`",
    Feature.CHANGE_REPLICAS: "another number of replicas",
    Feature.HYPHENS_IN_PARTITIONS: "a hyphen",
}
"""How the page calls what has no name of its own."""
MISSING = (Feature.ANNOY, Feature.TANIMOTO)
"""What only versions had that Quiver knows, and does not offer."""


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize("feature", [f for f in VERSIONS if f not in MISSING], ids=lambda f: f.name)
def test_each_version_is_that_of_the_table(feature: Feature) -> None:
    """A row of the page names the feature, and the version that has it first."""
    word = WORDS.get(feature, feature.name)
    rows = [row for row in section("Versions").splitlines() if word in row]
    assert any(f"| {VERSIONS[feature].since} or later" in row for row in rows), rows


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
