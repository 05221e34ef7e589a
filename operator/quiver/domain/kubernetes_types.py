"""The parts that all Kubernetes objects share, as checked types."""

from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

GROUP = "quiver.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "quiver"
ENGINE_LABEL = "app.kubernetes.io/instance"

MOST_FINALIZERS = 33
"""32 of others, and Quiver's. The API server takes any number, and the cache must hold them all."""

Manifest = dict[str, Any]
"""An API object as decoded JSON."""


class Kind(NamedTuple):
    """An API resource: what URL paths and manifests need of it."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def full_name(self) -> str:
        """The resource with its group: the name of its CustomResourceDefinition, if it has one."""
        return f"{self.plural}.{self.group}"


VECTOR_COLLECTION = Kind(GROUP, VERSION, "vectorcollections", "VectorCollection")
VECTOR_ENGINE = Kind(GROUP, VERSION, "vectorengines", "VectorEngine")
STATEFUL_SET = Kind("apps", "v1", "statefulsets", "StatefulSet")
SERVICE = Kind("", "v1", "services", "Service")
NETWORK_POLICY = Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
POD_DISRUPTION_BUDGET = Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
POD = Kind("", "v1", "pods", "Pod")
SECRET = Kind("", "v1", "secrets", "Secret")
NODE = Kind("", "v1", "nodes", "Node")
NAMESPACE = Kind("", "v1", "namespaces", "Namespace")
PERSISTENT_VOLUME_CLAIM = Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
EVENT = Kind("events.k8s.io", "v1", "events", "Event")
CRD = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition")


class Key(NamedTuple):
    """Names one object of a kind."""

    namespace: str
    name: str

    @classmethod
    def of(cls, manifest: Manifest) -> "Key":
        metadata = manifest["metadata"]
        return cls(metadata["namespace"], metadata["name"])

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


COLLECTIONS_CRD = Key("", VECTOR_COLLECTION.full_name)
"""The CustomResourceDefinition of VectorCollections. No right to any other is needed."""


class Struct(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A part of an API object: camelCase there, snake_case here. Unknown fields are ignored."""


class ObjectMeta(Struct, frozen=True, kw_only=True):
    name: str
    namespace: str
    uid: str
    resource_version: str
    creation_timestamp: str = ""
    generation: int = 0
    deletion_timestamp: str | None = None
    finalizers: Annotated[tuple[str, ...], Meta(max_length=MOST_FINALIZERS)] = ()
    annotations: dict[str, str] = {}
    labels: dict[str, str] = {}

    @property
    def key(self) -> Key:
        return Key(self.namespace, self.name)

    @property
    def deleting(self) -> bool:
        return self.deletion_timestamp is not None

    @property
    def seniority(self) -> tuple[str, str]:
        """Sorts the older object first; the uid settles a tie within one second."""
        return (self.creation_timestamp, self.uid)


class Condition(Struct, frozen=True, kw_only=True):
    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None
    observed_generation: int | None = None


def find_condition(conditions: tuple[Condition, ...], type_: str) -> Condition | None:
    return next((c for c in conditions if c.type == type_), None)
