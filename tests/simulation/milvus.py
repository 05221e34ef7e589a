"""A Milvus server of simulations: loads and builds take as long as the seed says."""

from collections.abc import Callable, Collection, Mapping
from random import Random

from quiver.domain.collection_schemas import CollectionSchema, ObservedLoad
from quiver.domain.indexes import Index
from quiver.domain.milvus_fields import FieldIndex
from quiver.domain.milvus_forms import VECTOR_FIELD
from quiver.ports.engines import NO_PROPERTIES
from quiver.ports.errors import EngineUnreachable
from support.fake_milvus import FakeMilvus
from support.milvus_memory import MilvusCollection

TAKES_S = (0.2, 0.2, 3.0, 12.0, 40.0)
"""A load, or the build of an index."""


class ModelMilvus(FakeMilvus):
    """Every second restart forgets what was in memory. `breaks` is how often a call of the port
    that takes several of the protocol ends in between.
    """

    def __init__(self, now: Callable[[], float], rng: Random) -> None:
        """`now` returns seconds since the simulation began."""
        super().__init__()
        self.breaks = 0.1
        self._now = now
        self._rng = rng
        self._ready_at: dict[str, float] = {}
        self._built_at: dict[tuple[str, str], float] = {}
        self._lost_at: dict[str, float] = {}
        self.build_slowly()
        self._searchable_at: dict[str, float] = {}

    def searchable_at(self, name: str) -> float | None:
        """Return when the collection could be searched last; None if it never could."""
        self._note_searchable()
        return self._searchable_at.get(name)

    def has_lost_since(self, name: str, moment: float) -> bool:
        """Tell whether the collection, or an index of it, went away at the moment or later."""
        return self._lost_at.get(name, moment - 1) >= moment

    def found(self, name: str) -> MilvusCollection:
        found = super().found(name)
        is_loading = found.load.state == "Loading"
        if is_loading and self._now() >= self._ready_at[found.schema.name]:
            found.load = ObservedLoad(state="Loaded", replicas=found.copies)
        for field, index in found.indexes.items():
            if index.built is not None and self._now() >= self._built_at[found.schema.name, field]:
                index.built = None
        return found

    def restarted(self, *, is_empty: bool = False, forgets: bool = False) -> None:
        self._note_searchable()
        forgets = forgets or self._rng.random() < 0.5
        if is_empty:
            self._lost_at |= dict.fromkeys(self.collections, self._now())
        super().restarted(is_empty=is_empty, forgets=forgets)

    def set_index(self, name: str, index: Index | None, metric_type: str | None = None) -> None:
        self._note_searchable()
        if self._breaks():
            self.take_index(name)
            raise EngineUnreachable("the connection was reset after the index was dropped")
        super().set_index(name, index, metric_type)
        self._begin_build(name, VECTOR_FIELD)

    def alter_properties(
        self, name: str, changed: Mapping[str, str], deleted: Collection[str]
    ) -> None:
        if deleted and self._breaks():
            super().alter_properties(name, changed, ())
            raise EngineUnreachable("the connection was reset before properties were deleted")
        super().alter_properties(name, changed, deleted)

    def set_field_index(self, name: str, index: FieldIndex, *, anew: bool = False) -> None:
        self._note_searchable()
        if index.field in self.found(name).indexes and self._breaks():
            self._break_off(name, index.field)
        super().set_field_index(name, index, anew=anew)
        self._begin_build(name, index.field)

    def drop_field_index(self, name: str, field: str) -> None:
        self._note_searchable()
        if field in self.found(name).indexes and self._breaks():
            self.release(name)
            raise EngineUnreachable("the connection was reset before the index was dropped")
        super().drop_field_index(name, field)
        self._note_loss(name)

    def _break_off(self, name: str, field: str) -> None:
        """Raises EngineUnreachable, between two of three calls: release, drop, create."""
        if self._rng.random() < 0.5:
            super().drop_field_index(name, field)
            self._note_loss(name)
            raise EngineUnreachable("the connection was reset after the index was dropped")
        self.release(name)
        raise EngineUnreachable("the connection was reset before the index was dropped")

    def take_index(self, name: str, field: str = VECTOR_FIELD) -> None:
        self._note_searchable()
        super().take_index(name, field)
        self._note_loss(name)

    def create(
        self, schema: CollectionSchema, properties: Mapping[str, str] = NO_PROPERTIES
    ) -> None:
        super().create(schema, properties)
        self._searchable_at.pop(schema.name, None)

    def drop(self, name: str) -> None:
        self._note_searchable()
        super().drop(name)
        self._note_loss(name)

    def load(self, name: str, replicas: int) -> None:
        self._note_searchable()
        super().load(name, replicas)

    def release(self, name: str) -> None:
        self._note_searchable()
        super().release(name)

    def _begin_build(self, name: str, field: str) -> None:
        own_name = super().found(name).schema.name
        self._built_at[own_name, field] = self._now() + self._rng.choice(TAKES_S)

    def _note_loss(self, name: str) -> None:
        self._lost_at[name] = self._now()

    def _breaks(self) -> bool:
        return self._rng.random() < self.breaks

    def _note_searchable(self) -> None:
        for name in self.collections:
            if self.found(name).load.state == "Loaded":
                self._searchable_at[name] = self._now()

    def _begin_load(self, found: MilvusCollection) -> None:
        found.load = ObservedLoad(state="Loading", progress=0)
        self._ready_at[found.schema.name] = self._now() + self._rng.choice(TAKES_S)
