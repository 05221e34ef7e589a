"""Indexes over the protocol of Milvus 2.x. That of a field of vectors has the metric too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from quiver.adapters.grpc.errors import unreadable
from quiver.adapters.milvus.answers import MOST_ENTRIES
from quiver.adapters.milvus.calls import Calls, entries_in, pairs
from quiver.adapters.milvus.errors import PROTOCOL
from quiver.adapters.milvus.names import NAME_LIMIT, Place
from quiver.domain.collection_schemas import IndexProgress, ObservedFieldIndex, ObservedIndex
from quiver.domain.indexes import Index
from quiver.domain.milvus_fields import FieldIndex
from quiver.domain.milvus_forms import VECTOR_FIELD
from quiver.domain.text import one_line
from quiver_proto import milvus2_pb2 as pb

FLAT, BINARY_FLAT = "FLAT", "BIN_FLAT"
BINARY_TYPES = {FLAT: BINARY_FLAT, "IVF_FLAT": "BIN_IVF_FLAT"}
"""The names that Milvus has for the same index of bits."""
_PLAIN_TYPES = {name: plain for plain, name in BINARY_TYPES.items()}
DEFAULT_METRIC, DEFAULT_BINARY_METRIC = "L2", "HAMMING"
"""Servers take no index of vectors without a metric."""
UNFINISHED = (pb.UNISSUED, pb.IN_PROGRESS, pb.RETRY)
WORD = 256
"""Characters of a parameter's name or value, and of a metric: as many as a spec has."""
NO_METRIC = "NONE"
"""What milvus-lite says for the index of a field that holds no vectors."""
PARAMS_TEXT = 2**17
"""Characters of the JSON of parameters."""
_NOT_PARAMETERS = frozenset({"index_type", "metric_type", "params"})


class Found(NamedTuple):
    """The index of a field as a server describes it.

    `entries` are the server's own words, by which it makes the same index again. `params` are those
    among them that a spec calls so.
    """

    field: str
    name: str
    entries: Mapping[str, str]
    params: Mapping[str, int | str]
    progress: IndexProgress | None = None
    failure: str | None = None

    @property
    def type_(self) -> str:
        """Milvus' name of the type."""
        return one_line(self.entries.get("index_type", ""), WORD)

    @property
    def metric_type(self) -> str | None:
        return _metric(self.entries)

    @property
    def observed(self) -> ObservedIndex:
        """The index in the words of the short form: None for brute force, and for a type that no
        spec can name.
        """
        plain = _PLAIN_TYPES.get(self.type_, self.type_)
        index = _index_of(plain, self.params)
        return ObservedIndex(index=index, progress=self.progress, failure=self.failure)

    @property
    def of_field(self) -> ObservedFieldIndex:
        """The index in Milvus' words."""
        index = FieldIndex(
            field=self.field,
            type=self.type_,
            metric_type=self.metric_type,
            params=dict(self.params),
        )
        return ObservedFieldIndex(index=index, progress=self.progress, failure=self.failure)

    def is_met(self, type_: str, index: Index | None, metric_type: str | None) -> bool:
        """Tell whether nothing is to be done for an index of this type, Milvus' name of it."""
        if self.failure is not None or self.type_ != type_:
            return False
        if metric_type is not None and metric_type != self.metric_type:
            return False
        return index is None or index.is_met_by(self.observed.index)

    def meets(self, index: FieldIndex) -> bool:
        """Tell whether nothing is to be done for the index."""
        has_metric = index.metric_type in (None, self.metric_type)
        return self.failure is None and has_metric and index.is_met_by(self.of_field.index)


async def find_index(calls: Calls, place: Place) -> Found | None:
    """Return the index of the field `vector`; None while there is none. Raises: EngineError."""
    described = (d for d in await calls.indexes(place) if d.field_name == VECTOR_FIELD)
    first = next(described, None)
    return None if first is None else _found(first)


async def find_indexes(calls: Calls, place: Place) -> dict[str, tuple[Found, ...]]:
    """Return the indexes by field, in the order of their names. A field has one, unless it holds
    JSON: that has one for a path. Raises: EngineError.
    """
    by_field: dict[str, tuple[Found, ...]] = {}
    for found in sorted(map(_found, await calls.indexes(place)), key=lambda one: one.name):
        by_field[found.field] = (*by_field.get(found.field, ()), found)
    return by_field


async def find_metrics(calls: Calls, place: Place) -> dict[str, str | None]:
    """Return what the index of each field measures that has one. Raises: EngineError."""
    described = await calls.indexes(place)
    return {d.field_name: _metric(entries_in(d.params, "its index")) for d in described}


def create_index_request(
    place: Place, index: Index | None, metric_type: str | None, *, is_binary: bool
) -> pb.CreateIndexRequest:
    """Return the request for an index of the short form; for brute force, if it is None."""
    default = DEFAULT_BINARY_METRIC if is_binary else DEFAULT_METRIC
    params = {} if index is None else index.params
    extra = index_entries(server_type(index, is_binary=is_binary), metric_type or default, params)
    return _create_request(place, VECTOR_FIELD, extra)


def field_index_request(place: Place, index: FieldIndex, name: str) -> pb.CreateIndexRequest:
    """Return the request for the index of a field. Without a name, the server gives it one."""
    extra = index_entries(index.type, index.metric_type, index.params)
    return _create_request(place, index.field, extra, name)


def index_entries(
    type_: str, metric_type: str | None, params: Mapping[str, int | str]
) -> dict[str, str]:
    """Return an index in the words of a request."""
    metric = {} if metric_type is None else {"metric_type": metric_type}
    return {"index_type": type_, **metric, "params": msgspec.json.encode(params).decode()}


def same_index_request(place: Place, found: Found, name: str = "") -> pb.CreateIndexRequest:
    """Return the request for the index that was there before."""
    return _create_request(place, found.field, found.entries, name)


def server_type(index: Index | None, *, is_binary: bool) -> str:
    """Return Milvus' name for the type of the index, or for brute force."""
    type_ = FLAT if index is None else index.type
    return BINARY_TYPES.get(type_, type_) if is_binary else type_


def _create_request(
    place: Place, field: str, extra: Mapping[str, str], name: str = ""
) -> pb.CreateIndexRequest:
    return pb.CreateIndexRequest(
        db_name=place.db_name,
        collection_name=place.collection,
        field_name=field,
        index_name=name,
        extra_params=pairs(extra),
    )


def drop_index_request(place: Place, found: Found) -> pb.DropIndexRequest:
    """Return the request with the index's name: servers go by that, and not by the field."""
    return pb.DropIndexRequest(
        db_name=place.db_name,
        collection_name=place.collection,
        field_name=found.field,
        index_name=found.name,
    )


def _found(description: pb.IndexDescription) -> Found:
    entries = entries_in(description.params, "its index")
    return Found(
        field=one_line(description.field_name, NAME_LIMIT),
        name=description.index_name,
        entries=entries,
        params=_params_in(entries),
        progress=_progress(description),
        failure=_failure(description),
    )


def _metric(entries: Mapping[str, str]) -> str | None:
    told = one_line(entries.get("metric_type", ""), WORD)
    return None if told in ("", NO_METRIC) else told


def _index_of(type_: str, params: Mapping[str, int | str]) -> Index | None:
    try:
        return msgspec.convert({"type": type_, "params": dict(params)}, Index)
    except msgspec.ValidationError:
        return None


def _params_in(entries: Mapping[str, str]) -> dict[str, int | str]:
    """Return the parameters: those in the JSON of `params`, and those beside it.

    Raises: EngineRefused for JSON that Milvus never sends. If it counted as no parameters, each
    reconcile could build the index again.
    """
    text = entries.get("params") or "{}"
    if len(text) > PARAMS_TEXT:
        raise unreadable("its index", PROTOCOL)
    try:
        inner = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise unreadable("its index", PROTOCOL) from error
    beside = {key: value for key, value in entries.items() if key not in _NOT_PARAMETERS}
    params = {_word(key): _plain(value) for key, value in {**beside, **inner}.items()}
    if len(params) > MOST_ENTRIES:
        raise unreadable("its index", PROTOCOL)
    return params


def _plain(value: Any) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return value
    try:
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    except (RecursionError, UnicodeError) as error:
        raise unreadable("its index", PROTOCOL) from error
    return _word(text)


def _word(text: str) -> str:
    """Return the text as it is, spaces too, if it shows on one line: it is compared."""
    return text if len(text) <= WORD and text.isprintable() else one_line(text, WORD)


def _progress(description: pb.IndexDescription) -> IndexProgress | None:
    if description.state not in UNFINISHED:
        return None
    total = max(description.total_rows, 0)
    return IndexProgress(built=min(max(description.indexed_rows, 0), total), total=total)


def _failure(description: pb.IndexDescription) -> str | None:
    if description.state != pb.FAILED:
        return None
    return one_line(description.index_state_fail_reason) or "no reason given"
