"""The CRDs on a real API server, and a way to try objects on it without storing them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes
import pytest
import yaml
from kubernetes.client.exceptions import ApiException

from localcluster import ControlPlane

CRDS = Path(__file__).parents[2] / "crds"
GROUP, VERSION = "quiver.dev", "v1alpha1"
KINDS = {"vectorcollections": "VectorCollection", "vectorengines": "VectorEngine"}
SMALLEST = {
    "vectorcollections": {"engineRef": {"name": "main"}, "dimension": 256},
    "vectorengines": {},
}
UNPROCESSABLE = 422


def merged(base: Any, change: Any) -> Any:
    """`base` with a JSON merge patch applied: None takes a field away."""
    if not isinstance(base, dict) or not isinstance(change, dict):
        return change
    together = base | {key: merged(base.get(key, {}), value) for key, value in change.items()}
    return {key: value for key, value in together.items() if value is not None}


@dataclass(frozen=True)
class Refusal:
    """One thing that the server found wrong: where, and in which words."""

    field: str
    message: str


def refusals(error: ApiException) -> list[Refusal]:
    """Everything that the server found wrong; raises an error that speaks of something else."""
    if error.status != UNPROCESSABLE:
        raise error
    causes = json.loads(error.body)["details"]["causes"]
    # The scale subresource begins its path with a dot; <nil> is no place, but the server's remark
    # that it looked no further.
    found = [Refusal(cause["field"].lstrip("."), cause["message"]) for cause in causes]
    return [refusal for refusal in found if refusal.field != "<nil>"]


@dataclass(frozen=True)
class Admission:
    """What policies said of an object: why it is refused, if it is, and what they warn of."""

    refusal: str | None
    warnings: list[str]

    @classmethod
    def of(cls, headers: Any, refusal: str | None = None) -> Admission:
        """Read the warnings from the headers of an answer: 299 - "text"."""
        found = headers.getlist("Warning")
        return cls(refusal, [json.loads(text.removeprefix("299 - ")) for text in found])


class Resource:
    """Objects of one kind in one namespace. Trying one stores nothing."""

    def __init__(self, client: Any, namespace: str, plural: str) -> None:
        self._api = kubernetes.client.CustomObjectsApi(client)
        self._kind = KINDS[plural]
        self._smallest = SMALLEST[plural]
        self._at = {"group": GROUP, "version": VERSION, "namespace": namespace, "plural": plural}

    def create(self, change: Any, name: str = "x", dry_run: str | None = None) -> Any:
        """The smallest object with `change` merged into its spec, as the server answers it."""
        return self._api.create_namespaced_custom_object(
            **self._at, body=self._body(change, name), field_validation="Strict", dry_run=dry_run
        )

    def _body(self, change: Any, name: str) -> Any:
        return {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": self._kind,
            "metadata": {"name": name},
            "spec": merged(self._smallest, change),
        }

    def get(self, name: str) -> Any:
        """The stored object."""
        return self._api.get_namespaced_custom_object(**self._at, name=name)

    def names(self, field_selector: str) -> list[str]:
        """The stored objects that the field selector picks."""
        found = self._api.list_namespaced_custom_object(**self._at, field_selector=field_selector)
        return sorted(item["metadata"]["name"] for item in found["items"])

    def patch_status(self, name: str, status: Any) -> Any:
        """Merge into the stored object's status."""
        return self._api.patch_namespaced_custom_object_status(
            **self._at, name=name, body={"status": status}, **MERGE
        )

    def try_create(self, change: Any, name: str = "x") -> list[Refusal]:
        """What the server finds wrong with the smallest object and `change` in its spec."""
        try:
            self.create(change, name, dry_run="All")
        except ApiException as error:
            return refusals(error)
        return []

    def check_refused(self, change: Any, field: str, words: str) -> None:
        """Have the smallest object with `change` refused in these words, at that field alone."""
        found = self.try_create(change)
        assert {refusal.field for refusal in found} == {field}
        assert words in " ".join(refusal.message for refusal in found)

    def admission(self, change: Any, name: str = "x") -> Admission:
        """What policies say of the smallest object and `change` in its spec."""
        try:
            *_, headers = self._api.create_namespaced_custom_object_with_http_info(
                **self._at, body=self._body(change, name), dry_run="All"
            )
        except ApiException as error:
            if error.status != UNPROCESSABLE:
                raise
            return Admission.of(error.headers, json.loads(error.body)["message"])
        return Admission.of(headers)

    def warnings_of_change(self, name: str, change: Any) -> list[str]:
        """What policies warn of when `change` is merged into the spec of a stored object."""
        *_, headers = self._api.patch_namespaced_custom_object_with_http_info(
            **self._at, name=name, body={"spec": change}, dry_run="All", **MERGE
        )
        return Admission.of(headers).warnings

    def try_change(self, before: Any, change: Any, status: Any = None) -> list[Refusal]:
        """What the server finds wrong with a change to an object that was made with `before`, and
        whose status says `status`.
        """
        name = f"x-{uuid.uuid4().hex[:8]}"
        self.create(before, name)
        if status is not None:
            self.patch_status(name, status)
        try:
            self._api.patch_namespaced_custom_object(
                **self._at, name=name, body={"spec": change}, **MERGE, field_validation="Strict"
            )
        except ApiException as error:
            return refusals(error)
        return []

    def try_status(self, status: Any) -> list[Refusal]:
        """What the server finds wrong with a status."""
        name = f"x-{uuid.uuid4().hex[:8]}"
        self.create({}, name)
        try:
            self.patch_status(name, status)
        except ApiException as error:
            return refusals(error)
        return []


MERGE = {"_content_type": "application/merge-patch+json"}


@dataclass(frozen=True)
class Field:
    """A field of a schema: its dotted path, the schema, and whether it is an item of a list."""

    path: str
    schema: Any


def fields_below(schema: Any, path: str = "") -> Iterator[Field]:
    """Every field below a schema, the items of lists and maps among them."""
    for name, child in schema.get("properties", {}).items():
        yield from _visit(child, f"{path}.{name}")
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if key in schema:
            yield from _visit(schema[key], path + mark)


def _visit(schema: Any, path: str) -> Iterator[Field]:
    yield Field(path, schema)
    yield from fields_below(schema, path)


@pytest.fixture(scope="session")
def walk() -> Any:
    """Every field below a schema."""
    return fields_below


@pytest.fixture(scope="session")
def schemas() -> dict[str, Any]:
    """The schema of each kind, by its plural."""
    crds = [yaml.safe_load(path.read_text()) for path in sorted(CRDS.glob("*.yaml"))]
    return {
        crd["spec"]["names"]["plural"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for crd in crds
    }


@pytest.fixture(scope="session")
def all_fields(schemas: dict[str, Any]) -> dict[str, list[Field]]:
    """Every field of each kind, by its plural; metadata is the server's own."""
    return {
        plural: [field for field in fields_below(schema) if not field.path.startswith(".metadata")]
        for plural, schema in schemas.items()
    }


@pytest.fixture(scope="session")
def client(control_plane: ControlPlane) -> Any:
    """A client of an API server that serves the CRDs."""
    control_plane.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={CRDS}")
    names = [f"crd/{plural}.{GROUP}" for plural in KINDS]
    control_plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", *names)
    return kubernetes.config.new_client_from_config(str(control_plane.kubeconfig))


@pytest.fixture(scope="session")
def resource_in(client: Any) -> Callable[[str, str], Resource]:
    """Objects of a kind in a namespace."""
    return lambda namespace, plural: Resource(client, namespace, plural)


@pytest.fixture(scope="session")
def shared_namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace for objects that no other test looks at."""
    name = f"api-{uuid.uuid4().hex[:8]}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def collections(client: Any, shared_namespace: str) -> Resource:
    """VectorCollections to try."""
    return Resource(client, shared_namespace, "vectorcollections")


@pytest.fixture(scope="session")
def engines(client: Any, shared_namespace: str) -> Resource:
    """VectorEngines to try."""
    return Resource(client, shared_namespace, "vectorengines")
