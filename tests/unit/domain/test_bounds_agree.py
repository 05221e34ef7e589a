"""Operator, CRDs, engine and fake engine take the same values."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import yaml
from msgspec import inspect

from quiver.adapters.milvus1.answers import MOST_COLLECTIONS, MOST_PARTITIONS
from quiver.domain import milvus_indexes
from quiver.domain.capabilities import CAPABILITIES
from quiver.domain.collection_schemas import CollectionSchema
from quiver.domain.collections import PARTITION_BYTES, VectorCollection
from quiver.domain.engines import (
    COLLECTIONS_AND_PARTITIONS,
    MILVUS_COLLECTIONS_AND_PARTITIONS,
    MOST_COLLECTIONS_AND_PARTITIONS,
    EngineType,
    VectorEngine,
)
from quiver.domain.kubernetes_types import Condition, ObjectMeta
from quiver.domain.takes import TAKES
from quiver.ports.errors import EngineRefused
from quiver.reconcile.engines.revisions import HELD
from quiver.reconcile.engines.workload import stateful_set_for
from quiver_engine import cli, model
from support import fake_engine
from support.builders import engine
from support.fake_engine import FakeEngine

ROOT = Path(__file__).parents[3]
CRDS = ROOT / "crds"
POLICIES = ROOT / "charts" / "quiver" / "templates" / "_admission.tpl"
RANGES = ("minimum", "maximum")


class Field(NamedTuple):
    """A field of an API object: what the operator's type says of it, and what the CRD does."""

    path: str
    operator: dict[str, Any]
    crd: dict[str, Any]


def crd_of(plural: str) -> dict[str, Any]:
    crd = yaml.safe_load((CRDS / f"quiver.dev_{plural}.yaml").read_text())
    schema: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def fields_in(type_: inspect.Type, schema: dict[str, Any], path: str) -> Iterator[Field]:
    """Yield all fields below a type, as deep as both sides name them."""
    match type_:
        case inspect.UnionType(types=types):
            for option in types:
                if not isinstance(option, inspect.NoneType):
                    yield from fields_in(option, schema, path)
        case inspect.StructType(cls=cls, fields=fields) if cls not in (ObjectMeta, Condition):
            for field in fields:
                below, name = schema["properties"][field.encode_name], field.encode_name
                if "default" in below and name != "status":
                    default = {"default": msgspec.to_builtins(field.default)}
                    yield Field(f"{path}.{name}", default, {"default": below["default"]})
                yield from fields_in(field.type, below, f"{path}.{name}")
        case inspect.VarTupleType(item_type=item):
            yield Field(path, bounds_of(type_), schema)
            yield from fields_in(item, schema["items"], f"{path}[]")
        case inspect.DictType(value_type=value):
            yield Field(path, bounds_of(type_), schema)
            if "additionalProperties" in schema:
                yield from fields_in(value, schema["additionalProperties"], f"{path}{{}}")
        case _:
            yield Field(path, bounds_of(type_), schema)


def bounds_of(type_: inspect.Type) -> dict[str, Any]:
    """Return what a type allows, in the words of a schema."""
    match type_:
        case inspect.IntType(ge=least, le=most):
            found = {"minimum": least, "maximum": most}
        case inspect.StrType(min_length=least, max_length=most, pattern=pattern):
            found = {"minLength": least, "maxLength": most, "pattern": pattern}
        case inspect.LiteralType(values=values):
            found = {"enum": sorted(values)}
        case inspect.VarTupleType(min_length=least, max_length=most):
            found = {"minItems": least, "maxItems": most}
        case inspect.DictType(min_length=least, max_length=most):
            found = {"minProperties": least, "maxProperties": most}
        case _:
            found = {}
    return {name: value for name, value in found.items() if value is not None}


FIELDS = [
    field
    for plural, cls in (("vectorcollections", VectorCollection), ("vectorengines", VectorEngine))
    for field in fields_in(inspect.type_info(cls), crd_of(plural), cls.__name__)
]
BOUNDED = [field for field in FIELDS if field.operator]
IN_RANGES = [f for f in FIELDS if ".spec." in f.path and any(name in f.crd for name in RANGES)]


@pytest.mark.parametrize("field", BOUNDED, ids=lambda field: field.path)
def test_what_the_operator_bounds_the_crd_bounds_alike(field: Field) -> None:
    """Enumerations, ranges, sizes, patterns and defaults are the same on both sides. Where the CRD
    lists words that the operator only bounds, these are within the bounds.
    """
    if "enum" in field.crd and "enum" not in field.operator:
        check_words(field)
        return
    crd = {name: value for name, value in field.crd.items() if name in field.operator}
    if "enum" in crd:
        crd["enum"] = sorted(crd["enum"])
    assert field.operator == crd


def check_words(field: Field) -> None:
    words, most = field.crd["enum"], field.operator["maxLength"]
    assert all(re.fullmatch(field.operator["pattern"], word) for word in words)
    assert max(map(len, words)) <= most


@pytest.mark.parametrize("field", IN_RANGES, ids=lambda field: field.path)
def test_a_range_of_the_crd_is_the_operators_too(field: Field) -> None:
    """A CRD that somebody loosened lets no number through that Quiver cannot handle."""
    crd = {name: field.crd[name] for name in RANGES if name in field.crd}
    assert {name: field.operator.get(name) for name in crd} == crd


def spec_field(name: str) -> dict[str, Any]:
    found: dict[str, Any] = crd_of("vectorcollections")["properties"]["spec"]["properties"][name]
    return found


def test_the_engine_takes_what_the_crd_takes() -> None:
    """What passes admission is not refused by Quiver's engine for its size."""
    engines = crd_of("vectorengines")["properties"]["spec"]
    limits = engines["properties"]["limits"]["properties"]
    assert spec_field("dimension")["maximum"] == model.MAX_DIMENSION
    assert spec_field("indexFileSize")["maximum"] == model.MAX_INDEX_FILE_SIZE_MB
    assert spec_field("collectionName")["maxLength"] == model.NAME_BYTES
    assert spec_field("partitions")["items"]["maxLength"] == model.TAG_BYTES
    assert set(TAKES["Quiver"].indexes) == {metric.name for metric in model.Metric}
    (rule,) = spec_field("partitions")["x-kubernetes-validations"]
    assert str(PARTITION_BYTES) in rule["rule"]
    assert str(PARTITION_BYTES) in rule["message"]
    most = model.MAX_COLLECTIONS_AND_PARTITIONS
    assert most == MOST_COLLECTIONS == MOST_COLLECTIONS_AND_PARTITIONS
    rules = [rule["rule"] for rule in engines["x-kubernetes-validations"]]
    assert any(f"self.limits.maxCollectionsAndPartitions <= {most}" in rule for rule in rules)
    of_milvus = limits["maxCollectionsAndPartitions"]["maximum"]
    assert of_milvus == MILVUS_COLLECTIONS_AND_PARTITIONS
    assert model.COLLECTIONS_AND_PARTITIONS == COLLECTIONS_AND_PARTITIONS
    assert spec_field("partitions")["maxItems"] == model.MAX_PARTITIONS == MOST_PARTITIONS - 1


@pytest.mark.parametrize("type_", CAPABILITIES)
def test_what_absent_means_is_said_alike(type_: EngineType) -> None:
    """In the operator, in the CRD's transition rules and descriptions, in the chart's policies."""
    spec = crd_of("vectorcollections")["properties"]["spec"]
    rules = " ".join(rule["rule"] for rule in spec["x-kubernetes-validations"])
    defaults = CAPABILITIES[type_].schema_defaults
    for field, value, in_cel in (
        ("indexFileSize", defaults.index_file_size, f"{defaults.index_file_size}"),
        ("metricType", defaults.metric_type, f"'{defaults.metric_type}'"),
    ):
        if value is None:
            continue  # the engine's own, which no spec names
        for self in ("self", "oldSelf"):
            assert f"(has({self}.{field}) ? {self}.{field} : {in_cel})" in rules
        expression = f'"has(object.spec.{field}) ? object.spec.{field} : {in_cel}"'
        assert expression in POLICIES.read_text()
        assert f"{value} when absent." in spec_field(field)["description"]


def test_every_metric_and_index_of_the_crd_is_some_engines() -> None:
    """What no type of engine takes would be taken by the API server, and by nobody else."""
    index = spec_field("index")["properties"]["type"]["enum"]
    metrics = {metric for takes in TAKES.values() for metric in takes.indexes}
    assert metrics == set(spec_field("metricType")["enum"])
    types = {t for takes in TAKES.values() for over in takes.indexes.values() for t in over}
    assert types == set(index)


@pytest.mark.parametrize("at", ["spec", "status"])
def test_every_index_and_metric_of_a_field_of_milvus_is_in_the_crd(at: str) -> None:
    """Those that some type of field takes, and no others."""
    milvus = crd_of("vectorcollections")["properties"][at]["properties"]["milvus"]
    schema = milvus["properties"]["schema"] if at == "spec" else milvus
    index = schema["properties"]["indexes"]["items"]["properties"]
    for name, table in (("type", milvus_indexes.INDEXES), ("metricType", milvus_indexes.METRICS)):
        assert {*index[name]["enum"]} == {word for words in table.values() for word in words}


def test_a_held_rollout_holds_back_every_pod_that_an_engine_may_have() -> None:
    """The StatefulSet replaces pods whose ordinal is not below the partition."""
    replicas = crd_of("vectorengines")["properties"]["spec"]["properties"]["replicas"]
    assert replicas["maximum"] <= HELD


def test_the_engine_knows_the_options_of_its_pods() -> None:
    """Each by its name; that of limits with the highest value that the CRD allows."""
    most = model.MAX_COLLECTIONS_AND_PARTITIONS
    spec = {
        "limits": {"maxCollectionsAndPartitions": most},
        "resources": {"limits": {"memory": "8Gi"}},
        "tls": {"secretName": "t", "clientCASecretName": "c"},
    }
    parsed = msgspec.convert(engine(spec=spec), VectorEngine)
    template = stateful_set_for(parsed, image="quiver-engine:1", replicas=1)["spec"]["template"]
    command, *options = template["spec"]["containers"][0]["args"]
    assert command == "engine"
    known = cli.engine.make_context("engine", options).params
    assert known["max_collections_and_partitions"] == most


def create(**fields: Any) -> None:
    defaults = {"name": "docs", "dimension": 8, "index_file_size": 1024, "metric_type": "L2"}
    FakeEngine().create(CollectionSchema(**defaults | fields))


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("dimension", 1, model.MAX_DIMENSION),
        ("index_file_size", 1, model.MAX_INDEX_FILE_SIZE_MB),
    ],
)
def test_the_fake_engine_has_the_ranges_of_the_real_one(field: str, least: int, most: int) -> None:
    """A test with the fake meets no number that the engine would have refused, or the reverse."""
    for taken in (least, most):
        create(**{field: taken})
    for refused in (least - 1, most + 1):
        with pytest.raises(EngineRefused):
            create(**{field: refused})


def test_the_fake_engine_has_the_names_and_metrics_of_the_real_one() -> None:
    """Names of up to 255 bytes, and every metric of the protocol."""
    create(name="x" * model.NAME_BYTES)
    with pytest.raises(EngineRefused):
        create(name="x" * (model.NAME_BYTES + 1))
    assert {metric.name for metric in model.Metric} == fake_engine.METRICS
