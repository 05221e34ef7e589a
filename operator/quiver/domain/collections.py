"""VectorCollection, and a collection as an engine describes it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from quiver.domain.capabilities import CAPABILITIES
from quiver.domain.collection_names import CollectionName, default_collection_name, qualified_name
from quiver.domain.collection_schemas import CollectionSchema, LoadState
from quiver.domain.deletion import DeletionPolicy
from quiver.domain.engines import EngineType
from quiver.domain.indexes import EntryName, Index
from quiver.domain.kubernetes_types import GROUP, Condition, Key, ObjectMeta, Struct
from quiver.domain.milvus_fields import FieldIndex, Form
from quiver.domain.milvus_forms import short_form
from quiver.domain.milvus_held import HeldField
from quiver.domain.milvus_schemas import MilvusSchema

MetricType = Literal[
    "L2", "IP", "COSINE", "HAMMING", "JACCARD", "TANIMOTO", "SUBSTRUCTURE", "SUPERSTRUCTURE"
]
ConsistencyLevel = Literal["Strong", "Session", "Bounded", "Eventually"]
AdoptionPolicy = Literal["Never", "IfIdentical"]
Origin = Literal["Created", "Adopted"]
Partition = Annotated[str, Meta(min_length=1, max_length=255)]
PropertyText = Annotated[str, Meta(max_length=1024)]
Properties = Annotated[dict[EntryName, PropertyText], Meta(max_length=32)]
OWN_PROPERTIES = f"{GROUP}/"
"""How the names of properties begin that only Quiver sets."""
OWNER_PROPERTY = f"{OWN_PROPERTIES}owner"
"""The mark of a collection's owner: the uid of its VectorCollection."""
SET_PROPERTIES = f"{OWN_PROPERTIES}properties"
"""Names the properties that Quiver has set for that owner, as a list in JSON."""
SAID_ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "collection.replica.number": "load.replicas",
        "consistency_level": "consistencyLevel",
        "dynamicfield.enabled": "schema.dynamicFields",
    }
)
"""Properties that change what other fields of spec.milvus say, with these."""

PARTITION_BYTES = 2**18
"""How many bytes of UTF-8 the tags in a spec have together. An object holds them three times (spec,
status, and the managed fields of the spec), and Kubernetes stores at most 1.5 MiB.
"""


class EngineRef(Struct, frozen=True, kw_only=True):
    name: str
    namespace: str | None = None


class BindingSpec(Struct, frozen=True, kw_only=True):
    secret_name: str


class LoadSpec(Struct, frozen=True, kw_only=True):
    """Whether a collection on Milvus is in memory, and how often. Only then it can be searched."""

    enabled: bool = True
    replicas: Annotated[int, Meta(ge=1, le=64)] = 1


class MilvusSpec(Struct, frozen=True, kw_only=True):
    """What only Milvus 2.x and later can do. Absent fields are the server's to choose.

    Quiver owns the listed `properties`, and no others. `schema` is the long form, in place of
    dimension, metricType and index.
    """

    schema: MilvusSchema | None = None
    database: CollectionName | None = None
    load: LoadSpec = LoadSpec()
    shards: Annotated[int, Meta(ge=1, le=16)] | None = None
    consistency_level: ConsistencyLevel | None = None
    properties: Properties = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(name.startswith(OWN_PROPERTIES) for name in self.properties):
            raise ValueError(f"properties that begin with {OWN_PROPERTIES} are Quiver's own")
        for name in self.properties.keys() & SAID_ELSEWHERE.keys():
            raise ValueError(f"{name} is not set as a property: {SAID_ELSEWHERE[name]} says it")


class CollectionSpec(Struct, frozen=True, kw_only=True):
    """The spec, checked against the CRD's rules again: a looser CRD may be installed.

    What index_file_size and metric_type are in the end, `VectorCollection.schema` says.
    """

    engine_ref: EngineRef
    dimension: Annotated[int, Meta(ge=1, le=32768)] | None = None
    collection_name: CollectionName | None = None
    index_file_size: Annotated[int, Meta(ge=1, le=131072)] | None = None
    metric_type: MetricType | None = None
    partitions: tuple[Partition, ...] = ()
    index: Index | None = None
    adoption_policy: AdoptionPolicy = "Never"
    deletion_policy: DeletionPolicy | None = None
    deletion_protection: bool = False
    binding: BindingSpec | None = None
    milvus: MilvusSpec | None = None
    suspend: bool = False

    def __post_init__(self) -> None:
        short = (self.dimension, self.metric_type, self.index)
        if self.form is None:
            if self.dimension is None:
                raise ValueError("dimension or milvus.schema is required")
            return
        if any(part is not None for part in short):
            raise ValueError("dimension, metricType and index have no place beside milvus.schema")
        if self.partitions and any(field.partition_key for field in self.form.fields):
            raise ValueError("partitions and a partitionKey exclude each other")

    @property
    def form(self) -> MilvusSchema | None:
        """The long form, if the spec has it."""
        return None if self.milvus is None else self.milvus.schema


class Claim(Struct, frozen=True, kw_only=True):
    """The durable record, written before anything is created, that a collection is an object's.

    It holds for the object with the uid `object_uid`, on the server that `server` identifies.
    `server` is None in claims of the previous release, which did not distinguish servers.
    """

    object_uid: str = msgspec.field(name="objectUID")
    engine_uid: str = msgspec.field(name="engineUID")
    member: str
    collection_name: str
    origin: Origin = "Created"
    server: str | None = None


class Placement(Struct, frozen=True, kw_only=True):
    endpoint: str
    pod: str | None = None


class Binding(Struct, frozen=True, kw_only=True):
    """Names the Secret, in the field where the Service Binding convention looks for it."""

    name: str


class MilvusStatus(Struct, frozen=True, kw_only=True):
    """What is only of engines of type Milvus. `properties` are the names of those that Quiver has
    set, `indexes` those of a long form that it last had the engine take. `fields`, `functions` and
    `dynamic_fields` are what the server has of a long form (`Held`).
    """

    load: LoadState | None = None
    indexes: tuple[FieldIndex, ...] = ()
    properties: tuple[str, ...] = ()
    fields: tuple[HeldField, ...] = ()
    functions: tuple[str, ...] = ()
    dynamic_fields: bool = False


class CollectionStatus(Struct, frozen=True, kw_only=True):
    observed_generation: int | None = None
    conditions: tuple[Condition, ...] = ()
    collection_name: str | None = None
    origin: Origin | None = None
    claim: Claim | None = None
    placement: Placement | None = None
    partitions: tuple[str, ...] = ()
    retained_partitions: tuple[str, ...] | None = None
    index_file_size: int | None = None
    metric_type: str | None = None
    index: Index | None = None
    milvus: MilvusStatus | None = None
    binding: Binding | None = None
    managed_by: str | None = None

    @property
    def partitions_there(self) -> frozenset[str]:
        """The partitions that count as the object's: those it manages and those it retained."""
        return frozenset(self.partitions) | frozenset(self.retained_partitions or ())


class VectorCollection(Struct, frozen=True, kw_only=True):
    metadata: ObjectMeta
    spec: CollectionSpec
    status: CollectionStatus = CollectionStatus()

    @property
    def collection_name(self) -> str:
        """The collection's name in the ports."""
        name = self.spec.collection_name or default_collection_name(self.metadata.name)
        return qualified_name(self.milvus.database, name)

    @property
    def milvus(self) -> MilvusSpec:
        """What the object asks of an engine of type Milvus."""
        return self.spec.milvus or MilvusSpec()

    @property
    def engine_key(self) -> Key:
        reference = self.spec.engine_ref
        return Key(reference.namespace or self.metadata.namespace, reference.name)

    def schema(self, engine_type: EngineType) -> "CollectionSchema":
        """Return what an engine of this type is asked for: the type decides what absent means."""
        spec, defaults = self.spec, CAPABILITIES[engine_type].schema_defaults
        size, metric = spec.index_file_size, spec.metric_type
        is_long = spec.form is not None
        return CollectionSchema(
            name=self.collection_name,
            dimension=spec.dimension or 0,
            index_file_size=defaults.index_file_size if size is None else size,
            metric_type=defaults.metric_type if metric is None and not is_long else metric,
            shards=self.milvus.shards,
            consistency_level=self.milvus.consistency_level,
            form=self._form(engine_type),
        )

    def _form(self, engine_type: EngineType) -> Form | None:
        spec = self.spec
        if spec.form is not None:
            return spec.form.form
        if spec.dimension is None or not CAPABILITIES[engine_type].loads:
            return None
        return short_form(spec.dimension, spec.metric_type)
