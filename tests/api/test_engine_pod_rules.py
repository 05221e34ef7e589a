"""What a VectorEngine may say of its pods: GPUs, storage, resources, where they run."""

from __future__ import annotations

from typing import Any

import pytest

STORAGE = {"storage": {"size": "10Gi"}}


def limits(**amounts: Any) -> Any:
    """Limits of resources; `_` stands for what a Python name cannot hold."""
    return {"resources": {"limits": amounts}}


def toleration(**fields: Any) -> Any:
    """One toleration."""
    return {"tolerations": [fields]}


ON_GPU = "the resource that stands for a GPU"
NEGATIVE = "must not be negative"
ACCEPTED = {
    "one GPU": {"gpu": {}},
    "16 GPUs": {"gpu": {"count": 16}},
    "a part of a GPU": {"gpu": {"resourceName": "nvidia.com/mig-1g.5gb"}},
    "GPU memory as a quantity": {"gpu": {"minMemory": "16Gi"}},
    "GPU memory as a number": {"gpu": {"minMemory": 17179869184}},
    "storage": STORAGE,
    "storage of a class": {"storage": {"size": "1.5Ti", "className": "fast.example.org"}},
    "resources": {
        "resources": {
            "requests": {"cpu": "500m", "memory": "1Gi"},
            "limits": {"cpu": 1, "memory": "1Gi", "hugepages-2Mi": "4Mi", "example.org/nic": 1},
        }
    },
    "a request without its limit": {"resources": {"requests": {"cpu": 8}, "limits": {"memory": 1}}},
    "a request equal to its limit in another unit": {
        "resources": {"requests": {"memory": "1024Mi"}, "limits": {"memory": "1Gi"}}
    },
    "a resource of none": limits(cpu="0", memory=0),
    "a node selector": {"nodeSelector": {"topology.kubernetes.io/zone": "a", "empty": ""}},
    "a toleration of a taint": toleration(
        key="a", operator="Equal", value="b", effect="NoSchedule"
    ),
    "a toleration without operator": toleration(key="example.org/a", value="b"),
    "a toleration of any value": toleration(key="a", operator="Exists", effect="PreferNoSchedule"),
    "a toleration of every taint": toleration(operator="Exists"),
    "a toleration for a while": toleration(key="a", effect="NoExecute", tolerationSeconds=60),
    "32 tolerations": {"tolerations": [{"key": f"k{n}"} for n in range(32)]},
}
REFUSED = {
    "no GPU": ({"gpu": {"count": 0}}, "spec.gpu.count", "greater than or equal to 1"),
    "17 GPUs": ({"gpu": {"count": 17}}, "spec.gpu.count", "less than or equal to 16"),
    "a GPU without vendor": ({"gpu": {"resourceName": "gpu"}}, "spec.gpu.resourceName", "match"),
    "no GPU resource": ({"gpu": {"resourceName": ""}}, "spec.gpu.resourceName", "should match"),
    "a long GPU resource": (
        {"gpu": {"resourceName": "a" * 316 + "/b"}},
        "spec.gpu.resourceName",
        "than 317",
    ),
    "no GPU memory": ({"gpu": {"minMemory": "0"}}, "spec.gpu.minMemory", "more than 0"),
    "more GPU memory than there is": (
        {"gpu": {"minMemory": "1Pi"}},
        "spec.gpu.minMemory",
        "less than 1Pi",
    ),
    "as many bytes of GPU memory": ({"gpu": {"minMemory": 2**50}}, "spec.gpu.minMemory", "1Pi"),
    "an endless quantity": ({"storage": {"size": "1e100"}}, "spec.storage.size", "should match"),
    "half an exponent": (limits(cpu="1e1.5"), "spec.resources.limits.cpu", "should match"),
    "negative GPU memory": ({"gpu": {"minMemory": "-16Gi"}}, "spec.gpu.minMemory", "more than 0"),
    "GPU memory in words": ({"gpu": {"minMemory": "16 GB"}}, "spec.gpu.minMemory", "match"),
    "storage without size": ({"storage": {}}, "spec.storage.size", "Required value"),
    "storage of nothing": ({"storage": {"size": 0}}, "spec.storage.size", "more than 0"),
    "negative storage": ({"storage": {"size": "-1Gi"}}, "spec.storage.size", "more than 0"),
    "storage in words": ({"storage": {"size": "big"}}, "spec.storage.size", "should match"),
    "an empty class": (
        {"storage": {"size": 1, "className": ""}},
        "spec.storage.className",
        "at least 1",
    ),
    "a class in capitals": (
        {"storage": {"size": 1, "className": "Fast"}},
        "spec.storage.className",
        "should match",
    ),
    "a long class": (
        {"storage": {"size": 1, "className": "a" * 254}},
        "spec.storage.className",
        "than 253",
    ),
    "an unknown resource": (limits(mem="1Gi"), "spec.resources.limits", "correct the name"),
    "a resource of a long name": (
        {"resources": {"requests": {"example.org/" + "a" * 306: 1}}},
        "spec.resources.requests",
        "correct the name",
    ),
    "an unknown resource requested": (
        {"resources": {"requests": {"mem": "1Gi"}}},
        "spec.resources.requests",
        "correct the name",
    ),
    "a negative limit": (limits(cpu=-1), "spec.resources.limits[cpu]", NEGATIVE),
    "a negative request": (
        {"resources": {"requests": {"memory": "-1Gi"}}},
        "spec.resources.requests[memory]",
        NEGATIVE,
    ),
    "a limit in words": (limits(cpu="many"), "spec.resources.limits.cpu", "should match"),
    "a request in words": (
        {"resources": {"requests": {"cpu": "few"}, "limits": {"cpu": 1}}},
        "spec.resources.requests.cpu",
        "should match",
    ),
    "17 limits": (
        {"resources": {"limits": {f"example.org/{n}": 1 for n in range(17)}}},
        "spec.resources.limits",
        "at most 16 items",
    ),
    "more requested than the limit": (
        {"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}},
        "spec.resources.requests",
        "must not exceed",
    ),
    "the GPU among the limits": (
        {"gpu": {}, "resources": {"limits": {"nvidia.com/gpu": 1}}},
        "spec.resources.limits",
        ON_GPU,
    ),
    "the GPU among the requests": (
        {"gpu": {"resourceName": "a.org/b"}, "resources": {"requests": {"a.org/b": 1}}},
        "spec.resources.requests",
        ON_GPU,
    ),
    "a GPU only among the limits": (
        {"resources": {"limits": {"nvidia.com/gpu": 1}}},
        "spec.resources.limits",
        "take it out and set .spec.gpu",
    ),
    "a wrong label": ({"nodeSelector": {"a": "-"}}, "spec.nodeSelector.a", "should match"),
    "a long key": ({"nodeSelector": {"a" * 318: ""}}, "spec.nodeSelector", "317 characters"),
    "a long label": ({"nodeSelector": {"a": "b" * 64}}, "spec.nodeSelector.a", "than 63"),
    "65 labels": (
        {"nodeSelector": {f"k{n}": "" for n in range(65)}},
        "spec.nodeSelector",
        "at most 64 items",
    ),
    "33 tolerations": ({"tolerations": [{"key": "a"}] * 33}, "spec.tolerations", "at most 32"),
    "a toleration of nothing": (toleration(), "spec.tolerations[0].operator", "must have operator"),
    "a toleration with an empty key": (toleration(key=""), "spec.tolerations[0].key", "at least 1"),
    "a toleration with a wrong key": (toleration(key="a b"), "spec.tolerations[0].key", "match"),
    "a toleration with a long key": (
        toleration(key="a" * 316 + "/b"),
        "spec.tolerations[0].key",
        "than 317",
    ),
    "another operator": (
        toleration(key="a", operator="In"),
        "spec.tolerations[0].operator",
        '"Equal", "Exists"',
    ),
    "Exists with a value": (
        toleration(key="a", operator="Exists", value="b"),
        "spec.tolerations[0].value",
        "must not have a value",
    ),
    "a toleration with a wrong value": (
        toleration(key="a", value="b c"),
        "spec.tolerations[0].value",
        "should match",
    ),
    "a toleration with a long value": (
        toleration(key="a", value="b" * 64),
        "spec.tolerations[0].value",
        "than 63",
    ),
    "another effect": (
        toleration(key="a", effect="Evict"),
        "spec.tolerations[0].effect",
        '"NoSchedule", "PreferNoSchedule", "NoExecute"',
    ),
    "NoSchedule for a while": (
        toleration(key="a", effect="NoSchedule", tolerationSeconds=1),
        "spec.tolerations[0].effect",
        "must have effect NoExecute",
    ),
    "every effect for a while": (
        toleration(key="a", tolerationSeconds=1),
        "spec.tolerations[0].effect",
        "must have effect NoExecute",
    ),
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(engines: Any, spec: Any) -> None:
    """An engine whose pods can be is accepted."""
    assert engines.try_create(spec) == []


@pytest.mark.parametrize(("spec", "field", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(engines: Any, spec: Any, field: str, words: str) -> None:
    """An engine whose pods cannot be is refused, at the wrong field and only there."""
    engines.check_refused(spec, field, words)
