"""The indexes of a Milvus in memory: one for each field. For its sources see `fake_milvus`."""

import msgspec

from quiver.domain.collection_schemas import IndexProgress, ObservedFieldIndex, ObservedIndex
from quiver.domain.indexes import Index
from quiver.domain.milvus_fields import FieldIndex
from quiver.domain.milvus_forms import VECTOR_FIELD
from quiver.domain.milvus_indexes import metric_of
from quiver.domain.milvus_versions import MilvusVersion, parse_version
from support.milvus_index_rules import as_it_is_told, check_index
from support.milvus_memory import (
    NOT_IN_MEMORY,
    PLAIN_TYPES,
    BuiltIndex,
    MilvusCollection,
    MilvusMemory,
)

DROPS_WHILE_LOADED = MilvusVersion(2, 6, 2)
"""From here on the index of a field without vectors goes while the collection is in memory."""
_OF_BITS = {plain: name for name, plain in PLAIN_TYPES.items()}


class MilvusIndexing(MilvusMemory):
    """Builds at once, unless it is told otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self._builds_slowly = False
        self._build_failure: str | None = None

    # What a test does behind the port.

    def build_slowly(self) -> None:
        """From now on an index is built when the test says so, by `build_rows`."""
        self._builds_slowly = True

    def build_rows(self, name: str, rows: int) -> None:
        """Index more rows, in every field that is being indexed; the last ones end the build."""
        found = self.found(name)
        assert found.is_building
        for index in found.indexes.values():
            if index.built is not None:
                index.built += rows
                if index.built >= sum(found.rows.values()):
                    index.built = None

    def fail_builds(self, why: str | None) -> None:
        """From now on no index is built, for this reason; with None, those that failed are."""
        self._build_failure = why

    def take_index(self, name: str, field: str = VECTOR_FIELD) -> None:
        """Release the collection, and leave the field without an index."""
        found = self.found(name)
        found.load = NOT_IN_MEMORY
        found.indexes.pop(field, None)

    # What the port asks.

    def describe_index(self, name: str) -> ObservedIndex:
        found = self.found(name)
        index = found.indexes.get(VECTOR_FIELD)
        if index is None:
            return ObservedIndex(index=None, missing=True)
        told = self._observed(found, index)
        return ObservedIndex(index=found.index, progress=told.progress, failure=told.failure)

    def set_index(self, name: str, index: Index | None, metric_type: str | None = None) -> None:
        """As the driver does it: an index that is refused leaves all as it was."""
        found = self.found(name)
        vector = found.form.find(VECTOR_FIELD)
        is_binary = vector is not None and vector.type == "BinaryVector"
        type_, params = ("FLAT", {}) if index is None else (index.type, index.params)
        wanted = FieldIndex(
            field=VECTOR_FIELD,
            type=_OF_BITS.get(type_, type_) if is_binary else type_,
            metric_type=metric_type or found.metric or ("HAMMING" if is_binary else "L2"),
            params=params,
        )
        self._set(found, wanted)

    def describe_indexes(self, name: str) -> dict[str, ObservedFieldIndex]:
        found = self.found(name)
        return {field: self._observed(found, index) for field, index in found.indexes.items()}

    def set_field_index(self, name: str, index: FieldIndex, *, anew: bool = False) -> None:
        """As the driver does it: an index that is refused leaves all as it was."""
        self._set(self.found(name), index, anew=anew)

    def drop_field_index(self, name: str, field: str) -> None:
        found = self.found(name)
        if field in found.indexes:
            self._free(found, field)
            del found.indexes[field]

    @property
    def version(self) -> MilvusVersion | None:
        return parse_version(self.told_version)

    def _set(self, found: MilvusCollection, index: FieldIndex, *, anew: bool = False) -> None:
        metric = metric_of(found.form, index)
        wanted = msgspec.structs.replace(index, metric_type=metric)
        there = found.indexes.get(index.field)
        if there is not None and not anew and self._is_met(found, there, wanted):
            return
        check_index(wanted, found.form, self.version)
        if there is not None:
            self._free(found, index.field)
        built = 0 if self._builds_slowly and any(found.rows.values()) else None
        found.indexes[index.field] = BuiltIndex(as_it_is_told(wanted, self.version), built)

    def _is_met(self, found: MilvusCollection, there: BuiltIndex, wanted: FieldIndex) -> bool:
        if self._observed(found, there).failure is not None:
            return False
        has_metric = wanted.metric_type in (None, there.told.metric_type)
        return has_metric and wanted.is_met_by(there.told)

    def _free(self, found: MilvusCollection, field: str) -> None:
        """Have an index go, and the collection out of memory where the server wants that: for
        vectors, and before 2.6.2 for all.
        """
        about = found.form.find(field)
        if about is None or about.is_vector or not self._drops_while_loaded:
            found.load = NOT_IN_MEMORY

    @property
    def _drops_while_loaded(self) -> bool:
        return self.version is not None and self.version >= DROPS_WHILE_LOADED

    def _observed(self, found: MilvusCollection, index: BuiltIndex) -> ObservedFieldIndex:
        rows = sum(found.rows.values())
        has_failed = self._build_failure is not None and rows > 0
        if index.built is None and not has_failed:
            return ObservedFieldIndex(index=index.told)
        progress = None if has_failed else IndexProgress(built=index.built or 0, total=rows)
        return ObservedFieldIndex(index=index.told, progress=progress, failure=self._build_failure)
