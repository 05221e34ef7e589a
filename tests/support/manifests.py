"""Objects as users write them: with what is asked for, and nothing else."""

from typing import Any

Object = dict[str, Any]
ENGINE = "engine"


def collection(name: str, **spec: Any) -> Object:
    """A collection of the engine `engine` of its namespace, unless `spec` says another."""
    body = {"engineRef": {"name": ENGINE}, "dimension": 8, **spec}
    return _manifest("VectorCollection", name, body)


def engine(name: str = ENGINE, **spec: Any) -> Object:
    return _manifest("VectorEngine", name, spec)


def _manifest(kind: str, name: str, spec: Object) -> Object:
    version = "quiver.dev/v1alpha1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
