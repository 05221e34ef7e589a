"""What the page on whole schemas says of types and indexes is so, and its examples are
applied.
"""

import re
from pathlib import Path

import msgspec
import pytest
import yaml

from quiver.domain.collections import CollectionSpec
from quiver.domain.kubernetes_types import Manifest
from quiver.domain.milvus_forms import ALTERABLE_FUNCTION_PARAMS
from quiver.domain.milvus_indexes import INDEXES, METRICS
from quiver.domain.milvus_versions import VERSIONS, feature_of_field_type

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "milvus-schemas.md").read_text()
SAMPLES = ROOT / "manifests" / "samples" / "collections-milvus-schemas.yaml"
EVERY_VERSION = "2.2 or later"


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def rows(title: str) -> list[list[str]]:
    """Return the cells of the rows of the tables in a section."""
    lines = [line for line in section(title).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def types() -> dict[str, list[str]]:
    """Return the other cells of the table of types, by type."""
    return {name: rest for first, *rest in rows("Types") for name in first.split(", ")}


@pytest.mark.parametrize("type_", INDEXES)
def test_each_type_is_told_with_its_indexes(type_: str) -> None:
    """With the version that has it, its indexes and its metrics, the default first."""
    since, indexes, metrics = types()[type_]
    needs = feature_of_field_type(type_)
    assert since == (EVERY_VERSION if needs is None else f"{VERSIONS[needs].since} or later")
    assert tuple(indexes.split(", ")) == INDEXES[type_]
    assert tuple(metrics.split(", ")) == METRICS.get(type_, ("",))


def test_what_changes_of_a_function_is_told() -> None:
    """All of it, and nothing else."""
    (row,) = (cell for cell, *_ in rows("What may change") if "of a TextEmbedding" in cell)
    assert set(re.findall(r"`(\w+)`", row)) - {"params"} == ALTERABLE_FUNCTION_PARAMS


def examples() -> list[Manifest]:
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def test_the_examples_are_the_samples() -> None:
    """So that whoever applies the file has what the page speaks of."""
    assert examples() == list(yaml.safe_load_all(SAMPLES.read_text()))


@pytest.mark.parametrize("example", examples(), ids=lambda manifest: manifest["metadata"]["name"])
def test_an_example_is_of_the_long_form(example: Manifest) -> None:
    """The operator takes it, and the lines of Python after it use it by its name."""
    spec = msgspec.convert(example["spec"], CollectionSpec)
    assert spec.form is not None
    name = example["metadata"]["name"]
    (block,) = [b for b in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if f'"{name}"' in b]
    assert f'client.insert("{name}"' in block
