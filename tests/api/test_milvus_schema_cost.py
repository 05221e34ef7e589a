"""What the rules of the long form cost the API server, at the largest that an object can say.

It estimates the cost when a CRD is applied, and counts it when an object is written: at most a
million for one rule, and ten million for all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest
import yaml
from kubernetes.client.exceptions import ApiException

from localcluster import ControlPlane
from support.largest_schema import largest_schema
from support.waiting import wait_until

CRD = Path(__file__).parents[2] / "crds" / "quiver.dev_vectorcollections.yaml"
LONG = {"dimension": None}
TIMES = 4
GROUP = "costly.example.org"


def test_the_largest_schema_is_taken_and_all_its_fields_grow_at_once(collections: Any) -> None:
    """64 fields of the longest names, with their functions, indexes and parameters."""
    change = largest_schema(max_length=128)
    assert collections.try_change(LONG | largest_schema(max_length=64), change) == []


def costly() -> Any:
    """The CRD under another group, with every rule of the long form said several times over."""
    crd = yaml.safe_load(CRD.read_text())
    crd["metadata"]["name"] = f"vectorcollections.{GROUP}"
    crd["spec"]["group"] = GROUP
    crd["spec"]["names"] |= {"categories": [], "shortNames": []}
    root = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    below = root["properties"]["spec"]["properties"]["milvus"]["properties"]["schema"]
    parts = below["properties"]
    for part in (root, below, parts["fields"]["items"], parts["functions"]["items"]):
        for rule in part["x-kubernetes-validations"]:
            rule["rule"] = " && ".join([f"({rule['rule']})"] * TIMES)
    return crd


def held_of(schema: Any) -> Any:
    """What a status says of a server that has all of it."""
    fields = [{"name": f["name"], "maxLength": f.get("maxLength", 1)} for f in schema["fields"]]
    return {"fields": fields[::-1], "functions": [f["name"] for f in schema["functions"]][::-1]}


@pytest.fixture(scope="module")
def costs(control_plane: ControlPlane, client: Any) -> Iterator[Any]:
    """Objects of that CRD."""
    text = json.dumps(costly())
    control_plane.kubectl("apply", "--server-side", "--filename=-", input=text)
    name = f"crd/vectorcollections.{GROUP}"
    control_plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", name)
    yield kubernetes.client.CustomObjectsApi(client)
    control_plane.kubectl("delete", name)


def is_there(api: Any, at: Any) -> bool:
    try:
        api.list_namespaced_custom_object(**at)
    except ApiException as error:
        if error.status != 404:
            raise
        return False
    return True


def test_the_rules_take_less_than_a_quarter_of_what_they_may(
    costs: Any, shared_namespace: str
) -> None:
    """Said four times over, each in one rule, they are taken by the server, and so are the largest
    object and a change of all its fields.
    """
    at: dict[str, Any] = {"group": GROUP, "version": "v1alpha1", "namespace": shared_namespace}
    at["plural"] = "vectorcollections"
    wait_until(lambda: is_there(costs, at), "the server serves the CRD")
    body: dict[str, Any] = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "VectorCollection"}
    body |= {"metadata": {"name": "largest"}}
    small = {"engineRef": {"name": "main"}}
    body["spec"] = small | largest_schema(max_length=64)
    costs.create_namespaced_custom_object(**at, body=body)
    body["metadata"] = costs.patch_namespaced_custom_object_status(
        **at,
        name="largest",
        body={"status": {"milvus": held_of(body["spec"]["milvus"]["schema"])}},
        _content_type="application/merge-patch+json",
    )["metadata"]
    body["spec"] = small | largest_schema(max_length=128)
    changed = costs.replace_namespaced_custom_object(**at, name="largest", body=body)
    lengths = [f.get("maxLength") for f in changed["spec"]["milvus"]["schema"]["fields"]]
    assert lengths == [128] * 63 + [None]
