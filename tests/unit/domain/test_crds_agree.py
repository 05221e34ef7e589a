"""The operator's types and the CRDs know the same fields."""

from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import yaml

from quiver.domain.collections import VectorCollection
from quiver.domain.engines import VectorEngine
from quiver.domain.kubernetes_types import Condition, ObjectMeta

CRDS = Path(__file__).parents[3] / "crds"
NOT_COMPARED = (ObjectMeta, Condition)


@pytest.mark.parametrize(
    ("file", "struct"),
    [
        ("quiver.dev_vectorcollections.yaml", VectorCollection),
        ("quiver.dev_vectorengines.yaml", VectorEngine),
    ],
)
def test_types_and_crd_have_the_same_fields(file: str, struct: type[msgspec.Struct]) -> None:
    """A field that only one of them knows would be accepted and ignored, or written and lost."""
    crd = yaml.safe_load((CRDS / file).read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    compare(schema["properties"], struct, struct.__name__)


def compare(properties: dict[str, Any], struct: type[msgspec.Struct], path: str) -> None:
    fields = {f.encode_name: f.type for f in msgspec.structs.fields(struct)}
    known = set(properties) - {"apiVersion", "kind"}
    assert known == set(fields), path
    for name, type_ in fields.items():
        inner = struct_in(type_)
        if inner is not None and inner not in NOT_COMPARED:
            schema = properties[name].get("items", properties[name])
            compare(schema["properties"], inner, f"{path}.{name}")


def struct_in(type_: Any) -> type[msgspec.Struct] | None:
    """Return the struct that a field's type is, or holds."""
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return type_
    return next(filter(None, map(struct_in, get_args(type_))), None)
