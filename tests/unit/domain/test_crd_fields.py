"""Whether a CRD has the fields of this version: those of the repository do."""

import copy
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from quiver.domain.collections import VectorCollection
from quiver.domain.crd_fields import lacking, unknown
from quiver.domain.engines import VectorEngine

CRDS = Path(__file__).parents[3] / "crds"


def schema(name: str) -> dict[str, Any]:
    crd = yaml.safe_load((CRDS / f"quiver.dev_{name}.yaml").read_text())
    found: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


@pytest.mark.parametrize(
    ("name", "struct"),
    [("vectorcollections", VectorCollection), ("vectorengines", VectorEngine)],
)
def test_the_crds_have_just_what_is_known(name: str, struct: type[msgspec.Struct]) -> None:
    assert list(lacking(schema(name), struct)) == []
    assert list(unknown(schema(name), struct)) == []


def test_fields_are_named_by_their_path() -> None:
    """At any depth; a whole part that is missing is named once."""
    found = copy.deepcopy(schema("vectorcollections"))
    spec = found["properties"]["spec"]["properties"]
    del spec["milvus"]["properties"]["load"], spec["index"]
    found["properties"]["status"]["properties"]["later"] = {"type": "string"}
    assert list(lacking(found, VectorCollection)) == ["spec.index", "spec.milvus.load"]
    assert "status.later" in unknown(found, VectorCollection)


class Item(msgspec.Struct):
    name: str


class Whole(msgspec.Struct):
    items: tuple[Item, ...] = ()


def test_fields_in_lists_are_compared() -> None:
    item = {"type": "object", "properties": {"later": {"type": "string"}}}
    found = {"properties": {"items": {"type": "array", "items": item}}}
    assert list(lacking(found, Whole)) == ["items.name"]
    assert list(unknown(found, Whole)) == ["items.later"]


def test_a_schema_of_another_shape_lacks_nothing_that_could_be_told() -> None:
    assert list(lacking({"type": "object"}, VectorEngine)) == []
