"""How kubectl and those who apply YAML change the lists of spec.milvus.schema."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml

from localcluster import ControlPlane, LocalClusterError
from support.milvus_schemas import HYBRID
from support.waiting import wait_until

KIND = {"apiVersion": "quiver.dev/v1alpha1", "kind": "VectorCollection"}
SPEC = {"engineRef": {"name": "main"}, "milvus": HYBRID}


class Applied:
    """One collection, and what is applied to it."""

    def __init__(self, kubectl: Any, name: str) -> None:
        self._kubectl = kubectl
        self._name = name

    def apply(self, spec: Any, *options: str) -> None:
        text = yaml.safe_dump({**KIND, "metadata": {"name": self._name}, "spec": spec})
        self._kubectl("apply", "--filename=-", *options, input=text)

    def patch(self, change: Any, kind: str = "merge") -> None:
        body = json.dumps(change)
        self._kubectl("patch", "vcol", self._name, f"--type={kind}", f"--patch={body}")

    @property
    def schema(self) -> Any:
        found = json.loads(self._kubectl("get", "vcol", self._name, "--output=json"))
        return found["spec"]["milvus"]["schema"]

    def field(self, name: str) -> Any:
        return next(field for field in self.schema["fields"] if field["name"] == name)


@pytest.fixture
def kubectl(control_plane: ControlPlane, client: Any, shared_namespace: str) -> Any:
    def run(*arguments: str, **rest: Any) -> str:
        return control_plane.kubectl(f"--namespace={shared_namespace}", *arguments, **rest)

    return run


def longer(spec: Any, max_length: int, **index: Any) -> Any:
    """The same with longer titles, and an index more."""
    changed = copy.deepcopy(spec)
    schema = changed["milvus"]["schema"]
    next(f for f in schema["fields"] if f["name"] == "title")["maxLength"] = max_length
    schema["indexes"] += [index] if index else []
    return changed


@pytest.mark.parametrize("side", [(), ("--server-side",)], ids=["client", "server"])
def test_what_is_applied_is_there_and_what_is_no_longer_goes(
    kubectl: Any, side: tuple[str, ...]
) -> None:
    """A field changes, an index comes, and goes again when it is taken out of the file."""
    applied = Applied(kubectl, f"applied-{len(side)}")
    applied.apply(SPEC, *side)
    assert applied.schema == HYBRID["schema"]
    applied.apply(longer(SPEC, 1024, field="stock", type="INVERTED"), *side)
    assert applied.field("title")["maxLength"] == 1024
    assert [index["field"] for index in applied.schema["indexes"]][-1] == "stock"
    applied.apply(longer(SPEC, 1024), *side)
    assert applied.schema == longer(SPEC, 1024)["milvus"]["schema"]


def test_two_appliers_own_fields_of_one_list(kubectl: Any) -> None:
    """Server-side apply merges the lists by name: one more index is another's, and a field too."""
    applied = Applied(kubectl, "owned")
    applied.apply(SPEC, "--server-side", "--field-manager=one")
    index = {"field": "stock", "type": "INVERTED"}
    field = {"name": "color", "type": "VarChar", "maxLength": 8, "nullable": True}
    more = {"engineRef": {"name": "main"}, "milvus": {"schema": {}}}
    more["milvus"]["schema"] = {"fields": [field], "indexes": [index]}
    applied.apply(more, "--server-side", "--field-manager=other")
    applied.apply(longer(SPEC, 1024), "--server-side", "--field-manager=one")
    assert applied.field("color") == field
    assert applied.field("title")["maxLength"] == 1024
    assert index in applied.schema["indexes"]


def test_a_field_taken_out_of_the_file_is_refused(kubectl: Any) -> None:
    """Whoever applies is told which one."""
    applied = Applied(kubectl, "shorter")
    applied.apply(SPEC)
    less = copy.deepcopy(SPEC)
    del less["milvus"]["schema"]["fields"][2]
    del less["milvus"]["schema"]["indexes"][2]
    with pytest.raises(LocalClusterError, match=r"cannot be taken away.*: price; put it back"):
        applied.apply(less)


def test_a_merge_patch_names_the_whole_list(kubectl: Any) -> None:
    """One that names a single field takes the others away, and is refused; a JSON patch changes
    one by its place.
    """
    applied = Applied(kubectl, "patched")
    applied.apply(SPEC)
    title = {**applied.field("title"), "maxLength": 1024}
    with pytest.raises(LocalClusterError, match="a field cannot be taken away"):
        applied.patch({"spec": {"milvus": {"schema": {"fields": [title]}}}})
    fields = longer(SPEC, 1024)["milvus"]["schema"]["fields"]
    applied.patch({"spec": {"milvus": {"schema": {"fields": fields}}}})
    assert applied.field("title")["maxLength"] == 1024
    at = f"/spec/milvus/schema/fields/{fields.index(title)}/maxLength"
    applied.patch([{"op": "replace", "path": at, "value": 2048}], kind="json")
    assert applied.field("title")["maxLength"] == 2048


def test_explain_tells_how_to_write_a_field(kubectl: Any) -> None:
    """Somebody who has never seen one learns what it needs, and what may change."""
    path = "vcol.spec.milvus.schema.fields"
    wait_until(lambda: "maxLength" in explained(kubectl, path), "the schema is published")
    words = explained(kubectl, path)
    assert "one primaryKey, at least one of vectors" in words
    assert "name <string> -required-" in words
    assert "It may only grow later." in words
    assert "a merge patch replaces the list" in words
    assert "ENUM: Bool Int8" in explained(kubectl, f"{path}.type")


def explained(kubectl: Any, path: str) -> str:
    """The explanation in one line; nothing while it is not published."""
    try:
        return " ".join(kubectl("explain", path).split())
    except LocalClusterError:
        return ""
