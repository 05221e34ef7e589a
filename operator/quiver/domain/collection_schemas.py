"""A collection as an engine is asked for it, and as it describes it."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from quiver.domain.indexes import Index
from quiver.domain.kubernetes_types import Struct
from quiver.domain.milvus_fields import FieldIndex, Form
from quiver.domain.milvus_forms import differences

LoadState = Literal["NotLoaded", "Loading", "Loaded"]


class CollectionSchema(Struct, frozen=True, kw_only=True):
    """What is fixed when a collection is created. index_file_size is in MB (2^20 bytes).

    `name` is the collection's name in the ports: on Milvus, that of a collection of another
    database than `default` is DATABASE/NAME. None stands for what is not asked for, or for what the
    engine does not tell: on Milvus the metric belongs to the index, and a segment's size to the
    engine. `form` is for engines whose collections have fields; without one, they make the short
    form of `dimension`, which is 0 for any other form.
    """

    name: str
    dimension: int = 0
    index_file_size: int | None = None
    metric_type: str | None = None
    shards: int | None = None
    consistency_level: str | None = None
    form: Form | None = None

    def differences(self, found: "CollectionSchema") -> Iterator[str]:
        """Yield a phrase for each field in which `found` differs from this schema."""
        if self.form is not None and found.form is not None:
            yield from differences(self.form, found.form)
        for field, label in _COMPARED.items():
            wanted, actual = getattr(self, field), getattr(found, field)
            if field == "dimension" and self.form is not None:
                continue  # it is a vector field's
            if wanted != actual and None not in (wanted, actual):
                yield f"{label} is {actual}, not {wanted}"


_COMPARED = {
    "name": "collectionName",
    "dimension": "dimension",
    "index_file_size": "indexFileSize",
    "metric_type": "metricType",
    "shards": "milvus.shards",
    "consistency_level": "milvus.consistencyLevel",
}


class IndexProgress(Struct, frozen=True, kw_only=True):
    """How many segments have their index, of the `total` that get one."""

    built: int
    total: int


class ObservedIndex(Struct, frozen=True, kw_only=True):
    """A collection's index as an engine describes it.

    `progress` is there while the engine builds or is to build. `failure` is one short line: why the
    last build failed, for want of room if `disk_full`. Without `progress` the engine does not try
    again until it is asked to. `missing`: the engine cannot search the collection until it gets an
    index. Otherwise None stands for brute force, or for an index that no spec can name.
    """

    index: Index | None
    missing: bool = False
    progress: IndexProgress | None = None
    failure: str | None = None
    disk_full: bool = False


class ObservedFieldIndex(Struct, frozen=True, kw_only=True):
    """The index of one field as Milvus describes it, in its own words; see `ObservedIndex`."""

    index: FieldIndex
    progress: IndexProgress | None = None
    failure: str | None = None
    disk_full: bool = False


class ObservedCollection(Struct, frozen=True, kw_only=True):
    """A collection as an engine describes it; partitions without `_default`.

    `other_fields` names fields and functions of kinds that no spec can say.
    """

    schema: CollectionSchema
    partitions: frozenset[str] = frozenset()
    aliases: frozenset[str] = frozenset()
    properties: dict[str, str] = msgspec.field(default_factory=dict)
    other_fields: tuple[str, ...] = ()


class ObservedLoad(Struct, frozen=True, kw_only=True):
    """Whether a collection is in memory. `progress` is in percent, while it is being loaded.

    `replicas` is None if the engine does not tell.
    """

    state: LoadState
    progress: int | None = None
    replicas: int | None = None
