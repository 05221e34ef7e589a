"""The indexes of fields: what is there, set and dropped, over the protocol of Milvus 2.x.

A field has one index, unless it holds JSON: that may have one for each path in it, by whomever.
There Quiver's has a name of its own, by which it is told from those of others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quiver.adapters.milvus.calls import Calls
from quiver.adapters.milvus.errors import INDEX_DUPLICATE
from quiver.adapters.milvus.fields import is_vector
from quiver.adapters.milvus.index_setting import IndexSetting
from quiver.adapters.milvus.indexes import (
    Found,
    field_index_request,
    find_indexes,
    same_index_request,
)
from quiver.adapters.milvus.names import NAME_LIMIT, Place
from quiver.adapters.milvus.schemas import field_in
from quiver.adapters.milvus.versions import is_sure_to
from quiver.domain.collection_schemas import ObservedFieldIndex
from quiver.domain.milvus_fields import FieldIndex
from quiver.domain.milvus_versions import Feature
from quiver.ports.errors import EngineRefused
from quiver_proto import milvus2_pb2 as pb

PATH = "json_path"
"""The parameter that tells indexes of one field from each other."""


class FieldIndexes:
    """The indexes of one client's collections, by field."""

    def __init__(self, calls: Calls, setting: IndexSetting) -> None:
        self._calls = calls
        self._setting = setting

    async def describe(self, place: Place) -> Mapping[str, ObservedFieldIndex]:
        """Return the index of each field that has one: Quiver's own, or the first by name."""
        found = await find_indexes(self._calls, place)
        return {field: _told(there).of_field for field, there in found.items()}

    async def set(self, place: Place, index: FieldIndex, *, anew: bool) -> None:
        """Set the index, or replace the one that is in its place. Raises: EngineError.

        A refused index leaves that one in place, and the collection loaded as it was.
        """
        field = field_in(await self._calls.found(place), index.field)
        there = (await find_indexes(self._calls, place)).get(index.field, ())
        before = _in_the_place_of(index, there)
        holds_json = field is not None and field.data_type == pb.JSON
        name = own_name(index.field) if holds_json else ""
        request = field_index_request(place, index, name)
        if before is None:
            await self._setting.create(request)
            return
        if before.meets(index) and not anew:
            return
        holds_vectors = field is not None and is_vector(field)
        await self._setting.replace(
            place,
            before,
            request,
            restored=same_index_request(place, before, before.name),
            while_loaded=not holds_vectors and await self._drops_while_loaded(),
        )

    async def drop(self, place: Place, field: str) -> None:
        """Drop the index of a field that holds no vectors. Raises: EngineError.

        Of several, only Quiver's own is dropped.
        """
        there = (await find_indexes(self._calls, place)).get(field, ())
        if not there:
            return
        doomed = _own(there)
        if doomed is None and len(there) > 1:
            names = ", ".join(found.name for found in there)
            reason = (
                f"the field {field!r} has several indexes ({names}), and Quiver has made none of"
                " them: drop by hand the one that is not wanted"
            )
            raise EngineRefused(INDEX_DUPLICATE, reason)
        while_loaded = await self._drops_while_loaded()
        await self._setting.drop(place, doomed or there[0], while_loaded=while_loaded)

    async def _drops_while_loaded(self) -> bool:
        return await is_sure_to(self._calls, Feature.DROP_LOADED_INDEX)


def own_name(field: str) -> str:
    """Return the name of Quiver's index of a field that holds JSON."""
    return f"quiver_{field}"[:NAME_LIMIT]


def _own(there: Sequence[Found]) -> Found | None:
    return next((found for found in there if found.name == own_name(found.field)), None)


def _told(there: Sequence[Found]) -> Found:
    return _own(there) or there[0]


def _in_the_place_of(index: FieldIndex, there: Sequence[Found]) -> Found | None:
    """Return the index that a new one replaces: Quiver's own, or another of the same path."""
    own, path = _own(there), index.params.get(PATH)
    return own or next((found for found in there if found.params.get(PATH) == path), None)
