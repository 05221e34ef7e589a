"""VectorEngine, and the pods of engines."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from quiver.domain.deletion import DeletionPolicy
from quiver.domain.kubernetes_types import (
    GROUP,
    Condition,
    Manifest,
    ObjectMeta,
    Struct,
    find_condition,
)

EngineType = Literal["Quiver", "Milvus1", "Milvus"]
UpgradePolicy = Literal["Manual", "Automatic"]
Quantity = str | int
AUTH_SECRET_TYPE = f"{GROUP}/engine-auth"
"""The type of Secrets that hold logins to engines."""


class Gpu(Struct, frozen=True, kw_only=True):
    count: Annotated[int, Meta(ge=1, le=16)] = 1
    resource_name: str = "nvidia.com/gpu"
    min_memory: Quantity | None = None


class Storage(Struct, frozen=True, kw_only=True):
    size: Quantity
    class_name: str | None = None


class External(Struct, frozen=True, kw_only=True):
    endpoints: tuple[str, ...]


class Tls(Struct, frozen=True, kw_only=True):
    """Names of Secrets in the engine's own namespace.

    `secret_name` (the servers' certificate) and `client_ca_secret_name` are for engines with pods.
    """

    secret_name: str | None = None
    client_ca_secret_name: str | None = msgspec.field(name="clientCASecretName", default=None)
    ca_secret_name: str | None = None
    client_secret_name: str | None = None


class Auth(Struct, frozen=True, kw_only=True):
    """Names a Secret of type AUTH_SECRET_TYPE in the engine's own namespace, with `username` and
    `password`, or `token`.
    """

    secret_name: str


class MilvusEngine(Struct, frozen=True, kw_only=True):
    """What only engines of type Milvus have.

    `segment_max_size` is the server's `dataCoord.segment.maxSize`, in MB, which it does not tell.
    `create_databases`: Quiver makes a database that a collection names and that is missing.
    """

    create_databases: bool = False
    segment_max_size: Annotated[int, Meta(ge=1, le=131072)] | None = None


COLLECTIONS_AND_PARTITIONS = 4096
"""How many of both together an engine takes that is not told otherwise."""
MOST_COLLECTIONS_AND_PARTITIONS = 8192
"""How many of both together Quiver's engine can be told to take."""
MILVUS_COLLECTIONS_AND_PARTITIONS = 65536
"""How many of both together Milvus takes."""


class Limits(Struct, frozen=True, kw_only=True):
    """`max_collections_and_partitions` is up to MOST_COLLECTIONS_AND_PARTITIONS, and higher for
    type Milvus alone.
    """

    max_collections_and_partitions: Annotated[int, Meta(ge=1, le=65536)] | None = None
    max_per_namespace: Annotated[int, Meta(ge=1, le=262144)] | None = None


class SelectorRequirement(Struct, frozen=True, kw_only=True):
    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        present = self.key in labels
        match self.operator:
            case "In":
                return present and labels[self.key] in self.values
            case "NotIn":
                return not present or labels[self.key] not in self.values
            case "Exists":
                return present
            case "DoesNotExist":
                return not present


class LabelSelector(Struct, frozen=True, kw_only=True):
    match_labels: dict[str, str] = msgspec.field(default_factory=dict)
    match_expressions: tuple[SelectorRequirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        equal = all(labels.get(key) == value for key, value in self.match_labels.items())
        return equal and all(r.matches(labels) for r in self.match_expressions)


class AllowedNamespaces(Struct, frozen=True, kw_only=True):
    """Which other namespaces' VectorCollections the engine admits.

    `may_adopt` lets these adopt collections that never belonged to their namespace.
    """

    from_: Literal["Same", "All", "Selector"] = msgspec.field(name="from", default="Same")
    selector: LabelSelector = LabelSelector()
    may_adopt: bool = False


class NetworkPolicy(Struct, frozen=True, kw_only=True):
    """`peers` are copied into the NetworkPolicy, so they stay plain JSON."""

    enabled: bool = True
    peers: tuple[Manifest, ...] = ()


class EngineSpec(Struct, frozen=True, kw_only=True):
    """What is copied into the pods unchanged stays plain JSON, such as `resources`."""

    type: EngineType = "Quiver"
    image: str | None = None
    replicas: Annotated[int, Meta(ge=0, le=64)] = 1
    gpu: Gpu | None = None
    storage: Storage | None = None
    resources: dict[str, Any] = msgspec.field(default_factory=dict)
    node_selector: dict[str, str] = msgspec.field(default_factory=dict)
    tolerations: tuple[Manifest, ...] = ()
    affinity: Manifest = msgspec.field(default_factory=dict)
    topology_spread_constraints: tuple[Manifest, ...] = ()
    image_pull_secrets: tuple[Manifest, ...] = ()
    pod_labels: dict[str, str] = msgspec.field(default_factory=dict)
    pod_annotations: dict[str, str] = msgspec.field(default_factory=dict)
    priority_class_name: str | None = None
    runtime_class_name: str | None = None
    service_account_name: str | None = None
    termination_grace_period_seconds: Annotated[int, Meta(ge=1, le=3600)] | None = None
    external: External | None = None
    tls: Tls | None = None
    auth: Auth | None = None
    milvus: MilvusEngine | None = None
    network_policy: NetworkPolicy | None = None
    upgrade_policy: UpgradePolicy = "Manual"
    limits: Limits = Limits()
    default_deletion_policy: DeletionPolicy | None = None
    deletion_protection: bool = False
    allowed_namespaces: AllowedNamespaces = AllowedNamespaces()

    @property
    def member_limit(self) -> int:
        """How many collections and partitions, counted together, a member may hold."""
        told = self.limits.max_collections_and_partitions
        if self.type == "Milvus":
            return MILVUS_COLLECTIONS_AND_PARTITIONS if told is None else told
        return COLLECTIONS_AND_PARTITIONS if told is None else told

    @property
    def is_ephemeral(self) -> bool:
        """Tell whether vectors are lost with the pods that Quiver makes, being in an emptyDir."""
        return self.external is None and self.storage is None


class EngineStatus(Struct, frozen=True, kw_only=True):
    """The status of a VectorEngine.

    `image` is what the engine's pods are to run, whoever named it. `version` is what the server of
    an engine of type Milvus said last that it is. `highest_replicas` is the
    highest number of replicas that the spec ever asked for. `default_image` is the image that pods
    without storage get if the spec names none. `pending_upgrade` is the id of an upgrade that waits
    for its start. `retained` records the collections that objects of other namespaces retained on
    the engine: it maps SERVER/COLLECTION to NAMESPACE/NUMBER, where NUMBER counts the collection
    and its partitions. `managed_by` is the namespace of the operator that manages the engine,
    `contended_by` that of another that would.
    """

    observed_generation: int | None = None
    conditions: tuple[Condition, ...] = ()
    replicas: int | None = None
    ready_replicas: int | None = None
    selector: str | None = None
    image: str | None = None
    version: str | None = None
    highest_replicas: int | None = None
    default_image: str | None = None
    pending_upgrade: str | None = None
    retained: dict[str, str] = msgspec.field(default_factory=dict)
    managed_by: str | None = None
    contended_by: str | None = None

    def retained_by(self, place: str) -> str | None:
        """Return the namespace that retained the collection `place` (SERVER/COLLECTION)."""
        found = self.retained.get(place)
        return None if found is None else found.partition("/")[0]

    def retained_of(self, namespace: str, *, but: str) -> int:
        """Return how many collections and partitions the namespace has retained on the engine,
        without those of the collection name `but`.
        """
        values = (v for place, v in self.retained.items() if place.partition("/")[2] != but)
        records = (value.partition("/") for value in values)
        return sum(int(size or 1) for owner, _, size in records if owner == namespace)


class VectorEngine(Struct, frozen=True, kw_only=True):
    metadata: ObjectMeta
    spec: EngineSpec
    status: EngineStatus = EngineStatus()

    @property
    def ready_condition(self) -> Condition | None:
        return find_condition(self.status.conditions, "Ready")


class ContainerWaiting(Struct, frozen=True, kw_only=True):
    reason: str = ""
    message: str = ""


class ContainerRunning(Struct, frozen=True, kw_only=True):
    started_at: str = ""


class ContainerTerminated(Struct, frozen=True, kw_only=True):
    reason: str = ""
    exit_code: int = 0


class ContainerState(Struct, frozen=True, kw_only=True):
    waiting: ContainerWaiting | None = None
    running: ContainerRunning | None = None
    terminated: ContainerTerminated | None = None


class ContainerStatus(Struct, frozen=True, kw_only=True):
    name: str
    ready: bool = False
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()

    @property
    def last_end(self) -> ContainerTerminated | None:
        """How the container ended last; None if it never did."""
        return self.state.terminated or self.last_state.terminated


class PodSpec(Struct, frozen=True, kw_only=True):
    node_name: str | None = None


class PodStatus(Struct, frozen=True, kw_only=True):
    pod_ip: str | None = msgspec.field(name="podIP", default=None)
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(Struct, frozen=True, kw_only=True):
    metadata: ObjectMeta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def ready(self) -> bool:
        condition = find_condition(self.status.conditions, "Ready")
        return condition is not None and condition.status == "True" and not self.metadata.deleting

    @property
    def was_ready(self) -> bool:
        """Whether the pod is or was ready. The kubelet first says that it is not, at the moment at
        which it says that it has initialized it; Ready changes later only if the pod gets ready.
        """
        ready = find_condition(self.status.conditions, "Ready")
        begun = find_condition(self.status.conditions, "Initialized")
        if ready is None:
            return False
        if ready.status == "True" or begun is None:
            return True
        return (ready.last_transition_time or "") > (begun.last_transition_time or "")

    @property
    def trouble(self) -> tuple[str, str] | None:
        """What keeps the pod from running: (reason, message) of the scheduler or the kubelet."""
        scheduled = find_condition(self.status.conditions, "PodScheduled")
        if scheduled is not None and scheduled.status == "False":
            return scheduled.reason, scheduled.message
        waiting = [c.state.waiting for c in self.status.container_statuses if c.state.waiting]
        for state in waiting:
            if state.reason not in ("ContainerCreating", "PodInitializing"):
                return state.reason, state.message
        return None

    @property
    def waits_for_volume(self) -> bool:
        """Whether the scheduler waits for the pod's volume claim, and not for a node."""
        words = self.trouble[1].lower() if self.trouble is not None else ""
        return any(sign in words for sign in ("persistentvolumeclaim", "binding volumes"))

    @property
    def is_silent(self) -> bool:
        """Whether the pod was ready, and a container of it that runs no longer answers its
        readiness probe. The kubelet says both: when Ready changed, and when the container started.
        """
        ready = find_condition(self.status.conditions, "Ready")
        if ready is None or ready.status != "False" or self.metadata.deleting:
            return False
        changed, each = ready.last_transition_time or "", self.status.container_statuses
        running = ((c.state.running, c.ready) for c in each)
        return any(r is not None and not ok and r.started_at < changed for r, ok in running)

    @property
    def is_on_a_lost_node(self) -> bool:
        """Whether Kubernetes has taken Ready away from the pod because its node does not report.
        The node's kubelet would have said so of the containers too, and given a reason.
        """
        ready = find_condition(self.status.conditions, "Ready")
        containers = find_condition(self.status.conditions, "ContainersReady")
        if ready is None or containers is None:
            return False
        return (ready.status, containers.status) == ("False", "True") and not ready.reason
