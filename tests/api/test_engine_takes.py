"""What the admission policy makes of a collection that its engine's type does not take."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from kubernetes.client.exceptions import ApiException

from localcluster import ControlPlane
from quiver.domain.collections import CollectionSpec
from quiver.domain.engines import EngineSpec
from quiver.domain.takes import MILVUS_1_PARAMS, TAKES, refusals
from support.bad_milvus_schemas import more
from support.index_rules import ranges_in
from support.milvus_schemas import GOOD_SCHEMAS
from support.waiting import wait_until

INSTALL = Path(__file__).parents[2] / "manifests" / "install.yaml"
AT = {"external": {"endpoints": ["milvus.example.org:19530"]}}
ENGINES: dict[str, Any] = {
    "ours": {},
    "official": {"type": "Milvus1", "image": "milvusdb/milvus:1.1.1-cpu"},
    "milvus": {"type": "Milvus", **AT},
    "told": {"type": "Milvus", **AT, "milvus": {"segmentMaxSize": 512}},
}
METRICS = sorted({metric for takes in TAKES.values() for metric in takes.indexes})
TYPES = sorted({t for takes in TAKES.values() for over in takes.indexes.values() for t in over})


def on(engine: str, **spec: Any) -> Any:
    return {"engineRef": {"name": engine}, "dimension": 256, **spec}


@pytest.fixture(scope="module")
def policy(control_plane: ControlPlane, client: Any) -> Iterator[None]:
    """The policy as install.yaml brings it."""
    found = [m for m in yaml.safe_load_all(INSTALL.read_text()) if "Admission" in m["kind"]]
    named = [m for m in found if m["metadata"]["name"].endswith("engine-takes")]
    text = yaml.safe_dump_all(named)
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", input=text)
    yield
    control_plane.kubectl("delete", "--filename=-", input=text)


@pytest.fixture(scope="module")
def guarded(policy: None, control_plane: ControlPlane, resource_in: Any) -> Iterator[Any]:
    """VectorCollections to try, where all engines above are and the policy watches."""
    here = f"takes-{uuid.uuid4().hex[:8]}"
    control_plane.create_namespace(here)
    engines, collections = (resource_in(here, f"vector{k}") for k in ("engines", "collections"))
    for name, spec in ENGINES.items():
        engines.create(spec, name)
    for name in ENGINES:
        wait_until(
            lambda name=name: collections.admission(on(name, metricType=wrong(name))).refusal,
            f"the policy knows {name}",
        )
    yield collections
    control_plane.kubectl("delete", "namespace", here, "--wait=false")


def wrong(engine: str) -> str:
    return "TANIMOTO" if ENGINES[engine].get("type") == "Milvus" else "COSINE"


def params_for(type_: str, schemas: Any) -> dict[str, int]:
    """Return the least parameters with which the CRD takes an index of this type."""
    spec = schemas["vectorcollections"]["properties"]["spec"]["properties"]
    ranges = ranges_in(spec["index"])
    return {name: ranges[name][0] for name in MILVUS_1_PARAMS.get(type_, ())}


def indexed(type_: str, metric: str, schemas: Any) -> Any:
    index = {"type": type_, "params": params_for(type_, schemas)}
    return {"metricType": metric, "index": index}


def is_taken(engine: str, spec: Any) -> bool:
    """Tell whether the operator takes it."""
    parsed = msgspec.convert(on(engine, **spec), CollectionSpec)
    metric = parsed.metric_type or (None if parsed.form else "L2")
    of = {key: value for key, value in ENGINES[engine].items() if key != "image"}
    return not list(refusals(parsed, metric, msgspec.convert(of, EngineSpec)))


@pytest.mark.parametrize("engine", ENGINES)
def test_metrics_and_indexes_are_taken_as_the_operator_takes_them(
    guarded: Any, schemas: Any, engine: str
) -> None:
    """Each metric, and each type of index over it; the CRD's own rules hold for all engines."""
    specs = [{"metricType": metric} for metric in METRICS]
    specs += [indexed(type_, metric, schemas) for metric in METRICS for type_ in TYPES]
    of_any_engine = [s for s in specs if any(is_taken(each, s) for each in ENGINES)]
    assert len(of_any_engine) > 30
    for spec in of_any_engine:
        refusal = guarded.admission(on(engine, **spec)).refusal
        assert (refusal is None) is is_taken(engine, spec), (spec, refusal)


LONG = {"dimension": None, **more()}
REFUSED: dict[str, tuple[str, Any, str]] = {
    "cosine": ("ours", {"metricType": "COSINE"}, "COSINE is not taken by engines of type Quiver"),
    "cosine on Milvus 1": ("official", {"metricType": "COSINE"}, "take one of"),
    "an index of Milvus": (
        "ours",
        {"index": {"type": "AUTOINDEX", "params": {}}},
        "AUTOINDEX is not taken by engines of type Quiver for L2; take one of IVF_FLAT",
    ),
    "a GPU's index for cosine": (
        "milvus",
        {"metricType": "COSINE", "index": {"type": "GPU_CAGRA", "params": {}}},
        "GPU_CAGRA is not taken by engines of type Milvus for COSINE; take one of",
    ),
    "a parameter of Milvus": (
        "ours",
        {"index": {"type": "IVF_FLAT", "params": {"nlist": 16, "mmap.enabled": "true"}}},
        "mmap.enabled, which engines of type Quiver do not know for IVF_FLAT; take nlist",
    ),
    "a schema": ("ours", LONG, "only by those of type Milvus; give .spec.dimension in its place"),
    "a schema on Milvus 1": ("official", LONG, "only by those of type Milvus; give .spec.dim"),
    "a segment size beside a schema": (
        "milvus",
        {**LONG, "indexFileSize": 512},
        "because Milvus has one segment size for all collections",
    ),
    "spec.milvus": ("ours", {"milvus": {"shards": 2}}, "only by those of type Milvus; take it out"),
    "a segment size": (
        "milvus",
        {"indexFileSize": 512},
        "leave it out, or have .spec.milvus.segmentMaxSize of VectorEngine milvus say what the",
    ),
    "another segment size": ("told", {"indexFileSize": 1024}, "leave it out, or take 512"),
}
ACCEPTED: dict[str, tuple[str, Any]] = {
    "the segment size that the server has": ("told", {"indexFileSize": 512}),
    "all that only Milvus has": (
        "milvus",
        {"milvus": {"database": "db", "load": {"replicas": 2}, "properties": {"a": "1"}}},
    ),
    "a schema": ("milvus", LONG),
    **{name: ("milvus", {"dimension": None, "milvus": m}) for name, m in GOOD_SCHEMAS.items()},
    "a schema on an engine that is not there yet": ("none", LONG),
    "a parameter that the server knows": (
        "milvus",
        {"index": {"type": "IVF_FLAT", "params": {"nlist": 16, "mmap.enabled": "true"}}},
    ),
    "anything on an engine that is not there yet": ("none", {"metricType": "COSINE"}),
}


@pytest.mark.parametrize(("engine", "spec", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(guarded: Any, engine: str, spec: Any, words: str) -> None:
    """What the engine's type does not take is refused, and what it takes is named."""
    assert words in (guarded.admission(on(engine, **spec)).refusal or "")


@pytest.mark.parametrize(("engine", "spec"), ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(guarded: Any, engine: str, spec: Any) -> None:
    """What it takes passes, and so does what nobody can know yet."""
    assert guarded.admission(on(engine, **spec)).refusal is None


@pytest.mark.parametrize("engine", ["ours", "milvus"])
def test_a_schema_is_taken_as_the_operator_takes_it(guarded: Any, engine: str) -> None:
    """By engines of type Milvus, also where the collection names their namespace, which is its
    own.
    """
    taken = is_taken(engine, LONG)
    assert taken is (engine == "milvus")
    there = guarded.create(on("none"), dry_run="All")["metadata"]["namespace"]
    for namespace in ({}, {"namespace": there}):
        spec = on(engine, **LONG) | {"engineRef": {"name": engine, **namespace}}
        assert (guarded.admission(spec).refusal is None) is taken


def test_a_change_is_held_against_the_engine_too(guarded: Any) -> None:
    """An index may be changed at any time, to one that the engine takes."""
    guarded.create(on("ours"), "changed")
    cagra = {"index": {"type": "GPU_CAGRA", "params": {}}}
    with pytest.raises(ApiException) as refused:
        guarded.warnings_of_change("changed", cagra)
    assert "GPU_CAGRA is not taken by engines of type Quiver" in refused.value.body


def test_what_is_as_before_passes(guarded: Any, control_plane: ControlPlane) -> None:
    """Whatever became of the engine, labels and finalizers may be changed, so that it can go."""
    guarded.create(on("later", metricType="COSINE"), "early")
    namespace = guarded.get("early")["metadata"]["namespace"]
    of_later = {"apiVersion": "quiver.dev/v1alpha1", "kind": "VectorEngine"}
    of_later |= {"metadata": {"name": "later", "namespace": namespace}, "spec": {}}
    control_plane.kubectl("apply", "--filename=-", input=yaml.safe_dump(of_later))
    wait_until(
        lambda: guarded.admission(on("later", metricType="COSINE")).refusal,
        "the policy knows the engine",
    )
    labelled = control_plane.kubectl("-n", namespace, "label", "vcol/early", "a=b")
    assert "labeled" in str(labelled)
