"""The CRD's rules for long forms and the operator's, over every type of field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from quiver.domain.collections import CollectionSpec
from quiver.domain.milvus_indexes import INDEXES, METRICS
from support.bad_milvus_schemas import KEY, VECTOR, field_of, more, whole

LONG = {"dimension": None}
VARIATIONS: dict[str, Any] = {
    "maxLength": (None, 8),
    "dimension": (None, 8, 12),
    "elementType": (None, "Int8", "VarChar"),
    "maxCapacity": (None, 8),
    "default": (1, -200, "1", "0.5", "1e-7", "true", "", "nan", "99999999999"),
    **dict.fromkeys(("autoID", "primaryKey", "partitionKey", "clusteringKey", "nullable"), (True,)),
}


def variations(type_: str) -> Iterator[dict[str, Any]]:
    """Fields of the type, each with one attribute more or less than it needs."""
    needed = field_of(type_)
    for name, values in VARIATIONS.items():
        for value in values:
            varied = needed | {name: value}
            yield {key: v for key, v in varied.items() if v is not None}


@pytest.mark.parametrize("type_", INDEXES)
def test_the_operator_takes_the_same_fields(collections: Any, type_: str) -> None:
    """Whatever is given that a type does not need, or left out that it needs."""
    taken = set()
    for field in variations(type_):
        fields = (VECTOR, field) if field.get("primaryKey") else (KEY, VECTOR, field)
        spec = whole(*fields)
        try:
            msgspec.convert({"engineRef": {"name": "main"}, **spec}, CollectionSpec)
            is_taken = True
        except msgspec.ValidationError:
            is_taken = False
        assert (collections.try_create(LONG | spec) == []) is is_taken, field
        taken.add(is_taken)
    assert taken == {True, False}


@pytest.mark.parametrize("type_", INDEXES)
def test_each_type_of_field_takes_its_indexes_and_metrics_and_no_others(
    collections: Any, schemas: Any, type_: str
) -> None:
    """As the operator's table has them: all are tried in one collection for each index."""
    index = schemas["vectorcollections"]["properties"]["spec"]["properties"]["milvus"]
    index = index["properties"]["schema"]["properties"]["indexes"]["items"]["properties"]
    for kind in index["type"]["enum"]:
        spec = LONG | more(field_of(type_), indexes=[{"field": "x", "type": kind}])
        assert (collections.try_create(spec) == []) is (kind in INDEXES[type_]), kind
    for metric in index["metricType"]["enum"]:
        indexes = [{"field": "x", "type": "AUTOINDEX", "metricType": metric}]
        spec = LONG | more(field_of(type_), indexes=indexes)
        assert (collections.try_create(spec) == []) is (metric in METRICS.get(type_, ())), metric
