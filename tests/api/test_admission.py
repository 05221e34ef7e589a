"""What the admission policies make of a collection and the GPUs of its engine."""

from __future__ import annotations

import bisect
import math
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster import ControlPlane
from quiver.domain.fit import needed_mib
from support.bad_milvus_schemas import more
from support.waiting import wait_until

INSTALL = Path(__file__).parents[2] / "manifests" / "install.yaml"
# Engines by name, with the memory that their GPUs are known to have, as written and in MiB.
GPUS = {
    "tiny": ("500Mi", 500),
    "small": ("4Gi", 4096),
    "a-little-more": ("4097Mi", 4097),
    "medium": ("8Gi", 8192),
    "in-between": ("8192.5Mi", 8193),
    "large": ("16Gi", 16384),
    "decimal": ("16G", math.ceil(16 * 10**9 / 2**20)),
    "in-bytes": (17179869185, 16385),
    "huge": ("80Gi", 81920),
    "below-default": ("1500Mi", 1500),
    "above-default": ("1700Mi", 1700),
}
UNSAID = {
    "nothing": {},
    "a metric alone": {"metricType": "L2"},
    "a size alone": {"indexFileSize": 1024},
}
UNKNOWN = {
    "any-gpu": {"gpu": {}},
    "no-gpu": {},
    "outside": {"external": {"endpoints": ["h.example.org:1"]}},
}
SHAPES = {
    "vectors of 256 numbers": {"dimension": 256, "metricType": "L2"},
    "vectors of one number": {"dimension": 1, "metricType": "IP"},
    "the longest vectors": {"dimension": 32768, "metricType": "L2"},
    "vectors of 8 bits": {"dimension": 8, "metricType": "HAMMING"},
    "vectors of 1024 bits": {"dimension": 1024, "metricType": "TANIMOTO"},
}
FITTING = [name for name in GPUS if name != "tiny"]


def needed(size: int, gpu: int, shape: Any) -> int:
    """What the operator reckons that a segment takes."""
    return needed_mib(size, shape["dimension"], shape["metricType"], gpu)


def largest(gpu: int, room: float, shape: Any) -> int:
    """The largest indexFileSize of which a segment takes no more than `room` MiB."""
    sizes = range(131073)
    return bisect.bisect_right(sizes, room, key=lambda size: needed(size, gpu, shape)) - 1


def on(engine: str, size: int, **more: Any) -> Any:
    """A collection on an engine."""
    return {"engineRef": {"name": engine}, "indexFileSize": size, **more}


@pytest.fixture(scope="module")
def policies(control_plane: ControlPlane, client: Any) -> Iterator[list[Any]]:
    """The policies as install.yaml brings them."""
    found = [m for m in yaml.safe_load_all(INSTALL.read_text()) if "Admission" in m["kind"]]
    text = yaml.safe_dump_all(found)
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", input=text)
    yield found
    control_plane.kubectl("delete", "--filename=-", input=text)


@pytest.fixture(scope="module")
def here(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace with nothing but what these tests put there."""
    name = f"admission-{uuid.uuid4().hex[:8]}"
    control_plane.create_namespace(name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def guarded(policies: list[Any], resource_in: Any, here: str) -> Any:
    """VectorCollections to try, where all engines above are and the policies watch."""
    engines, collections = (
        resource_in(here, f"vector{kind}") for kind in ("engines", "collections")
    )
    for name, spec in UNKNOWN.items():
        engines.create(spec, name)
    for name, (memory, _) in GPUS.items():
        engines.create({"gpu": {"minMemory": memory}}, name)
    for name in GPUS:
        wait_until(
            lambda engine=name: collections.admission(on(engine, 131072)).refusal,
            f"the policy refuses what is too large for {name}",
        )
    tight = on("large", largest(16384, 16384, SHAPES["vectors of 256 numbers"]))
    wait_until(lambda: collections.admission(tight).warnings, "the policy warns")
    return collections


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("engine", FITTING)
def test_what_fits_is_accepted_and_no_more(guarded: Any, engine: str, shape: Any) -> None:
    """The policy draws the line just where the operator does, and names the largest that fits."""
    _, gpu = GPUS[engine]
    most = largest(gpu, gpu, shape)
    assert guarded.admission(on(engine, most, **shape)).refusal is None
    refusal = guarded.admission(on(engine, most + 1, **shape)).refusal
    assert f"takes {needed(most + 1, gpu, shape)} MiB on a GPU" in refusal
    assert f"VectorEngine {engine} are only known to have {gpu} MiB" in refusal
    assert f"set .spec.indexFileSize to at most {most}, or take an engine" in refusal


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("engine", FITTING)
def test_what_is_tight_is_warned_of(guarded: Any, engine: str, shape: Any) -> None:
    """Above four fifths of the GPU kubectl warns, and names a size that leaves room."""
    _, gpu = GPUS[engine]
    most = largest(gpu, gpu * 4 // 5, shape)
    assert guarded.admission(on(engine, most, **shape)).warnings == []
    answer = guarded.admission(on(engine, most + 1, **shape))
    assert answer.refusal is None
    [warning] = answer.warnings
    assert f"takes {needed(most + 1, gpu, shape)} MiB on a GPU" in warning
    assert warning.endswith(f"; .spec.indexFileSize of at most {most} leaves that much")


@pytest.mark.parametrize("spec", UNSAID.values(), ids=UNSAID)
def test_what_a_collection_does_not_say_is_the_default(guarded: Any, spec: Any) -> None:
    """Both policies take it for what the operator would: segments of 1024 MB, and L2."""
    refused = guarded.admission({"engineRef": {"name": "below-default"}, **spec}).refusal
    needs = needed_mib(1024, 256, "L2", 1500)
    assert f"takes {needs} MiB on a GPU (1024 for vectors, 8 for ids, " in refused
    tight = guarded.admission({"engineRef": {"name": "above-default"}, **spec})
    assert tight.refusal is None
    [warning] = tight.warnings
    assert f"takes {needs} MiB on a GPU (1024 for vectors, 8 for ids, " in warning


def test_no_policy_reads_a_field_that_may_be_absent(policies: list[Any], schemas: Any) -> None:
    """Its expression would fail, and with failurePolicy Ignore let everything through."""
    required = {*schemas["vectorcollections"]["properties"]["spec"]["required"]}
    for policy in policies:
        if "variables" in policy["spec"]:
            text = yaml.safe_dump(policy["spec"], width=10**6)
            read = {*re.findall(r"object\.spec\.(\w+)", text)}
            assert read - {*re.findall(r"has\(object\.spec\.(\w+)", text)} <= required


def test_what_is_refused_is_not_warned_of(guarded: Any) -> None:
    """Who is refused is told once."""
    answer = guarded.admission(on("large", 16384))
    assert answer.refusal
    assert answer.warnings == []


def test_words(guarded: Any) -> None:
    """A refusal tells the numbers, where they come from, and what to do."""
    refusal = guarded.admission(on("large", 16384)).refusal
    assert refusal.endswith(
        "a full segment takes 18048 MiB on a GPU (16384 for vectors, 128 for ids, 1536 for FAISS "
        "itself), and the GPUs of VectorEngine large are only known to have 16384 MiB "
        "(.spec.gpu.minMemory); set .spec.indexFileSize to at most 14732, or take an engine whose "
        ".spec.gpu.minMemory is larger"
    )


def test_a_gpu_on_which_nothing_fits(guarded: Any) -> None:
    """Where not even the smallest segment fits, no size is proposed."""
    refusal = guarded.admission(on("tiny", 1)).refusal
    assert refusal.endswith(
        "500 MiB (.spec.gpu.minMemory); take an engine whose .spec.gpu.minMemory is larger"
    )


@pytest.mark.parametrize("engine", [*UNKNOWN, "not-there-yet"])
def test_unknown_memory_is_no_reason(guarded: Any, engine: str) -> None:
    """Where nobody knows how much memory there is, nothing is refused, and nothing warned of."""
    answer = guarded.admission(on(engine, 131072))
    assert (answer.refusal, answer.warnings) == (None, [])


def test_a_schema_of_milvus_says_nothing_of_a_segment(guarded: Any) -> None:
    """It has no one dimension: whether the engine takes it at all, another policy says."""
    answer = guarded.admission({**on("tiny", 131072), "dimension": None, **more()})
    assert "MiB on a GPU" not in str(answer)


def test_milvus_has_no_segments_of_a_collections_own(
    guarded: Any, resource_in: Any, here: str
) -> None:
    """No size is made up for them: segments of 1024 MB would not fit this GPU."""
    spec = {"type": "Milvus", "image": "milvus:1", "gpu": {"minMemory": "1Gi"}}
    resource_in(here, "vectorengines").create(spec, "milvus")
    asked = {"engineRef": {"name": "milvus"}}
    wait_until(
        lambda: guarded.admission({**asked, "metricType": "TANIMOTO"}).refusal,
        "the policies know the engine",
    )
    answer = guarded.admission(asked)
    assert (answer.refusal, answer.warnings) == (None, [])


def test_engines_of_other_namespaces(guarded: Any, here: str) -> None:
    """An engine here says nothing of one of its name elsewhere; its own namespace may be named."""
    too_large = on("large", 131072)
    elsewhere = too_large | {"engineRef": {"name": "large", "namespace": "elsewhere"}}
    assert guarded.admission(elsewhere).refusal is None
    assert guarded.admission(
        too_large | {"engineRef": {"name": "large", "namespace": here}}
    ).refusal


def test_a_collection_can_change_and_go_whatever_became_of_its_engine(
    control_plane: ControlPlane, guarded: Any, resource_in: Any, here: str
) -> None:
    """A collection that would no longer be accepted is not in its own way."""
    engines = resource_in(here, "vectorengines")
    engines.create({"gpu": {"minMemory": "80Gi"}}, "shrinking")
    guarded.create(on("shrinking", 65536), "stays")
    kubectl = (f"--namespace={here}", "patch", "--type=merge")
    shrink = '{"spec": {"gpu": {"minMemory": "8Gi"}}}'
    control_plane.kubectl(*kubectl, "veng/shrinking", f"--patch={shrink}")
    wait_until(
        lambda: guarded.admission(on("shrinking", 65536)).refusal, "the smaller GPU is known"
    )
    more = '{"metadata": {"finalizers": ["example.org/x"]}, "spec": {"partitions": ["a"]}}'
    control_plane.kubectl(*kubectl, "vcol/stays", f"--patch={more}")
    control_plane.kubectl(f"--namespace={here}", "delete", "vcol/stays", "--wait=false")
    control_plane.kubectl(*kubectl, "vcol/stays", '--patch={"metadata": {"finalizers": []}}')
    assert "stays" not in guarded.names("spec.engineRef.name=shrinking")


def test_expressions_match_the_schemas(control_plane: ControlPlane, policies: list[Any]) -> None:
    """The server, which checks the policies against the schemas, finds no fault with them."""
    names = [m["metadata"]["name"] for m in policies if m["kind"] == "ValidatingAdmissionPolicy"]

    def status(name: str) -> Any:
        what = ("get", "validatingadmissionpolicy", name, "--output=yaml")
        return yaml.safe_load(control_plane.kubectl(*what)).get("status")

    for name in names:
        checked = wait_until(lambda policy=name: status(policy), f"{name} is checked")
        assert checked["typeChecking"] == {}, name
